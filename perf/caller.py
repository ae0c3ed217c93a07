"""A process that times the calls of one library: `python -m perf.caller NAME THREADS`, for the study `calls`.

A job names an op and a form, "new" for a call that makes its result and "out" for one that writes where it is told. Answers
are those of perf.worker.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import worker
from .peers import serve

Calls = dict[tuple[str, str], Callable[[], Any]]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def numbafc_calls(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray, kernel: str = "auto") -> Calls:
    import numbafc as fc

    Y, dW, db, dX = (np.empty_like(A) for A in (dY, W, b, X))
    return {
        ("forward", "new"): lambda: fc.forward(W, X, b),
        ("forward", "out"): lambda: fc.forward(W, X, b, out=Y),
        ("grad_w", "new"): lambda: fc.grad_w(dY, X),
        ("grad_w", "out"): lambda: fc.grad_w(dY, X, out=dW),
        ("grad_b", "new"): lambda: fc.grad_b(dY),
        ("grad_b", "out"): lambda: fc.grad_b(dY, out=db),
        ("grad_x", "new"): lambda: fc.grad_x(dY, W),
        ("grad_x", "out"): lambda: fc.grad_x(dY, W, out=dX),
        ("backward", "new"): lambda: fc.backward(dY, X, W),
    }


def numpy_calls(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray, kernel: str | None = None) -> Calls:
    """NumPy's products, without a bias. backward: one product.

    kernel="ones": grad_b as one of them, else it is NumPy's sum.
    """
    Y, dW, db, dX = (np.empty_like(A) for A in (dY, W, b, X))
    ones, column = np.ones((dY.shape[1], 1), dY.dtype), db[:, np.newaxis]
    calls: Calls = {
        ("forward", "new"): lambda: np.matmul(W, X),
        ("forward", "out"): lambda: np.matmul(W, X, out=Y),
        ("grad_w", "new"): lambda: np.matmul(dY, X.T),
        ("grad_w", "out"): lambda: np.matmul(dY, X.T, out=dW),
        ("grad_b", "new"): lambda: np.sum(dY, axis=1),
        ("grad_b", "out"): lambda: np.sum(dY, axis=1, out=db),
        ("grad_x", "new"): lambda: np.matmul(W.T, dY),
        ("grad_x", "out"): lambda: np.matmul(W.T, dY, out=dX),
        ("backward", "new"): lambda: np.matmul(W, X),
    }
    if kernel == "ones":
        calls["grad_b", "new"], calls["grad_b", "out"] = (
            lambda: np.matmul(dY, ones),
            lambda: np.matmul(dY, ones, out=column),
        )
    return calls


SIDES: dict[str, Callable[..., Calls]] = {"numbafc": numbafc_calls, "numpy": numpy_calls}


def largest_error(op: str, result: Any, W: np.ndarray, X: np.ndarray, b: np.ndarray | None, dY: np.ndarray) -> float:
    """The largest error of a result, in units of the bound that holds for any order of summation; above 1 it is wrong.

    b: None for none.
    """
    if op == "backward":
        parts = zip(("grad_w", "grad_b", "grad_x"), result, strict=True)
        return max(largest_error(name, part, W, X, b, dY) for name, part in parts)
    if op == "grad_b":  # the gradient of weights whose only input is 1
        op, result, X = "grad_w", np.reshape(result, (-1, 1)), np.ones((1, dY.shape[1]), dY.dtype)
    none = np.zeros(W.shape[0], W.dtype)
    return worker.errors(op, result, W, X, none if b is None else b, dY)["error_over_bound"]


class Caller(worker.Worker):
    """What answers jobs."""

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        key, kernel = (job["T"], job["N"], job["B"], job["dtype"]), job.get("kernel")
        if key != self.key:
            self.key, self.arrays, self.calls = key, worker.data(*key), {}
        if kernel not in self.calls:
            make = SIDES[name] if kernel is None else functools.partial(SIDES[name], kernel=kernel)
            self.calls[kernel] = make(*self.arrays)  # type: ignore[assignment]
        call = self.calls[kernel][job["op"], job["form"]]  # type: ignore[index]
        if not job["check"]:
            return self.time(call, job)
        (W, X, b, dY), mine = self.arrays, name == "numbafc"
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        op = "forward" if job["op"] == "backward" and not mine else job["op"]
        return {"first_seconds": seconds, "error_over_bound": largest_error(op, result, W, X, b if mine else None, dY)}


if __name__ == "__main__":
    serve(Caller())

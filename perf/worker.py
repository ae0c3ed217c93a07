"""A process that times one peer's products: `python -m perf.worker NAME THREADS`, its environment set by perf.peers.

It reads one JSON object a line (op, T, N, B, dtype, kernel, form) and answers with one. form: "new", or none, for a product
that makes its result, "out" for one that writes where it is told. With check: the seconds of the first
call, which may have compiled, how far its result is from float64, in units of the bound and as it is, and a hash of its
bits. Without: samples, the seconds of a call, each the mean of `calls` calls, after `warm` calls.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from numbafc.testing import error_bound

from . import c
from .peers import serve

Products = dict[str, Callable[[], Any]]  # by op; f"{op}, out=" where the result is told


def data(T: int, N: int, B: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W, X, b, dY: the same numbers in every process."""
    rng = np.random.default_rng([T, N, B])
    W, X, b, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((T, N), (N, B), T, (T, B)))
    return W, X, b, dY


def numbafc_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray, kernel: str = "auto") -> Products:
    import numbafc as fc

    if kernel == "auto":  # as users call it
        Y, dW, dX = (np.empty_like(A) for A in (dY, W, X))
        calls: Products = {
            "forward": lambda: fc.forward(W, X, b),
            "grad_w": lambda: fc.grad_w(dY, X),
            "grad_x": lambda: fc.grad_x(dY, W),
            "forward, out=": lambda: fc.forward(W, X, b, out=Y),
            "grad_w, out=": lambda: fc.grad_w(dY, X, out=dW),
            "grad_x, out=": lambda: fc.grad_x(dY, W, out=dX),
        }
        return calls
    return {
        "forward": lambda: fc.forward(W, X, b, kernel=kernel),
        "grad_w": lambda: fc.grad_w(dY, X, kernel=kernel),
        "grad_x": lambda: fc.grad_x(dY, W, kernel=kernel),
    }


def numpy_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    column = b[:, np.newaxis]
    Y, dW, dX = (np.empty_like(A) for A in (dY, W, X))
    return {
        "forward": lambda: W @ X + column,
        "grad_w": lambda: dY @ X.T,
        "grad_x": lambda: W.T @ dY,
        "forward, out=": lambda: np.add(np.matmul(W, X, out=Y), column, out=Y),
        "grad_w, out=": lambda: np.matmul(dY, X.T, out=dW),
        "grad_x, out=": lambda: np.matmul(W.T, dY, out=dX),
    }


def torch_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    import torch

    weights, inputs, bias, gradient = (torch.from_numpy(A) for A in (W, X, b, dY))
    column = bias[:, None]
    Y, dW, dX = (torch.empty_like(A) for A in (gradient, weights, inputs))
    return {
        "forward, out=": lambda: torch.addmm(column, weights, inputs, out=Y),
        "grad_w, out=": lambda: torch.mm(gradient, inputs.T, out=dW),
        "grad_x, out=": lambda: torch.mm(weights.T, gradient, out=dX),
        "forward": lambda: torch.addmm(column, weights, inputs),
        "grad_w": lambda: gradient @ inputs.T,
        "grad_x": lambda: weights.T @ gradient,
    }


def jax_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    import jax

    if W.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    weights, inputs, bias, gradient = (jax.device_put(A) for A in (W, X, b, dY))
    forward = jax.jit(lambda W, X, b: W @ X + b[:, None])
    grad_w, grad_x = jax.jit(lambda dY, X: dY @ X.T), jax.jit(lambda dY, W: W.T @ dY)
    return {
        "forward": lambda: forward(weights, inputs, bias).block_until_ready(),
        "grad_w": lambda: grad_w(gradient, inputs).block_until_ready(),
        "grad_x": lambda: grad_x(gradient, weights).block_until_ready(),
    }


def c_products(name: str, *arrays: np.ndarray) -> Products:
    return {f"{op}, out=": call for op, call in c.products(name, *arrays).items()}


PEERS: dict[str, Callable[..., Products]] = {
    "numbafc": numbafc_products,
    "numpy": numpy_products,
    "torch": torch_products,
    "jax": jax_products,
    "libxsmm": functools.partial(c_products, "libxsmm"),
    "onednn": functools.partial(c_products, "onednn"),
}


def errors(op: str, result: Any, W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> dict[str, float]:
    """The largest error of a result in units of the bound that holds for any order of summation; above 1 it is wrong.

    And the largest error as it is.
    """
    A, Z, bias = {"forward": (W, X, b), "grad_w": (dY, X.T, None), "grad_x": (W.T, dY, None)}[op]
    exact = A.astype(np.float64) @ Z.astype(np.float64)
    if bias is not None:
        exact += bias[:, np.newaxis]
    bound = error_bound(A, Z, bias)
    if A.dtype == np.float64:
        bound = 2 * bound  # what it is compared with is no better
    error, tiny = np.abs(np.asarray(result, np.float64) - exact), np.finfo(np.float64).tiny
    return {
        "error_over_bound": float((error / np.maximum(bound, tiny)).max(initial=0)),
        "largest_error": float(error.max(initial=0)),
    }


class Worker:
    """What answers jobs; the arrays of the job before are kept."""

    def __init__(self) -> None:
        self.key: Any = None
        self.calls: dict[str | None, Products] = {}  # by kernel

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        key, kernel = (job["T"], job["N"], job["B"], job["dtype"]), job.get("kernel")
        if key != self.key:
            self.key, self.arrays, self.calls = key, data(*key), {}
        if kernel not in self.calls:
            make = PEERS[name] if kernel is None else functools.partial(PEERS[name], kernel=kernel)
            self.calls[kernel] = make(*self.arrays)
        call = self.calls[kernel][job["op"] + (", out=" if job.get("form") == "out" else "")]
        return self.check(job["op"], call) if job["check"] else self.time(call, job)

    def check(self, op: str, call: Callable[[], Any]) -> dict[str, Any]:
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        bits = hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest()[:12]
        return {"first_seconds": seconds, **errors(op, result, *self.arrays), "bits": bits}

    def time(self, call: Callable[[], Any], job: dict[str, Any]) -> dict[str, list[float]]:
        for _ in range(job["warm"]):
            call()
        samples = []
        for _ in range(job["samples"]):
            start = time.perf_counter()
            for _ in range(job["calls"]):
                call()
            samples.append((time.perf_counter() - start) / job["calls"])
        return {"seconds": samples}


if __name__ == "__main__":
    serve(Worker())

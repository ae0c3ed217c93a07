"""A process that times one peer: `python -m perf.worker NAME`, started by perf.layer with its environment set.

It reads one JSON object a line (op, T, N, B, dtype, repeats) and answers with one: the samples in seconds, and how far
its result is from float64, in units of the bound. It checks its result before it times the first call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from numbafc.testing import error_bound

from .peers import serve

Products = dict[str, Callable[[], Any]]


def data(T: int, N: int, B: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W, X, b, dY: the same numbers in every process."""
    rng = np.random.default_rng([T, N, B])
    W, X, b, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((T, N), (N, B), T, (T, B)))
    return W, X, b, dY


def numbafc_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    import numbafc as fc

    return {
        "forward": lambda: fc.forward(W, X, b),
        "grad_w": lambda: fc.grad_w(dY, X),
        "grad_x": lambda: fc.grad_x(dY, W),
    }


def numpy_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    column = b[:, np.newaxis]
    return {"forward": lambda: W @ X + column, "grad_w": lambda: dY @ X.T, "grad_x": lambda: W.T @ dY}


def torch_products(W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> Products:
    import torch

    weights, inputs, bias, gradient = (torch.from_numpy(A) for A in (W, X, b, dY))
    column = bias[:, None]
    return {
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


PEERS = {"numbafc": numbafc_products, "numpy": numpy_products, "torch": torch_products, "jax": jax_products}


def error_over_bound(op: str, result: Any, W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> float:
    """The largest error of a result in units of the bound that holds for any order of summation; above 1 it is wrong."""
    A, Z, bias = {"forward": (W, X, b), "grad_w": (dY, X.T, None), "grad_x": (W.T, dY, None)}[op]
    exact = A.astype(np.float64) @ Z.astype(np.float64)
    if bias is not None:
        exact += bias[:, np.newaxis]
    bound = error_bound(A, Z, bias)
    if A.dtype == np.float64:
        bound = 2 * bound  # what it is compared with is no better
    return float(
        (np.abs(np.asarray(result, np.float64) - exact) / np.maximum(bound, np.finfo(np.float64).tiny)).max(initial=0)
    )


class Worker:
    """Answers jobs; the arrays of the job before are kept."""

    def __init__(self) -> None:
        self.key: Any = None

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        key = (job["T"], job["N"], job["B"], job["dtype"])
        if key != self.key:
            self.key, self.arrays = key, data(*key)
            self.calls = PEERS[name](*self.arrays)
        op, call = job["op"], self.calls[job["op"]]
        answer: dict[str, Any] = {"error_over_bound": error_over_bound(op, call(), *self.arrays)} if job["check"] else {}
        samples = []
        for _ in range(job["repeats"]):
            start = time.perf_counter()
            call()
            samples.append(time.perf_counter() - start)
        return answer | {"seconds": samples}


if __name__ == "__main__":
    serve(Worker())

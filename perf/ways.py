"""The ways to the gradient of the weights that the study `jacobian` compares."""

from __future__ import annotations

import functools
import importlib.util
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

import numbafc as fc
from numbafc import _numba, formulas
from numbafc.testing import error_bound

MOST_SPARSE = 10**7  # non-zeros: 0.1 GB and a second
LOOP_LONG, LOOP_SHORT = "plain loop, full Jacobian", "plain loop, shortcut"


class Way(NamedTuple):
    """A subject: one way to the gradient. call: does it; multiply_adds: how many it takes; held: bytes made before."""

    kernel: str
    call: Callable[[], np.ndarray]
    multiply_adds: int
    held: int = 0
    label: str = "numbafc"
    version: str = fc.__version__


_sum = numba.njit(**_numba.OPTIONS)(formulas.sum_of_products)


@numba.njit(**_numba.OPTIONS)
def plain_loop(P: np.ndarray, Q: np.ndarray, R: np.ndarray) -> np.ndarray:
    """R[p,q] = Σ_k P[p,k]·Q[q,k]: the loop of both ways. Rows are summed, so that both read memory in its order."""
    for p in range(P.shape[0]):
        for q in range(Q.shape[0]):
            R[p, q] = _sum(P[p, :], Q[q, :])
    return R


def ways(dY: np.ndarray, X: np.ndarray) -> list[Way]:
    """All ways that this shape has memory for, and this machine the packages."""
    (T, B), N = dY.shape, X.shape[0]
    DL, few, many = dY.reshape(1, -1), T * N * B, T * T * N * B
    found = [
        Way("shortcut", lambda: fc.grad_w(dY, X), few),
        Way("operator", lambda: (DL @ fc.WeightJacobian(X, T)).reshape(T, N), few),
    ]
    if importlib.util.find_spec("scipy") and few <= MOST_SPARSE:
        found.append(Way("sparse", lambda: (DL @ fc.WeightJacobian(X, T).tosparse()).reshape(T, N), few))
    try:
        transposed = np.ascontiguousarray(fc.jacobian_w(X, T).T)
    except MemoryError:  # where the long way ends
        return found
    dW, row = np.empty((T, N), X.dtype), np.empty((1, T * N), X.dtype)
    found.append(Way("dense", lambda: fc.chain(DL, fc.jacobian_w(X, T)).reshape(T, N), many))
    found.append(Way(LOOP_SHORT, functools.partial(plain_loop, dY, X, dW), few))
    long_way = functools.partial(plain_loop, DL, transposed, row)
    found.append(Way(LOOP_LONG, lambda: long_way().reshape(T, N), many, transposed.nbytes))
    return found


def check(way: Way, dY: np.ndarray, X: np.ndarray) -> dict[str, Any]:
    """Do it once. Returns the error over the bound, and the memory.

    Zeros add nothing to a sum and round nothing: one bound for all ways.
    """
    start = time.perf_counter()
    found = way.call()
    seconds = time.perf_counter() - start
    error = np.abs(found - dY.astype(np.float64) @ X.T.astype(np.float64)) / error_bound(dY, X.T)
    tracemalloc.start()
    way.call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "error_over_bound": float(error.max()), "first_seconds": seconds, "memory_bytes": most + way.held,
        "multiply_adds": way.multiply_adds,
    }  # fmt: skip


def take(way: Way) -> list[float]:
    """The three samples of a round."""
    calls, samples = max(1, min(100, int(2e5 / way.multiply_adds))), []
    way.call()
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(calls):
            way.call()
        samples.append((time.perf_counter() - start) / calls)
    return samples

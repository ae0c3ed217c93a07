"""Gradients of bounded length: of the whole minibatch (R. Pascanu et al., ICML 2013), or of each sample before the mean.

‖∂l/∂θ‖² of one sample is Σ_layers ‖dY[:,s]‖²·(‖X[:,s]‖² + 1): no gradient of a sample is ever formed (I. Goodfellow,
arXiv:1510.01799). Squares are summed in float64, each sum in one order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from .. import checks
from .._numba import array_in, flat, flat_in, inner, kernel, noinline
from ..kernels import border

LANES = 16  # partial sums of the length of a whole gradient: element n belongs to n mod 16


@inner
def add_squares(A, squares):
    """squares[s] += Σ_t A[t,s]², in the order of t; A: (T, B), any strides."""
    noinline()
    for t in range(A.shape[0]):
        for s in range(A.shape[1]):
            a = np.float64(A[t, s])
            squares[s] += a * a


@inner
def factor(square, longest):
    """What makes a vector of length √square no longer than `longest`."""
    return longest / math.sqrt(square) if square > longest * longest else 1.0


@inner
def sum_of_squares(g, lanes):
    """Σ_n g[n]². lanes: room for 16 numbers."""
    noinline()
    whole = len(g) // LANES * LANES
    lanes[:LANES] = 0
    for n in range(0, whole, LANES):
        for lane in range(LANES):
            a = np.float64(g[n + lane])
            lanes[lane] += a * a
    for n in range(whole, len(g)):
        lanes[n - whole] += np.float64(g[n]) * np.float64(g[n])
    total = 0.0
    for lane in range(LANES):
        total += lanes[lane]
    return total


@inner
def shorten(g, longest, lanes):
    """g becomes no longer than `longest`. lanes: room for 16 numbers."""
    noinline()
    total = sum_of_squares(g, lanes)
    by = g.dtype.type(factor(total, longest))
    for n in range(len(g)):
        g[n] *= by


def _check_squares(A, squares):
    columns = A.shape[1] if A.ndim == 2 else 1
    if len(squares) != columns:
        raise ValueError(f"squares has {len(squares)} elements but A has {columns} columns; give one for each")
    border.no_shared_memory({"squares": squares}, {"A": A})


def _check_shorten(g, longest, lanes):
    border.at_least("lanes", lanes, LANES, "one for each partial sum")
    if not longest >= 0:
        raise ValueError(f"longest must be a number, at least 0, got {longest!r}")
    border.no_shared_memory({"g": g, "lanes": lanes}, {})


def _check_sum(g, lanes, total):
    border.at_least("lanes", lanes, LANES, "one for each partial sum")
    border.at_least("total", total, 1, "the sum")
    border.no_shared_memory({"lanes": lanes, "total": total}, {"g": g})


@kernel(lambda real: (array_in(real, 2), flat(types.float64)), parallel=False, check=_check_squares)
def _add_squares(A, squares):
    add_squares(A, squares)


@kernel(lambda real: (flat(real), types.float64, flat(types.float64)), parallel=False, check=_check_shorten)
def _shorten(g, longest, lanes):
    shorten(g, longest, lanes)


@kernel(lambda real: (flat_in(real), flat(types.float64), flat(types.float64)), parallel=False, check=_check_sum)
def _sum_of_squares(g, lanes, total):
    total[0] = sum_of_squares(g, lanes)


def squares(g: np.ndarray) -> float:
    """Σ_n g[n]² of a flat array, summed in float64. Raises TypeError or ValueError."""
    total = np.empty(1)
    _sum_of_squares.unchecked(border.in_order(checks.real_array("g", g)).reshape(-1), np.empty(LANES), total)
    return float(total[0])


def sample_squares(deltas: list[np.ndarray], H: list[np.ndarray]) -> np.ndarray:
    """‖∂l/∂θ‖² of each sample, (B,), from the dY: (T, B) and X: (N, B) of every layer, last layer first.

    Raises TypeError or ValueError.
    """
    deltas, H = ([checks.real_array(name, A) for A in arrays] for name, arrays in (("deltas", deltas), ("H", H)))
    if not deltas or len(deltas) != len(H) or any(A.ndim != 2 or A.shape[1] != deltas[0].shape[1] for A in (*deltas, *H)):
        raise ValueError(
            f"got {len(deltas)} deltas and {len(H)} H; give a dY (T, B) and an X (N, B) for each layer, of one B"
        )
    total = np.zeros(deltas[0].shape[1])
    for dY, X in zip(reversed(deltas), reversed(H), strict=True):
        lengths = np.zeros((2, len(total)))
        _add_squares.unchecked(dY, lengths[0])
        _add_squares.unchecked(X, lengths[1])
        total += lengths[0] * (lengths[1] + 1)
    return total


def with_squares(squares: np.ndarray, A: np.ndarray) -> np.ndarray:
    """squares[s] + Σ_i A[i,s]², one after the other, of A: (N, B)."""
    total = squares.copy()
    _add_squares(A, total)
    return total


def sample_factors(squares: np.ndarray, longest: float) -> np.ndarray:
    """What makes each sample's gradient no longer than `longest`, (B,)."""
    return np.array([factor(square, longest) for square in squares])


def clip(g: np.ndarray, longest: float) -> None:
    """The gradient g becomes no longer than `longest`, a number of at least 0. Raises TypeError or ValueError."""
    numbers = border.in_place("g", g)
    _shorten.unchecked(numbers, checks.number("longest", longest, 0), np.empty(LANES))
    border.put_back(numbers, g)

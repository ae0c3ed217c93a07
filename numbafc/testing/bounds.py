"""How far a computed product may be from the exact one, and how far it is: both without trusting floating point.

Notation: u is the unit roundoff (2⁻²⁴, 2⁻⁵³), η the smallest subnormal, γ_n = n·u/(1 − n·u); see N. Higham, "Accuracy
and Stability of Numerical Algorithms", chapters 2 and 3.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def error_bound(A: np.ndarray, X: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """|computed − exact| ≤ γ_{K+1}·(|A||X| + |b|) + K·(η/2)·(1 + γ_K) for every element of A X + b.

    A: (T, K), X: (K, S), b: (T,) or None, of one dtype, in which the product is computed. It holds for sums in any order,
    with fma or without, as long as nothing overflows. Returns (T, S) in float64.
    For the layer: forward (W, X, b), grad_w (dY, X.T), grad_x (W.T, dY), grad_b (dY, ones of shape (B, 1)).
    """
    K, limits = A.shape[1], np.finfo(A.dtype)
    sizes = np.abs(A).astype(np.float64) @ np.abs(X).astype(np.float64)
    if b is not None:
        sizes += np.abs(b).astype(np.float64)[:, np.newaxis]
    sizes *= 1 + 2 * _gamma(K + 2, np.float64)  # the sizes themselves were rounded, K + 1 times at most
    underflow = K * (float(limits.smallest_subnormal) / 2) * (1 + _gamma(K, A.dtype))
    if A.dtype == np.float64:  # half of η has no float64
        underflow = K * float(limits.smallest_subnormal)
    return _gamma(K + 1, A.dtype) * sizes + underflow


def _gamma(n: int, dtype: np.dtype | type) -> float:
    u = float(np.finfo(dtype).eps) / 2
    if n * u >= 1:
        raise ValueError(f"no bound holds for sums of {n} products in {np.dtype(dtype)}: K must be below {int(1 / u)}")
    return n * u / (1 - n * u)


def exact_product(A: np.ndarray, X: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """A X + b in rational arithmetic: an object array (T, S) of Fractions. All elements must be finite."""
    (A_integers, A_exponent), (X_integers, X_exponent) = _as_integers(A), _as_integers(X)
    unit = Fraction(2) ** (A_exponent + X_exponent)
    product = np.empty((A.shape[0], X.shape[1]), object)
    for t, row in enumerate(A_integers):
        for s, column in enumerate(X_integers.T):
            bias = Fraction(0) if b is None else Fraction(float(b[t]))
            product[t, s] = sum(map(int.__mul__, row, column)) * unit + bias
    return product


def _as_integers(A: np.ndarray) -> tuple[np.ndarray, int]:
    """The integers n (object dtype) and the exponent e with A = n·2^e, exactly."""
    fractions, exponents = np.frexp(A.astype(np.float64))
    integers = np.ldexp(fractions, 53).astype(np.int64).astype(object)
    least = int(exponents[fractions != 0].min(initial=53))
    return integers << np.maximum(exponents - least, 0).astype(object), least - 53


def exact_errors(computed: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|computed − exact| in float64, rounded once. A value that is not finite is infinitely wrong."""
    errors = np.empty(computed.shape, np.float64)
    for index, value in np.ndenumerate(computed):
        errors[index] = abs(Fraction(float(value)) - exact[index]) if np.isfinite(value) else np.inf
    return errors

"""Mish, x·tanh(log(1 + e^x)), and its slope, from one exponential (D. Misra, BMVC 2020).

With u = e^x and w = u² + 2u = (1 + u)² − 1:

    tanh(log(1 + u)) = ((1 + u)² − 1)/((1 + u)² + 1) = τ = w/(w + 2)
    slope = τ + x·σ(x)·(1 − τ²),  σ(x) = u/(1 + u),  1 − τ² = 4·(1 + u)²/(w + 2)²,  so τ + 4·x·u·(1 + u)/(w + 2)²

From 40 on τ is 1 and the rest of the slope nothing, in float64 too; below −1000 all is 0. x stays between these, so that
nothing overflows, and both functions have the same u: a loop that asks for both computes it once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._numba import fma, inner, named
from .series import quotient


def _parts_with(name: str, exp: Callable[[Any], Any]) -> Any:
    """x within its limits, u and w."""

    def parts(x):
        low = x if x > -1000.0 else np.float64(-1000)
        low = low if low < 40.0 else np.float64(40)
        u = exp(low)
        return low, u, fma(u, u, u + u)

    return inner(named(parts, f"{name}_parts"))


def mish_with(name: str, exp: Callable[[Any], Any]) -> Any:
    """x·τ."""
    parts = _parts_with(name, exp)

    def mish(x):
        low, _, w = parts(x)
        y = (x if x > 0.0 else low) * quotient(w, np.float64(2), w)
        return y if x == x else x

    return inner(named(mish, name))


def mish_slope_with(name: str, exp: Callable[[Any], Any]) -> Any:
    """τ + 4·x·u·(1 + u)/(w + 2)²."""
    parts = _parts_with(name, exp)

    def mish_slope(x):
        low, u, w = parts(x)
        inverse = 1.0 / (2.0 + w)
        y = quotient(w, np.float64(2), w) + (4.0 * low * (u * inverse)) * ((1.0 + u) * inverse)
        return y if x == x else x

    return inner(named(mish_slope, name))

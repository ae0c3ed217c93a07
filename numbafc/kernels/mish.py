"""Mish, x·tanh(log(1 + e^x)), and its slope, from one exponential (D. Misra, BMVC 2020).

With u = e^x and w = u² + 2u = (1 + u)² − 1:

    tanh(log(1 + u)) = ((1 + u)² − 1)/((1 + u)² + 1) = τ = w/(w + 2)
    slope = τ + x·σ(x)·(1 − τ²),  σ(x) = u/(1 + u),  1 − τ² = 4·(1 + u)²/(w + 2)²,  so τ + 4·x·u·(1 + u)/(w + 2)²

From 40 on τ is 1 and the rest of the slope nothing, in float64 too. The short ones are for float32, computed in float64:
below −200 all is 0. x stays between such limits, so that nothing overflows, and both functions have the same u: a loop that
asks for both computes it once.
"""

from __future__ import annotations

import numpy as np

from .._numba import fma, inner
from .series import expm1_series, quotient, reduced, scaled, short_exponential

HIGHEST, LOWEST, SHORT_LOWEST = np.float64(40), np.float64(-1000), np.float64(-200)
FAR = np.float64(-40)  # below it τ is u, and x·u is no less exact than a normal number where u is none


@inner
def _within(x, lowest):
    """x between the limits; of NaN the lower one."""
    low = x if x > lowest else lowest
    return low if low < HIGHEST else HIGHEST


@inner
def short_mish(x):
    """x·τ, for float32."""
    low = _within(x, SHORT_LOWEST)
    u = short_exponential(low)
    w = fma(u, u, u + u)
    return (x if not x < 0.0 else low) * (w * (1.0 / (2.0 + w)))


@inner
def short_mish_slope(x):
    """τ + 4·x·u·(1 + u)/(w + 2)², for float32."""
    low = _within(x, SHORT_LOWEST)
    u = short_exponential(low)
    w = fma(u, u, u + u)
    inverse = 1.0 / (2.0 + w)
    y = w * inverse + (4.0 * low * (u * inverse)) * ((1.0 + u) * inverse)
    return y if x == x else x


@inner
def mish(x):
    """x·τ, with what u and w lose in rounding put back: dτ = 2·dw/(w + 2)², dw = 2·(1 + u)·du."""
    low = _within(x, LOWEST)
    n, r = reduced(low)
    part = expm1_series(r)
    e = 1.0 + part
    u, lost = scaled(e, n), scaled((1.0 - e) + part, n)
    w = fma(u, u, u + u)
    lost_w = fma(u, u, (u + u) - w) + 2.0 * (1.0 + u) * lost
    inverse, near = 1.0 / (2.0 + w), x if not x < 0.0 else low
    y = fma(near, quotient(w, np.float64(2), w), 2.0 * low * inverse * (inverse * lost_w))
    return scaled(low * e, n) if x < FAR else y


@inner
def mish_slope(x):
    """τ + 4·x·u·(1 + u)/(w + 2)²."""
    low = _within(x, LOWEST)
    n, r = reduced(low)
    u = scaled(1.0 + expm1_series(r), n)
    w = fma(u, u, u + u)
    inverse = 1.0 / (2.0 + w)
    y = quotient(w, np.float64(2), w) + (4.0 * low * (u * inverse)) * ((1.0 + u) * inverse)
    return y if x == x else x

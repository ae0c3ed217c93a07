"""The normal distribution: its tail, a polynomial through values of erfc times e^(−a²/2), and gelu, which is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._numba import fma, inner, named
from .series import expm1_series, reduced, scaled, short_exponential

# Φ(−a) = e^(−a²/2)·v·M(v), where v = 1/(a + K) and M(v) = (a + K)·e^(a²/2)·erfc(a/√2)/2, which falls from K/2 at a = 0 to
# near 1/√(2π). S_ and M_ are the coefficients of polynomials in v and in v − ⅛ that are equal to M(v) at as many values of
# v as there are coefficients, the Chebyshev points of the interval that belongs to 0 ≤ a ≤ A, from 60 digits and rounded:
# S_ for float32, K = 4.66, A = 13.25 (beyond it results have fewer bits), relative error 2⁻³¹·⁶; M_ for float64, K = 2.75,
# A = 39, relative error 2⁻⁵⁶·⁸. From SHORT_END and LONG_END on, Φ(−a) is rounded to 0, and so is a·e^(−a²/2).
DENSITY = np.float64(1 / math.sqrt(2 * math.pi))  # of the normal distribution at 0
SHORT_K, SHORT_END, LONG_K, LONG_END = np.float64(4.66), np.float64(15), np.float64(2.75), np.float64(39)
# fmt: off
S_ = tuple(np.float64(c) for c in (
    0.3989851268980515, 1.8544138740269716, 8.49028778279925, 28.339511528868364, 257.7417889576197, -1034.7044612569887,
    15232.64617610971, -77717.89715608602, 336883.9737019891, -737744.2401346102, 600908.055961055,
))
M_ = tuple(np.float64(c) for c in (
    0.587905846821543, 2.0188362589227453, 4.793870324002383, 5.429629708794043, -7.676619422353869, -32.64259136858498,
    15.975267967785083, 201.51224559613934, -106.42441521363033, -1456.5177288167474, 1750.0693955158638,
    10989.370119710371, -28690.834342612703, -66663.94276985811, 400423.4958259598, -24224.613410813392, -4384673.044063037,
    10127657.527404882, 26181976.291665297, -188524653.72764805, 253439279.7694985, 1223420306.9604986, -6729052504.436772,
    15210698620.721905, -17802943033.486412, 8863054107.800863,
))
# fmt: on
M0_LOW = np.float64(-2.7795598207263463e-17)  # what M_[0] lost in rounding


@inner
def _three_more(p, v, a, b, c):
    """p·v³ + a·v² + b·v + c."""
    return fma(fma(fma(p, v, a), v, b), v, c)


@inner
def _short_bell(a):
    """e^(−a²/2) for a float32."""
    return short_exponential(-0.5 * (a * a))


@inner
def short_density(a):
    """e^(−a²/2)/√(2π) for a float32."""
    return DENSITY * _short_bell(a)


@inner(forceinline=True)
def short_tail(a, factor):
    """factor·Φ(−a) for a float32."""
    v = 1.0 / (a + SHORT_K)
    p = _three_more(S_[10], v, S_[9], S_[8], S_[7])
    p = _three_more(p, v, S_[6], S_[5], S_[4])
    p = _three_more(p, v, S_[3], S_[2], S_[1])
    return fma(p, v, S_[0]) * v * _short_bell(a) * factor


@inner
def _bell(a):
    """n, s and lost with e^(−a²/2) = 2ⁿ·(1 + s)·(1 + lost), the last for what a² loses in rounding."""
    square = a * a
    n, r = reduced(-0.5 * square)
    return n, expm1_series(r), -0.5 * fma(a, a, -square)


@inner
def density(a):
    """e^(−a²/2)/√(2π), some ulp off for large a, when a times it is small."""
    n, s, _lost = _bell(a)
    return scaled(fma(DENSITY, s, DENSITY), n)


@inner(forceinline=True)
def tail(a, factor):
    """factor·Φ(−a). `low` is what was lost in rounding until then: factor·m·2ⁿ·(1 + s) alone is 3 ulp off.

    v is a multiple of 2⁻⁴⁸, so 1 − K·v is exact and v's own error known: v = (1 − off)/(a + K). It is put back to the first
    order, by the derivative of m(a) = e^(a²/2)·Φ(−a), which is a·m(a) − 1/√(2π).
    """
    n, s, lost = _bell(a)
    total = a + LONG_K
    v = (1.0 / total + 24.0) - 24.0
    off = fma(-v, a, 1.0 - LONG_K * v)
    z = v - 0.125
    q = _three_more(M_[25], z, M_[24], M_[23], M_[22])
    q = _three_more(q, z, M_[21], M_[20], M_[19])
    q = _three_more(q, z, M_[18], M_[17], M_[16])
    q = _three_more(q, z, M_[15], M_[14], M_[13])
    q = _three_more(q, z, M_[12], M_[11], M_[10])
    q = _three_more(q, z, M_[9], M_[8], M_[7])
    q = _three_more(q, z, M_[6], M_[5], M_[4])
    o = fma(fma(q, z, M_[3]), z, M_[2])
    q = fma(o, z, M_[1])
    p = fma(q, z, M_[0])
    low = fma(fma(o, z, M_[1] - q), z, fma(q, z, M_[0] - p) + M0_LOW)
    m = v * p
    low = fma(v, low, fma(v, p, -m))
    low = fma(off * total, fma(-a, m, DENSITY), low)
    y = factor * m
    low = fma(y, lost, fma(factor, low, fma(factor, m, -y)))
    return scaled(y + fma(y, s, fma(low, s, low)), n)


def normal_cdf_with(name: str, tail: Callable[[Any, Any], Any], end: np.float64) -> Any:
    """Φ(x)."""

    def normal_cdf(x):
        a = abs(x)
        y = tail(a if a < end else end, np.float64(1))
        y = y if x < 0.0 else 1.0 - y
        return y if x == x else x

    return inner(forceinline=True)(named(normal_cdf, name))


def gelu_with(name: str, tail: Callable[[Any, Any], Any], end: np.float64) -> Any:
    """x·Φ(x) = x − x·Φ(−x); −∞·0 is NaN."""

    def gelu(x):
        a = abs(x)
        near = a if a < end else end
        y = tail(near, near)
        y = -y if x < 0.0 else x - y
        return y if x != -np.inf else np.nan

    return inner(forceinline=True)(named(gelu, name))


def gelu_slope_with(name: str, tail: Callable[[Any, Any], Any], density: Callable[[Any], Any], end: np.float64) -> Any:
    """Φ(x) + x·φ(x), φ the density."""

    def gelu_slope(x):
        a = abs(x)
        near = a if a < end else end
        y = tail(near, np.float64(1))
        y = (y if x < 0.0 else 1.0 - y) + math.copysign(near, x) * density(near)
        return y if x == x else x

    return inner(forceinline=True)(named(gelu_slope, name))

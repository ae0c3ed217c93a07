"""Functions of one number in plain IEEE operations: the same bits on every machine, which no mathematics library promises.

exp and log are reduced to a short interval and summed as Taylor series, whose coefficients are fractions that anybody can
check; the tail of the normal distribution is a polynomial through values of erfc. There is no branch, every choice is a
selection, so a loop over contiguous numbers becomes vectors. float32 is computed in float64 and rounded once: its results
are within 0.51 units in the last place (ulp), those of float64 within 2 ulp; for the slope of gelu, which has a zero, these
are units of 1. tests/test_elementwise.py holds them to it, with every float32 there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .._numba import INNER, as_integer, as_real, fma, inner, named

LOG2E = np.float64(float.fromhex("0x1.71547652b82fep+0"))  # 1/ln 2; a library's logarithm may be an ulp off
LN2_HIGH = np.float64(float.fromhex("0x1.62e42p-1"))  # ln 2 in two parts; the first has 21 bits: n·LN2_HIGH is exact
LN2_LOW = np.float64(float.fromhex("0x1.fdf473de6af28p-22"))
ROUNDER = np.float64(1.5 * 2.0**52)  # adding it rounds to a whole number, which is then in the last bits
BIAS, MANTISSA = np.int64(1023), np.int64(52)  # of float64: 2ⁿ is the bits n + BIAS, moved up by MANTISSA
ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of √½
SMALLEST = np.float64(2.0**-1022)  # normal number
E_ = tuple(np.float64(1 / math.factorial(n)) for n in range(14))  # e^r = Σ rⁿ/n!
L_ = tuple(np.float64(2 / (2 * n + 3)) for n in range(10))  # log((1+s)/(1−s)) = 2s + s³·Σ s²ⁿ·2/(2n+3)

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


# ---- float64, with series long enough for float64 or for float32 ----------------------------------------------------
#
# |r| ≤ ln(2)/2: what the series of e^r leave out is below 2⁻⁵⁷ and 2⁻³⁶. |s| ≤ 3 − 2√2: likewise for the logarithm.


@inner
def _series(r):
    """e^r − 1."""
    p = fma(E_[13], r, E_[12])
    p = fma(p, r, E_[11])
    p = fma(p, r, E_[10])
    p = fma(p, r, E_[9])
    return _low_terms(p, r)


@inner
def _short_series(r):
    """e^r − 1, for float32."""
    return _low_terms(E_[9], r)


@inner
def _low_terms(p, r):
    """e^r − 1, with p for the terms beyond r⁸."""
    p = fma(p, r, E_[8])
    p = fma(p, r, E_[7])
    p = fma(p, r, E_[6])
    p = fma(p, r, E_[5])
    p = fma(p, r, E_[4])
    p = fma(p, r, E_[3])
    p = fma(p, r, E_[2])
    return fma(p, r * r, r)


@inner
def _odd_series(z):
    """Σ zⁿ·2/(2n+3)."""
    p = fma(L_[9], z, L_[8])
    p = fma(p, z, L_[7])
    p = fma(p, z, L_[6])
    p = fma(p, z, L_[5])
    return _short_odd_tail(p, z)


@inner
def _short_odd_series(z):
    """Σ zⁿ·2/(2n+3), for float32."""
    return _short_odd_tail(np.float64(0), z)


@inner
def _short_odd_tail(p, z):
    """The terms that both series have."""
    p = fma(p, z, L_[4])
    p = fma(p, z, L_[3])
    p = fma(p, z, L_[2])
    p = fma(p, z, L_[1])
    return fma(p, z, L_[0])


@inner
def _power(n):
    """2ⁿ for a whole number |n| ≤ 1000."""
    return as_real((as_integer(n + ROUNDER) + BIAS) << MANTISSA)


@inner
def _reduced(x):
    """n and r with x = n·ln 2 + r, n whole and |r| ≤ ln(2)/2."""
    n = (x * LOG2E + ROUNDER) - ROUNDER
    return n, fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))


@inner
def _scaled(y, n):
    """y·2ⁿ for a whole number |n| ≤ 2000: 2ⁿ may be no normal number, its two halves are."""
    half = (n * 0.5 + ROUNDER) - ROUNDER
    return y * _power(half) * _power(n - half)


@inner
def _quotient(a, b, c):
    """a/(b + c), hardly more than half an ulp off: what the sum lost in rounding is put back."""
    total = b + c
    part = total - b
    lost = (b - (total - part)) + (c - part)
    inverse = 1.0 / total
    y = a * inverse
    return fma(fma(-y, total, a) - y * lost, inverse, y)


@inner
def _three_more(p, v, a, b, c):
    """p·v³ + a·v² + b·v + c."""
    return fma(fma(fma(p, v, a), v, b), v, c)


@inner
def _short_bell(a):
    """e^(−a²/2) for a float32."""
    n, r = _reduced(-0.5 * (a * a))
    return (1.0 + _short_series(r)) * _power(n)


@inner
def _short_density(a):
    """e^(−a²/2)/√(2π) for a float32."""
    return DENSITY * _short_bell(a)


@inner(forceinline=True)
def _short_tail(a, factor):
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
    n, r = _reduced(-0.5 * square)
    return n, _series(r), -0.5 * fma(a, a, -square)


@inner
def _density(a):
    """e^(−a²/2)/√(2π), some ulp off for large a, when a times it is small."""
    n, s, _lost = _bell(a)
    return _scaled(fma(DENSITY, s, DENSITY), n)


@inner(forceinline=True)
def _tail(a, factor):
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
    return _scaled(y + fma(y, s, fma(low, s, low)), n)


def _exp_with(name: str, series: Callable[[Any], Any]) -> Any:
    """e^x = 2ⁿ·e^r."""

    def exp(x):
        low = x if x > -746.0 else np.float64(-746)
        n, r = _reduced(low if low < 710.0 else np.float64(710))
        y = _scaled(1.0 + series(r), n)
        return y if x == x else x

    return inner(named(exp, name))


def _expm1_with(name: str, series: Callable[[Any], Any], exp: Callable[[Any], Any]) -> Any:
    """e^x − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1); e^x where the 1 is lost in it."""

    def expm1(x):
        low = x if x > -50.0 else np.float64(-50)
        n, r = _reduced(low if low < 50.0 else np.float64(50))
        power = _power(n)
        y = fma(power, series(r), power - 1.0)
        return y if x < 50.0 and x == x else exp(x)

    return inner(named(expm1, name))


def _tanh_with(name: str, series: Callable[[Any], Any]) -> Any:
    """tanh |x| = m/(m + 2), m = e^{2|x|} − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1)."""

    def tanh(x):
        a = abs(x)
        n, r = _reduced(2.0 * (a if a < 22.0 else np.float64(22)))
        power = _power(n)
        m = fma(power, series(r), power - 1.0)
        y = math.copysign(_quotient(m, np.float64(2), m), x)
        return y if x == x else x

    return inner(named(tanh, name))


def _softplus_with(name: str, exp: Callable[[Any], Any], log: Callable[[Any], Any]) -> Any:
    """log(1 + e^x) = max(x, 0) + log(1 + e^−|x|), with what 1 + e loses in rounding put back."""

    def softplus(x):
        e = exp(-abs(x))
        total = 1.0 + e
        y = log(total) + ((1.0 - total) + e) / total
        return y + x if x > 0.0 else y

    return inner(named(softplus, name))


def _sigmoid_with(name: str, exp: Callable[[Any], Any]) -> Any:
    """1/(1 + e^−x) for x ≥ 0, else e^x/(1 + e^x)."""

    def sigmoid(x):
        e = exp(-abs(x))
        return _quotient(e if x < 0.0 else np.float64(1), np.float64(1), e)

    return inner(named(sigmoid, name))


def _log_with(name: str, odd_series: Callable[[Any], Any]) -> Any:
    """log x = n·ln 2 + log(1 + f) for x = 2ⁿ·(1 + f), √½ ≤ 1 + f < √2, and log(1 + f) = f − s·(f − s²·…), s = f/(2 + f)."""

    def log(x):
        tiny = x < SMALLEST
        bits = as_integer(x * 2.0**54 if tiny else x)
        n = (bits - ROOT_HALF) >> MANTISSA
        f = as_real(bits - (n << MANTISSA)) - 1.0
        exponent = np.float64(n) - (54.0 if tiny else 0.0)
        s = f / (2.0 + f)
        z = s * s
        y = fma(exponent, LN2_HIGH, f - fma(s, f - z * odd_series(z), -exponent * LN2_LOW))
        y = y if x < np.inf else x  # infinity and NaN
        y = y if x > 0.0 or x != x else -np.inf
        return y if not x < 0.0 else np.nan

    return inner(named(log, name))


def _normal_cdf_with(name: str, tail: Callable[[Any, Any], Any], end: np.float64) -> Any:
    """Φ(x)."""

    def normal_cdf(x):
        a = abs(x)
        y = tail(a if a < end else end, np.float64(1))
        y = y if x < 0.0 else 1.0 - y
        return y if x == x else x

    return inner(forceinline=True)(named(normal_cdf, name))


def _gelu_with(name: str, tail: Callable[[Any, Any], Any], end: np.float64) -> Any:
    """x·Φ(x) = x − x·Φ(−x); −∞·0 is NaN."""

    def gelu(x):
        a = abs(x)
        near = a if a < end else end
        y = tail(near, near)
        y = -y if x < 0.0 else x - y
        return y if x != -np.inf else np.nan

    return inner(forceinline=True)(named(gelu, name))


def _gelu_slope_with(name: str, tail: Callable[[Any, Any], Any], density: Callable[[Any], Any], end: np.float64) -> Any:
    """Φ(x) + x·φ(x), φ the density."""

    def gelu_slope(x):
        a = abs(x)
        near = a if a < end else end
        y = tail(near, np.float64(1))
        y = (y if x < 0.0 else 1.0 - y) + math.copysign(near, x) * density(near)
        return y if x == x else x

    return inner(forceinline=True)(named(gelu_slope, name))


# ---- both dtypes ----------------------------------------------------------------------------------------------------


def _for_both(name: str, single: Any, double: Any, what: str) -> Any:
    """A function of a float32 or a float64, in plain Python and in compiled code.

    It is inlined however long it is, like the longer of its parts: a loop that calls does not become vectors.
    """

    def function(x: Any) -> Any:
        return np.float32(single(np.float64(x))) if isinstance(x, np.float32) else double(x)

    def of_single(x):
        return np.float32(single(np.float64(x)))

    def of_double(x):
        return double(x)

    choices = named(of_single, f"{name}_of_single"), named(of_double, f"{name}_of_double")

    @overload(function, jit_options=INNER | {"forceinline": True})
    def choose(x):
        return choices[0] if x == types.float32 else choices[1]

    function.__doc__ = what
    return function


_exp_short, _exp_long = _exp_with("exp_short", _short_series), _exp_with("exp_long", _series)
_log_short, _log_long = _log_with("log_short", _short_odd_series), _log_with("log_long", _odd_series)
_expm1_short = _expm1_with("expm1_short", _short_series, _exp_short)
_expm1_long = _expm1_with("expm1_long", _series, _exp_long)
_tanh_short, _tanh_long = _tanh_with("tanh_short", _short_series), _tanh_with("tanh_long", _series)
_sigmoid_short, _sigmoid_long = _sigmoid_with("sigmoid_short", _exp_short), _sigmoid_with("sigmoid_long", _exp_long)
_softplus_short = _softplus_with("softplus_short", _exp_short, _log_short)
_softplus_long = _softplus_with("softplus_long", _exp_long, _log_long)
_normal_cdf_short = _normal_cdf_with("normal_cdf_short", _short_tail, SHORT_END)
_normal_cdf_long = _normal_cdf_with("normal_cdf_long", _tail, LONG_END)
_gelu_short, _gelu_long = _gelu_with("gelu_short", _short_tail, SHORT_END), _gelu_with("gelu_long", _tail, LONG_END)
_gelu_slope_short = _gelu_slope_with("gelu_slope_short", _short_tail, _short_density, SHORT_END)
_gelu_slope_long = _gelu_slope_with("gelu_slope_long", _tail, _density, LONG_END)

exp = _for_both("exp", _exp_short, _exp_long, "e^x.")
log = _for_both("log", _log_short, _log_long, "log x; −∞ at 0, NaN below.")
expm1 = _for_both("expm1", _expm1_short, _expm1_long, "e^x − 1.")
tanh = _for_both("tanh", _tanh_short, _tanh_long, "tanh x.")
sigmoid = _for_both("sigmoid", _sigmoid_short, _sigmoid_long, "1/(1 + e^−x).")
softplus = _for_both("softplus", _softplus_short, _softplus_long, "log(1 + e^x).")
normal_cdf = _for_both(
    "normal_cdf", _normal_cdf_short, _normal_cdf_long, "Φ(x), the normal distribution's: (1 + erf(x/√2))/2."
)
gelu = _for_both("gelu", _gelu_short, _gelu_long, "x·Φ(x) (D. Hendrycks, K. Gimpel, arXiv:1606.08415, 2016); NaN at −∞.")
gelu_slope = _for_both(
    "gelu_slope", _gelu_slope_short, _gelu_slope_long, "The derivative of gelu: Φ(x) + x·e^(−x²/2)/√(2π)."
)

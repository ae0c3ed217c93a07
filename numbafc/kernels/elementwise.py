"""Functions of one number in plain IEEE operations: the same bits on every machine, which no mathematics library promises.

exp and log are reduced to a short interval and summed as Taylor series, whose coefficients are fractions that anybody can
check. There is no branch, every choice is a selection, so a loop over contiguous numbers becomes vectors. float32 is
computed in float64 and rounded once: its results are within 0.51 units in the last place (ulp), those of float64 within
2 ulp. tests/test_elementwise.py holds them to it, with every float32 there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from .._jit import as_integer, as_real, fma, named

LOG2E = np.float64(1 / math.log(2))
LN2_HIGH = np.float64(float.fromhex("0x1.62e42p-1"))  # ln 2 in two parts; the first has 21 bits: n·LN2_HIGH is exact
LN2_LOW = np.float64(float.fromhex("0x1.fdf473de6af28p-22"))
ROUNDER = np.float64(1.5 * 2.0**52)  # adding it rounds to a whole number, which is then in the last bits
BIAS, MANTISSA = np.int64(1023), np.int64(52)  # of float64: 2ⁿ is the bits n + BIAS, moved up by MANTISSA
ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of √½
SMALLEST = np.float64(2.0**-1022)  # normal number
E_ = tuple(np.float64(1 / math.factorial(n)) for n in range(14))  # e^r = Σ rⁿ/n!
L_ = tuple(np.float64(2 / (2 * n + 3)) for n in range(10))  # log((1+s)/(1−s)) = 2s + s³·Σ s²ⁿ·2/(2n+3)


# ---- float64, with series long enough for float64 or for float32 ----------------------------------------------------
#
# |r| ≤ ln(2)/2: what the series of e^r leave out is below 2⁻⁵⁷ and 2⁻³⁶. |s| ≤ 3 − 2√2: likewise for the logarithm.


@register_jitable
def _series(r):
    """e^r − 1."""
    p = fma(E_[13], r, E_[12])
    p = fma(p, r, E_[11])
    p = fma(p, r, E_[10])
    p = fma(p, r, E_[9])
    return _low_terms(p, r)


@register_jitable
def _short_series(r):
    """e^r − 1, for float32."""
    return _low_terms(E_[9], r)


@register_jitable
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


@register_jitable
def _odd_series(z):
    """Σ zⁿ·2/(2n+3)."""
    p = fma(L_[9], z, L_[8])
    p = fma(p, z, L_[7])
    p = fma(p, z, L_[6])
    p = fma(p, z, L_[5])
    return _short_odd_tail(p, z)


@register_jitable
def _short_odd_series(z):
    """Σ zⁿ·2/(2n+3), for float32."""
    return _short_odd_tail(np.float64(0), z)


@register_jitable
def _short_odd_tail(p, z):
    """The terms that both series have."""
    p = fma(p, z, L_[4])
    p = fma(p, z, L_[3])
    p = fma(p, z, L_[2])
    p = fma(p, z, L_[1])
    return fma(p, z, L_[0])


@register_jitable
def _power(n):
    """2ⁿ for a whole number |n| ≤ 1000."""
    return as_real((as_integer(n + ROUNDER) + BIAS) << MANTISSA)


@register_jitable
def _reduced(x):
    """n and r with x = n·ln 2 + r, n whole and |r| ≤ ln(2)/2."""
    n = (x * LOG2E + ROUNDER) - ROUNDER
    return n, fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))


@register_jitable
def _quotient(a, b, c):
    """a/(b + c), hardly more than half an ulp off: what the sum lost in rounding is put back."""
    total = b + c
    part = total - b
    lost = (b - (total - part)) + (c - part)
    inverse = 1.0 / total
    y = a * inverse
    return fma(fma(-y, total, a) - y * lost, inverse, y)


def _exp_with(name: str, series: Callable[[Any], Any]) -> Any:
    """e^x = 2ⁿ·e^r."""

    def exp(x):
        low = x if x > -746.0 else np.float64(-746)
        n, r = _reduced(low if low < 710.0 else np.float64(710))
        half = (n * 0.5 + ROUNDER) - ROUNDER  # 2ⁿ may be no normal number, its two halves are
        y = (1.0 + series(r)) * _power(half) * _power(n - half)
        return y if x == x else x

    return register_jitable(named(exp, name))


def _expm1_with(name: str, series: Callable[[Any], Any], exp: Callable[[Any], Any]) -> Any:
    """e^x − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1); e^x where the 1 is lost in it."""

    def expm1(x):
        low = x if x > -50.0 else np.float64(-50)
        n, r = _reduced(low if low < 50.0 else np.float64(50))
        power = _power(n)
        y = fma(power, series(r), power - 1.0)
        return y if x < 50.0 and x == x else exp(x)

    return register_jitable(named(expm1, name))


def _tanh_with(name: str, series: Callable[[Any], Any]) -> Any:
    """tanh |x| = m/(m + 2), m = e^{2|x|} − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1)."""

    def tanh(x):
        a = abs(x)
        n, r = _reduced(2.0 * (a if a < 22.0 else np.float64(22)))
        power = _power(n)
        m = fma(power, series(r), power - 1.0)
        y = math.copysign(_quotient(m, np.float64(2), m), x)
        return y if x == x else x

    return register_jitable(named(tanh, name))


def _softplus_with(name: str, exp: Callable[[Any], Any], log: Callable[[Any], Any]) -> Any:
    """log(1 + e^x) = max(x, 0) + log(1 + e^−|x|), with what 1 + e loses in rounding put back."""

    def softplus(x):
        e = exp(-abs(x))
        total = 1.0 + e
        y = log(total) + ((1.0 - total) + e) / total
        return y + x if x > 0.0 else y

    return register_jitable(named(softplus, name))


def _sigmoid_with(name: str, exp: Callable[[Any], Any]) -> Any:
    """1/(1 + e^−x) for x ≥ 0, else e^x/(1 + e^x)."""

    def sigmoid(x):
        e = exp(-abs(x))
        return _quotient(e if x < 0.0 else np.float64(1), np.float64(1), e)

    return register_jitable(named(sigmoid, name))


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

    return register_jitable(named(log, name))


# ---- both dtypes ----------------------------------------------------------------------------------------------------


def _for_both(name: str, single: Any, double: Any, what: str) -> Any:
    """A function of a float32 or a float64, in plain Python and in compiled code."""

    def function(x: Any) -> Any:
        return np.float32(single(np.float64(x))) if isinstance(x, np.float32) else double(x)

    def of_single(x):
        return np.float32(single(np.float64(x)))

    def of_double(x):
        return double(x)

    choices = named(of_single, f"{name}_of_single"), named(of_double, f"{name}_of_double")

    @overload(function)
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

exp = _for_both("exp", _exp_short, _exp_long, "e^x.")
log = _for_both("log", _log_short, _log_long, "log x; −∞ at 0, NaN below.")
expm1 = _for_both("expm1", _expm1_short, _expm1_long, "e^x − 1.")
tanh = _for_both("tanh", _tanh_short, _tanh_long, "tanh x.")
sigmoid = _for_both("sigmoid", _sigmoid_short, _sigmoid_long, "1/(1 + e^−x).")
softplus = _for_both("softplus", _softplus_short, _softplus_long, "log(1 + e^x).")

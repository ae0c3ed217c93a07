"""Functions of one number in plain IEEE operations: the same bits on every machine, which no mathematics library promises.

exp and log are sums of Taylor series, whose coefficients are fractions that anybody can check (series.py); the tail of the
normal distribution is a polynomial through values of erfc (normal.py). There is no branch, every choice is a
selection, so a loop over contiguous numbers becomes vectors. float32 is computed in float64 and rounded once: its results
are within 0.51 units in the last place (ulp), those of float64 within 2 ulp; for the slopes of gelu and mish, which have a
zero, these are units of 1. tests/test_elementwise.py holds them to it, with every float32 there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .._numba import INNER, as_integer, as_real, fma, inner, named
from .element import constant
from .mish import mish as _mish
from .mish import mish_slope as _mish_slope
from .mish import short_mish, short_mish_slope
from .normal import (
    LONG_END,
    SHORT_END,
    density,
    gelu_slope_with,
    gelu_with,
    normal_cdf_with,
    short_density,
    short_tail,
    tail,
)
from .series import (
    LN2_HIGH,
    LN2_LOW,
    MANTISSA,
    expm1_series,
    log_series,
    power_of_two,
    quotient,
    reduced,
    scaled,
    short_expm1_series,
    short_exponential,
    short_log_series,
)

ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of √½
SMALLEST = np.float64(2.0**-1022)  # normal number


@inner
def _at_least(lowest, x):
    """x, or the limit where x is below it; NaN stays. The limit has the type of x, so this is a single maximum."""
    limit = constant(x, lowest)
    return limit if limit > x else x


@inner
def _at_most(highest, x):
    """x, or the limit where x is above it; NaN stays."""
    limit = constant(x, highest)
    return limit if limit < x else x


@inner
def _exp_short(x):
    """e^x of a float32, as float64. Beyond the limits it is rounded to 0 and to infinity."""
    return short_exponential(np.float64(_at_most(89.0, _at_least(-104.0, x))))


@inner
def _exp_long(x):
    """e^x = 2ⁿ·e^r."""
    n, r = reduced(_at_most(710.0, _at_least(-746.0, x)))
    return scaled(1.0 + expm1_series(r), n)


def _expm1_with(name: str, series: Callable[[Any], Any], exp: Callable[[Any], Any]) -> Any:
    """e^x − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1); e^x where the 1 is lost in it."""

    def expm1(x):
        n, r = reduced(np.float64(_at_most(50.0, _at_least(-50.0, x))))
        power = power_of_two(n)
        y = fma(power, series(r), power - 1.0)
        return exp(x) if x >= 50.0 else y

    return inner(named(expm1, name))


def _expm1_below_with(name: str, series: Callable[[Any], Any]) -> Any:
    """As _expm1_with, for x ≤ 0: without a second exponential, which no loop of vectors would have in it."""

    def expm1_below(x):
        n, r = reduced(np.float64(_at_most(50.0, _at_least(-50.0, x))))
        power = power_of_two(n)
        return fma(power, series(r), power - 1.0)

    return inner(named(expm1_below, name))


def _tanh_with(name: str, series: Callable[[Any], Any]) -> Any:
    """tanh |x| = m/(m + 2), m = e^{2|x|} − 1 = 2ⁿ·(e^r − 1) + (2ⁿ − 1)."""

    def tanh(x):
        n, r = reduced(2.0 * np.float64(_at_most(22.0, abs(x))))
        power = power_of_two(n)
        m = fma(power, series(r), power - 1.0)
        return math.copysign(quotient(m, np.float64(2), m), np.float64(x))

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
        return quotient(e if x < 0.0 else np.float64(1), np.float64(1), e)

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


def _widened(function: Any) -> Any:
    """A function of a float64, for a float32."""

    def of_single(x):
        return function(np.float64(x))

    return inner(forceinline=True)(named(of_single, f"{function.__name__}_widened"))


def _for_both(name: str, single: Any, double: Any, what: str) -> Any:
    """A function of a float32 or a float64, in plain Python and in compiled code. single: of a float32, as float64.

    It is inlined however long it is, like the longer of its parts: a loop that calls does not become vectors.
    """

    def function(x: Any) -> Any:
        return np.float32(single(x)) if isinstance(x, np.float32) else double(x)

    def of_single(x):
        return np.float32(single(x))

    def of_double(x):
        return double(x)

    choices = named(of_single, f"{name}_of_single"), named(of_double, f"{name}_of_double")

    @overload(function, jit_options=INNER | {"forceinline": True})
    def choose(x):
        return choices[0] if x == types.float32 else choices[1]

    function.__doc__ = what
    return function


_log_short, _log_long = _log_with("log_short", short_log_series), _log_with("log_long", log_series)
_expm1_short = _expm1_with("expm1_short", short_expm1_series, _exp_short)
_expm1_long = _expm1_with("expm1_long", expm1_series, _exp_long)
_expm1_below_short = _expm1_below_with("expm1_below_short", short_expm1_series)
_expm1_below_long = _expm1_below_with("expm1_below_long", expm1_series)
_tanh_short, _tanh_long = _tanh_with("tanh_short", short_expm1_series), _tanh_with("tanh_long", expm1_series)
_sigmoid_short, _sigmoid_long = _sigmoid_with("sigmoid_short", _exp_short), _sigmoid_with("sigmoid_long", _exp_long)
_softplus_short = _softplus_with("softplus_short", _exp_short, _log_short)
_softplus_long = _softplus_with("softplus_long", _exp_long, _log_long)
_normal_cdf_short = normal_cdf_with("normal_cdf_short", short_tail, SHORT_END)
_normal_cdf_long = normal_cdf_with("normal_cdf_long", tail, LONG_END)
_gelu_short, _gelu_long = gelu_with("gelu_short", short_tail, SHORT_END), gelu_with("gelu_long", tail, LONG_END)
_gelu_slope_short = gelu_slope_with("gelu_slope_short", short_tail, short_density, SHORT_END)
_gelu_slope_long = gelu_slope_with("gelu_slope_long", tail, density, LONG_END)

exp = _for_both("exp", _exp_short, _exp_long, "e^x.")
log = _for_both("log", _widened(_log_short), _log_long, "log x; −∞ at 0, NaN below.")
expm1 = _for_both("expm1", _expm1_short, _expm1_long, "e^x − 1.")
expm1_below = _for_both("expm1_below", _expm1_below_short, _expm1_below_long, "e^x − 1 for x ≤ 0; of others a number.")
tanh = _for_both("tanh", _tanh_short, _tanh_long, "tanh x.")
sigmoid = _for_both("sigmoid", _sigmoid_short, _sigmoid_long, "1/(1 + e^−x).")
softplus = _for_both("softplus", _softplus_short, _softplus_long, "log(1 + e^x).")
normal_cdf = _for_both(
    "normal_cdf", _widened(_normal_cdf_short), _normal_cdf_long, "Φ(x), the normal distribution's: (1 + erf(x/√2))/2."
)
gelu = _for_both(
    "gelu", _widened(_gelu_short), _gelu_long, "x·Φ(x) (D. Hendrycks, K. Gimpel, arXiv:1606.08415, 2016); NaN at −∞."
)
gelu_slope = _for_both(
    "gelu_slope", _widened(_gelu_slope_short), _gelu_slope_long, "The derivative of gelu: Φ(x) + x·e^(−x²/2)/√(2π)."
)
mish = _for_both("mish", _widened(short_mish), _mish, "x·tanh(log(1 + e^x)) (D. Misra, BMVC 2020).")
mish_slope = _for_both("mish_slope", _widened(short_mish_slope), _mish_slope, "The derivative of mish.")

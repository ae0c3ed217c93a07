"""What exp and log are made of, in float64: reduction to a short interval, and a Taylor series there.

The series are long enough for float64, or for float32: |r| ≤ ln(2)/2, what those of e^r leave out is below 2⁻⁵⁷ and 2⁻³⁶;
|s| ≤ 3 − 2√2, likewise for the logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from .._numba import as_integer, as_real, fma, inner

LOG2E = np.float64(float.fromhex("0x1.71547652b82fep+0"))  # 1/ln 2; a library's logarithm may be an ulp off
LN2_HIGH = np.float64(float.fromhex("0x1.62e42p-1"))  # ln 2 in two parts; the first has 21 bits: n·LN2_HIGH is exact
LN2_LOW = np.float64(float.fromhex("0x1.fdf473de6af28p-22"))
ROUNDER = np.float64(1.5 * 2.0**52)  # adding it rounds to a whole number, which is then in the last bits
BIAS, MANTISSA = np.int64(1023), np.int64(52)  # of float64: 2ⁿ is the bits n + BIAS, moved up by MANTISSA
E_ = tuple(np.float64(1 / math.factorial(n)) for n in range(14))  # e^r = Σ rⁿ/n!
L_ = tuple(np.float64(2 / (2 * n + 3)) for n in range(10))  # log((1+s)/(1−s)) = 2s + s³·Σ s²ⁿ·2/(2n+3)


@inner
def expm1_series(r):
    """e^r − 1."""
    p = fma(E_[13], r, E_[12])
    p = fma(p, r, E_[11])
    p = fma(p, r, E_[10])
    p = fma(p, r, E_[9])
    return _low_terms(p, r)


@inner
def short_expm1_series(r):
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
def log_series(z):
    """Σ zⁿ·2/(2n+3)."""
    p = fma(L_[9], z, L_[8])
    p = fma(p, z, L_[7])
    p = fma(p, z, L_[6])
    p = fma(p, z, L_[5])
    return _short_odd_tail(p, z)


@inner
def short_log_series(z):
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
def power_of_two(n):
    """2ⁿ for a whole number |n| ≤ 1000."""
    return as_real((as_integer(n + ROUNDER) + BIAS) << MANTISSA)


@inner
def reduced(x):
    """n and r with x = n·ln 2 + r, n whole and |r| ≤ ln(2)/2."""
    n = (x * LOG2E + ROUNDER) - ROUNDER
    return n, fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))


@inner
def scaled(y, n):
    """y·2ⁿ for a whole number |n| ≤ 2000: 2ⁿ may be no normal number, its two halves are."""
    half = (n * 0.5 + ROUNDER) - ROUNDER
    return y * power_of_two(half) * power_of_two(n - half)


@inner
def short_exponential(x):
    """e^x for float32, where it is no larger than 2¹⁰²³, and no smaller than the smallest normal number.

    n goes right to the exponent of e^r, whose bits are a whole number's. NaN stays, if its last bits are 0, as those of a
    float32 are.
    """
    shifted = x * LOG2E + ROUNDER
    n = shifted - ROUNDER
    r = fma(-n, LN2_LOW, fma(-n, LN2_HIGH, x))
    return as_real(as_integer(1.0 + short_expm1_series(r)) + (as_integer(shifted) << MANTISSA))


@inner
def quotient(a, b, c):
    """a/(b + c), hardly more than half an ulp off: what the sum lost in rounding is put back."""
    total = b + c
    part = total - b
    lost = (b - (total - part)) + (c - part)
    inverse = 1.0 / total
    y = a * inverse
    return fma(fma(-y, total, a) - y * lost, inverse, y)

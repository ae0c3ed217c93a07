"""Functions whose bits differ from machine to machine, or version to version, in NumPy or a mathematics library.

Here each has one right answer in bits: cosines and exponentials in plain IEEE operations, powers of Python's integers, and
sums in an order that is written down. Roots, quotients, minima and exact scalings are the same everywhere as they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.types import intp

from .._numba import Kernel, array_in, flat, kernel
from ..kernels import elementwise
from .mapped import MappedRows, parts_of

BITS = 192  # of the integers that powers are made of
BLOCK, LANES = 128, 8  # of a sum in pairs
C_ = tuple((-1) ** n / math.factorial(2 * n) for n in range(9))  # cos y = Σ (−1)ⁿ y²ⁿ/(2n)!
A_ = tuple(1 / (2 * n + 1) for n in range(12))  # artanh y = Σ y²ⁿ⁺¹/(2n+1); |y| ≤ 3 − 2√2 leaves out less than 2⁻⁵⁸
LOG2E = float.fromhex("0x1.71547652b82fep+0")  # 1/ln 2
S_ = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(9))  # sin y = Σ (−1)ⁿ y²ⁿ⁺¹/(2n+1)!


def power(base: float, n: int) -> float:
    """The float that is nearest to baseⁿ, for 0 < base ≤ 1 and n ≥ 0, below 2⁶³."""
    top, bottom = base.as_integer_ratio()
    square, result = (top, 1 - bottom.bit_length()), (1, 0)  # pairs m, e for m·2ᵉ
    while n:
        if n & 1:
            result = _product(result, square)
        square, n = _product(square, square), n >> 1
    m, e = result
    if m.bit_length() + e < -1080:  # below the smallest number, and 2⁻ᵉ may not fit in memory
        return 0.0
    return m / (1 << -e)  # a quotient of integers is rounded once


def _product(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    m, e = one[0] * other[0], one[1] + other[1]
    spare = max(m.bit_length() - BITS, 0)
    return m >> spare, e + spare


def cos_of_pi(p: np.ndarray, q: float) -> np.ndarray:
    """cos(π·p/q) for 0 ≤ p ≤ q, within 2 ulp: 1, 0 and −1 where p is 0, q/2 and q.

    By symmetry the angle is at most π/4, and what is subtracted for that is exact for whole numbers below 2⁵².
    """
    ends = np.minimum(p, q - p)  # how far the nearer end is, where the cosine is 1 or −1
    cosine = np.where(p <= q - p, 1.0, -1.0) * _series(C_, np.pi * (ends / q))
    y = np.pi * ((q - 2 * p) / (2 * q))  # from the middle, where it is 0
    return np.where(4 * ends <= q, cosine, y * _series(S_, y))


def log2(x: np.ndarray) -> np.ndarray:
    """The logarithm to base 2 of positive numbers, from 1 on within 3 ulp; whole numbers at powers of two.

    x = m·2ᵉ with √½ ≤ m < √2, and ln m = 2·artanh((m − 1)/(m + 1)).
    """
    m, e = np.frexp(x)  # exact
    low = m < 0.7071067811865476
    m, e = np.where(low, 2 * m, m), e - low
    y = (m - 1) / (m + 1)
    return e + (2 * LOG2E) * (y * _series(A_, y))


def _series(coefficients: tuple[float, ...], y: np.ndarray) -> np.ndarray:
    """Σ cₙ·y²ⁿ."""
    z, total = y * y, np.full(np.shape(y), coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * z + c
    return total


@kernel(lambda real: (flat(real),), parallel=False)
def _exp(Y):
    for n in range(len(Y)):
        Y[n] = elementwise.exp(Y[n])


def exp(Y: np.ndarray) -> np.ndarray:
    """The exponential e^Y of each element of a float32 or float64 array."""
    return _of_each(_exp, Y)


@kernel(lambda real: (flat(real),), parallel=False)
def _log(Y):
    for n in range(len(Y)):
        Y[n] = elementwise.log(Y[n])


def log(Y: np.ndarray) -> np.ndarray:
    """The natural logarithm of each element, ≥ 0, of a float32 or float64 array."""
    return _of_each(_log, Y)


def _of_each(function: Kernel, Y: np.ndarray) -> np.ndarray:
    """A copy of Y, in which a kernel has put its value in the place of each element."""
    flat_copy = Y.flatten()
    function(flat_copy)
    return flat_copy.reshape(Y.shape)


def total(values: np.ndarray) -> float:
    """Σ values, (n,) in float64, in pairs: the error grows with log n.

    More than BLOCK are two halves, the first a multiple of LANES; so few are LANES sums, element n in number n mod LANES,
    then the sums in pairs, and the rest. NumPy's own sum of one contiguous array has these bits as of 2.4.
    """
    if len(values) > BLOCK:
        half = len(values) // 2 // LANES * LANES
        return total(values[:half]) + total(values[half:])
    whole, sum_ = len(values) // LANES * LANES, 0.0
    if whole:
        r = np.cumsum(values[:whole].reshape(-1, LANES), axis=0)[-1].tolist()
        sum_ = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for value in values[whole:].tolist():
        sum_ += value
    return sum_


@kernel(
    lambda real: (array_in(real, 2), flat(types.float64), flat(types.float64), flat(types.float64), intp), parallel=False
)
def _add_rows(A, by, mean, totals, squared):
    """Add totals[i] += Σ_s a or a², where a = A[s,i]·by[i] − mean[i]: row by row, in float64."""
    for s in range(A.shape[0]):
        for i in range(A.shape[1]):
            a = np.float64(A[s, i]) * by[i] - mean[i]
            totals[i] += a * a if squared != 0 else a


def column_sums(A: np.ndarray) -> np.ndarray:
    """Σ_s A[s,i], (N,) in float64, of A: (samples, N) in float32 or float64, one row after the other."""
    sums = np.zeros(A.shape[1])
    _add_rows(np.require(A, requirements="A"), np.ones(A.shape[1]), np.zeros(A.shape[1]), sums, 0)
    return sums


def mean_and_deviation(A: Any) -> tuple[np.ndarray, np.ndarray]:
    """Each column's mean and standard deviation in float64, of finite A: (samples ≥ 1, N), in two passes over its rows.

    Columns are scaled to numbers below 1 by a power of two, which changes no bit: neither sums nor squares overflow.
    """
    largest = np.maximum(np.abs(A.max(axis=0)), np.abs(A.min(axis=0))).astype(np.float64)
    exponents = np.clip(np.frexp(largest)[1], -1000, 1024)
    by, mean, squares = np.ldexp(1.0, -exponents), np.zeros(A.shape[1]), np.zeros(A.shape[1])
    _add_all(A, by, np.zeros(A.shape[1]), mean, 0)
    mean /= len(A)
    _add_all(A, by, mean, squares, 1)
    return np.ldexp(mean, exponents), np.ldexp(np.sqrt(squares / len(A)), exponents)


def _add_all(A: Any, by: np.ndarray, mean: np.ndarray, totals: np.ndarray, squared: int) -> None:
    """Add up as _add_rows does, in parts, where A is in a file, and from rank to rank, where several have its rows."""

    def add(rows: Any, totals: np.ndarray) -> None:
        for part in parts_of(rows):
            _add_rows(np.require(part, requirements="A"), by, mean, totals, squared)

    if isinstance(A, np.ndarray | MappedRows):
        add(A, totals)
    else:
        A.in_order(add, totals)

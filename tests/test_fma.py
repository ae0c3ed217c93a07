"""fma rounds once: the plain form against exact rationals and against the processor."""

from fractions import Fraction

import numba
import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import example, given
from hypothesis import strategies as st

from numbafc._numba import fma

DTYPES = [np.float32, np.float64]


@numba.njit
def compiled(a, b, c, result):
    for n in range(len(result)):
        result[n] = fma(a[n], b[n], c[n])


def both_ways(a, b, c, dtype):
    """(plain, compiled) results for three numbers."""
    arrays = [np.array([x], dtype) for x in (a, b, c)]
    result = np.empty(1, dtype)
    compiled(*arrays, result)
    with np.errstate(all="ignore"):
        return np.array([fma(*(x[0] for x in arrays))], dtype), result


def bit_patterns(dtype):
    """Every kind of float: random bits have all exponents, subnormals, infinities and NaN."""
    bits = np.dtype(dtype).itemsize * 8
    return st.integers(0, 2**bits - 1).map(lambda n: np.array([n], f"u{bits // 8}").view(dtype)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_fma_has_the_bits_of_the_compiled_one(dtype):
    @given(bit_patterns(dtype), bit_patterns(dtype), bit_patterns(dtype))
    def check(a, b, c):
        assert_same_bits(*both_ways(a, b, c, dtype), f"fma({a!r}, {b!r}, {c!r})")

    check()


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_is_the_float_nearest_to_the_exact_result(dtype):
    # c near −a·b makes the product's own rounding error the whole result: two roundings would lose it
    @given(st.integers(0, 2**32 - 1), st.integers(-3, 3))
    def check(seed, shift):
        rng = np.random.default_rng(seed)
        a, b = rng.standard_normal(2).astype(dtype)
        c = dtype(-a * b) * dtype(2.0**shift)
        result = fma(a, b, c)
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        error = abs(Fraction(float(result)) - exact)
        for neighbour in (np.nextafter(result, dtype(-np.inf)), np.nextafter(result, dtype(np.inf))):
            assert error <= abs(Fraction(float(neighbour)) - exact), (a, b, c, result, neighbour)

    check()


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
@example(None)
def test_ties_of_a_second_rounding_are_right(dtype, data):
    """a·b lies a hair off the middle of two floats: rounding to a wider format first loses the hair."""
    eps = float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    cases = [(1 + eps, 1 - eps / 2, tiny), (1.0, 1 + eps, eps / 2), (1.0, 1.0, eps / 2), (1 + eps, 1 + eps, -tiny)]
    a, b, c = cases[0] if data is None else data.draw(st.sampled_from(cases))
    assert_same_bits(*both_ways(a, b, c, dtype), f"fma({a}, {b}, {c})")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("a", "b", "c"),
    [
        (0.0, -1.0, -0.0),  # −0 + −0
        (0.0, 1.0, -0.0),
        (1.0, 1.0, -1.0),  # cancellation: +0
        (-1.0, 1.0, 1.0),
        (np.inf, 0.0, 1.0),
        (np.inf, 1.0, -np.inf),
        (1.0, np.nan, 1.0),
        (1.0, 1.0, -np.inf),
    ],
)
def test_zeros_infinities_and_nan(dtype, a, b, c):
    assert_same_bits(*both_ways(a, b, c, dtype), f"fma({a}, {b}, {c})")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_products_do_not_overflow_early(dtype):
    most = np.finfo(dtype).max
    assert_same_bits(*both_ways(most, 2, -most, dtype), "max·2 − max")
    assert_same_bits(*both_ways(most, most, -np.inf, dtype), "max·max − ∞")
    assert_same_bits(*both_ways(-most, most, 0, dtype), "−max·max")

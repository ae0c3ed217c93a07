"""The strategies draw what they promise: edges, layouts, kinds of values. A generator that misses them tests nothing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from numbafc.formulas import SUM_BLOCK
from numbafc.testing import LAYOUTS, error_bound, exact_errors, exact_product, layer_problems, shapes
from numbafc.testing.problems import FINITE, VALUES

DRAW = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def drawn(strategy):
    """What a strategy gives in 400 draws."""
    seen = []

    @DRAW
    @given(strategy)
    def collect(value):
        seen.append(value)

    collect()
    return seen


def test_shapes_meet_every_edge_in_every_place():
    seen = drawn(shapes())
    assert all(T * N * B <= 20_000 for T, N, B in seen)
    for axis in range(3):
        sizes = {shape[axis] for shape in seen}
        assert {0, 1, 3, 15, 16, 17, SUM_BLOCK - 1, SUM_BLOCK, SUM_BLOCK + 1, 2 * SUM_BLOCK + 1} <= sizes
    assert any(len(set(shape)) == 3 for shape in seen)
    assert all(min(shape) >= 1 for shape in drawn(shapes(min_size=1, max_volume=100)))


def test_problems_have_every_kind_of_value_dtype_and_layout():
    seen = drawn(layer_problems(values=VALUES, layouts=list(LAYOUTS), max_volume=500))
    assert {problem.values for problem in seen} == set(VALUES)
    assert {problem.W.dtype.name for problem in seen} >= {"float32", "float64"}
    assert {name for problem in seen for name in problem.layouts} == set(LAYOUTS)


def test_values_are_what_their_names_say():
    for problem in drawn(layer_problems(values=VALUES, max_volume=500, min_size=1)):
        arrays = problem[:4]
        if problem.values in FINITE:
            assert all(np.isfinite(A).all() and (A != 0).all() for A in arrays)
        if problem.values == "integers":
            assert all((np.round(A) == A).all() and (np.abs(A) <= 8).all() for A in arrays)
    everything = np.concatenate(
        [p.X.ravel().astype(float) for p in drawn(layer_problems(values=("special",), max_volume=500))]
    )
    assert np.isnan(everything).any()
    assert np.isposinf(everything).any()
    assert np.isneginf(everything).any()
    assert (everything == 0).any()
    tiny = drawn(layer_problems(values=("subnormal",), max_volume=500, min_size=1))
    assert any((np.abs(p.W @ p.X) < np.finfo(p.W.dtype).smallest_normal).any() for p in tiny)


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("shape", [(3, 4), (5,), (1, 4), (4, 1), (0, 3), (3, 0)])
def test_a_layout_keeps_shape_values_and_dtype(name, shape):
    A = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    B = LAYOUTS[name](A)
    assert B.shape == A.shape
    assert B.dtype.newbyteorder("=") == A.dtype
    np.testing.assert_array_equal(B, A)
    assert not np.may_share_memory(A, B)


def test_layouts_are_what_their_names_say():
    A = np.ones((3, 4))
    assert LAYOUTS["Fortran"](A).flags.f_contiguous
    assert not LAYOUTS["row stride"](A).flags.c_contiguous
    assert LAYOUTS["steps of 2"](A).strides[1] == 16
    assert LAYOUTS["backwards"](A).strides == (-32, -8)
    assert not LAYOUTS["read-only"](A).flags.writeable
    assert isinstance(LAYOUTS["memory map"](A), np.memmap)
    assert not LAYOUTS["unaligned"](A).flags.aligned
    assert not LAYOUTS["byte-swapped"](A).dtype.isnative
    assert LAYOUTS["odd strides of length 1"](A[:1]).strides[0] == 12345


def test_exact_products_are_exact():
    A, X = np.array([[0.1, 1e-300], [1e300, -3.0]]), np.array([[0.2, 1e300], [5e-324, 7.0]])
    exact = exact_product(A, X, np.array([0.5, 0.0]))
    for t in range(2):
        for s in range(2):
            expected = sum((Fraction(float(A[t, k])) * Fraction(float(X[k, s])) for k in range(2)), Fraction(1 - t, 2))
            assert exact[t, s] == expected
    assert exact_product(np.zeros((1, 0)), np.zeros((0, 1)))[0, 0] == 0


def test_the_bound_is_tight_enough_to_see_one_unit_in_the_last_place_of_a_short_sum():
    """A bound that accepts anything would be a helper that cannot fail."""
    A, X = np.array([[1.5]], np.float32), np.array([[1.25]], np.float32)
    exact = exact_product(A, X)
    off = (A * X + 2 * np.spacing(A * X)).astype(np.float32)
    assert exact_errors(A * X, exact)[0, 0] == 0
    assert exact_errors(off, exact)[0, 0] > error_bound(A, X)[0, 0]
    assert exact_errors(np.array([[np.nan]]), exact)[0, 0] == np.inf

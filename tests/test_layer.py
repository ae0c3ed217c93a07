"""The layer against every oracle, on drawn problems."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.layer import KERNELS
from numbafc.testing import LAYOUTS, check_layer, error_bound, exact_errors, exact_product, integer_problems, layer_problems

KERNEL_NAMES = pytest.mark.parametrize("kernel", list(KERNELS))


def layer(kernel):
    """(forward, backward) with a kernel."""
    return (
        lambda W, X, b: fc.forward(W, X, b, kernel=kernel),
        lambda dY, X, W: fc.backward(dY, X, W, kernel=kernel),
    )


@KERNEL_NAMES
def test_check_layer_finds_nothing(kernel):
    volume = 2_000 if kernel == "formula" else 20_000
    check_layer(*layer(kernel), layouts=list(LAYOUTS), max_volume=volume, max_examples=100)


@given(integer_problems(max_volume=200_000))
def test_integers_are_numpy_s(problem):
    oracles.vectorised(*layer("auto"), problem)


@given(integer_problems(max_volume=3_000))
def test_the_long_way_is_the_shortcut(problem):
    oracles.long_way(*layer("auto"), problem)


@given(integer_problems(max_volume=200))
def test_finite_differences_with_step_1_are_the_gradients(problem):
    oracles.finite_differences(*layer("auto"), problem)


@given(layer_problems(max_volume=3_000))
def test_the_adjoint_identity(problem):
    oracles.adjoint(*layer("auto"), problem)


@given(layer_problems(max_volume=20_000))
def test_numpy_is_within_the_bound_too(problem):
    """The bound holds for any order of summation: if NumPy's fell outside, the bound would be wrong."""
    W, X, b = problem[:3]
    errors = exact_errors(W @ X + b[:, np.newaxis], exact_product(W, X, b))
    assert (errors <= error_bound(W, X, b)).all()


@given(integer_problems(min_size=1), st.data())
def test_grad_w_is_additive_over_a_split_of_the_batch(problem, data):
    _, X, _, dY = problem[:4]
    cut = data.draw(st.integers(0, X.shape[1]))
    parts = fc.grad_w(dY[:, :cut], X[:, :cut]) + fc.grad_w(dY[:, cut:], X[:, cut:])
    np.testing.assert_array_equal(fc.grad_w(dY, X), parts)
    np.testing.assert_array_equal(fc.grad_b(dY), fc.grad_b(dY[:, :cut]) + fc.grad_b(dY[:, cut:]))


@given(integer_problems())
def test_every_operation_is_linear(problem):
    W, X, b, dY = problem[:4]
    np.testing.assert_array_equal(fc.forward(2 * W, X, 2 * b), 2 * fc.forward(W, X, b))
    V, Z, dZ = W[::-1, ::-1], X[::-1, ::-1], dY[::-1, ::-1]
    np.testing.assert_array_equal(fc.forward(W + V, X), fc.forward(W, X) + fc.forward(V, X))
    np.testing.assert_array_equal(fc.forward(W, X + Z), fc.forward(W, X) + fc.forward(W, Z))
    np.testing.assert_array_equal(fc.grad_w(dY, X + Z), fc.grad_w(dY, X) + fc.grad_w(dY, Z))
    np.testing.assert_array_equal(fc.grad_x(dY + dZ, W), fc.grad_x(dY, W) + fc.grad_x(dZ, W))


@given(layer_problems(min_size=1))
def test_mean_is_the_sum_divided_by_the_samples(problem):
    W, X, _, dY = problem[:4]
    means_are_sums_divided(W, X, dY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_of_large_products_too(dtype):
    """They are split over threads."""
    rng = np.random.default_rng(8)
    W, X, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((150, 140), (140, 130), (150, 130)))
    means_are_sums_divided(W, X, dY)
    means_are_sums_divided(
        np.ones((2000, 900), dtype), np.ones((900, 2), dtype), rng.standard_normal((2000, 2)).astype(dtype)
    )


def means_are_sums_divided(W, X, dY):
    B = X.dtype.type(X.shape[1])
    np.testing.assert_array_equal(fc.grad_w(dY, X, reduction="mean"), fc.grad_w(dY, X) / B)
    np.testing.assert_array_equal(fc.grad_b(dY, reduction="mean"), fc.grad_b(dY) / B)
    for mean, total, count in zip(fc.backward(dY, X, W, reduction="mean"), fc.backward(dY, X, W), (B, B, 1), strict=True):
        np.testing.assert_array_equal(mean, total / count)


@given(layer_problems(values=("normal",), max_volume=5_000), st.booleans())
def test_per_sample_norms_are_those_of_the_gradients_formed(problem, bias):
    _, X, _, dY = problem[:4]
    norms = fc.per_sample_grad_norms(dY, X, bias=bias)
    for s in range(X.shape[1]):
        dW = np.outer(dY[:, s].astype(np.float64), X[:, s].astype(np.float64))
        expected = np.sqrt((dW**2).sum() + (dY[:, s].astype(np.float64) ** 2).sum() * bias)
        # relative error of a product of two roots of sums of K positive terms: K + 5 roundings
        terms = max(X.shape[0], dY.shape[0]) + 5
        assert abs(norms[s] - expected) <= terms * np.finfo(X.dtype).eps * expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@KERNEL_NAMES
def test_a_sum_over_nothing_is_0(kernel, dtype):
    b = np.array([1, 2, 3], dtype)
    W, X, dY = np.empty((3, 0), dtype), np.empty((0, 2), dtype), np.ones((3, 2), dtype)
    np.testing.assert_array_equal(fc.forward(W, X, kernel=kernel), np.zeros((3, 2)))
    np.testing.assert_array_equal(fc.forward(W, X, b, kernel=kernel), [[1, 1], [2, 2], [3, 3]])
    assert fc.grad_x(dY, W, kernel=kernel).shape == (0, 2)
    empty = np.empty((3, 0), dtype)
    np.testing.assert_array_equal(fc.grad_w(empty, np.empty((4, 0), dtype), kernel=kernel), np.zeros((3, 4)))
    np.testing.assert_array_equal(fc.grad_b(empty, kernel=kernel), np.zeros(3))
    np.testing.assert_array_equal(
        fc.grad_x(np.empty((0, 2), dtype), np.empty((0, 4), dtype), kernel=kernel), np.zeros((4, 2))
    )
    assert np.isnan(fc.grad_b(empty, reduction="mean", kernel=kernel)).all()


@KERNEL_NAMES
def test_zero_times_infinity_is_nan(kernel):
    W, X = np.array([[0.0, 1.0]]), np.array([[np.inf, 1.0], [2.0, 3.0]])
    Y = fc.forward(W, X, kernel=kernel)
    assert np.isnan(Y[0, 0])
    assert Y[0, 1] == 3.0


@KERNEL_NAMES
def test_a_negative_zero_survives_without_a_bias_and_not_with_one(kernel):
    tiny = np.finfo(np.float32).smallest_subnormal
    W, X = np.array([[-tiny]]), np.array([[tiny]])
    assert np.signbit(fc.forward(W, X, kernel=kernel)[0, 0])
    assert not np.signbit(fc.forward(W, X, np.zeros(1, np.float32), kernel=kernel)[0, 0])


def test_long_sums_in_blocks_are_more_accurate_than_one_chain():
    rng = np.random.default_rng(0)
    a, x = rng.standard_normal((64, 16_384), np.float32), rng.standard_normal((16_384, 4), np.float32)
    exact = a.astype(np.float64) @ x.astype(np.float64)
    chain = np.zeros((64, 4), np.float32)
    for k in range(16_384):
        chain += a[:, k, np.newaxis] * x[k]
    blocks = fc.forward(a, x)
    assert np.abs(blocks - exact).max() < np.abs(chain - exact).max() / 3

"""One right answer in bits: every kernel, thread count, memory layout and split of the batch gives the formula's."""

import numpy as np
import pytest
from helpers import assert_same_bits, compiled_formulas
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.layer import KERNELS
from numbafc.testing import LAYOUTS, LayerProblem, layer_problems
from numbafc.testing.problems import VALUES

FAST = [name for name in KERNELS if name != "formula"]
SERIAL = compiled_formulas()
REDUCTIONS = ["sum", "mean"]
EVERYTHING = layer_problems(values=VALUES, layouts=list(LAYOUTS), max_volume=200_000)
SMALL = layer_problems(values=VALUES, layouts=list(LAYOUTS), max_volume=3_000)


def by_kernel(problem: LayerProblem, kernel: str, reduction: str = "sum") -> dict[str, np.ndarray]:
    """All results of a problem."""
    W, X, b, dY = problem[:4]
    gradients = fc.backward(dY, X, W, reduction=reduction, kernel=kernel)
    return {
        "Y": fc.forward(W, X, b, kernel=kernel),
        "W X": fc.forward(W, X, kernel=kernel),
        **gradients._asdict(),
    }


def by_compiled_formula(problem: LayerProblem) -> dict[str, np.ndarray]:
    """The same results from formulas.py, compiled as it stands."""
    W, X, b, dY = problem.native()
    (T, N), B, dtype = W.shape, X.shape[1], W.dtype
    shapes = {"Y": (T, B), "W X": (T, B), "dW": (T, N), "db": T, "dX": (N, B), "norms": B, "norms of weights": B}
    results = {name: np.empty(shape, dtype) for name, shape in shapes.items()}
    W, X, b, dY = (np.require(A, requirements="CA") for A in (W, X, b, dY))
    SERIAL.forward(W, X, b, results["Y"])
    SERIAL.forward(W, X, None, results["W X"])
    SERIAL.per_sample_grad_norms(dY, X, True, results["norms"])
    SERIAL.per_sample_grad_norms(dY, X, False, results["norms of weights"])
    SERIAL.grad_w(dY, X, results["dW"])
    SERIAL.grad_b(dY, results["db"])
    SERIAL.grad_x(dY, W, results["dX"])
    return results


def assert_all_same_bits(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], what: str) -> None:
    for name, result in got.items():
        assert_same_bits(result, expected[name], f"{what} {name}")


@given(SMALL, st.sampled_from(REDUCTIONS))
def test_fast_kernels_have_the_bits_of_the_formula(problem, reduction):
    expected = by_kernel(problem, "formula", reduction)
    for kernel in FAST:
        assert_all_same_bits(by_kernel(problem, kernel, reduction), expected, kernel)


@given(EVERYTHING)
def test_fast_kernels_have_the_bits_of_the_compiled_formula(problem):
    expected = by_compiled_formula(problem)
    for name, bias in (("norms", True), ("norms of weights", False)):
        assert_same_bits(fc.per_sample_grad_norms(problem.dY, problem.X, bias=bias), expected[name], name)
    for kernel in FAST:
        assert_all_same_bits(by_kernel(problem, kernel), expected, kernel)


@given(EVERYTHING)
def test_no_bit_depends_on_the_number_of_threads(problem):
    threads = fc.get_num_threads()
    results = []
    try:
        for n in sorted({1, threads}):
            fc.set_num_threads(n)
            results.append(by_kernel(problem, "auto"))
    finally:
        fc.set_num_threads(threads)
    for result in results[1:]:
        assert_all_same_bits(result, results[0], f"{threads} threads")


@given(EVERYTHING, st.data())
def test_forward_and_grad_x_of_a_part_of_the_batch_are_the_part_of_the_result(problem, data):
    W, X, b, dY = problem[:4]
    first = data.draw(st.integers(0, X.shape[1]), label="first")
    last = data.draw(st.integers(first, X.shape[1]), label="last")
    part = slice(first, last)
    assert_same_bits(fc.forward(W, X[:, part], b), fc.forward(W, X, b)[:, part], "Y")
    assert_same_bits(fc.grad_x(dY[:, part], W), fc.grad_x(dY, W)[:, part], "dX")


@given(EVERYTHING, st.integers(0, 2**32 - 1))
def test_a_permutation_of_the_samples_permutes_the_results(problem, seed):
    W, X, b, dY = problem[:4]
    order = np.random.default_rng(seed).permutation(X.shape[1])
    assert_same_bits(fc.forward(W, X[:, order], b), fc.forward(W, X, b)[:, order], "Y")
    assert_same_bits(fc.grad_x(dY[:, order], W), fc.grad_x(dY, W)[:, order], "dX")


@given(layer_problems(layouts=list(LAYOUTS), min_size=1))
def test_one_sample_as_a_vector_is_one_column(problem):
    W, X, b, dY = problem[:4]
    x, dy = X[:, 0], dY[:, 0]
    assert_same_bits(fc.forward(W, x, b), fc.forward(W, X[:, :1], b)[:, 0], "y")
    assert_same_bits(fc.grad_w(dy, x), fc.grad_w(dY[:, :1], X[:, :1]), "dW")
    assert_same_bits(fc.grad_b(dy), fc.grad_b(dY[:, :1]), "db")
    assert_same_bits(fc.grad_x(dy, W), fc.grad_x(dY[:, :1], W)[:, 0], "dx")
    assert_same_bits(fc.per_sample_grad_norms(dy, x), fc.per_sample_grad_norms(dY[:, :1], X[:, :1]), "norms")


@pytest.mark.parametrize("kernel", list(KERNELS))
@given(
    layer_problems(layouts=list(LAYOUTS), max_volume=3_000), st.sampled_from(["C", "Fortran", "steps of 2", "backwards"])
)
def test_out_takes_the_result_and_its_surroundings_keep_theirs(kernel, problem, layout):
    W, X, b, dY = problem[:4]
    for call, arguments in (
        (fc.forward, (W, X, b)),
        (fc.grad_w, (dY, X)),
        (fc.grad_b, (dY,)),
        (fc.grad_x, (dY, W)),
    ):
        expected = call(*arguments, kernel=kernel)
        shape = expected.shape
        buffer = np.full([2 * n + 3 for n in shape], 7, expected.dtype)
        if layout == "Fortran":
            buffer = np.asfortranarray(buffer)
        step = {"steps of 2": 2, "backwards": -1}.get(layout, 1)
        window = tuple(slice(n, None if n == 0 else 0, -1) if step < 0 else slice(1, 1 + step * n, step) for n in shape)
        out = buffer[window][tuple(slice(0, n) for n in shape)]
        out[...] = np.nan
        before = [A.tobytes() for A in arguments]
        assert call(*arguments, out=out, kernel=kernel) is out
        assert_same_bits(out, expected, call.__name__)
        out[...] = 7
        assert (buffer == 7).all(), f"{call.__name__} wrote outside of out"
        assert [A.tobytes() for A in arguments] == before, f"{call.__name__} changed an argument"

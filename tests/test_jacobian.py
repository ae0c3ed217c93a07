"""Jacobians: dense against the formulas, operators against dense ones, the algebra, the costs and the limit."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc import formulas, jacobian
from numbafc.testing import integer_problems, layer_problems

PROBLEMS = integer_problems(max_volume=400)


def all_of_them(problem):
    """(operator, function that makes it dense, formula that fills it) for each Jacobian of a problem."""
    W, X, _, _ = problem[:4]
    T, B, dtype = W.shape[0], X.shape[1], W.dtype
    return (
        (fc.WeightJacobian(X, T), lambda: fc.jacobian_w(X, T), lambda J: formulas.weight_jacobian(X, T, J)),
        (
            fc.BiasJacobian(T, B, dtype=dtype),
            lambda: fc.jacobian_b(T, B, dtype=dtype),
            lambda J: formulas.bias_jacobian(T, B, J),
        ),
        (fc.InputJacobian(W, B), lambda: fc.jacobian_x(W, B), lambda J: formulas.input_jacobian(W, B, J)),
    )


def vectors(problem, length, count=None):
    shape = length if count is None else (length, count)
    return np.random.default_rng(length).integers(-8, 9, shape).astype(problem.W.dtype)


@given(PROBLEMS)
def test_dense_jacobians_are_the_formulas(problem):
    for operator, dense, formula in all_of_them(problem):
        expected = np.full(operator.shape, np.nan, problem.W.dtype)
        formula(expected)
        assert_same_bits(dense(), expected, repr(operator))
        assert_same_bits(operator.toarray(), expected, repr(operator))
        assert_same_bits(operator.T.toarray(), expected.T, repr(operator))


@given(integer_problems(max_volume=100))
def test_dense_jacobians_are_kronecker_products(problem):
    W, X, _, _ = problem[:4]
    T, B = W.shape[0], X.shape[1]
    np.testing.assert_array_equal(fc.jacobian_w(X, T), np.kron(np.eye(T), X.T))
    np.testing.assert_array_equal(fc.jacobian_b(T, B), np.kron(np.eye(T), np.ones((B, 1))))
    np.testing.assert_array_equal(fc.jacobian_x(W, B), np.kron(W, np.eye(B)))


@given(PROBLEMS, st.sampled_from([None, 1, 3]))
def test_operators_are_the_dense_jacobians_from_both_sides(problem, count):
    for operator, dense, _ in all_of_them(problem):
        J = dense()
        columns, rows = vectors(problem, J.shape[1], count), vectors(problem, J.shape[0], count).T
        np.testing.assert_array_equal(operator @ columns, J @ columns)
        np.testing.assert_array_equal(rows @ operator, rows @ J)
        np.testing.assert_array_equal(operator.T @ rows.T, J.T @ rows.T)
        np.testing.assert_array_equal(columns.T @ operator.T, columns.T @ J.T)
        assert operator.T.T is operator


@given(PROBLEMS)
def test_sparse_forms_hold_the_formulas_elements_and_no_more(problem):
    (T, N), B = problem.W.shape, problem.X.shape[1]
    for (operator, dense, _), nnz in zip(all_of_them(problem), (T * B * N, T * B, T * B * N), strict=True):
        sparse = operator.tosparse()
        assert sparse.format == "csr"
        np.testing.assert_array_equal(sparse.toarray(), dense())
        np.testing.assert_array_equal(operator.T.tosparse().toarray(), dense().T)
        assert operator.nnz == operator.T.nnz == sparse.nnz == nnz
        assert operator.nbytes_dense == dense().nbytes
        assert operator.dtype == sparse.dtype == problem.W.dtype


@given(layer_problems(max_volume=20_000))
def test_the_operator_s_long_way_has_the_bits_of_the_shortcut(problem):
    W, X, _, dY = problem[:4]
    (T, N), B = W.shape, X.shape[1]
    row = fc.linearize(dY)[np.newaxis, :]
    assert_same_bits(fc.reroll(fc.chain(row, fc.WeightJacobian(X, T)), (T, N)), fc.grad_w(dY, X), "dW")
    assert_same_bits(fc.chain(row, fc.BiasJacobian(T, B, dtype=W.dtype))[0], fc.grad_b(dY), "db")
    assert_same_bits(fc.reroll(fc.chain(row, fc.InputJacobian(W, B)), (N, B)), fc.grad_x(dY, W), "dX")


@given(integer_problems(max_volume=100, min_size=1), st.data())
def test_the_chain_rule_over_dense_and_operators_mixed(problem, data):
    """Two layers, Z = V (W X): DL(W) = DL(Z)·DZ(Y)·DY(W), whatever each factor is."""
    W, X = problem[:2]
    T, B = W.shape[0], X.shape[1]
    V = vectors(problem, 2, T)
    row = vectors(problem, 2 * B)[np.newaxis, :]
    operators = [fc.InputJacobian(V, B), fc.WeightJacobian(X, T)]
    factors = [J if data.draw(st.booleans()) else J.toarray() for J in operators]
    expected = fc.grad_w(fc.grad_x(row.reshape(2, B), V), X)
    np.testing.assert_array_equal(fc.chain(row, *factors), expected.reshape(1, -1))
    np.testing.assert_array_equal(row @ fc.chain(*operators), expected.reshape(1, -1))
    both = fc.chain(*operators)
    np.testing.assert_array_equal(both.toarray(), operators[0].toarray() @ operators[1].toarray())
    np.testing.assert_array_equal(both.tosparse().toarray(), both.toarray())
    np.testing.assert_array_equal(both.T @ row[0], row[0] @ both)


def test_a_chain_of_one_factor_is_that_factor():
    J = fc.jacobian_x(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(fc.chain(J), J)


def test_chain_names_the_shapes_that_do_not_meet():
    with pytest.raises(ValueError, match=r"outer has shape \(2, 3\) but inner has shape \(2, 3\)"):
        fc.chain(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="the chain rule needs as many columns"):
        fc.chain(fc.BiasJacobian(2, 3), fc.BiasJacobian(2, 3))


def test_mixed_dtypes_of_operators_and_vectors_promote():
    X = np.ones((3, 2), np.float32)
    J = fc.WeightJacobian(X, 2)
    assert (J @ np.ones(6, np.float32)).dtype == np.float32
    assert (J @ np.ones(6)).dtype == np.float64
    assert fc.chain(np.ones((1, 4)), J).dtype == np.float64


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.data())
def test_linearisation_is_an_exact_permutation(shape, data):
    A = np.arange(np.prod(shape)).reshape(shape)
    row = fc.linearize(A)
    np.testing.assert_array_equal(row, np.arange(A.size))
    np.testing.assert_array_equal(fc.reroll(row, shape), A)
    np.testing.assert_array_equal(fc.reroll(row[np.newaxis, :], shape), A)
    if A.size:
        index = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
        assert row[fc.linear_index(index, shape)] == A[index]


def test_a_matrix_index_is_the_column_t_n_plus_i():
    assert fc.linear_index((2, 3), (5, 7)) == 2 * 7 + 3
    with pytest.raises(ValueError, match=r"index \(5, 0\) is not in an array of shape \(5, 7\)"):
        fc.linear_index((5, 0), (5, 7))
    with pytest.raises(ValueError, match="must be at least 0, got -1"):
        fc.linear_index((-1, 0), (5, 7))
    with pytest.raises(ValueError, match=r"a row for shape \(2, 2\) has 4 elements"):
        fc.reroll(np.zeros(5), (2, 2))


def test_fortran_order_linearises_by_index_and_not_by_memory():
    A = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(fc.linearize(A), np.arange(6))


@given(integer_problems(max_volume=60, min_size=1))
def test_numeric_jacobians_of_the_layer_are_exact_with_step_1(problem):
    W, X, b, _ = problem[:4]
    T, B = W.shape[0], X.shape[1]
    np.testing.assert_array_equal(fc.numeric_jacobian(lambda V: fc.forward(V, X, b), W, step=1), fc.jacobian_w(X, T))
    np.testing.assert_array_equal(fc.numeric_jacobian(lambda v: fc.forward(W, X, v), b, step=1), fc.jacobian_b(T, B))
    np.testing.assert_array_equal(fc.numeric_jacobian(lambda V: fc.forward(W, V, b), X, step=1), fc.jacobian_x(W, B))


def test_numeric_jacobian_s_own_step_serves_curved_functions():
    a = np.array([0.5, -2.0, 30.0])
    J = fc.numeric_jacobian(np.sin, a)
    # truncation h²/6 with h = eps^(1/3)·max(1, |a|), and rounding eps/h: below 1e-8 for these
    np.testing.assert_allclose(J, np.diag(np.cos(a)), rtol=0, atol=1e-8)
    np.testing.assert_allclose(fc.numeric_jacobian(lambda v: (v**2).sum(), a), 2 * a[np.newaxis, :], rtol=0, atol=1e-7)


def test_numeric_jacobian_sees_through_a_reused_output():
    W, X, Y = np.ones((2, 3)), np.arange(6.0).reshape(3, 2), np.empty((2, 2))
    J = fc.numeric_jacobian(lambda V: fc.forward(V, X, out=Y), W, step=1)
    np.testing.assert_array_equal(J, fc.jacobian_w(X, 2))


def test_numeric_jacobian_refuses_what_it_cannot_measure():
    with pytest.raises(TypeError, match="f must return real numbers, got dtype complex128"):
        fc.numeric_jacobian(lambda v: v * 1j, np.ones(2))
    with pytest.raises(ValueError, match="step 1e-300 is lost beside element 0"):
        fc.numeric_jacobian(np.sin, np.ones(2), step=1e-300)
    with pytest.raises(ValueError, match="step 1 is lost beside element 0, 33554432"):
        fc.numeric_jacobian(lambda v: v, np.array([2**25], np.float32), step=1)


def test_numeric_jacobian_s_step_grows_with_the_argument():
    a = np.array([1e6])
    # at 1e6 a step of eps^(1/3) would leave 1e-16·1e12/6e-6 ≈ 2e1 of rounding in a², one of 6 leaves 2e-5
    np.testing.assert_allclose(fc.numeric_jacobian(lambda v: v**2, a), [[2e6]], rtol=0, atol=1e-3)


def test_numeric_jacobian_leaves_its_argument_alone():
    a = np.array([1.0, 2.0])

    def vandal(v):
        v[:] = 7
        return v

    fc.numeric_jacobian(vandal, a)
    np.testing.assert_array_equal(a, [1, 2])
    with pytest.raises(ValueError, match="step must be a finite number above 0"):
        fc.numeric_jacobian(np.sin, a, step=0)


def test_the_softmax_jacobian_gives_the_gradient_of_the_cross_entropy():
    """−log S_c through DS is S − onehot(c)."""
    y = np.array([0.5, -1.0, 2.0])
    S = np.exp(y) / np.exp(y).sum()
    J = np.empty((3, 3))
    formulas.softmax_jacobian(S, J)
    for c in range(3):
        DL = np.zeros((1, 3))
        DL[0, c] = -1 / S[c]
        # four roundings of numbers below 1
        np.testing.assert_allclose(fc.chain(DL, J)[0], S - np.eye(3)[c], rtol=0, atol=4 * np.finfo(float).eps)
    numeric = fc.numeric_jacobian(lambda v: np.exp(v) / np.exp(v).sum(), y)
    np.testing.assert_allclose(J, numeric, rtol=0, atol=1e-9)


def test_the_costs_are_those_of_the_article():
    one = fc.jacobian_cost(T=100, N=16_384)
    assert one.shortcut.elements == 1_638_400
    assert one.shortcut.multiply_adds == 1_638_400
    assert one.long_way.elements == 163_840_000
    assert one.long_way.multiply_adds == 163_840_000
    assert one.long_way.bytes == 655_360_000
    assert f"{one.long_way.gib:.2f}" == "0.61"
    batch = fc.jacobian_cost(T=100, N=16_384, B=32)
    assert batch.long_way.elements == 5_242_880_000
    assert f"{batch.long_way.gib:.1f}" == "19.5"
    assert one.ratio == batch.ratio == 100
    assert one.long_way.elements / one.shortcut.elements == one.long_way.bytes / one.shortcut.bytes == 100
    assert fc.jacobian_cost(100, 16_384, 32, "float64").long_way.bytes == 2 * batch.long_way.bytes


@given(integer_problems(max_volume=400))
def test_the_costs_are_those_of_the_arrays(problem):
    W, X = problem.W, problem.X
    (T, N), B = W.shape, X.shape[1]
    cost = fc.jacobian_cost(T, N, B, W.dtype)
    J = fc.jacobian_w(X, T)
    assert (cost.long_way.elements, cost.long_way.bytes) == (J.size, J.nbytes)
    assert (cost.shortcut.elements, cost.shortcut.bytes) == (W.size, W.nbytes)


def test_a_dense_jacobian_over_the_limit_is_refused_before_it_is_made():
    X, W = np.ones((16_384, 32), np.float32), np.ones((10, 100), np.float32)
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match=r"20971520000 bytes \(19.53 GiB\).*1073741824.*WeightJacobian"):
            fc.jacobian_w(X, 100)
        with pytest.raises(MemoryError, match="WeightJacobian"):
            fc.WeightJacobian(X, 100).toarray()
        with pytest.raises(MemoryError, match="InputJacobian"):
            fc.jacobian_x(X, 32)
        with pytest.raises(MemoryError, match="BiasJacobian"):
            fc.jacobian_b(100_000, 100)
        with pytest.raises(MemoryError, match="use the operator itself"):
            fc.chain(fc.InputJacobian(W, 32), fc.WeightJacobian(X, 100)).toarray()
        with pytest.raises(MemoryError, match="use an operator"):
            fc.numeric_jacobian(lambda v: np.zeros(1_000_000, np.float32), np.zeros(1_000, np.float32))
        # two results of that function, 4 MB each, are all that was ever allocated
        assert tracemalloc.get_traced_memory()[1] < 9_000_000
    finally:
        tracemalloc.stop()


def test_the_limit_can_be_moved(monkeypatch):
    monkeypatch.setattr(jacobian, "MAX_BYTES", 100)
    with pytest.raises(MemoryError, match="108 bytes"):
        fc.jacobian_w(np.ones((3, 1), np.float32), 3)
    assert fc.jacobian_w(np.ones((1, 1), np.float32), 5).nbytes == 100


MEMORY = """
import ctypes, json, pathlib
import numpy as np, numbafc as fc

def grown(call):
    ctypes.CDLL(None).malloc_trim(0)                            # free memory goes back, so that taking it again shows
    pathlib.Path("/proc/self/clear_refs").write_text("5")       # the high-water mark starts at what is held now
    lines = lambda: pathlib.Path("/proc/self/status").read_text().split("\\n")
    mark = lambda: 1024 * int(next(line for line in lines() if line.startswith("VmHWM")).split()[1])
    before = mark()
    result = call()
    return mark() - before - sum(array.nbytes for array in result), result

rng = np.random.default_rng(0)
N, T, B = 16_384, 100, 32
X = rng.standard_normal((N, B), np.float32)
v, row = rng.standard_normal(T * N, np.float32), rng.standard_normal(T * B, np.float32)
small = fc.WeightJacobian(X[:600], T)
small @ v[:T * 600], row @ small                                # compiles, and starts the threads
J = fc.WeightJacobian(X, T)
with_copy = lambda: (J @ v, row @ J, X.copy())[:2]
print(json.dumps({
    "operator": grown(lambda: (J @ v, row @ J))[0],
    "with a copy of X": grown(with_copy)[0],
    "error": float(np.abs((J @ v).reshape(T, B) - v.reshape(T, N).astype(float) @ X).max()),
    "same": (row @ J).tobytes() == fc.grad_w(row.reshape(T, B), X).tobytes(),
}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's count of a process's peak memory")
def test_the_size_the_article_calls_impossible_takes_less_than_a_mebibyte():
    done = run_python(MEMORY)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["operator"] < 2**20
    assert result["with a copy of X"] > 2**20  # the measure sees what it should: the same, and 2 MiB
    assert result["same"]
    assert result["error"] < 1e-2  # far from a wrong product; the bound itself is tested elsewhere


def test_operators_refuse_vectors_that_do_not_fit():
    J = fc.WeightJacobian(np.ones((3, 2)), 4)
    with pytest.raises(ValueError, match=r"v has shape \(5,\) but J has shape \(8, 12\).*rows in v.*12"):
        J @ np.ones(5)
    with pytest.raises(ValueError, match=r"columns in v.*8"):
        np.ones(5) @ J
    with pytest.raises(TypeError, match="float32 or float64"):
        J @ np.ones(12, int)
    assert repr(J) == "<WeightJacobian 8 x 12, float64>"


def test_tosparse_without_scipy_is_one_sentence():
    code = """
import sys
sys.modules["scipy"] = sys.modules["scipy.sparse"] = None
import numpy as np, numbafc as fc
try:
    fc.WeightJacobian(np.ones((2, 2)), 2).tosparse()
except ImportError as error:
    print(error)
"""
    assert run_python(code).stdout == "tosparse() needs SciPy, which is not installed: pip install scipy\n"

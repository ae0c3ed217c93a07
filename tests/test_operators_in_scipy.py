"""Jacobian operators in NumPy's and SciPy's functions: a right result or a clear exception, never a 0-d object array."""

import copy
import itertools
import operator
import pickle

import numpy as np
import pytest
import scipy.sparse.linalg
from helpers import assert_same_bits

import numbafc as fc

RNG = np.random.default_rng(3)
X, W, V = (RNG.integers(-4, 5, shape).astype(np.float32) for shape in ((3, 4), (2, 3), (3, 5)))
OPERATORS = {
    "weights": fc.WeightJacobian(X, 2),
    "bias": fc.BiasJacobian(2, 4),
    "input": fc.InputJacobian(W, 4),
    "transposed": fc.WeightJacobian(X, 2).T,
    "composition": fc.chain(fc.InputJacobian(W, 4), fc.WeightJacobian(V.astype(np.float64)[:, :4], 3)),
}
EACH = pytest.mark.parametrize("J", OPERATORS.values(), ids=OPERATORS)
SIGNED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and_", "or_", "xor")
NAMES = (*SIGNED, "lt", "le", "gt", "ge")
SIGNS = (*(getattr(operator, name) for name in NAMES), divmod)
ALONE = (
    operator.neg, operator.pos, operator.abs, operator.invert, bool, len, list, np.sum, np.exp, float,
    operator.itemgetter(0), operator.itemgetter((slice(None), 1)), operator.methodcaller("__contains__", 1.0),
)  # fmt: skip


def numbers(*shape, dtype=np.float64):
    return RNG.integers(-4, 5, shape).astype(dtype)


@EACH
def test_numpy_s_functions_get_the_dense_form(J):
    dense = J.toarray()
    for made in (np.asarray(J), np.array(J), np.atleast_2d(J), np.vstack([J, J])[: J.shape[0]], np.array(J, copy=True)):
        assert_same_bits(made, dense, "the dense form")
    assert np.linalg.norm(J) == np.linalg.norm(dense)
    assert (np.shape(J), np.ndim(J), np.size(J)) == (dense.shape, 2, dense.size)
    np.testing.assert_array_equal(J, dense)
    np.testing.assert_array_equal(np.dot(J, np.ones(J.shape[1], J.dtype)), dense.sum(axis=1))
    room = np.full(J.shape, np.nan)
    room[...] = J
    np.testing.assert_array_equal(room, dense)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, object, ">f4"])
def test_the_dense_form_has_the_dtype_that_is_asked_for(J, dtype):
    made = np.asarray(J, dtype=dtype)
    assert made.dtype == dtype
    assert (made == J.toarray()).all()
    assert made.shape == J.shape


@EACH
def test_a_form_without_a_copy_is_refused_and_a_copy_is_one(J):
    with pytest.raises(ValueError, match="copy=None"):
        np.asarray(J, copy=False)
    first = np.array(J, copy=True)
    first[...] = 7
    assert not (np.asarray(J) == 7).all()
    np.testing.assert_array_equal(X, fc.WeightJacobian(X, 1).toarray().reshape(4, 3).T)


def test_the_dense_form_for_numpy_has_the_limit_of_toarray(monkeypatch):
    monkeypatch.setattr(fc.jacobian, "MAX_BYTES", 10)
    for J in OPERATORS.values():
        with pytest.raises(MemoryError, match="above the limit"):
            np.asarray(J)
        with pytest.raises(MemoryError, match="above the limit"):
            np.linalg.norm(J)


@EACH
def test_scipy_applies_it(J):
    A, dense = scipy.sparse.linalg.aslinearoperator(J), J.toarray()
    m, n = J.shape
    assert (A.shape, A.dtype) == (J.shape, J.dtype)
    v, u, columns, others = numbers(n), numbers(m), numbers(n, 3), numbers(m, 3)
    for got, expected in (
        (A.matvec(v), dense @ v),
        (A.matvec(v[:, None]), dense @ v[:, None]),
        (A.rmatvec(u), dense.T @ u),
        (A @ columns, dense @ columns),
        (A.rmatmat(others), dense.T @ others),
        (A.H @ u, dense.T @ u),
        (A.T @ others, dense.T @ others),
        ((2 * A) @ v, 2 * (dense @ v)),
        (J.matvec(v), dense @ v),
        (J.rmatvec(u), dense.T @ u),
        (J.matmat(columns), dense @ columns),
        (J.rmatmat(others), dense.T @ others),
    ):
        np.testing.assert_array_equal(got, expected)


def test_scipy_s_solvers_take_it():
    J = fc.InputJacobian(numbers(6, 3), 2)
    x = numbers(6)
    solution = scipy.sparse.linalg.lsqr(J, J @ x, atol=1e-14, btol=1e-14)[0]
    np.testing.assert_allclose(solution, x, rtol=1e-9, atol=1e-9)  # lsqr stops at 1e-14 times a condition below 1e4
    largest = scipy.sparse.linalg.svds(J, k=1, return_singular_vectors=False)[0]
    np.testing.assert_allclose(largest, np.linalg.norm(np.asarray(J), 2), rtol=1e-9)  # ARPACK's own tolerance is far below


@EACH
@pytest.mark.parametrize("sign", SIGNS, ids=[sign.__name__ for sign in SIGNS])
def test_what_operators_have_not_is_said_with_what_to_do(J, sign):
    for other in (2, 2.5, np.float32(2), np.ones(J.shape, np.float32), np.ones(J.shape[1]), OPERATORS["bias"], J):
        for pair in ((J, other), (other, J)):
            with pytest.raises(TypeError, match=r"is an operator, which has no .*; .*np\.asarray") as caught:
                sign(*pair)
            assert len(str(caught.value)) < 300


@EACH
def test_questions_about_elements_raise(J):
    for ask in ALONE:
        with pytest.raises(TypeError):
            ask(J)
    for compare, pair in itertools.product((operator.eq, operator.ne), ((J, J.toarray()), (J.toarray(), J))):
        with pytest.raises(TypeError, match="not compared"):
            compare(*pair)
    with pytest.raises(TypeError, match="ufunc"):
        np.add(np.ones(J.shape), 1, out=J)
    for name in ("shape", "dtype"):
        with pytest.raises(AttributeError):
            setattr(J, name, None)


@EACH
def test_an_operator_is_equal_to_itself_and_has_a_place_in_dictionaries(J):
    same, other = J, fc.BiasJacobian(2, 4)
    assert same == J
    assert other != J
    assert J != 1
    assert {J: 1}[same] == 1
    assert J in [other, same]


@EACH
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda J: pickle.loads(pickle.dumps(J))])
def test_copies_are_the_same_operator(J, again):
    other = again(J)
    assert (other.shape, other.dtype, type(other)) == (J.shape, J.dtype, type(J))
    assert_same_bits(other.toarray(), J.toarray(), "the copy")
    v = numbers(J.shape[1], dtype=J.dtype)
    assert_same_bits(other @ v, J @ v, "the copy's product")


@EACH
def test_numpy_leaves_its_matrix_products_to_the_operator(J):
    v = numbers(J.shape[0], dtype=J.dtype)
    assert_same_bits(v @ J, J.T @ v, "array @ J")
    np.testing.assert_array_equal(scipy.sparse.csr_array(np.diag(v)) @ J, np.diag(v) @ J.toarray())


def test_an_axis_longer_than_numpy_s_is_said():
    J = fc.InputJacobian(np.empty((0, 5), np.float32), 2**70)
    with pytest.raises(ValueError, match="longer axis than arrays can have"):
        np.asarray(J)

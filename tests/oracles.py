"""Independent ways to know whether a forward(W, X, b) and a backward(dY, X, W) are right. Each raises AssertionError.

The strongest first. test_layer.py asks them about numbafc, test_planted_bugs.py shows that each can fail.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from helpers import assert_same_bits

import numbafc as fc
from numbafc import jacobian
from numbafc.testing import LayerProblem, check_adjoint
from numbafc.testing.check import check_problem

Forward = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Backward = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]


def bits(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """The formula's bits."""
    W, X, b, dY = problem[:4]
    assert_same_bits(forward(W, X, b), fc.forward(W, X, b, kernel="formula"), "Y")
    expected = fc.backward(dY, X, W, kernel="formula")
    for name, result in zip(("dW", "db", "dX"), backward(dY, X, W), strict=True):
        assert_same_bits(result, getattr(expected, name), name)


def rational(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """Exact rational arithmetic: equal on integers, within the bound on the rest."""
    check_problem(forward, backward, problem)


def adjoint(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """⟨dY, forward(V)⟩ = ⟨backward(dY), V⟩."""
    check_adjoint(forward, backward, problem)


def vectorised(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """NumPy's expressions on integers, where every order is exact."""
    W, X, b, dY = problem[:4]
    np.testing.assert_array_equal(forward(W, X, b), W @ X + b[:, np.newaxis], "Y")
    for name, result, expected in zip(
        ("dW", "db", "dX"), backward(dY, X, W), (dY @ X.T, dY.sum(axis=1), W.T @ dY), strict=True
    ):
        np.testing.assert_array_equal(result, expected, name)


def long_way(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """Through the full Jacobians, on integers: DY(W)·vec(W) + DY(b)·b = vec(Y), and DL(Y)·DY(A) = vec(dA) for every A."""
    W, X, b, dY = problem[:4]
    (T, N), B = W.shape, X.shape[1]
    dtype = W.dtype
    J_W, J_b, J_X = jacobian.jacobian_w(X, T), jacobian.jacobian_b(T, B, dtype=dtype), jacobian.jacobian_x(W, B)
    Y = J_W @ W.reshape(-1) + J_b @ b
    np.testing.assert_array_equal(forward(W, X, b), Y.reshape(T, B), "Y")
    DL = dY.reshape(1, -1)
    for name, result, J, shape in zip(
        ("dW", "db", "dX"), backward(dY, X, W), (J_W, J_b, J_X), ((T, N), (T,), (N, B)), strict=True
    ):
        np.testing.assert_array_equal(result, jacobian.reroll(DL @ J, shape), name)


def finite_differences(forward: Forward, backward: Backward, problem: LayerProblem) -> None:
    """The gradient of ⟨dY, forward⟩ by differences with step 1, on integers: the layer is linear, so they are exact."""
    W, X, b, dY = problem[:4]

    def loss(Y: np.ndarray) -> np.ndarray:
        return np.sum(dY * Y, keepdims=True)

    for name, result, f, a in zip(
        ("dW", "db", "dX"),
        backward(dY, X, W),
        (
            lambda V: loss(forward(V, X, b)),
            lambda v: loss(forward(W, X, v)),
            lambda V: loss(forward(W, V, b)),
        ),
        (W, b, X),
        strict=True,
    ):
        np.testing.assert_array_equal(result, jacobian.numeric_jacobian(f, a, step=1).reshape(a.shape), name)

"""The adjoint identity: backward is the transpose of forward, checked with two inner products at any size."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .bounds import error_bound
from .problems import LayerProblem


def check_adjoint(forward: Callable[..., Any], backward: Callable[..., Any], problem: LayerProblem) -> None:
    """Raise AssertionError unless ⟨dY, forward(V)⟩ = ⟨backward(dY), V⟩ in each argument, within the rounding of both.

    The layer is linear in W, in X and in b, the others held fixed. With no bias, ⟨dY, W X⟩ = ⟨dW, W⟩ = ⟨dX, X⟩, and for
    the bias alone ⟨dY, b 1ᵀ⟩ = ⟨db, b⟩. The inner products are exact; each computed element may be off by its
    error_bound. Values must be finite.
    """
    W, X, b, dY = problem.native()
    zero = np.zeros_like(b)
    dW, db, dX = backward(problem.dY, problem.X, problem.W)
    ones = np.ones((dY.shape[1], 1), dY.dtype)
    spread = forward(np.zeros_like(W), X, b)
    product, slack = forward(problem.W, problem.X, zero), error_bound(W, X)
    for name, gradient, bound, argument, Y, Y_bound in (
        ("W", dW, error_bound(dY, X.T), W, product, slack),
        ("X", dX, error_bound(W.T, dY), X, product, slack),
        ("b", db, error_bound(dY, ones)[:, 0], b, spread, error_bound(np.zeros_like(W), X, b)),
    ):
        left, right = _inner(dY, Y), _inner(gradient, argument)
        allowed = _inner(np.abs(dY), Y_bound) + _inner(bound, np.abs(argument))
        if abs(left - right) > allowed:
            raise AssertionError(
                f"the adjoint identity fails in {name}: ⟨dY, forward⟩ = {float(left)!r} but ⟨d{name}, {name}⟩ = "
                f"{float(right)!r}; they differ by {float(abs(left - right)):.3g}, rounding allows {float(allowed):.3g}\n"
                f"{problem!r}"
            )


def _inner(A: np.ndarray, B: np.ndarray) -> Fraction:
    """⟨A, B⟩ = Σ A[…]·B[…] over all elements, exactly."""
    pairs = zip(np.ravel(A).tolist(), np.ravel(B).tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))

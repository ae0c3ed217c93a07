"""The chain rule: a product of Jacobians, dense or operators, from the outermost function inwards."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import checks, layer
from .limits import zeros
from .operators import Jacobian


def chain(outer: Any, *inner: Any) -> Any:
    """D(f∘g∘…)(a) = Df · Dg · …, multiplied from the left, as backpropagation does.

    Each factor: a dense Jacobian (m, n), a gradient row (1, n) or (n,), or an operator. Returns an array, or an operator
    where all factors are operators; its dtype holds all factors'. Raises ValueError where columns do not meet rows.
    """
    return functools.reduce(_product, (_factor(J) for J in inner), _factor(outer))


def _factor(J: Any) -> Any:
    if isinstance(J, Jacobian):
        return J
    J = checks.real_array("a Jacobian", J)
    checks.axes("a Jacobian", J, "(m, n), one row per output, or (n,) for a scalar's", 1, 2)
    return J if J.ndim == 2 else J[np.newaxis, :]


def _product(outer: Any, inner: Any) -> Any:
    if outer.shape[1] != inner.shape[0]:
        raise ValueError(
            f"outer has shape {outer.shape} but inner has shape {inner.shape}; the chain rule needs as many columns in "
            "the outer Jacobian as rows in the inner one"
        )
    if isinstance(outer, Jacobian):
        return outer.__matmul__(inner)
    if isinstance(inner, Jacobian):
        return inner.__rmatmul__(outer)
    dtype = np.result_type(outer, inner)
    product = zeros((outer.shape[0], inner.shape[1]), dtype, "operators as factors")
    return layer.forward(outer.astype(dtype, copy=False), inner.astype(dtype, copy=False), out=product)

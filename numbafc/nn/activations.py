"""Activations h = φ(y), element by element, and the chain rule through them: dY = dH ⊙ φ'(Y).

Each derivative is written in h, so that a network keeps h alone. One compiled function serves whole networks and single
arrays, so that both have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numba.types import intp

from .._jit import flat, kernel, stay_apart
from ..kernels import elementwise


class Activation(NamedTuple):
    """φ and the chain rule through it, both in place."""

    name: str
    code: int  # what compiled code calls it
    apply: Callable[[np.ndarray], None]  # Y becomes φ(Y)
    chain: Callable[[np.ndarray, np.ndarray], None]  # (dH, H): dH becomes dH ⊙ φ'


IDENTITY, RELU, TANH, SIGMOID = range(4)


@register_jitable
def apply_part(code, Y):
    """Y becomes φ(Y); Y: contiguous."""
    stay_apart()
    zero = Y.dtype.type(0)
    if code == RELU:  # φ(y) = max(y, 0); NaN stays
        for n in range(len(Y)):
            Y[n] = Y[n] if Y[n] > zero or Y[n] != Y[n] else zero
    elif code == TANH:
        for n in range(len(Y)):
            Y[n] = elementwise.tanh(Y[n])
    elif code == SIGMOID:  # φ(y) = 1/(1 + e^−y)
        for n in range(len(Y)):
            Y[n] = elementwise.sigmoid(Y[n])


@register_jitable
def chain_part(code, dH, H):
    """dH becomes dH ⊙ φ', with φ' from H; both contiguous."""
    stay_apart()
    one, zero = H.dtype.type(1), H.dtype.type(0)
    if code == RELU:  # φ' = 1 for y > 0, else 0 (at 0 too, as PyTorch and scikit-learn have it)
        for n in range(len(dH)):
            dH[n] *= one if H[n] > zero else zero
    elif code == TANH:  # φ' = 1 − h²
        for n in range(len(dH)):
            dH[n] *= one - H[n] * H[n]
    elif code == SIGMOID:  # φ' = h·(1 − h)
        for n in range(len(dH)):
            dH[n] *= H[n] * (one - H[n])


@kernel(lambda real: (flat(real), intp), parallel=False)
def _apply(Y, code):
    apply_part(code, Y)


@kernel(lambda real: (flat(real), flat(real), intp), parallel=False)
def _chain(dH, H, code):
    chain_part(code, dH, H)


def _activation(name: str, code: int) -> Activation:
    def apply(Y: np.ndarray) -> None:
        in_order = np.ascontiguousarray(Y)
        _apply(in_order.reshape(-1), code)
        if in_order is not Y:
            Y[...] = in_order

    def chain(dH: np.ndarray, H: np.ndarray) -> None:
        in_order = np.ascontiguousarray(dH)
        _chain(in_order.reshape(-1), np.ascontiguousarray(H).reshape(-1), code)
        if in_order is not dH:
            dH[...] = in_order

    return Activation(name, code, apply, chain)


ACTIVATIONS = {
    name: _activation(name, code)
    for name, code in (("identity", IDENTITY), ("relu", RELU), ("tanh", TANH), ("sigmoid", SIGMOID))
}

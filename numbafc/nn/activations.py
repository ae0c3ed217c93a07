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
    gain: int  # initial weights have variance gain/N: what keeps the size of signals from layer to layer


IDENTITY, RELU, TANH, SIGMOID, LEAKY_RELU, ELU, SELU, SOFTPLUS = range(8)
LEAK = 0.01  # the slope of leaky_relu below 0 (A. Maas et al., ICML 2013)
# With these, activations of mean 0 and variance 1 stay so (G. Klambauer et al., NeurIPS 2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@register_jitable
def apply_part(code, Y):
    """Y becomes φ(Y); Y: contiguous."""
    stay_apart()
    real = Y.dtype.type
    zero, leak, scale, alpha = real(0), real(LEAK), real(SELU_SCALE), real(SELU_SCALE * SELU_ALPHA)
    if code == RELU:  # φ(y) = max(y, 0); NaN stays
        for n in range(len(Y)):
            Y[n] = Y[n] if Y[n] > zero or Y[n] != Y[n] else zero
    elif code == TANH:
        for n in range(len(Y)):
            Y[n] = elementwise.tanh(Y[n])
    elif code == SIGMOID:  # φ(y) = 1/(1 + e^−y)
        for n in range(len(Y)):
            Y[n] = elementwise.sigmoid(Y[n])
    elif code == LEAKY_RELU:  # φ(y) = y for y > 0, else y/100
        for n in range(len(Y)):
            Y[n] = Y[n] if Y[n] > zero else leak * Y[n]
    elif code == ELU:  # φ(y) = y for y > 0, else e^y − 1
        for n in range(len(Y)):
            Y[n] = Y[n] if Y[n] > zero else elementwise.expm1(Y[n])
    elif code == SELU:  # φ(y) = λ·y for y > 0, else λ·α·(e^y − 1)
        for n in range(len(Y)):
            Y[n] = scale * Y[n] if Y[n] > zero else alpha * elementwise.expm1(Y[n])
    elif code == SOFTPLUS:  # φ(y) = log(1 + e^y)
        for n in range(len(Y)):
            Y[n] = elementwise.softplus(Y[n])


@register_jitable
def chain_part(code, dH, H):
    """dH becomes dH ⊙ φ', with φ' from H; both contiguous."""
    stay_apart()
    real = H.dtype.type
    one, zero, leak, scale, alpha = real(1), real(0), real(LEAK), real(SELU_SCALE), real(SELU_SCALE * SELU_ALPHA)
    if code == RELU:  # φ' = 1 for y > 0, else 0 (at 0 too, as PyTorch and scikit-learn have it)
        for n in range(len(dH)):
            dH[n] *= one if H[n] > zero else zero
    elif code == TANH:  # φ' = 1 − h²
        for n in range(len(dH)):
            dH[n] *= one - H[n] * H[n]
    elif code == SIGMOID:  # φ' = h·(1 − h)
        for n in range(len(dH)):
            dH[n] *= H[n] * (one - H[n])
    elif code == LEAKY_RELU:
        for n in range(len(dH)):
            dH[n] *= one if H[n] > zero else leak
    elif code == ELU:  # φ' = e^y = h + 1 below 0
        for n in range(len(dH)):
            dH[n] *= one if H[n] > zero else H[n] + one
    elif code == SELU:  # φ' = λ·α·e^y = h + λ·α below 0
        for n in range(len(dH)):
            dH[n] *= scale if H[n] > zero else H[n] + alpha
    elif code == SOFTPLUS:  # φ' = e^y/(1 + e^y) = 1 − e^−h
        for n in range(len(dH)):
            dH[n] *= -elementwise.expm1(-H[n])


@kernel(lambda real: (flat(real), intp), parallel=False)
def _apply(Y, code):
    apply_part(code, Y)


@kernel(lambda real: (flat(real), flat(real), intp), parallel=False)
def _chain(dH, H, code):
    chain_part(code, dH, H)


def _activation(name: str, code: int, gain: int) -> Activation:
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

    return Activation(name, code, apply, chain, gain)


ACTIVATIONS = {
    name: _activation(name, code, gain)
    for name, code, gain in (
        ("identity", IDENTITY, 1),
        ("relu", RELU, 2),
        ("tanh", TANH, 1),
        ("sigmoid", SIGMOID, 1),
        ("leaky_relu", LEAKY_RELU, 2),
        ("elu", ELU, 1),
        ("selu", SELU, 1),
        ("softplus", SOFTPLUS, 2),
    )
}

"""Activations h = φ(y), element by element, and the chain rule through them: dY = dH ⊙ φ'(Y).

Most derivatives are written in h, so that a network keeps h alone; gelu and silu keep their slopes φ'(y) besides. One
compiled function serves whole networks and single arrays, so that both have the same bits.
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
    """φ and the chain rule through it, in place."""

    name: str
    code: int  # what compiled code calls it
    in_h: bool  # φ' is a function of h
    apply: Callable[[np.ndarray], None]  # Y becomes φ(Y)
    slopes: Callable[[np.ndarray], np.ndarray]  # Y becomes φ(Y); returns φ'
    chain: Callable[[np.ndarray, np.ndarray], None]  # (dH, H, or φ' unless in_h): dH becomes dH ⊙ φ'
    gain: int  # initial weights have variance gain/N: what keeps the size of signals from layer to layer


IDENTITY, RELU, TANH, SIGMOID, LEAKY_RELU, ELU, SELU, SOFTPLUS, GELU, SILU = range(10)
WITH_SLOPES = GELU, SILU  # whose φ' is no function of h
GIVEN = 15  # for chain_part: the slopes themselves are there
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
    elif code == GELU:  # φ(y) = y·Φ(y), Φ of the standard normal distribution (D. Hendrycks, K. Gimpel, 2016)
        for n in range(len(Y)):
            Y[n] = elementwise.gelu(Y[n])
    elif code == SILU:  # φ(y) = y·σ(y) (the same, and S. Elfwing et al., 2017)
        for n in range(len(Y)):
            Y[n] *= elementwise.sigmoid(Y[n])


@register_jitable
def slope_part(code, Y, S):
    """Y becomes φ(Y), S φ'; both contiguous."""
    stay_apart()
    one = Y.dtype.type(1)
    if code == GELU:  # φ' = Φ(y) + y·e^{−y²/2}/√(2π)
        for n in range(len(Y)):
            S[n] = elementwise.gelu_slope(Y[n])
    elif code == SILU:  # φ' = σ(y)·(1 + y·(1 − σ(y)))
        for n in range(len(Y)):
            sigma = elementwise.sigmoid(Y[n])
            S[n] = sigma * (one + Y[n] * (one - sigma))
    else:
        for n in range(len(Y)):
            S[n] = one
    apply_part(code, Y)
    if code != GELU and code != SILU:
        chain_part(code, S, Y)


@register_jitable
def chain_part(code, dH, H):
    """dH becomes dH ⊙ φ', with φ' from H, or H itself where code is GIVEN; both contiguous."""
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
    elif code == GIVEN:
        for n in range(len(dH)):
            dH[n] *= H[n]


@kernel(lambda real: (flat(real), intp), parallel=False)
def _apply(Y, code):
    apply_part(code, Y)


@kernel(lambda real: (flat(real), flat(real), intp), parallel=False)
def _slopes(Y, S, code):
    slope_part(code, Y, S)


@kernel(lambda real: (flat(real), flat(real), intp), parallel=False)
def _chain(dH, H, code):
    chain_part(code, dH, H)


def _activation(name: str, code: int, gain: int, in_h: bool = True) -> Activation:
    def apply(Y: np.ndarray) -> None:
        in_order = np.ascontiguousarray(Y)
        _apply(in_order.reshape(-1), code)
        if in_order is not Y:
            Y[...] = in_order

    def slopes(Y: np.ndarray) -> np.ndarray:
        in_order = np.ascontiguousarray(Y)
        S = np.empty_like(in_order)
        _slopes(in_order.reshape(-1), S.reshape(-1), code)
        if in_order is not Y:
            Y[...] = in_order
        return S

    def chain(dH: np.ndarray, H: np.ndarray) -> None:
        in_order = np.ascontiguousarray(dH)
        _chain(in_order.reshape(-1), np.ascontiguousarray(H).reshape(-1), code if in_h else GIVEN)
        if in_order is not dH:
            dH[...] = in_order

    return Activation(name, code, in_h, apply, slopes, chain, gain)


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        _activation("identity", IDENTITY, 1),
        _activation("relu", RELU, 2),
        _activation("tanh", TANH, 1),
        _activation("sigmoid", SIGMOID, 1),
        _activation("leaky_relu", LEAKY_RELU, 2),
        _activation("elu", ELU, 1),
        _activation("selu", SELU, 1),
        _activation("softplus", SOFTPLUS, 2),
        _activation("gelu", GELU, 2, in_h=False),
        _activation("silu", SILU, 2, in_h=False),
    )
}

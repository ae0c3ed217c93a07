"""Activations h = φ(y), element by element, and the chain rule through them: dY = dH ⊙ φ'(Y).

All is done in place, so arrays of float32 and float64 are taken, of any shape and strides; others are a TypeError, and what
nobody may write is a ValueError.

An activation is two functions of one number: φ, and its derivative, which most can tell from h, so that a network keeps h
alone; gelu, silu and mish need y, and a network keeps their slopes besides. One kernel for each serves whole networks and
single arrays, so that both have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.types import intp

from .._numba import Kernel, flat, inner, kernel, named
from ..kernels import border, elementwise
from ..kernels.element import constant, select
from ..kernels.epilogue import Epilogue, relu, relu_slope

LEAK = 0.01  # the slope of leaky_relu below 0 (A. Maas et al., ICML 2013)
# With these, activations of mean 0 and variance 1 stay so (G. Klambauer et al., NeurIPS 2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# Below it mish is less than 2⁻⁵², beside other units nothing. Further down it would be subnormal, and one such number in a
# hundred makes products ten times as slow: units of a network that has learnt for long are there.
MISH_END = -40.0
SELU_SLOPE = SELU_SCALE * SELU_ALPHA  # at 0, from below


class Activation(NamedTuple):
    """φ and the chain rule through it, in place."""

    name: str
    in_h: bool  # φ' is a function of h
    gain: int  # initial weights have variance gain/N: what keeps the size of signals from layer to layer
    run: Kernel  # (H, S, what): the three below, of flat arrays
    # The epilogues that do it in the tiles of a product as they end: b and φ, and φ' of h. With BIAS and NONE, and where a
    # product has no tiles or an epilogue would be too early (layer_steps.py), φ and φ' are passes of `run`.
    forward: Epilogue = Epilogue.BIAS
    backward: Epilogue = Epilogue.NONE

    def apply(self, Y: np.ndarray) -> None:
        """Y becomes φ(Y). Raises TypeError or ValueError."""
        numbers = border.in_place("Y", Y)
        self.run.unchecked(numbers, numbers, APPLY)
        border.put_back(numbers, Y)

    def slopes(self, Y: np.ndarray) -> np.ndarray:
        """Y becomes φ(Y); returns φ'. Raises TypeError or ValueError."""
        numbers = border.in_place("Y", Y)
        S = np.empty_like(numbers)
        self.run.unchecked(numbers, S, SLOPES)
        border.put_back(numbers, Y)
        return S.reshape(Y.shape)

    def chain(self, dH: np.ndarray, H: np.ndarray) -> None:
        """dH becomes dH ⊙ φ', with H as φ made it, or the slopes unless in_h. Raises TypeError or ValueError."""
        numbers = border.in_place("dH", dH)
        S = border.to_read("H", H, dH)
        if not S.flags.writeable or np.may_share_memory(S, numbers):  # for `run` is one signature, and writes S for others
            S = S.copy()
        self.run.unchecked(numbers, S, CHAIN if self.in_h else MULTIPLY)
        border.put_back(numbers, dH)


# ---- φ and φ' of one number, written as formulas of epilogues are (kernels/element.py) -------------------------------


@inner
def _one_of_h(h):
    return constant(h, 1)


@inner
def _identity(y):
    return y


@inner
def _tanh_slope(h):  # 1 − h²
    return constant(h, 1) - h * h


@inner
def _sigmoid_slope(h):  # h·(1 − h)
    return h * (constant(h, 1) - h)


@inner
def _leaky_relu(y):  # y for y > 0, else y/100
    return select(y > 0, y, constant(y, LEAK) * y)


@inner
def _leaky_relu_slope(h):
    return select(h > 0, constant(h, 1), constant(h, LEAK))


@inner
def _elu(y):  # y for y > 0, else e^y − 1
    return select(y > 0, y, elementwise.expm1_below(y))


@inner
def _elu_slope(h):  # e^y = h + 1 below 0
    return select(h > 0, constant(h, 1), h + constant(h, 1))


@inner
def _selu(y):  # λ·y for y > 0, else λ·α·(e^y − 1)
    return select(y > 0, constant(y, SELU_SCALE) * y, constant(y, SELU_SLOPE) * elementwise.expm1_below(y))


@inner
def _selu_slope(h):  # λ·α·e^y = h + λ·α below 0
    return select(h > 0, constant(h, SELU_SCALE), h + constant(h, SELU_SLOPE))


@inner
def _softplus_slope(h):  # e^y/(1 + e^y) = 1 − e^−h
    return -elementwise.expm1_below(-h)


@inner
def _silu(y):  # y·σ(y) (D. Hendrycks, K. Gimpel, 2016; S. Elfwing et al., 2017)
    return y * elementwise.sigmoid(y)


@inner
def _silu_slope(y):  # σ(y)·(1 + y·(1 − σ(y)))
    one, sigma = constant(y, 1), elementwise.sigmoid(y)
    return sigma * (one + y * (one - sigma))


@inner
def _mish(y):  # y·tanh(log(1 + e^y)) (D. Misra, BMVC 2020); 0 below −40 (see MISH_END)
    return select(y < constant(y, MISH_END), constant(y, 0), elementwise.mish(y))


@inner
def _mish_slope(y):
    return select(y < constant(y, MISH_END), constant(y, 0), elementwise.mish_slope(y))


# ---- over arrays ----------------------------------------------------------------------------------------------------

APPLY, SLOPES, CHAIN, MULTIPLY = range(4)


def activation_types(real: Any) -> tuple[Any, ...]:
    return flat(real), flat(real), intp


def _check(H, S, what):
    if not APPLY <= what <= MULTIPLY:
        raise ValueError(f"what must be from {APPLY} to {MULTIPLY} (APPLY, SLOPES, CHAIN, MULTIPLY), got {what}")
    if what != APPLY:
        border.same_length("S", S, "H", H)
        border.no_shared_memory({"H": H}, {"S": S})


def _activation(
    name: str,
    phi: Callable[[Any], Any],
    slope: Callable[[Any], Any],
    gain: int = 1,
    in_h: bool = True,
    epilogues: tuple[Epilogue, Epilogue] = (Epilogue.BIAS, Epilogue.NONE),
) -> Activation:
    """slope: of h, or of y unless in_h."""

    def run(H, S, what):
        """What: H becomes φ(H); that, and S φ'; H becomes H ⊙ φ' with S the activations; H becomes H ⊙ S."""
        if what == APPLY:
            for n in range(len(H)):
                H[n] = phi(H[n])
        elif what == SLOPES:
            for n in range(len(H)):
                y = H[n]
                h = phi(y)
                H[n] = h
                S[n] = slope(h if in_h else y)
        elif what == CHAIN and in_h:
            for n in range(len(H)):
                H[n] *= slope(S[n])
        else:
            for n in range(len(H)):
                H[n] *= S[n]
        return 0

    make = kernel(activation_types, parallel=False, check=_check)
    return Activation(name, in_h, gain, make(named(run, f"activation_{name}")), *epilogues)


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        _activation("identity", _identity, _one_of_h),
        _activation("relu", relu, relu_slope, gain=2, epilogues=(Epilogue.BIAS_RELU, Epilogue.RELU_BACKWARD)),
        _activation("tanh", elementwise.tanh, _tanh_slope),
        _activation("sigmoid", elementwise.sigmoid, _sigmoid_slope),
        _activation("leaky_relu", _leaky_relu, _leaky_relu_slope, gain=2),
        _activation("elu", _elu, _elu_slope),
        _activation("selu", _selu, _selu_slope),
        _activation("softplus", elementwise.softplus, _softplus_slope, gain=2),
        # gelu: y·Φ(y), Φ of the standard normal distribution (D. Hendrycks, K. Gimpel, 2016); φ' = Φ(y) + y·e^{−y²/2}/√(2π)
        _activation("gelu", elementwise.gelu, elementwise.gelu_slope, gain=2, in_h=False),
        _activation("silu", _silu, _silu_slope, gain=2, in_h=False),
        _activation("mish", _mish, _mish_slope, gain=2, in_h=False),
    )
}

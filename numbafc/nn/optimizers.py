"""Optimizers: what becomes of the parameters θ, given the gradient g. One flat array each; all updates are in place.

An optimizer holds its settings only. Its state belongs to a training run: `init` makes it, `update` steps it. Its formula
stands once, as a function of one element; updates.py makes a compiled loop of it, and those of SGD, which the microkernel
has too, are in kernels/epilogue.py. To add one: a formula and a class here, and in OURS; limits of settings that are new
(compiled.py); its name in names.py and both __init__.py. test_engine.py, test_nn.py and test_torch.py list all of them.

What decays, a velocity or a mean of gradients or of their squares, is flushed: 0 once it is below the smallest normal
number and no longer grows. For a unit that no longer learns it would be subnormal for ever (0.9 times the smallest number
there is rounds to itself), and many processors take far longer for such numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import checks
from .._numba import Kernel, inner
from ..kernels.epilogue import Epilogue, flushed, momentum, sgd, with_decay
from . import updates
from .compiled import Compiled, CompiledOptimizer, Optimizer
from .updates import Hyperparameters

sgd_update, momentum_update = updates.update("sgd", sgd, states=0), updates.update("momentum", momentum, states=1)


@dataclass(frozen=True)
class SGD(CompiledOptimizer):
    """Stochastic gradient descent, with momentum as in PyTorch (I. Sutskever et al., ICML 2013, scales differently).

        g ← g + weight_decay·θ        v ← momentum·v + g        θ ← θ − learning_rate·v
        Nesterov: θ ← θ − learning_rate·(g + momentum·v)

    learning_rate > 0, 0 ≤ momentum < 1, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    scale_free: ClassVar[bool] = False
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0, got 0; pass momentum=0.9")

    def compiled(self) -> Compiled:
        numbers = Hyperparameters(self.weight_decay, self.momentum, nesterov=float(self.nesterov))
        if self.momentum:
            return Compiled(momentum_update, numbers, ("velocity",), epilogue=Epilogue.MOMENTUM)
        return Compiled(sgd_update, numbers, epilogue=Epilogue.NONE if self.weight_decay else Epilogue.SGD)


@inner
def _adam_step(g, m, v, s):
    """What is subtracted from θ, and m and v."""
    m = flushed(m * s.beta1 + s.rest1 * g, m, s.smallest)
    v = flushed(v * s.beta2 + s.rest2 * g * g, v, s.smallest)
    return s.corrected_rate * m / (np.sqrt(v * s.correction) + s.epsilon), m, v


@inner
def _adam(theta, g, m, v, s):
    step, m, v = _adam_step(with_decay(theta, g, s), m, v, s)
    return theta - step, m, v


@inner
def _adamw(theta, g, m, v, s):
    step, m, v = _adam_step(g, m, v, s)
    return s.shrink * theta - step, m, v


adam_update, adamw_update = updates.update("adam", _adam, states=2), updates.update("adamw", _adamw, states=2)


@dataclass(frozen=True)
class Adam(CompiledOptimizer):
    """Adam (D. Kingma, J. Ba, ICLR 2015, algorithm 1), with the paper's defaults.

        g ← g + weight_decay·θ        m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
        θ ← θ − learning_rate · m̂/(√v̂ + ε),  m̂ = m/(1 − β₁ⁿ),  v̂ = v/(1 − β₂ⁿ) at step n

    learning_rate > 0, 0 ≤ β < 1, epsilon > 0, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def compiled(self) -> Compiled:
        numbers = Hyperparameters(self.weight_decay, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon)
        return Compiled(self._kernel(), numbers, ("mean", "square"), powers=True)

    def _kernel(self) -> Kernel:
        return adam_update


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov, F. Hutter, ICLR 2019), with PyTorch's default decay.

        m, v, m̂, v̂ as in Adam, without weight_decay in g
        θ ← (1 − learning_rate·weight_decay)·θ − learning_rate · m̂/(√v̂ + ε)

    Raises TypeError or ValueError.
    """

    weight_decay: float = 0.01

    def _kernel(self) -> Kernel:
        return adamw_update


@inner
def _rmsprop_step(g, v, s):
    """g/(√v + ε), and v."""
    v = flushed(v * s.beta2 + s.rest2 * g * g, v, s.smallest)
    return g / (np.sqrt(v) + s.epsilon), v


@inner
def _rmsprop(theta, g, v, s):
    d, v = _rmsprop_step(with_decay(theta, g, s), v, s)
    return theta - s.rate * d, v


@inner
def _rmsprop_momentum(theta, g, v, u, s):
    d, v = _rmsprop_step(with_decay(theta, g, s), v, s)
    u = flushed(u * s.momentum + d, u, s.smallest)
    return theta - s.rate * u, v, u


rmsprop_update = updates.update("rmsprop", _rmsprop, states=1)
rmsprop_momentum_update = updates.update("rmsprop_momentum", _rmsprop_momentum, states=2)


@dataclass(frozen=True)
class RMSprop(CompiledOptimizer):
    """RMSprop (T. Hinton, lecture 6 of "Neural networks for machine learning", 2012), as PyTorch has it.

        g ← g + weight_decay·θ        v ← α·v + (1 − α)·g²        d = g/(√v + ε)
        with momentum: u ← momentum·u + d, and u for d        θ ← θ − learning_rate·d

    learning_rate > 0, 0 ≤ alpha < 1, epsilon > 0, 0 ≤ momentum < 1, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    learning_rate: float = 0.01
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def compiled(self) -> Compiled:
        numbers = Hyperparameters(self.weight_decay, self.momentum, beta2=self.alpha, epsilon=self.epsilon)
        if self.momentum:
            return Compiled(rmsprop_momentum_update, numbers, ("square", "velocity"))
        return Compiled(rmsprop_update, numbers, ("square",))


@inner
def _adagrad(theta, g, v, s):
    g = with_decay(theta, g, s)
    v = v + g * g
    return theta - s.rate * (g / (np.sqrt(v) + s.epsilon)), v


adagrad_update = updates.update("adagrad", _adagrad, states=1)


@dataclass(frozen=True)
class Adagrad(CompiledOptimizer):
    """Adagrad (J. Duchi, E. Hazan, Y. Singer, JMLR 12, 2011), with PyTorch's defaults.

        g ← g + weight_decay·θ        v ← v + g²        θ ← θ − learning_rate · g/(√v + ε)

    learning_rate > 0, epsilon > 0, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def compiled(self) -> Compiled:
        return Compiled(adagrad_update, Hyperparameters(self.weight_decay, epsilon=self.epsilon), ("square",))


OURS = (SGD, Adam, AdamW, RMSprop, Adagrad)
OPTIMIZERS: dict[str, Any] = {kind.__name__.lower(): kind for kind in OURS}


def make(optimizer: str | Optimizer, learning_rate: float | None) -> Optimizer:
    """The optimizer that a name and a learning rate stand for; an instance has its own rate. Raises ValueError."""
    if not isinstance(optimizer, str):
        if isinstance(optimizer, type) or not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
            got = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else type(optimizer).__name__
            raise TypeError(f"optimizer must be a name, or an instance with init and update, got {got}")
        if learning_rate is not None:
            raise ValueError("learning_rate goes with an optimizer's name; give an instance its own learning rate")
        return optimizer
    kind = OPTIMIZERS[checks.choice("optimizer", optimizer, OPTIMIZERS)]
    return kind() if learning_rate is None else kind(learning_rate=learning_rate)

"""Optimizers: what becomes of the parameters θ, given the gradient g. One flat array each; all updates are in place.

An optimizer holds its settings only. Its state belongs to a training run: `init` makes it, `update` steps it. updates.py
has the same updates compiled. The last thing an update here writes is θ, in one operation, so an interrupted step leaves θ
as the step before left it; a compiled call is not interrupted.

What decays, a velocity or a mean of gradients or of their squares, is 0 once it is below the smallest normal number and no
longer grows. For a unit that no longer learns it would be subnormal for ever (0.9 times the smallest number there is rounds
to itself), and many processors take far longer for such numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import checks
from .._numba import Kernel
from ..kernels import border
from . import updates


class Compiled(NamedTuple):
    """An optimizer as nn/engine.py takes it. The state's arrays are those that init made, updated in place."""

    update: Kernel  # of nn/updates.py
    settings: tuple[float, float, float, float]  # weight_decay, momentum or β₁, β₂ or α, ε
    states: tuple[str, ...]  # names of arrays as large as the parameters

    @property
    def in_tiles(self) -> bool:
        """Whether the tiles of a gradient do it as they end: θ ← θ − learning_rate·g, or a step with momentum.

        Other steps are a pass over a layer's gradient, in the L2 cache. Adam in tiles was no faster: its divisions and
        roots are what takes time, and a tile has four arrays to read, a few columns of each row.
        """
        plain = self.update is updates.plain and self.settings[0] == 0
        return plain or self.update in (updates.momentum, updates.nesterov)


class Optimizer(Protocol):
    """What training needs."""

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        """The state before the first step."""

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        """One step: parameters and state change, gradients may be used as scratch."""


def _settle(settings: Any, name: str, least: float, **limits: Any) -> None:
    """The setting, checked, as a Python float: a NumPy one would lift float32 arithmetic to float64, and change bits."""
    object.__setattr__(settings, name, checks.number(name, getattr(settings, name), least, **limits))


def _checked(update: Callable[..., None]) -> Callable[..., None]:
    """Decorator of `update`: parameters, gradients and state are arrays of one shape and dtype that it may write.

    TypeError or ValueError before anything is written.
    """

    @functools.wraps(update)
    def checked(self: Any, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        border.in_place("parameters", parameters)
        names = self.compiled().states
        if not isinstance(state, dict) or not set(names) <= set(state):
            raise TypeError(f"state must be what init made, with {', '.join(names) or 'nothing'} in it, got {state!r:.80}")
        held = {"gradients": gradients, **{name: state[name] for name in names}}
        for name, array in held.items():
            border.to_read(name, array, parameters)
            border.in_place(name, array)
        border.apart({"parameters": parameters, **held}, {})
        if "powers" in state and np.shape(state["powers"]) != (2,):
            raise ValueError("state's powers must be two numbers, as init made them; begin with init(parameters)")
        update(self, parameters, gradients, state)

    return checked


def _decay(state: np.ndarray, by: float, new: np.ndarray) -> None:
    """state ← by·state + new, or 0 where that is below the smallest normal number and no longer grows."""
    before = np.abs(state)
    state *= by
    state += new
    size = np.abs(state)
    state[(size < np.finfo(state.dtype).smallest_normal) & (size <= before)] = 0


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum as in PyTorch (I. Sutskever et al., ICML 2013, scales differently).

        g ← g + weight_decay·θ        v ← momentum·v + g        θ ← θ − learning_rate·v
        Nesterov: θ ← θ − learning_rate·(g + momentum·v)

    learning_rate > 0, 0 ≤ momentum < 1, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "learning_rate", 0, exclusive=True)
        _settle(self, "momentum", 0, below=1)
        _settle(self, "weight_decay", 0)
        object.__setattr__(self, "nesterov", bool(self.nesterov))
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0, got 0; pass momentum=0.9")

    def compiled(self) -> Compiled:
        update = updates.nesterov if self.nesterov else updates.momentum if self.momentum else updates.plain
        return Compiled(update, (self.weight_decay, self.momentum, 0.0, 0.0), ("velocity",) if self.momentum else ())

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        checks.real_array("parameters", parameters)
        return {"velocity": np.zeros_like(parameters)} if self.momentum else {}

    @_checked
    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        g = gradients
        if self.weight_decay:
            g += self.weight_decay * parameters
        if self.momentum:
            v = state["velocity"]
            _decay(v, self.momentum, g)
            g = g + self.momentum * v if self.nesterov else v
        parameters -= self.learning_rate * g


@dataclass(frozen=True)
class Adam:
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

    def __post_init__(self) -> None:
        _settle(self, "learning_rate", 0, exclusive=True)
        _settle(self, "beta1", 0, below=1)
        _settle(self, "beta2", 0, below=1)
        _settle(self, "epsilon", 0, exclusive=True)
        _settle(self, "weight_decay", 0)

    def compiled(self) -> Compiled:
        return Compiled(updates.adam, (self.weight_decay, self.beta1, self.beta2, self.epsilon), ("mean", "square"))

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        checks.real_array("parameters", parameters)
        powers = np.ones(2)  # β₁ⁿ and β₂ⁿ, multiplied up: pow differs from machine to machine
        return {"mean": np.zeros_like(parameters), "square": np.zeros_like(parameters), "powers": powers}

    @_checked
    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        if self.weight_decay:
            gradients += self.weight_decay * parameters
        parameters -= self._step(gradients, state)

    def _step(self, g: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """What is subtracted from the parameters."""
        m, v, powers = state["mean"], state["square"], state["powers"]
        powers *= (self.beta1, self.beta2)
        _decay(m, self.beta1, (1 - self.beta1) * g)
        _decay(v, self.beta2, (1 - self.beta2) * g * g)
        step_size, correction = float(self.learning_rate / (1 - powers[0])), float(1 / (1 - powers[1]))
        return step_size * m / (np.sqrt(v * correction) + self.epsilon)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov, F. Hutter, ICLR 2019), with PyTorch's default decay.

        m, v, m̂, v̂ as in Adam, without weight_decay in g
        θ ← (1 − learning_rate·weight_decay)·θ − learning_rate · m̂/(√v̂ + ε)

    Raises TypeError or ValueError.
    """

    weight_decay: float = 0.01

    def compiled(self) -> Compiled:
        return Compiled(updates.adamw, (self.weight_decay, self.beta1, self.beta2, self.epsilon), ("mean", "square"))

    @_checked
    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        step = self._step(gradients, state)
        parameters[...] = (1 - self.learning_rate * self.weight_decay) * parameters - step


@dataclass(frozen=True)
class RMSprop:
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

    def __post_init__(self) -> None:
        _settle(self, "learning_rate", 0, exclusive=True)
        _settle(self, "alpha", 0, below=1)
        _settle(self, "epsilon", 0, exclusive=True)
        _settle(self, "momentum", 0, below=1)
        _settle(self, "weight_decay", 0)

    def compiled(self) -> Compiled:
        settings = self.weight_decay, self.momentum, self.alpha, self.epsilon
        if self.momentum:
            return Compiled(updates.rmsprop_momentum, settings, ("square", "velocity"))
        return Compiled(updates.rmsprop, settings, ("square",))

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        checks.real_array("parameters", parameters)
        return {name: np.zeros_like(parameters) for name in self.compiled().states}

    @_checked
    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        g, v = gradients, state["square"]
        if self.weight_decay:
            g += self.weight_decay * parameters
        _decay(v, self.alpha, (1 - self.alpha) * g * g)
        d = g / (np.sqrt(v) + self.epsilon)
        if self.momentum:
            u = state["velocity"]
            _decay(u, self.momentum, d)
            d = u
        parameters -= self.learning_rate * d


@dataclass(frozen=True)
class Adagrad:
    """Adagrad (J. Duchi, E. Hazan, Y. Singer, JMLR 12, 2011), with PyTorch's defaults.

        g ← g + weight_decay·θ        v ← v + g²        θ ← θ − learning_rate · g/(√v + ε)

    learning_rate > 0, epsilon > 0, weight_decay ≥ 0. Raises TypeError or ValueError.
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _settle(self, "learning_rate", 0, exclusive=True)
        _settle(self, "epsilon", 0, exclusive=True)
        _settle(self, "weight_decay", 0)

    def compiled(self) -> Compiled:
        return Compiled(updates.adagrad, (self.weight_decay, 0.0, 0.0, self.epsilon), ("square",))

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        checks.real_array("parameters", parameters)
        return {"square": np.zeros_like(parameters)}

    @_checked
    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        g, v = gradients, state["square"]
        if self.weight_decay:
            g += self.weight_decay * parameters
        v += g * g
        parameters -= self.learning_rate * (g / (np.sqrt(v) + self.epsilon))


OURS = (SGD, Adam, AdamW, RMSprop, Adagrad)  # updates.py has them compiled
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

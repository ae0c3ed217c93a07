"""Optimizers: what becomes of the parameters θ, given the gradient g. One flat array each; all updates are in place.

An optimizer holds its settings only. Its state belongs to a training run: `init` makes it, `update` steps it. The last
thing an update writes is θ, in one operation, so an interrupted step leaves θ as the step before left it (its state may
be ahead by one; fit starts with a new one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import checks

PLAIN, MOMENTUM, NESTEROV, ADAM = range(4)  # what compiled code calls the updates


class Compiled(NamedTuple):
    """An optimizer as nn/engine.py takes it. The state's arrays are those that init made, updated in place."""

    code: int
    settings: tuple[float, float, float, float]  # weight_decay, momentum or β₁, β₂, ε
    states: tuple[str, ...]  # names of arrays as large as the parameters


class Optimizer(Protocol):
    """What training needs."""

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        """The state before the first step."""

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        """One step: parameters and state change, gradients may be used as scratch."""


def _settle(settings: Any, name: str, least: float, **limits: Any) -> None:
    """The setting, checked, as a Python float: a NumPy one would lift float32 arithmetic to float64, and change bits."""
    object.__setattr__(settings, name, checks.number(name, getattr(settings, name), least, **limits))


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
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0, got 0; pass momentum=0.9")

    def compiled(self) -> Compiled:
        code = NESTEROV if self.nesterov else MOMENTUM if self.momentum else PLAIN
        return Compiled(code, (self.weight_decay, self.momentum, 0.0, 0.0), ("velocity",) if self.momentum else ())

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        return {"velocity": np.zeros_like(parameters)} if self.momentum else {}

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        g = gradients
        if self.weight_decay:
            g += self.weight_decay * parameters
        if self.momentum:
            v = state["velocity"]
            v *= self.momentum
            v += g
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
        return Compiled(ADAM, (self.weight_decay, self.beta1, self.beta2, self.epsilon), ("mean", "square"))

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        powers = np.ones(2)  # β₁ⁿ and β₂ⁿ, multiplied up: pow differs from machine to machine
        return {"mean": np.zeros_like(parameters), "square": np.zeros_like(parameters), "powers": powers}

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        g, m, v, powers = gradients, state["mean"], state["square"], state["powers"]
        powers *= (self.beta1, self.beta2)
        if self.weight_decay:
            g += self.weight_decay * parameters
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        step_size, rest = float(self.learning_rate / (1 - powers[0])), float(1 - powers[1])
        parameters -= step_size * m / (np.sqrt(v / rest) + self.epsilon)


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


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

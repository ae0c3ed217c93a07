"""An optimizer as training takes it, and what those have in common whose update is compiled."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from .. import checks
from .._numba import Kernel
from ..kernels import border
from ..kernels.epilogue import LENGTH_OF_SETTINGS, Epilogue
from . import updates
from .updates import Hyperparameters


class Compiled(NamedTuple):
    """An optimizer as nn/engine.py takes it. The state's arrays are those that init made, updated in place."""

    update: Kernel
    numbers: Hyperparameters
    states: tuple[str, ...] = ()  # names of arrays as long as the parameters
    powers: bool = False  # whether the state has β₁ⁿ and β₂ⁿ, too
    # The epilogue that does the step in the tiles of a gradient as they end, or NONE. Other steps are a pass over a
    # layer's gradient, in the L2 cache. Adam in tiles was no faster: its divisions and roots are what takes time, and a
    # tile has four arrays to read, a few columns of each row.
    epilogue: Epilogue = Epilogue.NONE


class Optimizer(Protocol):
    """What training needs."""

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        """The state before the first step."""

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        """One step: parameters and state change, gradients may be used as scratch."""


# What the settings of an optimizer may be: the least, and how checks.number limits them besides.
LIMITS: dict[str, dict[str, Any]] = {
    "learning_rate": {"exclusive": True},
    "epsilon": {"exclusive": True},
    "weight_decay": {},
    **{name: {"below": 1} for name in ("momentum", "beta1", "beta2", "alpha")},
}


def _powers(powers: Any) -> np.ndarray:
    """The powers in a state, which are written. Raises ValueError."""
    fits = type(powers) is np.ndarray and powers.shape == (2,) and powers.dtype == np.float64
    if not (fits and powers.flags.carray and powers.dtype.isnative):
        raise ValueError(
            "state's powers must be a writeable float64 array of two numbers, as init makes it; begin with init(parameters)"
        )
    return powers


class CompiledOptimizer(abc.ABC):
    """An optimizer whose update is compiled; subclasses are dataclasses of settings, checked when they are made."""

    learning_rate: float
    scale_free: ClassVar[bool] = True  # c times all gradients, and c·ε, are the same steps

    def __post_init__(self) -> None:
        for setting in fields(self):  # type: ignore[arg-type]
            value = getattr(self, setting.name)
            if setting.name in LIMITS:  # other ones are a subclass's own
                value = checks.number(setting.name, value, 0, **LIMITS[setting.name])
            elif setting.name == "nesterov":
                value = bool(value)
            object.__setattr__(self, setting.name, value)  # Python's own numbers, which files hold

    @abc.abstractmethod
    def compiled(self) -> Compiled:
        """The optimizer as the engine takes it."""

    def init(self, parameters: np.ndarray) -> dict[str, Any]:
        """The state before the first step: zeros, and the powers β₁ⁿ and β₂ⁿ where the formula has them."""
        checks.real_array("parameters", parameters)
        step = self.compiled()
        powers = {"powers": np.ones(2)} if step.powers else {}  # multiplied up: pow differs from machine to machine
        return {name: np.zeros_like(parameters) for name in step.states} | powers

    def update(self, parameters: np.ndarray, gradients: np.ndarray, state: dict[str, Any]) -> None:
        """One step: parameters and state change. All are arrays of one shape and dtype, that may be written.

        Raises TypeError or ValueError before anything is written.
        """
        self.update_spans(parameters, gradients, state, [slice(None)], None)

    def update_spans(
        self,
        parameters: np.ndarray,
        gradients: np.ndarray,
        state: dict[str, Any],
        spans: Iterable[slice],
        factors: np.ndarray | None,
        penalty: float = 0.0,
    ) -> None:
        """One step, each span of the flat parameters with its own row of factors (rates.py). Errors as in update.

        penalty: the coefficient of the L2 penalty, which is no setting of the optimizer.
        """
        step, parts = self.compiled(), list(spans)
        if factors is not None and factors.shape not in ((1, 5), (len(parts), 5)):
            raise ValueError(f"factors must have shape ({len(parts)}, 5), a row for each span, got {factors.shape}")
        needed = [*step.states, *(["powers"] if step.powers else [])]
        if not isinstance(state, dict) or not set(needed) <= set(state):
            names = ", ".join(needed) or "nothing"
            raise TypeError(f"state must be what init made, with {names} in it, got {state!r:.80}")
        written = {"parameters": parameters, **{name: state[name] for name in step.states}}
        in_order = [border.in_place(name, array) for name, array in written.items()]
        for name, array in written.items():
            border.to_read(name, array, parameters)
        g = border.to_read("gradients", gradients, parameters)
        powers = _powers(state["powers"]) if step.powers else np.ones(2)
        border.no_shared_memory({**written, "powers": powers}, {"gradients": gradients})
        settings = updates.settings_for(step.numbers, self.learning_rate, powers, in_order[0].dtype, factors, penalty)
        none = np.empty(0, settings.dtype)
        theta, first, second = [*in_order, none, none][:3]
        for row, part in enumerate(parts):
            own = settings[updates.place_of(settings, row) :][:LENGTH_OF_SETTINGS]
            step.update.unchecked(theta[part], g[part], first[part], second[part], own)
        for numbers, array in zip(in_order, written.values(), strict=True):
            border.put_back(numbers, array)

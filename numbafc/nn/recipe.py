"""How a network is trained: the settings of fit, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .. import checks
from .._numba import inner
from . import optimizers, schedules
from .dropout import folded
from .optimizers import Optimizer
from .schedules import Schedule


class Regularization(NamedTuple):
    """What changes the gradient of a minibatch. 0 stands for none."""

    dropout: float = 0.0
    clip_norm: float = 0.0
    clip_sample_norm: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0  # of dropout

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """As engine.py takes them."""
        return self.dropout, self.clip_norm, self.clip_sample_norm, self.label_smoothing


@inner
def regularizers(numbers):
    """The numbers out of an array."""
    return numbers[0], numbers[1], numbers[2], numbers[3]


@dataclass(frozen=True)
class Recipe:
    """The settings of a training."""

    optimizer: Optimizer
    schedule: Schedule
    batch_size: int
    shuffle: bool
    early_stopping: int | None
    regularization: Regularization


def make(
    *,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | None = None,
    schedule: str | Schedule = "constant",
    batch_size: int = 32,
    shuffle: bool = True,
    early_stopping: int | None = None,
    dropout: float = 0.0,
    clip_norm: float | None = None,
    clip_sample_norm: float | None = None,
    label_smoothing: float = 0.0,
    seed: int = 0,
) -> Recipe:
    """The settings of fit as one thing. Raises TypeError or ValueError."""
    step, rates = optimizers.make(optimizer, learning_rate), schedules.make(schedule)
    ours = type(step) in optimizers.OURS  # not a class of somebody's made from them
    if not ours and not isinstance(rates, schedules.Constant):
        names = ", ".join(kind.__name__ for kind in optimizers.OURS)
        raise ValueError(f"schedule goes with {names}; {type(step).__name__} must see to its own learning rate")
    longest = {"clip_norm": clip_norm, "clip_sample_norm": clip_sample_norm}
    lengths = {name: 0.0 if n is None else checks.number(name, n, 0, exclusive=True) for name, n in longest.items()}
    return Recipe(
        step,
        rates,
        checks.count("batch_size", batch_size, 1),
        bool(shuffle),
        None if early_stopping is None else checks.count("early_stopping", early_stopping, 1),
        Regularization(
            dropout=checks.number("dropout", dropout, 0, below=1),
            **lengths,
            label_smoothing=label_smoothing,
            seed=folded(seed),
        ),
    )

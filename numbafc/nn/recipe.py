"""How a network is trained: the settings of fit, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from .. import checks
from .._numba import inner
from . import optimizers, schedules
from .dropout import folded
from .optimizers import Optimizer
from .schedules import Schedule

_T = TypeVar("_T")
WORD = 2**63  # counts are below it, so that compiled code and files hold them


class Usual:
    """A default that fit can tell from the same value given. It shows as the value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def usual(value: _T) -> _T:
    """The default of a setting, with the type of its values."""
    return cast(_T, Usual(value))


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Those settings that are no defaults."""
    return {name: value for name, value in settings.items() if not isinstance(value, Usual)}


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

    def setting(self, name: str) -> Any:
        """A setting as fit names it. A learning rate is the optimizer's; None stands for no clipping."""
        if name == "learning_rate":
            return getattr(self.optimizer, name, None)
        if name in Regularization._fields:
            value = getattr(self.regularization, name)
            return None if name.startswith("clip_") and value == 0 else value
        return getattr(self, name)


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
        checks.count("batch_size", batch_size, 1, WORD),
        checks.flag("shuffle", shuffle),
        None if early_stopping is None else checks.count("early_stopping", early_stopping, 1, WORD),
        Regularization(
            dropout=checks.number("dropout", dropout, 0, below=1),
            **lengths,
            label_smoothing=label_smoothing,
            seed=folded(seed),
        ),
    )

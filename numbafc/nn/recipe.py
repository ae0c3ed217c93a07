"""The recipe of a training: every setting of fit, with its default and what it may be.

What else knows settings derives from SETTINGS: fit's checks, files, the command line, and what a resumed training compares.
A new one is an entry here and a field of Recipe or Regularization, with its default for the files of older versions; an
argument of MLP.fit and, for the command line, of cli/train.py, with its type and its meaning; and the code that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast, get_args

from .. import checks
from . import optimizers, rates, schedules
from .dropout import folded
from .names import EpochMeasure
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import SCHEDULES, Schedule

_T = TypeVar("_T")


class Setting(NamedTuple):
    """A setting of fit. Where the default is None, None may be said, too: it stands for none, or for an optimizer's own."""

    default: Any
    check: Callable[[str, Any], Any]  # of the name and a value: the value as it is kept. Raises TypeError or ValueError

    def checked(self, name: str, value: Any) -> Any:
        """The value as it is kept. Raises TypeError or ValueError."""
        return None if value is None and self.default is None else self.check(name, value)


def _name_of(known: Iterable[str]) -> Callable[[str, Any], Any]:
    """The check of a name; an instance passes, which its own module looks at."""
    return lambda name, value: checks.choice(name, value, known) if isinstance(value, str) else value


def _rate_factors(name: str, value: Any) -> tuple[float, ...]:
    """Three numbers, 0 or more: a rate of 0 leaves parameters as they are."""
    if isinstance(value, str | bytes | dict) or not hasattr(value, "__len__") or len(value) != 3:
        raise ValueError(f"{name} must be three numbers, for scales, weights and biases, got {value!r:.80}")
    return tuple(checks.number(f"{name}[{n}]", factor, 0) for n, factor in enumerate(value))


SETTINGS = {
    "optimizer": Setting("adam", _name_of(OPTIMIZERS)),
    "learning_rate": Setting(None, checks.positive),
    "schedule": Setting("constant", _name_of(SCHEDULES)),
    "batch_size": Setting(32, partial(checks.int64, least=1)),
    "epochs": Setting(1, checks.int64),  # of a training, not of its recipe: it may be resumed to more of them
    "shuffle": Setting(True, checks.flag),
    "early_stopping": Setting(None, partial(checks.int64, least=1)),
    "dropout": Setting(0.0, checks.fraction),
    "clip_norm": Setting(None, checks.positive),
    "clip_sample_norm": Setting(None, checks.positive),
    "drop_last": Setting(False, checks.flag),
    "best_epoch": Setting(None, partial(checks.choice, known=get_args(EpochMeasure))),
    "rate_factors": Setting(rates.USUAL, _rate_factors),
    "ntp": Setting(False, checks.flag),
}
OF_OPTIMIZER = "learning_rate", "weight_decay"  # settings that an optimizer has, if it is one of numbafc's


class Usual:
    """A default that fit can tell from the same value given. It shows as the value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def usual(value: _T) -> _T:
    """The default of a setting, with the type of its values."""
    return cast(_T, Usual(value))


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among a call's arguments that are no defaults, checked. Raises TypeError or ValueError."""
    said = {name: arguments[name] for name in SETTINGS if not isinstance(arguments[name], Usual)}
    return {name: SETTINGS[name].checked(name, value) for name, value in said.items()}


class Regularization(NamedTuple):
    """Settings that change the gradient of a minibatch. 0 stands for none."""

    dropout: float = 0.0
    clip_norm: float = 0.0
    clip_sample_norm: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0  # of dropout
    l2: float = 0.0  # the loss of a minibatch has ½·l2·Σ‖W‖²/Σw besides, of its total weight Σw and all weights, not biases
    batch_mean: bool = False  # a sample's weight counts over the sum of its minibatch's, not over the mean of all

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that engine.py takes."""
        norms = self.clip_norm, self.clip_sample_norm
        return self.dropout, *norms, self.label_smoothing, self.l2, float(self.batch_mean)

    @property
    def described(self) -> dict[str, Any]:
        """What files hold: all that fit and a network have; l2 and batch_mean are those of other estimators."""
        return {name: value for name, value in self._asdict().items() if name not in ("l2", "batch_mean")}


@dataclass(frozen=True)
class Recipe:
    """The settings of a training."""

    optimizer: Optimizer
    schedule: Schedule
    batch_size: int
    shuffle: bool
    early_stopping: int | None
    regularization: Regularization
    drop_last: bool = False
    best_epoch: str | None = None
    rate_factors: tuple[float, ...] = rates.USUAL
    ntp: bool = False

    def batches(self, samples: int) -> int:
        """The number of minibatches in an epoch of so many samples, 1 or more."""
        return samples // min(self.batch_size, samples) if self.drop_last else -(-samples // self.batch_size)

    def samples(self, samples: int) -> int:
        """How many of so many samples are in the minibatches of an epoch."""
        return min(samples, self.batches(samples) * self.batch_size)

    @property
    def has_rates(self) -> bool:
        """Tell whether not all parameters have the same learning rate."""
        return self.ntp or self.rate_factors != rates.USUAL or self.regularization.l2 > 0

    def setting(self, name: str) -> Any:
        """A setting as fit names it: None where it was None. Those of an optimizer are its own."""
        if name in OF_OPTIMIZER:
            return getattr(self.optimizer, name, None)
        if name not in Regularization._fields:
            return getattr(self, name)
        value = getattr(self.regularization, name)
        return None if value == 0 and name in SETTINGS and SETTINGS[name].default is None else value


def make(*, label_smoothing: float = 0.0, seed: int = 0, **given: Any) -> Recipe:
    """The given settings of fit, defaults for the others, and a network's own. Raises TypeError or ValueError."""
    values = {name: setting.default for name, setting in SETTINGS.items()} | given
    values = {name: SETTINGS[name].checked(name, value) for name, value in values.items() if name != "epochs"}
    step = optimizers.make(values.pop("optimizer"), values.pop("learning_rate"))
    schedule = schedules.make(values.pop("schedule"))
    ours = type(step) in optimizers.OURS  # not a class of somebody's made from them
    if not ours and not isinstance(schedule, schedules.Constant):
        names = ", ".join(kind.__name__ for kind in optimizers.OURS)
        raise ValueError(f"schedule goes with {names}; {type(step).__name__} must see to its own learning rate")
    if not ours and (values["ntp"] or values["rate_factors"] != rates.USUAL):
        raise ValueError(f"rate_factors and ntp go with numbafc's own optimizers; {type(step).__name__} sees to its rates")
    numbers: dict[str, Any] = {name: values.pop(name) or 0.0 for name in Regularization._fields if name in values}
    smoothing = checks.fraction("label_smoothing", label_smoothing)
    regularization = Regularization(**numbers, label_smoothing=smoothing, seed=folded(seed))
    return Recipe(step, schedule, **values, regularization=regularization)

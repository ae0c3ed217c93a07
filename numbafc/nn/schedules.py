"""Schedules: the learning rate of every minibatch, as a multiple of the optimizer's own.

A schedule is asked once an epoch for the factors of its minibatches. What it says depends on its settings, the place of
the epoch in the training and the losses so far, so a training can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from .. import checks
from . import portable

Factors = Callable[[int, int, int, Sequence[float]], Any]  # (epoch, epochs, batches, losses)


class Schedule(Protocol):
    """What training needs of a schedule.

    Those here say whether factors depend on `epochs` (knows_end), so that a training cannot be resumed to more of them, and
    whether on the losses (watches), so that it is resumed with the same validation. Of a schedule of somebody's the factors
    for both numbers of epochs are compared, and it is taken to watch.
    """

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        """The factors, (batches,), of an epoch from 1 to `epochs`; losses: of those before, validation's if there is."""


def _set_checked(schedule: Any, **settings: float) -> None:
    """Set checked settings as Python's own numbers: with NumPy's, arithmetic and files would depend on the kind."""
    for name, value in settings.items():
        object.__setattr__(schedule, name, value)


@dataclass(frozen=True)
class Constant:
    """The factor 1, always."""

    knows_end: ClassVar[bool] = False
    watches: ClassVar[bool] = False

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        return np.ones(batches)


@dataclass(frozen=True)
class Step:
    """gamma^⌊(epoch − 1)/every⌋: times gamma after each `every` epochs. 0 < gamma ≤ 1. Raises TypeError or ValueError."""

    knows_end: ClassVar[bool] = False
    watches: ClassVar[bool] = False
    every: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _set_checked(self, every=checks.int64("every", self.every, 1), gamma=checks.positive("gamma", self.gamma))
        if self.gamma > 1:
            raise ValueError(f"gamma must be at most 1, got {self.gamma!r}")

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        return np.full(batches, portable.power(self.gamma, (epoch - 1) // self.every))


@dataclass(frozen=True)
class Cosine:
    """A rise in a line over the first m minibatches, then a fall as half a cosine (I. Loshchilov, F. Hutter, ICLR 2017).

        n/m for n = 1 … m, then final + (1 − final)·(1 + cos(π·(n − m)/(all − m)))/2

    warm_up: m's share of all minibatches, from 0 to below 1. final: the last factor, ≥ 0. Raises TypeError or ValueError.
    """

    knows_end: ClassVar[bool] = True
    watches: ClassVar[bool] = False
    warm_up: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        warm_up, final = checks.fraction("warm_up", self.warm_up), checks.number("final", self.final, 0)
        _set_checked(self, warm_up=warm_up, final=final)

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        everything = epochs * batches
        rising = round(self.warm_up * everything)
        n = (epoch - 1) * batches + np.arange(1.0, batches + 1)
        up, down = n[n <= rising], n[n > rising]
        cosine = portable.cos_of_pi(down - rising, everything - rising)
        return np.append(up / max(rising, 1), self.final + (1 - self.final) * (1 + cosine) / 2)


@dataclass(frozen=True)
class OneCycle:
    """A rise from start to 1 and a fall to final, each half a cosine (L. Smith, N. Topin, 2018; numbers as in PyTorch).

    rise: the share of all minibatches that go up, above 0 and below 1. start, final: ≥ 0. Raises TypeError or ValueError.
    """

    knows_end: ClassVar[bool] = True
    watches: ClassVar[bool] = False
    rise: float = 0.3
    start: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        rise = checks.number("rise", self.rise, 0, exclusive=True, below=1)
        _set_checked(
            self, rise=rise, start=checks.number("start", self.start, 0), final=checks.number("final", self.final, 0)
        )

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        last = max(epochs * batches - 1, 1)
        top = self.rise * last

        def rising(low: float, n: np.ndarray, all_: float) -> np.ndarray:
            return low + (1 - low) * (1 - portable.cos_of_pi(n, all_)) / 2

        n = (epoch - 1) * batches + np.arange(float(batches))
        return np.append(rising(self.start, n[n <= top], top), rising(self.final, last - n[n > top], last - top))


@dataclass(frozen=True)
class CosLog4:
    """Four cosine waves, each twice as long as the one before (D. Holzmüller et al., NeurIPS 2024).

    (1 − cos(2π·log₂(1 + 15·t)))/2, t = n/all for n = 0 … all − 1: 0 at t = 0, 1/15, 3/15, 7/15 and the end
    """

    knows_end: ClassVar[bool] = True
    watches: ClassVar[bool] = False

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        n = (epoch - 1) * batches + np.arange(float(batches))
        waves = portable.log2(1 + 15 * n / (epochs * batches))
        part = waves - np.floor(waves)
        factors: np.ndarray = (1 - portable.cos_of_pi(2 * np.minimum(part, 1 - part), 1.0)) / 2  # of a wave's mirror image
        return factors


@dataclass(frozen=True)
class OnPlateau:
    """The rate times `factor` whenever the loss has not become less for `patience` epochs.

    0 < factor < 1, patience ≥ 1. Less: below the best by a share of more than 1e-4. Raises TypeError or ValueError.
    """

    knows_end: ClassVar[bool] = False
    watches: ClassVar[bool] = True
    factor: float = 0.1
    patience: int = 10

    def __post_init__(self) -> None:
        factor = checks.number("factor", self.factor, 0, exclusive=True, below=1)
        _set_checked(self, factor=factor, patience=checks.int64("patience", self.patience, 1))

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        return self.following()(epoch, epochs, batches, losses)

    def following(self) -> Factors:
        """`factors` for one training: of losses that have grown since the last call, only the new ones are looked at."""
        best, waited, times, seen = math.inf, 0, 0, 0

        def factors(epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
            nonlocal best, waited, times, seen
            for loss in losses[seen:]:
                if less(loss, best):
                    best, waited = loss, 0
                elif waited + 1 < self.patience:
                    waited += 1
                else:
                    waited, times = 0, times + 1
            seen = len(losses)
            return np.full(batches, portable.power(self.factor, times))

        return factors


def less(loss: float, best: float) -> bool:
    """Tell whether a loss is below the best by a share of more than 1e-4. NaN is not."""
    return loss < best - 1e-4 * abs(best) if best < math.inf else loss < math.inf


SCHEDULES: dict[str, Any] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "on_plateau": OnPlateau,
    "coslog4": CosLog4,
}


def checked(factors: Any, batches: int) -> np.ndarray:
    """A schedule's factors in float64. Raises ValueError unless they are finite numbers, at least 0, one per minibatch."""
    factors = np.asarray(factors, np.float64)
    if factors.shape != (batches,) or not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError(
            f"a schedule's factors must be {batches} finite numbers, at least 0, one per minibatch, got {factors!r:.200}"
        )
    return factors


def make(schedule: str | Schedule) -> Schedule:
    """The schedule that a name stands for, or the given one. Raises TypeError or ValueError."""
    if isinstance(schedule, str):
        made: Schedule = SCHEDULES[checks.choice("schedule", schedule, SCHEDULES)]()
        return made
    if isinstance(schedule, type) or not hasattr(schedule, "factors"):
        raise TypeError(f"schedule must be a name of {', '.join(SCHEDULES)}, or an instance with factors, got {schedule!r}")
    return schedule


def following(schedule: Schedule) -> Factors:
    """The factors of one training, epoch after epoch, in a time that does not grow with the epochs before.

    The losses are a list that grows: a schedule of somebody's is given a copy.
    """
    if isinstance(schedule, OnPlateau) and is_ours(schedule):
        return schedule.following()
    if is_ours(schedule):
        return schedule.factors
    return lambda epoch, epochs, batches, losses: schedule.factors(epoch, epochs, batches, list(losses))


def is_ours(schedule: Schedule) -> bool:
    """Tell whether a schedule is one of SCHEDULES, not of a class that somebody made from them."""
    return type(schedule) in SCHEDULES.values()


def watches(schedule: Schedule) -> bool:
    """Tell whether the factors depend, or may depend, on the losses."""
    return not is_ours(schedule) or bool(schedule.watches)  # type: ignore[attr-defined]


def same_beginning(
    schedule: Schedule, epochs: tuple[int, int], batches: int, losses: Sequence[float], minibatches: int
) -> bool:
    """Tell whether the first minibatches have the same factors in a training of so many epochs and of so many."""
    if is_ours(schedule) and not schedule.knows_end:  # type: ignore[attr-defined]
        return True
    for epoch in range(1, -(-minibatches // batches) + 1):
        one, other = (checked(schedule.factors(epoch, n, batches, list(losses[: epoch - 1])), batches) for n in epochs)
        done = minibatches - (epoch - 1) * batches
        if not np.array_equal(one[:done], other[:done]):
            return False
    return True

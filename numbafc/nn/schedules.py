"""Schedules: the learning rate of every minibatch, as a multiple of the optimizer's own.

A schedule is asked once an epoch for the factors of its minibatches. What it says depends on its settings, the place of
the epoch in the training and the losses so far, so a training can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .. import checks


class Schedule(Protocol):
    """What training needs."""

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        """(batches,), of epoch `epoch` (from 1) out of `epochs`; losses: of the epochs before, validation's if there is."""


def _settle(schedule: Any, **settings: float) -> None:
    """The settings, checked, as Python's own numbers: with NumPy's, arithmetic and files would depend on the kind given."""
    for name, value in settings.items():
        object.__setattr__(schedule, name, value)


@dataclass(frozen=True)
class Constant:
    """Always 1."""

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        return np.ones(batches)


@dataclass(frozen=True)
class Step:
    """gamma^⌊(epoch − 1)/every⌋: times gamma after each `every` epochs. 0 < gamma ≤ 1. Raises TypeError or ValueError."""

    every: int = 10
    gamma: float = 0.1

    def __post_init__(self) -> None:
        gamma = checks.number("gamma", self.gamma, 0, exclusive=True)
        _settle(self, every=checks.count("every", self.every, 1), gamma=gamma)
        if self.gamma > 1:
            raise ValueError(f"gamma must be at most 1, got {self.gamma!r}")

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        return np.full(batches, self.gamma ** ((epoch - 1) // self.every))


@dataclass(frozen=True)
class Cosine:
    """Up in a line over the first m minibatches, then down as half a cosine (I. Loshchilov, F. Hutter, ICLR 2017).

        n/m for n = 1 … m, then final + (1 − final)·(1 + cos(π·(n − m)/(all − m)))/2

    warm_up: m's share of all minibatches, from 0 to below 1. final: the last factor, ≥ 0. Raises TypeError or ValueError.
    """

    warm_up: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        warm_up = checks.number("warm_up", self.warm_up, 0, below=1)
        _settle(self, warm_up=warm_up, final=checks.number("final", self.final, 0))

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        everything = epochs * batches
        rising = round(self.warm_up * everything)

        def factor(n: int) -> float:
            if n <= rising:
                return n / rising
            return self.final + (1 - self.final) * (1 + math.cos(math.pi * (n - rising) / (everything - rising))) / 2

        return np.array([factor((epoch - 1) * batches + n) for n in range(1, batches + 1)])


@dataclass(frozen=True)
class OneCycle:
    """From start up to 1 and down to final, each half a cosine (L. Smith, N. Topin, 2018; the numbers are PyTorch's).

    rise: the share of all minibatches that go up, above 0 and below 1. start, final: ≥ 0. Raises TypeError or ValueError.
    """

    rise: float = 0.3
    start: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        rise = checks.number("rise", self.rise, 0, exclusive=True, below=1)
        _settle(self, rise=rise, start=checks.number("start", self.start, 0), final=checks.number("final", self.final, 0))

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        last = max(epochs * batches - 1, 1)
        top = self.rise * last

        def factor(n: int) -> float:
            low, share = (self.start, n / top) if n <= top else (self.final, (last - n) / (last - top))
            return low + (1 - low) * (1 - math.cos(math.pi * share)) / 2

        return np.array([factor((epoch - 1) * batches + n) for n in range(batches)])


@dataclass(frozen=True)
class OnPlateau:
    """Times `factor` whenever the loss has not become less for `patience` epochs.

    0 < factor < 1, patience ≥ 1. Less: below the best by a share of more than 1e-4. Raises TypeError or ValueError.
    """

    factor: float = 0.1
    patience: int = 10

    def __post_init__(self) -> None:
        factor = checks.number("factor", self.factor, 0, exclusive=True, below=1)
        _settle(self, factor=factor, patience=checks.count("patience", self.patience, 1))

    def factors(self, epoch: int, epochs: int, batches: int, losses: Sequence[float]) -> np.ndarray:
        best, waited, times = math.inf, 0, 0
        for loss in losses:
            if loss < best - 1e-4 * abs(best) if best < math.inf else loss < math.inf:
                best, waited = loss, 0
            else:
                waited += 1
                if waited == self.patience:
                    waited, times = 0, times + 1
        return np.full(batches, self.factor**times)


SCHEDULES: dict[str, Any] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "on_plateau": OnPlateau,
}


def checked(factors: Any, batches: int) -> np.ndarray:
    """What a schedule said, in float64. Raises ValueError unless it is one finite number, at least 0, per minibatch."""
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

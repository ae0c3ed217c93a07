"""A column of numbers: one input, and a second one that tells where it was missing, if it was so in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import kinds, scaling, stored
from .column import Column
from .encoder import Fitting, ranged, write
from .scaling import Scale


@dataclass(frozen=True)
class Numbers:
    """low, high: of all rows, or None where all are missing. gaps: the scale of "was missing", None without that input."""

    kind: ClassVar[str] = kinds.NUMBER
    name: str
    missing: int
    low: float | None
    high: float | None
    scale: Scale
    gaps: Scale | None

    @classmethod
    def fit(cls, column: Column, fitting: Fitting) -> Numbers:
        """The encoder of a column whose cells are numbers or missing."""
        values = column.numbers.values
        known = values[~np.isnan(values)]
        own = fitting.of_training(values)
        low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
        scale = scaling.of(own[~np.isnan(own)], fitting.scaling)
        return cls(column.name, len(values) - len(known), low, high, scale, gaps_of(own, fitting.scaling))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return (self.name,) if self.gaps is None else (self.name, missing_name(self.name))

    @property
    def values(self) -> str:
        """The range."""
        return "" if self.low is None or self.high is None else ranged(self.low, self.high)

    @property
    def becomes(self) -> str:
        """What the network gets."""
        return "a number" if self.gaps is None else "a number, and whether it was missing"

    def encode(self, column: Column, out: np.ndarray, how: str) -> None:
        """Write the inputs. Raises ValueError for a cell that is no number."""
        values, bad = column.numbers
        if len(bad):
            row = int(bad[0])
            raise column.refused(row, "a finite number" if column.form == "number" else "a number")
        write(column, out[:, 0], values, self.scale, how)
        if self.gaps is not None:
            write(column, out[:, 1], np.isnan(values).astype(np.float64), self.gaps, how)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"low": self.low, "high": self.high, "scale": list(self.scale), "gaps": stored.scale_out(self.gaps)}

    @classmethod
    def from_dict(cls, name: str, missing: int, given: dict[str, Any]) -> Numbers:
        """The encoder of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "low", "high", "scale", "gaps")
        low, high = (stored.maybe(stored.real, given[key], key) for key in ("low", "high"))
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise ValueError("low and high must be two numbers in order, or neither")
        scale = stored.scale(given["scale"], "scale")
        return cls(name, missing, low, high, scale, stored.maybe(stored.scale, given["gaps"], "gaps"))


def gaps_of(training: np.ndarray, how: str) -> Scale | None:
    """The scale of the input "was missing", if the training part has any missing."""
    gone = int(np.isnan(training).sum())
    if gone == 0:
        return None
    return scaling.of(np.array([0.0, 1.0]), how, np.array([len(training) - gone, gone]))


def missing_name(name: str) -> str:
    """The name of the input that tells where a column was missing."""
    return f"{name} missing"

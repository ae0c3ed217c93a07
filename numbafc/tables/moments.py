"""A column of dates: days since the training's first, and month, weekday and hour where they vary in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import dates, kinds, scaling, stored
from .column import Column
from .encoder import Fitting, write
from .numbers import gaps_of, missing_name
from .scaling import Scale

DAY = 86_400_000_000  # microseconds
PARTS = "month", "weekday", "hour"
MOST = 4e17  # microseconds: years below 10 000 and above −10 000


@dataclass(frozen=True)
class Moments:
    """order: the reader of text. first: microseconds since 1970. parts: of PARTS, those that vary. scales: of the days,
    of the parts, and of "was missing", if that is an input."""

    kind: ClassVar[str] = kinds.DATE
    name: str
    missing: int
    order: str
    first: float
    last: float
    parts: tuple[str, ...]
    scales: tuple[Scale, ...]
    gaps: Scale | None

    @classmethod
    def fit(cls, column: Column, fitting: Fitting) -> Moments:
        """The encoder of a column of dates."""
        values = column.moments(fitting.order).values
        own = fitting.of_training(values)
        known = own[~np.isnan(own)]
        first, last = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        parts = tuple(part for part in PARTS if len(known) and np.ptp(_part(known, part)) > 0)
        scales = tuple(scaling.of(values, fitting.scaling) for values in _inputs(known, first, parts))
        missing = int(np.isnan(values).sum())
        return cls(column.name, missing, fitting.order, first, last, parts, scales, gaps_of(own, fitting.scaling))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs."""
        gaps = () if self.gaps is None else (missing_name(self.name),)
        return (f"{self.name} days", *(f"{self.name} {part}" for part in self.parts), *gaps)

    @property
    def values(self) -> str:
        """The range of the training part."""
        return f"{_written(self.first, self.order)} … {_written(self.last, self.order)}"

    @property
    def becomes(self) -> str:
        """What the network gets."""
        what = ["days since the first", *self.parts, *([] if self.gaps is None else ["whether it was missing"])]
        return ", ".join(what)

    def encode(self, column: Column, out: np.ndarray, how: str) -> None:
        """Write the inputs. Raises ValueError for a cell that is no date."""
        values, bad = column.moments(self.order)
        if len(bad):
            raise column.refused(int(bad[0]), "a date such as 2024-01-31")
        for place, (numbers, scale) in enumerate(zip(_inputs(values, self.first, self.parts), self.scales, strict=True)):
            write(column, out[:, place], numbers, scale, how)
        if self.gaps is not None:
            write(column, out[:, -1], np.isnan(values).astype(np.float64), self.gaps, how)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "order": self.order,
            "first": self.first,
            "last": self.last,
            "parts": list(self.parts),
            "scales": [list(scale) for scale in self.scales],
            "gaps": stored.scale_out(self.gaps),
        }

    @classmethod
    def from_dict(cls, name: str, missing: int, given: dict[str, Any]) -> Moments:
        """The encoder of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "order", "first", "last", "parts", "scales", "gaps")
        order, parts = stored.one_of(given["order"], dates.ORDERS, "order"), stored.texts(given["parts"], "parts")
        first, last = stored.real(given["first"], "first"), stored.real(given["last"], "last")
        scales = tuple(stored.scale(one, "scales") for one in stored.listed(given["scales"], "scales"))
        if not set(parts) <= set(PARTS) or len(scales) != 1 + len(parts) or not -MOST < first <= last < MOST:
            raise ValueError("parts, scales, first and last of dates contradict one another")
        return cls(name, missing, order, first, last, parts, scales, stored.maybe(stored.scale, given["gaps"], "gaps"))


def _inputs(values: np.ndarray, first: float, parts: tuple[str, ...]) -> list[np.ndarray]:
    """The inputs of moments, before they are scaled; NaN where missing."""
    return [(values - first) / DAY, *(_part(values, part) for part in parts)]


def _part(values: np.ndarray, part: str) -> np.ndarray:
    """Month, 1 to 12, weekday, 0 on Monday, or hour of each moment; NaN where missing."""
    gone = np.isnan(values)
    whole = np.where(gone, 0, values).astype(np.int64)
    if part == "month":
        found = whole.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif part == "weekday":
        found = (whole // DAY + 3) % 7  # 1970 began on a Thursday
    else:
        found = whole % DAY // (DAY // 24)
    return np.where(gone, np.nan, found)


def _written(moment: float, order: str) -> str:
    """A moment as people write it."""
    text = str(np.datetime64(int(moment), "us"))
    text = text.split("T")[1] if order == dates.TIME else text.replace("T", " ")
    return text.removesuffix(".000000").removesuffix(" 00:00:00")

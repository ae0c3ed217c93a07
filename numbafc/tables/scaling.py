"""Centre and scale of encoded columns: robust with a smooth clip, as RealMLP-TD-S has it, or mean and deviation.

robust      z = (x − m)/q, m the median, q = Q75 − Q25 by linear quantiles, (max − min)/2 where that is 0; then
            z/√(1 + (z/3)²), within ±3
standard    (x − mean)/deviation, with the population's deviation
A column that does not vary has scale 0, and becomes 0. All is float64, nothing overflows, and each sum has one right
answer in bits (math.fsum is rounded once).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LARGEST = 1e100  # of z, whose square is still finite
CLIP = 3.0
MAX = float(np.finfo(np.float64).max)


class Scale(NamedTuple):
    """A centre and a scale; scale 0 stands for a column that does not vary."""

    centre: float
    scale: float

    def apply(self, values: np.ndarray, scaling: str) -> np.ndarray:
        """The values scaled, in float64; NaN, a missing one, becomes 0."""
        if self.scale == 0:
            return np.zeros(np.shape(values))
        with np.errstate(over="ignore"):
            z = np.clip((values - self.centre) / self.scale, -LARGEST, LARGEST)
        z = np.where(np.isnan(z), 0.0, z)
        return z / np.sqrt(1 + np.square(z / CLIP)) if scaling == "robust" else z


def of(values: np.ndarray, scaling: str, counts: np.ndarray | None = None) -> Scale:
    """The scale of finite values. counts: how often each is there; then values are few, and in order."""
    if counts is not None:
        values, counts = values[counts > 0], counts[counts > 0]
    if len(values) == 0:
        return Scale(0.0, 0.0)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return Scale(low, 0.0)
    return _robust(values, counts, low, high) if scaling == "robust" else _standard(values, counts, low, high)


def _robust(values: np.ndarray, counts: np.ndarray | None, low: float, high: float) -> Scale:
    size = len(values) if counts is None else int(counts.sum())
    places = [share * (size - 1) for share in (0.25, 0.5, 0.75)]
    below = [math.floor(place) for place in places]
    wanted = sorted({at for first in below for at in (first, min(first + 1, size - 1))})
    if counts is None:
        ordered = np.partition(values, wanted)[wanted]
    else:
        ordered = values[np.searchsorted(np.cumsum(counts), wanted, side="right")]
    at = dict(zip(wanted, ordered.tolist(), strict=True))
    quarter, median, three = (
        _between(at[first], at[min(first + 1, size - 1)], place - first) for first, place in zip(below, places, strict=True)
    )
    scale = min(three - quarter, MAX) or high / 2 - low / 2
    return Scale(median, scale or high - low)


def _between(low: float, high: float, share: float) -> float:
    """The number at that share of the way, exactly low where both are equal; nothing overflows."""
    return low if low == high else low * (1 - share) + high * share


def _standard(values: np.ndarray, counts: np.ndarray | None, low: float, high: float) -> Scale:
    exponent = math.frexp(max(abs(low), abs(high)))[1]
    scaled = np.ldexp(values, -exponent)  # within ±1
    times = np.ones(len(values)) if counts is None else counts.astype(np.float64)
    size = math.fsum(times)
    mean = math.fsum(scaled * times) / size
    deviation = math.sqrt(math.fsum(np.square(scaled - mean) * times) / size)
    with np.errstate(over="ignore"):
        scale = min(float(np.ldexp(deviation, exponent)), MAX)
    return Scale(float(np.ldexp(mean, exponent)), scale or high - low)

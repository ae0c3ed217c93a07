"""Small charts as SVG inside a page: lines, dots and bars over two axes, with nothing from elsewhere."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

WIDTH, HEIGHT = 400, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 24, 40  # what is around the axes
POINTS, FEW = 1500, 100  # of a series, at most, and of one whose dots are large


class Series(NamedTuple):
    """Points to draw. What is not finite is left out."""

    label: str  # "" for none
    x: Any
    y: Any
    kind: str = "line"  # line, dashed, dots or bars, which stand on 0
    colour: str = "#222"


class Axis(NamedTuple):
    """A stretch of numbers, and where it is drawn."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, values: Any) -> Any:
        """Where numbers are."""
        return self.begin + (np.asarray(values, float) - self.low) / (self.high - self.low) * (self.end - self.begin)


def chart(series: Sequence[Series], x: str, y: str, limits: tuple[float, float, float, float] | None = None) -> str:
    """The series over one pair of axes. x, y: their names; limits: of both, else what is there."""
    given = [_thinned(one) for one in series]
    if not any(len(one.x) for one in given):
        return ""
    if limits is None:
        zero = any(one.kind == "bars" for one in given)
        limits = *_range([one.x for one in given], False), *_range([one.y for one in given], zero)
    across = Axis(*limits[:2], LEFT, WIDTH - RIGHT)
    up = Axis(*limits[2:], HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up, x, y), *(_drawn(one, across, up) for one in given), _legend(given)]
    name = html.escape(f"{y} over {x}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _thinned(one: Series) -> Series:
    x, y = np.asarray(one.x, float), np.asarray(one.y, float)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(finite) > POINTS:
        finite = finite[np.linspace(0, len(finite) - 1, POINTS).astype(int)]
    return one._replace(x=x[finite], y=y[finite])


def _range(values: Iterable[np.ndarray], zero: bool) -> tuple[float, float]:
    every = np.concatenate([*values, [0.0] if zero else []])
    low, high = float(every.min()), float(every.max())
    if not high - low > max(1e-9 * max(abs(low), abs(high)), 1e-300):  # all the same, but for rounding
        return low - max(abs(low), 1) / 2, high + max(abs(high), 1) / 2
    margin = 0.03 * (high - low)
    return (low if zero and low == 0 else low - margin), high + margin


def ticks(low: float, high: float) -> list[float]:
    """Some three to seven round numbers from low to high."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step for step in (5 * power, 2 * power, power) if (high - low) / step >= 2 or step == power)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]


def digits(value: float, step: float) -> str:
    """A tick's number, with as many digits as tell it from its neighbours."""
    if value == 0:
        return "0"
    return f"{value:.{min(max(math.floor(math.log10(abs(value))) - math.floor(math.log10(step)) + 1, 1), 15)}g}"


def _step(values: Sequence[float]) -> float:
    return values[1] - values[0] if len(values) > 1 else abs(values[0]) or 1.0


def _grid(across: Axis, up: Axis, x: str, y: str) -> str:
    left, bottom, said = across.begin, up.begin, []
    xs, ys = ticks(across.low, across.high), ticks(up.low, up.high)
    for value in xs:
        at = float(across.at(value))
        said.append(f'<path class="grid" d="M{at:.1f} {up.begin}V{up.end}"/>')
        said.append(f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{digits(value, _step(xs))}</text>')
    for value in ys:
        at = float(up.at(value))
        said.append(f'<path class="grid" d="M{across.begin} {at:.1f}H{across.end}"/>')
        said.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{digits(value, _step(ys))}</text>')
    middle = (across.begin + across.end) / 2
    said.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x)}</text>')
    height = (up.begin + up.end) / 2
    turned = f'transform="rotate(-90 11 {height})"'
    said.append(f'<text x="11" y="{height}" text-anchor="middle" {turned}>{html.escape(y)}</text>')
    return "".join(said)


def _drawn(one: Series, across: Axis, up: Axis) -> str:
    points = list(zip(across.at(one.x).tolist(), up.at(one.y).tolist(), strict=True))
    if one.kind == "dots":
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        size = 6 if len(points) < FEW else 3
        return f'<path d="{dots}" stroke="{one.colour}" stroke-width="{size}" stroke-linecap="round" opacity=".7"/>'
    if one.kind == "bars":
        zero, width = float(up.at(max(up.low, 0.0))), (across.end - across.begin) / max(len(points), 1)
        bars = "".join(f"M{x - 0.45 * width:.1f} {zero:.1f}V{y:.1f}h{0.9 * width:.1f}V{zero:.1f}z" for x, y in points)
        return f'<path d="{bars}" fill="{one.colour}"/>'
    dash = ' stroke-dasharray="5 3"' if one.kind == "dashed" else ""
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{line}" fill="none" stroke="{one.colour}" stroke-width="1.5"{dash}/>'


def _legend(series: Sequence[Series]) -> str:
    """The names of the series in a line above the axes, where they hide nothing."""
    marks = {"line": "—", "dashed": "┄", "dots": "•", "bars": "▮"}
    words = "".join(
        f'<tspan dx="10" style="fill:{one.colour}">{marks[one.kind]} {html.escape(one.label)}</tspan>'
        for one in series
        if one.label and len(one.x)
    )
    return f'<text x="{WIDTH - RIGHT}" y="{TOP - 9}" text-anchor="end">{words}</text>' if words else ""

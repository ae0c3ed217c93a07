"""Tables in lines of text: names to the left, numbers to the right, and whole on a terminal of 60 columns.

A name that leaves no room for the numbers has a line of its own. What cannot be measured, NaN, is a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console

from . import screen

HEADINGS = {
    "r2": "R²", "rmse": "RMSE", "mae": "MAE", "f1": "F1", "roc_auc": "AUC", "brier": "Brier",
    "calibration_error": "calibration",
}  # fmt: skip
CLASSES, PAIRS = 10, 5  # that are shown of a confusion matrix, and of the pairs that are confused most

Columns = Sequence[tuple[str, Iterable[Any]]]


def width() -> int:
    """The columns of the terminal, or what COLUMNS says."""
    return Console().width


def lines(found: Mapping[str, Any], columns: int) -> list[str]:
    """The measures of measures.py, on a terminal of so many columns."""
    said = []
    for kind in ("classes", "labels", "outputs"):
        if kind in found:
            said += table(_columns(found[kind]), columns)
    if "residuals" in found:
        said += ["residuals, target − prediction, by quantile", *table(_columns(found["residuals"]), columns)]
    if "confusion" in found:
        said += confusion(found, columns)
    return said + (_calibration(found["calibration"], columns) if "calibration" in found else [])


def _columns(records: Sequence[Mapping[str, Any]]) -> Columns:
    return [(HEADINGS.get(name, name), [row[name] for row in records]) for name in (records[0] if records else ())]


def table(columns: Columns, most: int) -> list[str]:
    """A table in lines of at most so many columns of a terminal, if its numbers alone leave room for a name."""
    shown = [[screen.label(heading), *map(cell, cells)] for heading, cells in columns]
    widths = [max(map(cell_len, one)) for one in shown]
    numbers = sum(widths[1:]) + 2 * len(widths[1:])
    room = max(most - numbers, cell_len(shown[0][0]), 8)
    names = [name for name in shown[0] if cell_len(name) <= room]
    first, said = max(map(cell_len, names), default=0), []
    for name, *row in zip(*shown, strict=True):
        if cell_len(name) > room:
            said.append(name)
            name = ""
        said.append("  ".join([screen.padded(name, first), *map(_right, row, widths[1:])]))
    return said


def _right(text: str, columns: int) -> str:
    return " " * (columns - cell_len(text)) + text


def cell(value: Any) -> str:
    """What stands in a table: a number, a dash for NaN, or a name."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "–"
    return screen.decimal(float(value)) if isinstance(value, float | np.floating) else screen.label(str(value))


def chosen(matrix: np.ndarray, most: int) -> np.ndarray:
    """The classes to show of a confusion matrix: all, or those with the most errors, in the order that they have."""
    if len(matrix) <= most:
        return np.arange(len(matrix))
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[:most])


def folded(matrix: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The matrix of those classes, with a last row and column for all others if there are any."""
    if len(shown) == len(matrix):
        return matrix
    at = np.full(len(matrix), len(shown))
    at[shown] = np.arange(len(shown))
    small = np.zeros((len(shown) + 1,) * 2, matrix.dtype)
    np.add.at(small, (at[:, np.newaxis], at[np.newaxis]), matrix)
    return small


def confusion(found: Mapping[str, Any], columns: int) -> list[str]:
    """A confusion matrix in lines: all classes, or as many as there is room for, the others in one, and the worst pairs."""
    names, matrix = [row["class"] for row in found["classes"]], np.asarray(found["confusion"])
    longest = max(cell_len(screen.label(name)) for name in names)
    cells = max(len(str(int(matrix.max(initial=0)))), len("others") if len(names) > CLASSES else 1) + 2
    shown = chosen(matrix, max(min(CLASSES, (columns - min(longest, columns // 3)) // cells), 2))
    others = ["others"] * (len(shown) < len(names))
    small, rows = folded(matrix, shown), [names[at] for at in shown] + others
    heads = [screen.label(name) for name in rows]
    if sum(max(cell_len(head) + 2, cells) for head in heads) + longest > columns:
        heads = [str(at) for at in shown] + others
        rows = [*(f"{at} {names[at]}" for at in shown), *others]
    few = f", the {len(shown)} of {len(names)} classes with the most errors" if others else ""
    lines = [f"confusion: a row for what is so, a column for what was said{few}"]
    lines += table([("", rows), *zip(heads, small.T.tolist(), strict=True)], columns)
    return lines + (pairs(found["confused"][:PAIRS]) if others else [])


def pairs(confused: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each pair of classes that is confused most."""
    return [
        f"{screen.label(one['is'])} taken for {screen.label(one['said'])}: {one['samples']}, {100 * one['share']:.1f} %"
        for one in confused
    ]


def _calibration(found: Mapping[str, Any], columns: int) -> list[str]:
    error = f"expected calibration error {cell(found['calibration_error'])}"
    if found["of"] is None:
        return [f"{error}, of the probability of the class that was said"]
    of, bins = screen.label(found["of"]), [one for one in found["bins"] if one["samples"]]
    ranges = [f"{one['low']:.1f} to {one['high']:.1f}" for one in bins]
    numbers = [
        (heading, [one[of] for one in bins]) for heading, of in (("samples",) * 2, ("mean", "said"), ("share", "share"))
    ]
    return [
        f"ROC AUC {cell(found['roc_auc'])}, Brier score {cell(found['brier'])}, {error}",
        f"probability of {of}, and the share that it is true of",
        *table([("from", ranges), *numbers], columns),
    ]

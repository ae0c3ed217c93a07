"""Tables of numbers as they are, for networks that know no Table: every feature a number, none missing, none scaled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..tables.frames import Frame
from ..tables.target import Target
from . import tabular
from .dialect import Dialect
from .invalid import InvalidFile
from .opening import require_memory

SHOWN = 10  # names in a message


class Columns(NamedTuple):
    """The columns of a table: those of X, then the target's, by their numbers in the file, and the header, if any."""

    numbers: Sequence[int]
    header: Sequence[str] | None = None

    def names(self, features: int) -> tuple[str, ...] | None:
        """The names of so many features, if there is a header."""
        return None if self.header is None else tuple(self.header[number] for number in self.numbers[:features])

    def place(self, row: int, column: int = -1) -> str:
        """The place of a cell, for messages. column: of X; −1 is the target's."""
        number = self.numbers[column]
        if self.header is None:
            return f"row {row}, column {number} (from 0)"
        return f"row {row}, column {number} {self.header[number]!r:.40} (from 0, below the header)"


def features_first(width: int, target: int, header: Sequence[str] | None = None) -> Columns:
    """The columns of a table of that width, the target's moved to the end."""
    return Columns((*(column for column in range(width) if column != target), target), header)


def find_column(path: Path, target: str | None, header: Sequence[str] | None, columns: int) -> int:
    """The target's column: by its name, by its number from 0 (negative from the end), or the last one."""
    if target is None:
        return columns - 1
    if header is not None and target in header:
        return header.index(target)
    try:
        column = int(target)
    except ValueError:
        names = (
            f"one of {', '.join(header[:SHOWN])}{', …' if len(header) > SHOWN else ''}"
            if header is not None
            else "a column's number, for there is no header"
        )
        raise InvalidFile(path, f"no column is named {target!r:.100}; expected {names}") from None
    if not -columns <= column < columns:
        raise InvalidFile(path, f"there is no column {column}; expected one from {-columns} to {columns - 1}")
    return column % columns


def read_table(
    path: Path, target: str | None, task: str, dtype: Any, dialect: Dialect, features: int | None = None
) -> tuple[np.ndarray, np.ndarray, Target, Columns]:
    """Features (samples, columns − 1), targets, what these are, and the columns.

    features: how many there must be. Raises InvalidFile.
    """
    given, header = _read(path, dialect)
    width = len(given.names)
    require_features(path, width - 1, features, True)
    column = find_column(path, target, header, width)
    if width < 2:
        raise InvalidFile(path, "expected at least one feature and the target, separated by commas, got one column")
    columns = features_first(width, column, header)
    X = _numbers(path, given, columns, width - 1)
    try:
        found = Target.fit([given[column]], task)
        return X, found.values([given[column]], dtype), found, columns
    except ValueError as error:
        raise InvalidFile(path, str(error)) from None


def require_features(path: Path, got: int, features: int | None, beside: bool) -> None:
    """Require as many features as a model has. beside: the target is one more column of them. Raises InvalidFile."""
    if features is None or got == features:
        return
    if beside and got == features - 1:
        there = f"got {features} columns: it is missing"
        raise InvalidFile(path, f"expected the target beside {features} features, as the model has, {there}")
    raise InvalidFile(path, f"expected {features} features, as the model has, got {got}")


def read_features(path: Path, features: int, target: str | None, dialect: Dialect) -> tuple[np.ndarray, Columns]:
    """The features, (samples, features), of a table with as many columns, or with the target's besides."""
    given, header = _read(path, dialect)
    width = len(given.names)
    if width not in (features, features + 1):
        raise InvalidFile(path, f"expected {features} features, as the model has, got {width} columns")
    last = find_column(path, target, header, width) if width > features else features - 1
    columns = features_first(width, last, header)
    return _numbers(path, given, columns, features), columns


def _read(path: Path, dialect: Dialect) -> tuple[Frame, list[str] | None]:
    """The table in a file, and its header, if it has one."""
    reading = tabular.read(path, dialect)
    return Frame(reading.frame, reading.decimal), reading.frame.columns if reading.header else None


def _numbers(path: Path, given: Frame, columns: Columns, features: int) -> np.ndarray:
    """The first so many of the columns as numbers, (samples, features). Raises InvalidFile for the first other cell."""
    require_memory(path, 8 * given.rows * features, f"a table of {given.rows} rows and {features} features")
    X = np.empty((given.rows, features))
    wrong = []
    for place, number in enumerate(columns.numbers[:features]):
        column = given[number]
        X[:, place] = column.numbers.values
        rows = np.flatnonzero(np.isnan(X[:, place]))
        wrong += [(int(rows[0]), place)] if len(rows) else []
    if wrong:
        row, place = min(wrong)
        column = given[columns.numbers[place]]
        expected = f"expected a number at {columns.place(row, place)}, got"
        if column.missing[row]:
            raise InvalidFile(path, f"{expected} a missing value; fill it or remove the row")
        if features < len(columns.numbers) and len(column.numbers.bad) == given.rows - column.missing.sum():
            number = columns.numbers[place]
            fix = f"if it is the target, pass --target {number}, else write it as numbers or remove it"
            raise InvalidFile(path, f"{expected} {column.cell(row)}, and the whole column is words; {fix}")
        raise InvalidFile(path, f"{expected} {column.cell(row)}; mend it or remove the row")
    return X

"""csv files: numbers separated by commas, with or without a header, one column of which is the target."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from .invalid import InvalidFile


def find_column(path: Path, target: str | None, header: list[str] | None, columns: int) -> int:
    """The target's column: by its name, by its number from 0 (negative from the end), or the last one."""
    if target is None:
        return columns - 1
    if header is not None and target in header:
        return header.index(target)
    try:
        column = int(target)
    except ValueError:
        names = f"one of {', '.join(header)}" if header is not None else "a column's number, for there is no header"
        raise InvalidFile(path, f"no column is named {target!r}; expected {names}") from None
    if not -columns <= column < columns:
        raise InvalidFile(path, f"there is no column {column}; expected one from {-columns} to {columns - 1}")
    return column % columns


def read_table(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Features (samples, columns − 1) and the target column, as numbers where all of it are."""
    header, columns = _look(path)
    column = find_column(path, target, header, columns)
    if columns < 2:
        raise InvalidFile(path, "expected at least one feature and the target, separated by commas, got one column")
    X = _load(path, header, [other for other in range(columns) if other != column])
    return X, _labels(path, _column(path, header, column))


# A number as people write numbers. Not so 007, which is a name.
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
LONGEST_LABEL = 1000  # characters


def _column(path: Path, header: list[str] | None, column: int) -> list[str]:
    """The cells of one column, without the blanks around them."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row][header is not None :]
    for number, row in enumerate(rows):
        if len(row) <= column:
            raise InvalidFile(
                path, f"row {number} (from 0) has {len(row)} columns, so there is no target in column {column}"
            )
        if (size := len(row[column])) > LONGEST_LABEL:
            raise InvalidFile(path, f"the target of row {number} (from 0) has {size} characters, more than {LONGEST_LABEL}")
    return [row[column].strip() for row in rows]


def _labels(path: Path, cells: list[str]) -> np.ndarray:
    """The cells as integers or reals where all of them are, else as words."""
    if not all(cell and NUMBER.fullmatch(cell) for cell in cells):
        return np.array(cells)
    try:
        return np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return np.array([float(cell) for cell in cells])


def read_features(path: Path, features: int, target: str | None) -> np.ndarray:
    """The features, (samples, features), of a table with as many columns, or with the target's besides."""
    header, columns = _look(path)
    if columns == features:
        return _load(path, header, list(range(features)))
    if columns != features + 1:
        raise InvalidFile(path, f"expected {features} features, as the model has, got {columns} columns")
    left_out = find_column(path, target, header, columns)
    return _load(path, header, [column for column in range(columns) if column != left_out])


def _look(path: Path) -> tuple[list[str] | None, int]:
    """The header, if the first line is one, and the number of columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            first, second = next(rows, []), next(rows, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(path, f"not a readable csv file ({error})") from None
    if not first:
        raise InvalidFile(path, "expected a table of numbers, got an empty first line")
    if not second and not all(_is_number(cell) for cell in first):
        raise InvalidFile(path, "there is a header but no sample below it")
    # A header has a word where the line below has a number; labels are words in every line.
    is_header = any(not _is_number(above) and _is_number(below) for above, below in zip(first, second, strict=False))
    return ([cell.strip() for cell in first] if is_header else None), len(first)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _load(path: Path, header: list[str] | None, columns: list[int]) -> np.ndarray:
    """Some columns of all rows as numbers, (samples, columns)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return np.loadtxt(
                file,
                np.float64,
                delimiter=",",
                quotechar='"',
                comments=None,
                skiprows=int(header is not None),
                usecols=columns,
                ndmin=2,
            )
    except (ValueError, UnicodeDecodeError) as error:
        hint = "; a target that is not the last column needs --target" if "could not convert" in str(error) else ""
        counted = " (rows counted from 0, after the header)" if header is not None else " (rows counted from 0)"
        raise InvalidFile(path, f"{str(error).rstrip('.')}{counted}{hint}") from None

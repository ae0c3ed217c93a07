"""csv files: numbers separated by commas, with or without a header, one column of which is the target."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from . import opening
from .invalid import InvalidFile


class Columns(NamedTuple):
    """The columns of a table: those of X, then the target's, by their numbers in the file; the header, if any; its file."""

    numbers: Sequence[int]
    header: Sequence[str] | None = None
    path: Path | None = None  # of a csv file, whose lines have numbers

    def names(self, features: int) -> tuple[str, ...] | None:
        """The names of so many features, if there is a header."""
        return None if self.header is None else tuple(self.header[number] for number in self.numbers[:features])

    def place(self, row: int, column: int = -1) -> str:
        """The place of a cell, for messages. column: of X; −1 is the target's."""
        number = self.numbers[column]
        name = "" if self.header is None else f" {self.header[number]!r:.40}"
        return f"row {row}, column {number}{name} {self.counted(row)}"

    def counted(self, row: int) -> str:
        """A phrase: how rows and columns are counted, and a row's line in an editor, which counts blank ones, too."""
        how = "from 0" if self.header is None else "from 0, below the header"
        return f"({how})" if self.path is None else f"({how}; line {self._line(self.path, row)})"

    def _line(self, path: Path, row: int) -> int:
        """The line of a row, found by reading the file again: only a message wants it."""
        return next(islice(_numbered(path), row + (self.header is not None), None))[0]


def features_first(width: int, target: int, header: Sequence[str] | None = None, path: Path | None = None) -> Columns:
    """The columns of a table of that width, the target's moved to the end."""
    return Columns((*(column for column in range(width) if column != target), target), header, path)


def find_column(path: Path, target: str | None, header: list[str] | None, columns: int) -> int:
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


def read_table(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray, Columns]:
    """Features (samples, columns − 1) and the target column, as numbers where all of it are."""
    header, width = _look(path)
    column = find_column(path, target, header, width)
    if width < 2:
        raise InvalidFile(path, "expected at least one feature and the target, separated by commas, got one column")
    columns = features_first(width, column, header, path)
    seen: dict[str, str] = {}  # one object for equal cells
    cells = [seen.setdefault(cell, cell) for cell in (row[column].strip() for row in _rows(path, columns))]
    for row, cell in enumerate(cells):
        if len(cell) > LONGEST_LABEL:
            place = columns.place(row)
            raise InvalidFile(path, f"expected a target of at most {LONGEST_LABEL} characters at {place}, got {len(cell)}")
    return _load(path, columns, width - 1, len(cells)), _labels(cells), columns


def read_features(path: Path, features: int, target: str | None) -> tuple[np.ndarray, Columns]:
    """The features, (samples, features), of a table with as many columns, or with the target's besides."""
    header, width = _look(path)
    if width not in (features, features + 1):
        raise InvalidFile(path, f"expected {features} features, as the model has, got {width} columns")
    last = find_column(path, target, header, width) if width > features else features - 1
    columns = features_first(width, last, header, path)
    rows = sum(1 for _ in _rows(path, columns))  # their widths are compared
    return _load(path, columns, features, rows), columns


# A number as people write numbers. Not so 007, which is a name.
NUMBER = re.compile(r"[+-]?(?=\.?\d)(0|[1-9]\d*)?(\.\d*)?(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
LONGEST_LABEL = 1000  # characters
LONGEST_LINE = 1 << 26
SHOWN = 10  # names in a message


def _labels(cells: list[str]) -> np.ndarray:
    """The cells as integers or reals where all of them are, else as words, Python's: NumPy's are all as long as one."""
    if not all(NUMBER.fullmatch(cell) for cell in cells):
        return np.array(cells, object)
    try:
        return np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return np.array([float(cell) for cell in cells])


def _is_number(cell: str) -> bool:
    """Tell whether np.loadtxt reads the cell as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().isascii() and "_" not in cell


def _look(path: Path) -> tuple[list[str] | None, int]:
    """The header, if the first line is one, and the number of columns."""
    lines = _lines(path)
    first, second = next(lines, []), next(lines, [])
    if not first:
        raise InvalidFile(path, "expected a table of numbers, got an empty file")
    if not second and not any(_is_number(cell) for cell in first):
        raise InvalidFile(path, "there is a header but no sample below it")
    # A header has a word where the line below has a number; labels are words in every line. The numbers that a header has
    # are those of its columns, or of the columns after an index: other ones may be a sample with one bad cell.
    pairs = enumerate(zip(first, second, strict=False))
    name = next((column for column, (above, below) in pairs if not _is_number(above) and _is_number(below)), None)
    if name is None:
        return None, len(first)
    for column, cell in enumerate(first):
        if _is_number(cell) and cell.strip() not in (str(column), str(column - 1)):
            mixed = f"column {name} has {first[name]!r:.40} above a number, but column {column} has {cell!r:.40} (from 0)"
            raise InvalidFile(path, f"the first line may be a header or a bad row: {mixed}; mend it, or name all columns")
    return [cell.strip() for cell in first], len(first)


def _lines(path: Path) -> Iterator[list[str]]:
    """The cells of each line that has any."""
    return (cells for _, cells in _numbered(path))


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line, with the number from 1 of the line where they begin: a cell in quotes may go over several."""
    try:
        with opening.text(path) as file:
            reader, line = csv.reader(_bounded(path, file)), 1
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(path, f"not a readable csv file ({error})") from None


def _bounded(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a file; the longest one would else be as long as the file, which may have holes."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise InvalidFile(path, f"not a readable csv file (a line of more than {LONGEST_LINE} characters)")
        yield line


def _rows(path: Path, columns: Columns) -> Iterator[list[str]]:
    """The cells of each row, one for every column."""
    lines = _lines(path)
    if columns.header is not None:
        next(lines)
    for row, cells in enumerate(lines):
        if len(cells) != len(columns.numbers):
            widths = f"{len(columns.numbers)} columns, as in the first line, got {len(cells)}"
            raise InvalidFile(
                path, f"expected {widths} at row {row} {columns.counted(row)}; a cell with a comma needs quotes"
            )
        yield cells


def _load(path: Path, columns: Columns, features: int, rows: int) -> np.ndarray:
    """The first so many of the columns, all rows, as numbers, (samples, features)."""
    opening.require_memory(path, 8 * rows * features, f"a table of {rows} rows and {features} features")
    try:
        with opening.text(path) as file:
            if columns.header is not None:
                next(filter(None, csv.reader(file)))
            used = columns.numbers[:features]
            return np.loadtxt(file, np.float64, delimiter=",", quotechar='"', comments=None, usecols=used, ndmin=2)
    except ValueError as error:
        raise InvalidFile(path, _first_word(path, columns, features) or f"not a readable csv file ({error})") from None


def _first_word(path: Path, columns: Columns, features: int) -> str | None:
    """What the first cell of the features that is no number holds, and what to do about it."""
    for row, cells in enumerate(_rows(path, columns)):
        for column, number in enumerate(columns.numbers[:features]):
            if _is_number(cells[number]):
                continue
            expected = f"expected a number at {columns.place(row, column)}, got"
            cell = cells[number].strip()
            if not cell:
                return f"{expected} an empty cell; fill it or remove the row"
            if features < len(columns.numbers) and not any(_is_number(other[number]) for other in _rows(path, columns)):
                fix = f"if it is the target, pass --target {number}, else write it as numbers or remove it"
                return f"{expected} {cell!r:.40}, and the whole column is words; {fix}"
            return f"{expected} {cell!r:.40}; mend it or remove the row"
    return None

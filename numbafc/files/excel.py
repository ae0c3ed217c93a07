"""Excel files (.xlsx, .xlsm): the first sheet, its cells' values as they were saved; no formula is evaluated.

openpyxl reads them, in Python: slower than a compiled reader, but a sheet that claims a cell far away costs a refusal,
where those allocate all cells up to it, and end the process.
"""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from . import header as headers
from .dialect import MINUS, MISSING, Dialect
from .invalid import InvalidFile
from .layout import MOST_COLUMNS, SAMPLE
from .library import openpyxl, polars

MOST_ROWS = 1_048_576  # of a sheet, in Excel
GIVEN = 1 << 20  # cells that any workbook may have; more, as many as its bytes, unpacked
NUMERIC = {int, float}


def read(path: Path, file: BinaryIO, dialect: Dialect) -> tuple[Any, bool, str | None, list[str]]:
    """The frame, whether it has names, no decimal mark, and lines for people. Raises InvalidFile."""
    with zipfile.ZipFile(file) as archive:
        nbytes = sum(member.file_size for member in archive.infolist())
    file.seek(0)
    with warnings.catch_warnings():  # about styles and the like, which no table needs
        warnings.simplefilter("ignore")
        title, others, rows = _sheet(path, file, GIVEN + nbytes)
    said = [f"read the sheet {title!r:.40}" + (f", the first of {others + 1}" if others else "")]
    rows, above = _without_titles(rows)
    said += [f"left out {above} line{'s' * (above > 1)} above the table"] if above else []
    if not rows:
        raise InvalidFile(path, f"expected a table in its first sheet, {title!r:.40}, got an empty one")
    width = max(map(len, rows))
    if width > MOST_COLUMNS:
        raise InvalidFile(path, f"expected at most {MOST_COLUMNS} columns, got {width}")
    first = [*map(_spelt, rows[0]), *[""] * (width - len(rows[0]))]
    below = [[*map(_spelt, row)] for row in rows[1 : SAMPLE + 1]]
    named = headers.is_header(path, first, below) if dialect.header is None else dialect.header
    if named and len(rows) < 2:
        raise InvalidFile(path, "there is a header but no sample below it")
    names = headers.names(path, first if named else None, width)
    said.append("the columns' names are in its first line" if named else "no names in its first line")
    frame, dropped = _frame(rows[1:] if named else rows, names, first if named else None, dialect)
    return frame, named, None, said + dropped


def _sheet(path: Path, file: BinaryIO, most: int) -> tuple[str, int, list[tuple[Any, ...]]]:
    """The first visible sheet's name, how many others there are, and its rows, without empty ones at the end."""
    book = openpyxl().load_workbook(file, read_only=True, data_only=True, keep_links=False)
    try:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
        if not sheets:
            raise InvalidFile(path, "expected a workbook with a sheet, got one without")
        sheets[0].reset_dimensions()  # which may claim anything
        rows, width, last = [], 0, 0
        for number, row in enumerate(sheets[0].iter_rows(values_only=True), 1):
            rows.append(_trimmed(row))
            width, last = max(width, len(rows[-1])), number if rows[-1] else last
            if number > MOST_ROWS or last * width > most:
                raise InvalidFile(path, "its first sheet has cells far from the others, or too many; save the table as csv")
        return sheets[0].title, len(sheets) - 1, rows[:last]
    finally:
        book.close()


def _trimmed(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row without empty cells at its end."""
    end = len(row)
    while end and row[end - 1] is None:
        end -= 1
    return tuple(row[:end])


def _without_titles(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], int]:
    """The rows from the table's first on, and how many lines, of one cell where it has more, are above it."""
    filled = [sum(cell is not None for cell in row) for row in rows[:SAMPLE]]
    wide = max(filled, default=0) > 1
    start = next((number for number, cells in enumerate(filled) if cells > wide), len(rows))
    return rows[start:], sum(cells > 0 for cells in filled[:start])


def _spelt(cell: Any) -> str:
    """A cell as text."""
    if cell is None:
        return ""
    return cell.strip() if isinstance(cell, str) else str(cell)


def _frame(
    rows: Sequence[Sequence[Any]], names: Sequence[str], header: Sequence[str] | None, dialect: Dialect
) -> tuple[Any, list[str]]:
    """The columns with their types, but those with neither name nor cells, and what is said about these."""
    pl, columns, empty = polars(), [], 0
    missing: set[Any] = {*MISSING, *dialect.na, "", *dialect.missing_numbers}
    for number, name in enumerate(names):
        cells = list(_column(rows, number, missing))
        if header is not None and not header[number] and not any(cell is not None for cell in cells):
            empty += 1
            continue
        columns.append(_series(pl, name, cells))
    dropped = [f"left out {empty} empty columns" if empty > 1 else "left out an empty column"] if empty else []
    return pl.DataFrame(columns), dropped


def _column(rows: Sequence[Sequence[Any]], number: int, missing: set[Any]) -> Iterator[Any]:
    """A column's cells, None where one is missing."""
    for row in rows:
        cell = row[number] if number < len(row) else None
        cell = cell.strip() if isinstance(cell, str) else cell
        yield None if type(cell) in (str, int, float) and cell in missing else cell


def _series(pl: Any, name: str, cells: list[Any]) -> Any:
    """A column of the one type that its cells have, else of their text."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds == {int} and all(cell is None or abs(cell) < 1 << 63 for cell in cells):
        return pl.Series(name, cells, pl.Int64)
    if kinds and kinds <= NUMERIC:
        return pl.Series(name, [None if cell is None else float(cell) for cell in cells], pl.Float64)
    for kind, dtype in ((bool, pl.Boolean), (datetime.datetime, pl.Datetime), (datetime.date, pl.Date)):
        if kinds == {kind}:
            return pl.Series(name, cells, dtype)
    words = [None if cell is None else _spelt(cell) for cell in cells]
    if MINUS in words and "+" not in words:
        words = [None if word == MINUS else word for word in words]
    if kinds - {str} and all(word is None or _is_number(word) for word in words):
        return pl.Series(name, [None if word is None else float(word) for word in words], pl.Float64)
    return pl.Series(name, words, pl.String)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word.isascii() and "_" not in word

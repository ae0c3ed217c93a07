"""The layout of a table of text, from its beginning: where its rows start, what separates cells, how columns are called."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import header as headers
from .dialect import NAMES, Dialect, find_delimiter, rows_of
from .invalid import InvalidFile

SAMPLE = 200  # lines that are looked at
MOST_COLUMNS = 100_000
SEPARATOR = re.compile(r'"?sep=(.)"?\s*')  # a first line of Excel's


class Layout(NamedTuple):
    """skip: lines before the first row. names: of the columns. header: whether they are the file's. unnamed: the columns
    that have no name in a header, or may be what a delimiter at each line's end leaves. said: lines for people."""

    delimiter: str
    skip: int
    names: list[str]
    header: bool
    unnamed: tuple[int, ...]
    said: tuple[str, ...]

    @property
    def width(self) -> int:
        """Cells in each row."""
        return len(self.names)


def find(path: Path, text: str, whole: bool, dialect: Dialect) -> Layout:
    """The layout of a table that begins with this text. whole: whether this is all of it. Raises InvalidFile."""
    lines = [f"{line}\n" for line in text.split("\n")]
    if not whole:
        lines.pop()
    start, comments, delimiter = _start(lines)
    sample = lines[start : start + SAMPLE]
    delimiter = dialect.delimiter or delimiter or find_delimiter(path, sample)
    rows, ends = _rows(path, sample, delimiter)
    if not rows:
        raise InvalidFile(path, "expected a table, got an empty file")
    said = [] if delimiter == "," or max(map(len, rows)) < 2 else [f"separated by {NAMES.get(delimiter, repr(delimiter))}"]
    if start and comments:
        said.append(f"left out {len(comments)} lines of comments" if len(comments) > 1 else "left out a line of comments")
    first, skip = _header(path, rows, comments, delimiter, dialect.header), start
    if first is rows[0]:
        rows, skip = rows[1:], start + ends[0]
    if first is not None and not rows:
        raise InvalidFile(path, "there is a header but no sample below it")
    first, unnamed, word = _fitted(path, first, rows)
    width = len(first) if first is not None else len(rows[0])
    if width > MOST_COLUMNS:
        raise InvalidFile(path, f"expected at most {MOST_COLUMNS} columns, got {width}")
    names = headers.names(path, first, width)
    said.append("the columns' names are in its first line" if first is not None else "no names in its first line")
    return Layout(delimiter, skip, names, first is not None, unnamed, (*said, *word))


def _start(lines: Sequence[str]) -> tuple[int, list[str], str | None]:
    """The number of lines before the table, the comments in them, and the delimiter that Excel's own line names."""
    at, comments, delimiter = 0, [], None
    while at < len(lines):
        line = lines[at]
        if found := SEPARATOR.fullmatch(line):
            delimiter = found[1]
        elif line.startswith("#") and any(other.strip() for other in lines[at + 1 : at + SAMPLE]):
            comments.append(line)
        elif line.strip():
            break
        at += 1
    return at, comments, delimiter


def _rows(path: Path, lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The rows, their cells without blanks around them, and how many lines there are up to the end of each."""
    rows: list[list[str]] = []
    ends: list[int] = []
    reader = rows_of(lines, delimiter)
    try:
        for cells in reader:
            if any(cells) or len(cells) > 1:
                rows.append([cell.strip() for cell in cells])
                ends.append(reader.line_num)
    except csv.Error as error:
        raise InvalidFile(path, f"not a readable csv file ({error})") from None
    return rows, ends


def _header(
    path: Path, rows: Sequence[list[str]], comments: Sequence[str], delimiter: str, chosen: bool | None
) -> list[str] | None:
    """The columns' names, if the first row has them, or the comment above it."""
    if chosen is None and comments:  # as numpy.savetxt writes them
        above = _rows(Path(), [comments[-1].lstrip("# ")], delimiter)[0]
        fits = bool(above) and len(above[0]) == len(rows[0]) > 1 and all(map(headers.is_value, rows[0]))
        if fits and headers.is_header(path, above[0], rows):
            return above[0]
    if chosen is None:
        chosen = headers.is_header(path, rows[0], rows[1:])
    return rows[0] if chosen else None


def _fitted(
    path: Path, first: list[str] | None, rows: Sequence[Sequence[str]]
) -> tuple[list[str] | None, tuple[int, ...], list[str]]:
    """The header with a name, or "", for each cell of the rows; the columns without one; and what is said about it."""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    empty_end = width > 1 and all(len(row) != width or not row[-1] for row in rows)
    if first is None:
        return None, (width - 1,) if empty_end and len(rows) > 1 else (), []
    word = []
    if len(first) == width - 1 and empty_end:  # a delimiter at each line's end but the first's
        first = [*first, ""]
    elif len(first) == width - 1 and len(rows) > 1:  # as R writes names of rows
        first, word = ["", *first], ["the first column has no name"]
    elif len(first) == width + 1 and not first[-1]:
        first = first[:-1]
    return first, tuple(column for column, name in enumerate(first) if not name), word

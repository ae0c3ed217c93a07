"""Whether a table's first line has the columns' names: words above numbers, or numbers that count the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from .dialect import MINUS, MISSING
from .invalid import InvalidFile

NUMBER = re.compile(r"[-+−]?[$€£]?[-+−]?(\d[\d.,'’\s]*|[.,]\d+)(e[-+]?\d+)?\s?[%$€£]?|[-+]?inf(inity)?", re.I | re.A)
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?", re.A)
LACKING = {*MISSING, MINUS, ""}


def is_value(cell: str) -> bool:
    """Tell whether a cell is a number or a date, which no column is called."""
    return bool(NUMBER.fullmatch(cell) or DATE.fullmatch(cell))


def is_header(path: Path, first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first line has the names of the columns of these rows, cells without blanks around them.

    Raises InvalidFile where it may be a header or a row with one bad cell.
    """
    below = [[row[column] for row in rows if column < len(row)] for column in range(len(first))]
    known = [[cell for cell in column if cell not in LACKING] for column in below]
    valued = [10 * sum(map(is_value, cells)) >= 9 * max(len(cells), 1) for cells in known]  # a bad cell may be there
    words = [n for n, cell in enumerate(first) if cell not in LACKING and not is_value(cell)]
    named = [n for n in words if known[n] and valued[n]]
    numbers = [n for n, cell in enumerate(first) if is_value(cell)]
    if not rows:
        return bool(words) and not numbers
    if named:
        odd = [n for n in numbers if first[n] not in (str(n), str(n - 1))]
        if odd and not _are_years([first[n] for n in numbers], r"\d{2,4}"):
            raise InvalidFile(path, _doubt(first, named[0], odd[0]))
        return True
    fresh = not any(first[n] in below[n] for n in words)
    if numbers:
        fraction = any(_is_no_whole(cell) for cells in known for cell in cells)
        telling = len(first) > 3 or fraction or any(len(set(known[n])) < len(known[n]) for n in words)
        years = bool(words) and _are_years([first[n] for n in numbers], "[12][0-9]{3}")
        return fresh and ((telling and _count(first, numbers, len(numbers) + len(words))) or years)
    return len(words) == len(first) == len(set(first)) and fresh


def _count(first: Sequence[str], numbers: Sequence[int], named: int) -> bool:
    """Tell whether the numbers of a first line are those of its columns, from 0 or from 1, or after an unnamed one."""
    shifts = {next((by for by in (0, 1, -1) if first[n] == str(n + by)), None) for n in numbers}
    return named > 1 and (shifts in ({0}, {1}) or (shifts == {-1} and first[0] == ""))


def _is_no_whole(cell: str) -> bool:
    return is_value(cell) and not re.fullmatch(r"[-+]?\d+", cell, re.A)


def _are_years(cells: Sequence[str], form: str = r"\d{1,4}") -> bool:
    """Tell whether these are whole numbers that follow each other, as the names of years do."""
    if not all(re.fullmatch(form, cell, re.A) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 1 and len(steps) == 1 and steps.pop() in (1, 5, 10)


def _doubt(first: Sequence[str], word: int, number: int) -> str:
    mixed = f"column {word} has {first[word]!r:.40} above a number, but column {number} has {first[number]!r:.40} (from 0)"
    fix = "mend it, or say --header or --no-header"
    return f"the first line may be a header or a bad row: {mixed}; {fix}"


def names(path: Path, header: Sequence[str] | None, width: int) -> list[str]:
    """A name for each column: the header's, or numbers from 0; a first one without a name has "", others their place.

    Raises InvalidFile for two columns of one name.
    """
    if header is None:
        return [str(column) for column in range(width)]
    given = [name or (f"column {column}" if column else "") for column, name in enumerate(header)]
    place: dict[str, int] = {}
    for column, name in enumerate(given):
        if place.setdefault(name, column) != column:
            both = f"columns {place[name]} and {column} (from 0)"
            raise InvalidFile(path, f"expected a name for each column, got {name!r:.40} for {both}; rename or remove one")
    return given

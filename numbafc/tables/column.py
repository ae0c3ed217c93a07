"""A column of a frame as numbers, as words, or as moments, each with what is missing and what is none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import dates
from .refusal import bare, quoted
from .spelling import CODE, EXACT, number, spelled, without_signs

NONE = -1  # the code of a missing cell
FEW = 5000  # cells of another library's that polars is not imported for
PIECE = 1 << 16  # cells that are Python's at a time: an object takes ten times what it takes in a column


class Words(NamedTuple):
    """Cells as words: codes (rows,), NONE where missing, and the texts they stand for, in the order they came."""

    codes: np.ndarray
    texts: list[str]

    @property
    def counts(self) -> np.ndarray:
        """How often each text is there."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))


class Read(NamedTuple):
    """Cells as numbers: values (rows,) in float64, NaN where there is none, and the rows whose cell is not missing then."""

    values: np.ndarray
    bad: np.ndarray


class Column:
    """A column of a table. position: from 0, in the table. decimal: the sign in numbers that are text.

    first: the number of the first row, where these are some of a table's.
    """

    def __init__(self, name: str, position: int, series: Any, decimal: str = ".", first: int = 0) -> None:
        self.name, self.position, self.decimal, self._series, self._first = name, position, decimal, series, first
        self._moments: dict[str, Read] = {}

    @cached_property
    def form(self) -> str:
        """What the cells are: "text", "category", "number", "truth", "date", "mixed" (Python's objects) or "nothing"."""
        import narwhals as nw

        dtype = self._series.dtype
        if dtype == nw.String:
            return "text"
        if dtype.is_numeric():
            return "number"
        if dtype == nw.Boolean:
            return "truth"
        if dtype in (nw.Date, nw.Datetime):
            return "date"
        if dtype in (nw.Categorical, nw.Enum):
            return "category"
        if bool(self._series.is_null().all()):
            return "nothing"
        return self._form_of_objects(dtype, {type(value) for value in self._cells if value is not None})

    def _form_of_objects(self, dtype: Any, kinds: set[type]) -> str:
        names = {kind.__name__ for kind in kinds}
        if kinds and all(issubclass(kind, str) for kind in kinds):
            return "text"
        if kinds and all(issubclass(kind, bool | np.bool_) for kind in kinds):
            return "truth"
        real = {"int", "float", "bool", "Decimal", "Fraction"}
        if all(kind.__name__ in real or issubclass(kind, np.integer | np.floating) for kind in kinds):
            return "number"
        if names <= {"timedelta", "Timedelta"}:
            return "number"
        if names <= {"date", "datetime", "time", "Timestamp"}:
            return "mixed"
        usual = str | int | float | Decimal | Fraction | np.integer | np.floating | np.bool_ | np.datetime64 | date | time
        wrong = [kind for kind in kinds if not issubclass(kind, usual)]
        if wrong:
            row = next(n for n, value in enumerate(self._cells) if type(value) in wrong)
            raise ValueError(
                f"expected numbers, words or dates, got a {wrong[0].__name__} at {self.place(row)}; take it apart into "
                f"columns, or {self.option('--drop')}"
            )
        return "mixed"

    @cached_property
    def _cells(self) -> list[Any]:
        """The values as Python's, None where missing."""
        return _as_python(self._series)

    def _pieces(self) -> Iterator[list[Any]]:
        """The values as Python's, some at a time; all where they have been asked for already."""
        if "_cells" in vars(self):
            yield self._cells
            return
        for first in range(0, len(self._series), PIECE):
            yield _as_python(self._series[first : first + PIECE])

    @cached_property
    def words(self) -> Words:
        """The cells as words; a blank one is missing. Raises ValueError for text that cannot be written."""
        import narwhals as nw

        seen: dict[Any, int] = {}
        mixed = self.form == "mixed"  # in which True and 1 differ
        pieces = [np.empty(0, np.intp)]
        for given in self._pieces():
            cells = [None if value is None else spelled(value) for value in given] if mixed else given
            pieces.append(
                np.array([NONE if value is None else seen.setdefault(value, len(seen)) for value in cells], np.intp)
            )
        first = np.concatenate(pieces)
        single = self._series.dtype == nw.Float32
        texts: dict[str, int] = {}
        codes = [NONE]  # the last one: that of NONE
        for value in seen:
            text = spelled(np.float32(value) if single else value)
            codes.insert(-1, texts.setdefault(text, len(texts)) if text else NONE)
        found = Words(np.array(codes, np.intp)[first], list(texts))
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            code = next(n for n, text in enumerate(texts) if re.search("[\ud800-\udfff]", text))
            raise ValueError(
                f"expected text that can be written, got half a character at {self.place(self.row_of(code, found))}"
            ) from None
        return found

    def row_of(self, code: int, words: Words | None = None) -> int:
        """The first row that has the word of that code."""
        return int(np.flatnonzero((words or self.words).codes == code)[0])

    @cached_property
    def numbers(self) -> Read:
        """The cells as numbers. Infinite ones are bad."""
        if self.form == "text":
            values, rest = _cast(self._series, self.decimal)
            return Read(values, self._read_rest(values, rest))
        if self.form in ("number", "truth", "nothing") and self._is_plain:
            values = np.array(self._series.to_numpy(), np.float64)  # a copy: it is written to
            values[self._series.is_null().to_numpy()] = np.nan
        elif self.form == "number":
            values = np.array([np.nan if value is None else _number(value) for value in self._cells])
        elif self.form == "date":
            values = np.full(len(self._series), np.nan)
        else:
            codes, texts = self.words
            read = [number(text, self.decimal) for text in texts]
            values = np.array([*(np.nan if value is None else value for value in read), np.nan])[codes]
        infinite = np.isinf(values)
        if self.form == "number":
            return Read(values, np.flatnonzero(infinite))
        values[infinite] = np.nan
        return Read(values, np.flatnonzero(np.isnan(values) & ~self.missing))

    @property
    def _is_plain(self) -> bool:
        """Whether the cells lie as numbers in memory."""
        dtype = self._series.dtype
        return dtype.is_integer() or dtype.is_float() or str(dtype) == "Boolean"

    def _read_rest(self, values: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Fill in the numbers that the fast way did not read: blanks around them, groups of thousands. The bad rows."""
        if not len(rest):
            return rest
        seen: dict[str, tuple[float, bool]] = {}
        pieces = []
        for rows, cells in self._some(rest):
            for cell in set(cells) - seen.keys():
                text = cell.strip()
                found = number(text, self.decimal)
                seen[cell] = np.nan if found is None or np.isinf(found) else found, bool(text)
            values[rows] = [seen[cell][0] for cell in cells]
            pieces.append(rows[np.isnan(values[rows]) & np.array([seen[cell][1] for cell in cells], bool)])
        return np.concatenate(pieces)

    def _some(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, list[Any]]]:
        """The cells of these rows, which are in order, as Python's, and which rows they are of, some at a time."""
        if 2 * len(rows) <= len(self._series):
            for first in range(0, len(rows), PIECE):
                part = rows[first : first + PIECE]
                yield part, self._series[part.tolist()].to_list()
            return
        for first in range(0, len(self._series), PIECE):
            part = rows[slice(*np.searchsorted(rows, [first, first + PIECE]))]
            cells = self._series[first : first + PIECE].to_list()
            yield part, [cells[row] for row in (part - first).tolist()]

    @cached_property
    def missing(self) -> np.ndarray:
        """Which cells are missing, (rows,)."""
        null = np.array(self._series.is_null().to_numpy(), bool)
        if self.form == "number":
            return null | np.isnan(self.numbers.values)
        if self.form == "text":
            gone = np.isnan(self.numbers.values)
            gone[self.numbers.bad] = False
            return gone
        return null if self.form in ("truth", "date", "nothing") else self.words.codes == NONE

    def moments(self, order: str) -> Read:
        """The cells as microseconds since 1970, text and times by that reader of dates."""
        if order not in self._moments:
            self._moments[order] = self._read_moments(order)
        return self._moments[order]

    def _read_moments(self, order: str) -> Read:
        if self.form == "date":
            values = np.array(self._series.dt.timestamp("us").to_numpy(), np.float64)
            values[self.missing] = np.nan
            return Read(values, np.empty(0, np.intp))
        codes, texts = self.words
        read = [dates.moment(text, order) for text in texts]
        values = np.array([*(np.nan if value is None else value for value in read), np.nan], np.float64)[codes]
        return Read(values, np.flatnonzero(np.isnan(values) & (codes != NONE)))

    @property
    def has_codes(self) -> bool:
        """Whether numbers that are text are names rather: 007, or too long for a float to tell them apart."""
        if self.form != "text":
            return False
        values = self.numbers.values
        known = values[~np.isnan(values)]
        if not (known == np.rint(known)).all():
            return False
        large = np.flatnonzero(np.abs(values) >= EXACT)
        if len(large) and any(cell.strip().lstrip("+-").isdigit() for cell in self._series[large.tolist()].to_list()):
            return True
        return bool(self._series.str.contains(CODE).any())

    def cell(self, row: int) -> str:
        """A cell as a message shows it."""
        return quoted(spelled(self._series[row]), 40)

    def place(self, row: int) -> str:
        """The place of a cell, for messages."""
        return f"row {self._first + row}, {self}"

    def __str__(self) -> str:
        return f"column {self.position} {quoted(self.name)} (from 0)"

    def option(self, *options: str) -> str:
        """Advice: "pass --drop age"."""
        name = bare(self.name)
        return "pass " + " or ".join(f"{option} {repr(name) if ' ' in name else name}" for option in options)

    def refused(self, row: int, expected: str = "a number") -> ValueError:
        """The refusal of a cell, with what can be done about it."""
        plain = without_signs(spelled(self._series[row]), self.decimal) if expected == "a number" else None
        fix = f"write {bare(plain)}" if plain is not None else "mend it"
        return ValueError(
            f"expected {expected}, got {self.cell(row)} at {self.place(row)}; {fix}, name it with --na if it means "
            f"missing, or {self.option('--categorical', '--drop')}"
        )


def _as_python(series: Any) -> list[Any]:
    """The values as Python's, None where missing."""
    missing = series.is_null().to_list()
    cells = [None if gone else value for value, gone in zip(series.to_list(), missing, strict=True)]
    return [None if type(value) is float and value != value else value for value in cells]


def _number(value: Any) -> float:
    """A number of Python's; a length of time is days."""
    try:
        return value.total_seconds() / 86400 if hasattr(value, "total_seconds") else float(value)
    except OverflowError:
        return float("inf")


def _cast(series: Any, decimal: str) -> tuple[np.ndarray, np.ndarray]:
    """Text as float64, NaN where it is no plain number, and the rows of such cells that are not missing."""
    null = np.array(series.is_null().to_numpy(), bool)
    one_by_one = np.full(len(null), np.nan), np.flatnonzero(~null)
    if not series.implementation.is_polars() and len(null) < FEW:
        return one_by_one
    try:
        import polars

        text = series.to_polars()
    except (ImportError, UnicodeEncodeError):
        return one_by_one
    if decimal != ".":
        point = text.str.contains(".", literal=True)
        text = text.str.replace(decimal, ".", literal=True)
        text = polars.select(polars.when(~point).then(text)).to_series()
    values = np.array(text.cast(polars.Float64, strict=False).to_numpy(), np.float64)
    return values, np.flatnonzero(~np.isfinite(values) & ~null)

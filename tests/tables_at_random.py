"""What tests of tables share: frames of text, and tables that Hypothesis draws, with columns of every kind."""

import datetime
from typing import Any, NamedTuple

import polars as pl
from hypothesis import strategies as st

from numbafc.tables import Table

START = datetime.datetime(2019, 11, 3)


def text(**columns: Any) -> pl.DataFrame:
    """A frame as a reader of text files gives it: every cell is a text, None where it is missing."""
    return pl.DataFrame(
        {
            name: pl.Series([None if cell is None else str(cell) for cell in cells], dtype=pl.String)
            for name, cells in columns.items()
        }
    )


class Drawn(NamedTuple):
    """A table: Python's values of each column, None where missing, and the kind that each column must be found to be."""

    columns: dict[str, list[Any]]
    kinds: dict[str, str]

    def spelt(self) -> pl.DataFrame:
        """The table as text."""
        return text(**{name: [_written(value) for value in cells] for name, cells in self.columns.items()})

    def typed(self) -> pl.DataFrame:
        """The table with types."""
        return pl.DataFrame(self.columns, strict=False)


def _written(value: Any) -> str | None:
    if isinstance(value, float):
        return repr(value)
    return value.isoformat(sep=" ") if isinstance(value, datetime.datetime) else None if value is None else str(value)


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0)
INTEGERS = st.integers(-(10**6), 10**6)
WORDS = st.sampled_from(["red", "blue", "grün", "dark grey", "a,b", '"', "x=1", "N", "7up"])
MOMENTS = st.integers(0, 10**8).map(lambda seconds: START + datetime.timedelta(seconds=seconds))
CELLS = {
    "number": NUMBERS | INTEGERS.map(float),
    "category": WORDS,
    "yes/no": st.booleans(),
    "date": MOMENTS,
}


@st.composite
def cells(draw: Any, kind: str, rows: int) -> list[Any]:
    """A column of that kind, with gaps, that is neither constant nor all different."""
    few = draw(st.lists(CELLS[kind], min_size=2, max_size=7, unique=True))
    places = draw(st.lists(st.integers(-1 if draw(st.booleans()) else 0, len(few) - 1), min_size=rows, max_size=rows))
    places[:4] = [0, 1, 0, 1]  # two of each, at least
    return [None if place < 0 else few[place] for place in places]


@st.composite
def tables(draw: Any, least: int = 8) -> Drawn:
    """A table of a few columns of any kinds, and a target of numbers or words at its end."""
    rows = draw(st.integers(least, 30))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=6))
    names = draw(st.lists(st.text("abcdeé _-0", min_size=1, max_size=6), min_size=len(kinds), max_size=9, unique=True))
    columns = {name: draw(cells(kind, rows)) for name, kind in zip(names, kinds, strict=False)}
    found = dict(zip(names, kinds, strict=False))
    labels = st.sampled_from(["yes", "no", "maybe"]) if draw(st.booleans()) else st.floats(-100, 100)
    target = draw(st.lists(labels, min_size=rows, max_size=rows))
    return Drawn(columns | {"target": target}, found)


def row_of(table: Table, name: str) -> Any:
    """The row of a table's report about that column."""
    return next(row for row in table.report() if row.name == name)

"""Tables of files as a network takes them: what was read, with the Table that was fitted to it, or that a network knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from .. import checks
from ..tables import Choices, Table
from .datasets import Dataset
from .invalid import InvalidFile
from .opening import enough_memory, require_memory
from .tabular import Dialect, Reading, read
from .unpacking import Progress

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


def load_table(
    paths: Paths,
    choices: Choices | None = None,
    dialect: Dialect | None = None,
    *,
    table: Table | None = None,
    dtype: checks.RealDtype = "float32",
    progress: Progress | None = None,
) -> Dataset:
    """Read a table, and make of it what a network takes.

    paths: of a file, or of several with the same columns. choices: what a person says about the columns. table: a
    network's, with which nothing is decided anew; the targets must be there. Raises InvalidFile, ImportError, OSError or
    MemoryError.
    """
    reading = read(paths, dialect, progress=progress, usual_decimal="." if table is None else table.decimal)
    path = first_of(paths)
    with refused_as(path), enough_memory(path):
        if table is None:
            table = fitted(path, reading, choices, dialect)
        return dataset(path, reading, table, dtype)


def fitted(
    path: Path, reading: Reading, choices: Choices | None, dialect: Dialect | None = None, rows: Any = None
) -> Table:
    """The Table of what was read, whose encoders learn from these rows, or from all. Raises InvalidFile."""
    written = {} if dialect is None else dialect.said
    with refused_as(path):
        return Table.fit(reading.frame, choices, rows=rows, decimal=reading.decimal, header=reading.header, written=written)


def dataset(path: Path, reading: Reading, table: Table, dtype: checks.RealDtype = "float32") -> Dataset:
    """The samples and targets of what was read, as a Table encodes them. Raises InvalidFile."""
    real, width, table = checks.real_dtype(dtype), len(table.features), as_written(table, reading)
    with refused_as(path):
        require_memory(path, len(reading.frame) * width * real.itemsize, f"{len(reading.frame)} rows of {width} inputs")
        X, y = table.encode(reading.frame, real), table.targets(reading.frame, "float64")  # which a network scales
    return Dataset(reading.name, X, y, table.classes, table.features, table, reading.said)


def as_written(table: Table, reading: Reading) -> Table:
    """The table for numbers as these files write them: others than those of the training may have decimal commas."""
    return replace(table, decimal=reading.decimal)


def first_of(paths: Paths) -> Path:
    """The file that messages name: the first one."""
    return Path(paths) if isinstance(paths, str | PathLike) else Path(paths[0])


@contextmanager
def refused_as(path: str | PathLike[str]) -> Iterator[None]:
    """Make a table's refusals name the file."""
    try:
        yield
    except InvalidFile:
        raise
    except ValueError as error:
        raise InvalidFile(path, str(error)) from None


def describe(data: Dataset) -> list[str]:
    """What was read, and what was decided about it, in a few lines for people."""
    table: Any = data.table
    return [data.describe(), *data.said, *([] if table is None else table.describe())]

"""Tables of files as a network takes them: what was read, with the Table that was fitted to it, or that a network knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..nn import mapped
from ..tables import Choices, Table
from ..tables.on_disk import OnDisk
from . import arrays, scratch
from .datasets import Dataset
from .invalid import InvalidFile
from .opening import enough_memory, require_memory, sized
from .parquet import Notice
from .tabular import Dialect, Reading, read
from .unpacking import Progress

CELL = 8  # bytes of a number on the way
Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


def load_table(
    paths: Paths,
    choices: Choices | None = None,
    dialect: Dialect | None = None,
    *,
    table: Table | None = None,
    dtype: checks.RealDtype = "float32",
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> Dataset:
    """Read a table, and make of it what a network takes.

    paths: of a file, or of several with the same columns. choices: what a person says about the columns. table: a
    network's, with which nothing is decided anew; the targets must be there. progress, notice: as in tabular.read; notice
    also before large inputs are put into a temporary file. Raises InvalidFile, ImportError, OSError or
    MemoryError.
    """
    usual = "." if table is None else table.decimal
    reading = read(paths, dialect, progress=progress, usual_decimal=usual, notice=notice)
    path = first_of(paths)
    with refused_as(path), enough_memory(path):
        if table is None:
            table = fitted(path, reading, choices, dialect)
        return dataset(path, reading, table, dtype, notice)


def fitted(
    path: Path, reading: Reading, choices: Choices | None, dialect: Dialect | None = None, rows: Any = None
) -> Table:
    """The Table of what was read, whose encoders learn from these rows, or from all. Raises InvalidFile."""
    written = {} if dialect is None else dialect.said
    with refused_as(path):
        return Table.fit(reading.frame, choices, rows=rows, decimal=reading.decimal, header=reading.header, written=written)


def dataset(
    path: Path, reading: Reading, table: Table, dtype: checks.RealDtype = "float32", notice: Notice | None = None
) -> Dataset:
    """The samples and targets of what was read, as a Table encodes them. Raises InvalidFile."""
    X, table = inputs(path, reading, table, dtype, notice), as_written(table, reading)
    with refused_as(path):
        y = table.targets(reading.frame, "float64")  # which a network scales
    return Dataset(reading.name, X, y, table.classes, table.features, table, reading.said)


def inputs(
    path: Path, reading: Reading, table: Table, dtype: checks.RealDtype = "float32", notice: Notice | None = None
) -> Any:
    """The inputs of what was read, (rows, features), as a Table encodes them. Raises InvalidFile.

    They are in memory, or, where the table stays on the disk and they are larger than arrays.MAPPED, in a file: MappedRows.
    """
    real, table = checks.real_dtype(dtype), as_written(table, reading)
    shape = rows, width = len(reading.frame), len(table.features)
    nbytes, what = rows * width * real.itemsize, f"{rows} rows of {width} inputs"
    with refused_as(path):
        if not isinstance(reading.frame, OnDisk):
            require_memory(path, nbytes, what)
            return table.encode(reading.frame, real)
        parts = table.encoded(reading.frame, max(1, mapped.PART // (CELL * max(width, len(reading.frame.columns)))), real)
        if nbytes <= arrays.MAPPED:
            return _joined(parts, shape, real)
        if notice is not None:
            notice(f"{reading.name}: {what}, {sized(nbytes)}, go to a temporary file in {scratch.folder()}")
        return scratch.rows_of(parts, shape, real)


def _joined(parts: Iterable[np.ndarray], shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """A matrix of parts of its rows, in order."""
    X, first = np.empty(shape, dtype), 0
    for part in parts:
        X[first : first + len(part)] = part
        first += len(part)
    return X


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

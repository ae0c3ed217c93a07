"""Parquet files, as polars reads them: columns with names and types of their own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

from .dialect import Dialect
from .invalid import InvalidFile
from .layout import MOST_COLUMNS
from .library import polars
from .opening import require_memory
from .unpacking import length

MARK = b"PAR1"  # at both ends
END = 8  # bytes after the footer: its length, and the mark


def read(path: Path, file: BinaryIO, dialect: Dialect) -> tuple[Any, bool, str | None, list[str]]:
    """The frame, that it has names, no decimal mark, and lines for people. Raises InvalidFile."""
    pl = polars()
    data = _whole(path, file)
    table = pl.scan_parquet(io.BytesIO(data))
    rows, columns = table.select(pl.len()).collect().item(), len(table.collect_schema())
    if not rows or not columns:
        raise InvalidFile(path, f"expected a table with rows, got {rows} rows of {columns} columns")
    if columns > MOST_COLUMNS:
        raise InvalidFile(path, f"expected at most {MOST_COLUMNS} columns, got {columns}")
    require_memory(path, 8 * rows * columns, f"a table of {rows} rows and {columns} columns")
    frame = table.collect()
    if dialect.na:
        words = pl.Series(list(dialect.na), dtype=pl.String)
        cells = pl.col(pl.String)
        frame = frame.with_columns(pl.when(cells.is_in(words.implode())).then(None).otherwise(cells).name.keep())
    return frame, True, None, ["read as parquet"]


def _whole(path: Path, file: BinaryIO) -> bytes:
    """The file's bytes, from the first mark to the last. A map of it would crash if it were cut short meanwhile."""
    size = length(file)
    require_memory(path, 2 * size, "a parquet file")
    data = file.read()
    footer = int.from_bytes(data[-END : -len(MARK)], "little")
    if len(data) < 2 * len(MARK) + END or data[-len(MARK) :] != MARK or footer > len(data) - END - len(MARK):
        raise InvalidFile(path, "not a readable parquet file (its end is missing); copy or download it again")
    return data

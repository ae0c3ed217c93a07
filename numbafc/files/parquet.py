"""Parquet files, as polars reads them: columns with names and types of their own.

They are read in a process of its own: on damaged files polars panics, with its words on the terminal, or ends the process.
That costs a third of a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from .dialect import Dialect
from .invalid import InvalidFile
from .layout import MOST_COLUMNS
from .library import polars
from .opening import free_memory, require_memory
from .shown import shortened
from .unpacking import length

MARK = b"PAR1"  # at both ends
END = 8  # bytes after the footer: its length, and the mark
CHILD = """
import io, json, sys
try:
    import polars
    table = polars.scan_parquet(io.BytesIO(sys.stdin.buffer.read()))
    rows, columns = table.select(polars.len()).collect().item(), len(table.collect_schema())
    if 0 < rows and 0 < columns <= int(sys.argv[2]) and 8 * rows * columns <= int(sys.argv[3]):
        table.collect().write_ipc(sys.argv[1], compression="uncompressed")
    told = {"rows": rows, "columns": columns}
except BaseException as error:
    told = {"failed": f"{type(error).__name__}: {error}"[:500]}
print(json.dumps(told))
"""


def read(path: Path, file: BinaryIO, dialect: Dialect) -> tuple[Any, bool, str | None, list[str]]:
    """The frame, that it has names, no decimal mark, and lines for people. Raises InvalidFile."""
    pl, data = polars(), _whole(path, file)
    with tempfile.TemporaryDirectory() as folder:
        found, free = Path(folder) / "table", free_memory()
        told = _in_a_process(path, data, [str(found), str(MOST_COLUMNS), str(2**62 if free is None else free)])
        rows, columns = told["rows"], told["columns"]
        if not rows or not columns:
            raise InvalidFile(path, f"expected a table with rows, got {rows} rows of {columns} columns")
        if columns > MOST_COLUMNS:
            raise InvalidFile(path, f"expected at most {MOST_COLUMNS} columns, got {columns}")
        require_memory(path, 8 * rows * columns, f"a table of {rows} rows and {columns} columns")
        frame = pl.read_ipc(found.read_bytes())
    if dialect.na:
        words = pl.Series(list(dialect.na), dtype=pl.String)
        cells = pl.col(pl.String)
        frame = frame.with_columns(pl.when(cells.is_in(words.implode())).then(None).otherwise(cells).name.keep())
        cells = pl.col([name for name, dtype in frame.schema.items() if dtype.is_numeric()])
        same = cells.cast(pl.Float64).is_in(pl.Series(dialect.missing_numbers, dtype=pl.Float64).implode())
        frame = frame.with_columns(pl.when(same).then(None).otherwise(cells).name.keep())
    return frame, True, None, ["read as parquet"]


def _in_a_process(path: Path, data: bytes, arguments: list[str]) -> dict[str, Any]:
    """What the process says about a file. Raises InvalidFile where it fails, or ends."""
    done = subprocess.run([sys.executable, "-P", "-c", CHILD, *arguments], input=data, capture_output=True, check=False)
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        told = {"failed": "its reader crashed"}
    if "failed" in told:
        words = shortened(" ".join(told["failed"].split()), 120)
        raise InvalidFile(path, f"not a readable parquet file ({words}); copy or write it again")
    return told


def _whole(path: Path, file: BinaryIO) -> bytes:
    """The file's bytes, from the first mark to the last. A map of it would crash if it were cut short meanwhile."""
    size = length(file)
    require_memory(path, 2 * size, "a parquet file")
    data = file.read()
    footer = int.from_bytes(data[-END : -len(MARK)], "little")
    if len(data) < 2 * len(MARK) + END or data[-len(MARK) :] != MARK or footer > len(data) - END - len(MARK):
        raise InvalidFile(path, "not a readable parquet file (its end is missing); copy or download it again")
    return data

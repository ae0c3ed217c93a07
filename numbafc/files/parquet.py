"""Parquet files, as polars reads them: columns with names and types of their own.

They are read in a process of its own: on damaged files polars panics, with its words on the terminal, or ends the process.
That costs a third of a second. It reads them row group by row group, and hands the columns over in a temporary file. A
table that is larger than arrays.MAPPED stays there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..tables.on_disk import OnDisk
from . import scratch
from .dialect import Dialect
from .invalid import InvalidFile
from .layout import MOST_COLUMNS
from .library import polars
from .opening import require_memory, size_of, sized
from .shown import shortened
from .unpacking import length

Notice = Callable[[str], object]  # of a line for people about what is to come
MARK = b"PAR1"  # at both ends
END = 8  # bytes after the footer: its length, and the mark
CELL = 8  # bytes of most cells; of a text 16
BATCH = 1 << 25  # bytes of a piece of the temporary file, about: what a part of the rows is taken out of
CHILD = """
import io, json, sys
given = json.loads(sys.argv[1])
try:
    import polars as pl
    source = given["source"] or io.BytesIO(sys.stdin.buffer.read())
    table = pl.scan_parquet(source, glob=False, hive_partitioning=False)
    schema = table.collect_schema()
    rows, columns = table.select(pl.len()).collect().item(), len(schema)
    if 0 < columns <= given["columns"] and 0 < rows * columns <= given["cells"]:
        if given["words"]:
            words, cells = pl.Series(given["words"], dtype=pl.String), pl.col(pl.String)
            table = table.with_columns(pl.when(cells.is_in(words.implode())).then(None).otherwise(cells).name.keep())
            cells = pl.col([name for name, dtype in schema.items() if dtype.is_numeric()])
            same = cells.cast(pl.Float64).is_in(pl.Series(given["numbers"], dtype=pl.Float64).implode())
            table = table.with_columns(pl.when(same).then(None).otherwise(cells).name.keep())
        batch = max(1, min(1 << 16, given["batch"] // columns))
        table.sink_ipc(given["out"], compression="uncompressed", record_batch_size=batch)
    told = {"rows": rows, "columns": columns}
except BaseException as error:
    told = {"failed": f"{type(error).__name__}: {error}"[:500]}
print(json.dumps(told))
"""


def read(
    path: Path, file: BinaryIO, dialect: Dialect, limit: int, notice: Notice | None = None
) -> tuple[Any, bool, str | None, list[str]]:
    """The frame, that it has names, no decimal mark, and lines for people. Raises InvalidFile, OSError for a full disk.

    limit: bytes above which the columns stay on the disk. notice: told before they are put there.
    """
    pl = polars()
    _require_ends(path, file)
    out, cells = scratch.Temporary(), limit // CELL
    told = {"out": out.name, "columns": MOST_COLUMNS, "batch": BATCH // CELL}
    told |= {"words": list(dialect.na), "numbers": dialect.missing_numbers}
    rows, columns = _in_a_process(path, file, out.file, told | {"cells": cells})
    if not rows or not columns:
        raise InvalidFile(path, f"expected a table with rows, got {rows} rows of {columns} columns")
    if columns > MOST_COLUMNS:
        raise InvalidFile(path, f"expected at most {MOST_COLUMNS} columns, got {columns}")
    if rows * columns > cells:
        scratch.require_space(CELL * rows * columns)
        if notice is not None:
            about = sized(CELL * rows * columns)
            notice(f"{path.name}: its columns, about {about}, go to a temporary file in {scratch.folder()}")
        _in_a_process(path, file, out.file, told | {"cells": rows * columns})
    nbytes = size_of(out.file)
    if nbytes > limit:
        frame: Any = OnDisk(pl.scan_ipc(out.name, glob=False), rows, nbytes, [out])
    else:
        require_memory(path, nbytes, f"a table of {rows} rows and {columns} columns")
        frame = pl.read_ipc(out.file.read())
        out.close()
    return frame, True, None, ["read as parquet"]


def _in_a_process(path: Path, file: BinaryIO, out: BinaryIO, told: dict[str, Any]) -> tuple[int, int]:
    """The numbers of rows and columns; the table is in the file then, if that is few enough cells.

    Raises InvalidFile where the process fails, or ends; OSError for a full disk.
    """
    file.seek(0)
    if scratch.has_names():  # the file is not taken into memory
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "pass_fds": (file.fileno(), out.fileno())}
        told = told | {"source": scratch.name_of(file)}
    else:
        require_memory(path, 2 * length(file), "a parquet file")
        given, told = {"input": file.read()}, told | {"source": None}
    command = [sys.executable, "-P", "-c", CHILD, json.dumps(told)]
    done = subprocess.run(command, capture_output=True, check=False, **given)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        found = {"failed": "its reader crashed"}
    if "failed" in found:
        words = shortened(" ".join(found["failed"].split()), 120)
        if any(sign in found["failed"] for sign in FULL):
            raise scratch.full(0)
        raise InvalidFile(path, f"not a readable parquet file ({words}); copy or write it again")
    return found["rows"], found["columns"]


FULL = "os error 28", "os error 122", "os error 27"  # no space, no quota, no file so large


def _require_ends(path: Path, file: BinaryIO) -> None:
    """Require the mark at both ends, and a footer that the file has room for. Raises InvalidFile."""
    size = length(file)
    file.seek(max(size - END, 0))
    end = file.read()
    footer = int.from_bytes(end[: -len(MARK)], "little")
    if size < 2 * len(MARK) + END or end[-len(MARK) :] != MARK or footer > size - END - len(MARK):
        raise InvalidFile(path, "not a readable parquet file (its end is missing); copy or download it again")

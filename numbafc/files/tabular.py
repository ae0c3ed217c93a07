"""Tables from files as people have them, as frames: csv and its kin, parquet, Excel; what is no table is told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from ..nn.frames import differences
from ..tables.on_disk import OnDisk
from . import arrays, excel, parquet, textfile
from .dialect import Dialect, require_dialect, require_one_decimal, require_taken
from .invalid import InvalidFile
from .library import failures, narwhals, polars
from .opening import enough_memory
from .parquet import Notice
from .unpacking import STANDARD_INPUT, Progress, opened
from .whatitis import find_kind

__all__ = ["Dialect", "Reading", "read"]


class Reading(NamedTuple):
    """A table as it was read.

    name: of the file, or files. frame: an eager DataFrame of narwhals: the cells of a text as they are spelt, null where
    one is missing; those of parquet and Excel in the file's own types; or, of a large parquet, a frame on the disk. header:
    whether the columns' names are the file's; else they are "0", "1", …. decimal: the mark in its numbers, "." or ",".
    said: lines for people about how it was read.
    """

    name: str
    frame: Any
    header: bool
    decimal: str
    said: tuple[str, ...]


class _Part(NamedTuple):
    """What a file has: its kind, its frame, of polars or on the disk, and the rest as in Reading."""

    kind: str
    frame: Any
    header: bool
    decimal: str | None
    said: list[str]


def read(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    dialect: Dialect | None = None,
    *,
    progress: Progress | None = None,
    usual_decimal: str = ".",
    known: Dialect | None = None,
    notice: Notice | None = None,
) -> Reading:
    """Read a table from a file, or from several of one kind that have the same columns.

    paths: "-" is standard input. dialect: what is not to be found out; a kind of file that cannot use it is refused.
    progress: called with the bytes of all files that are read, and how many there are. usual_decimal: the decimal mark
    where no number tells it. known: how other files of this table are written, for those of their kind. notice: called with
    a line for people before a large parquet is put into a temporary file. Memory: about three times the size of the text,
    unpacked; parquet files that are larger than arrays.MAPPED, unpacked, stay on the disk. Raises InvalidFile, ImportError
    where a library is missing, OSError, MemoryError.
    """
    found = [Path(paths)] if isinstance(paths, str | PathLike) else [Path(path) for path in paths]
    if not found:
        raise ValueError("expected at least one file to read, got none")
    dialect, told = require_dialect(dialect or Dialect()), _of_all(found, progress)
    parquets = partial(parquet.read, limit=arrays.MAPPED // len(found), notice=notice)
    whole = dialect.over(require_dialect(known or Dialect()))
    parts: list[_Part] = []
    decimal = None
    for path in found:
        with enough_memory(path):
            part = _read(path, dialect, whole, next(told), {"parquet": parquets, "excel": excel.read})
            parts.append(_fitting(path, part, parts[0], found[0]) if parts else part)
            decimal = require_one_decimal(path, decimal, part.decimal)
    with enough_memory(found[0]):
        frame = parts[0].frame if len(parts) == 1 else _joined(found, parts)
    said = list(dict.fromkeys(line for part in parts for line in part.said))
    said += ["decimal commas"] if decimal == "," else []
    name = "standard input" if str(found[0]) == STANDARD_INPUT else found[0].name
    name += f" and {len(found) - 1} more" if len(found) > 1 else ""
    return Reading(
        name,
        frame if isinstance(frame, OnDisk) else narwhals().from_native(frame, eager_only=True),
        parts[0].header,
        decimal or whole.decimal or usual_decimal,
        tuple(said),
    )


def _read(
    path: Path, dialect: Dialect, whole: Dialect, progress: Progress | None, readers: Mapping[str, Callable[..., Any]]
) -> _Part:
    """What one file has. whole: the dialect, and what is known besides. readers: by kind. Raises InvalidFile."""
    polars(), narwhals()
    with opened(path) as file:
        kind = find_kind(path, file)
        with failures(path, LIBRARY_NAMES.get(kind, "csv")):
            if kind in LIBRARY_NAMES:
                name, reader = LIBRARY_NAMES[kind], readers[kind]
                require_taken(path, dialect, name)
                part = _Part(name, *reader(path, file, whole))
                _require_words(path, part, dialect)
                return part
            frame, layout, decimal, said = textfile.read(path, file, kind, whole, progress)
            return _Part("text", frame, layout.header, decimal, said)


LIBRARY_NAMES = {"parquet": "parquet", "excel": "Excel"}


def _require_words(path: Path, part: _Part, dialect: Dialect) -> None:
    """Refuse a decimal mark where no cell is text. Raises InvalidFile."""
    if dialect.decimal is not None and polars().String not in part.frame.schema.values():
        none = f"this {part.kind} has none; leave it out"
        raise InvalidFile(path, f"the option decimal is for numbers that are text, and {none}")


def _fitting(path: Path, part: _Part, first: _Part, before: Path) -> _Part:
    """A further part with the first's columns in its order. Raises InvalidFile where it has others."""
    if part.kind != first.kind:
        raise InvalidFile(path, f"it is {part.kind}, but {before.name!r:.60} is {first.kind}; give files of one kind")
    if part.header != first.header:
        which = "has" if part.header else "has no"
        raise InvalidFile(path, f"it {which} names in its first line, unlike {before.name!r:.60}; make them alike")
    found, expected = part.frame.columns, first.frame.columns
    if set(found) == set(expected):
        return part._replace(frame=part.frame.select(expected))
    if not part.header:
        raise InvalidFile(path, f"expected {len(expected)} columns, as {before.name!r:.60} has, got {len(found)}")
    missing, others = differences(found, expected, 40)
    raise InvalidFile(
        path, f"expected columns {missing}, as {before.name!r:.60} has, got {others}; give files of one table"
    )


def _joined(paths: Sequence[Path], parts: Sequence[_Part]) -> Any:
    """One frame of all parts. Raises InvalidFile where a column has types that do not go together."""
    pl = polars()
    for path, part in zip(paths, parts, strict=True):
        for name, dtype in part.frame.schema.items():
            first = parts[0].frame.schema[name]
            if dtype != first and not (dtype.is_numeric() and first.is_numeric()) and pl.Null not in (dtype, first):
                raise InvalidFile(
                    path, f"column {name!r:.60} is {dtype}, but {first} in {paths[0].name!r:.60}; make them alike"
                )
    frames = [part.frame for part in parts]
    with failures(paths[0], "table"):
        if not any(isinstance(frame, OnDisk) for frame in frames):
            return pl.concat(frames, how="vertical_relaxed")
        whole = pl.concat([frame.lazy() for frame in frames], how="vertical_relaxed")
    rows, stay = sum(map(len, frames)), [frame for frame in frames if isinstance(frame, OnDisk)]
    return OnDisk(whole, rows, sum(one.nbytes for one in stay), [file for one in stay for file in one.held])


def _of_all(paths: Sequence[Path], progress: Progress | None) -> Iterator[Progress | None]:
    """For each file, what is called with its own bytes, and calls progress with those of all files."""
    sizes = [path.stat().st_size if path.is_file() else 0 for path in paths]
    for number in range(len(paths)):
        before, every = sum(sizes[:number]), sum(sizes)

        def told(done: int, size: int, before: int = before, every: int = every) -> object:
            assert progress is not None
            return progress(before + done, max(every, before + size))

        yield told if progress is not None else None

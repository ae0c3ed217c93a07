"""The files of rows: every sample of a run while it measures, and the summary from which numbers and pictures are made.

DIR/STUDY.samples.jsonl has what a study measured, a row a line, with every sample. DIR/STUDY.jsonl is its summary, a tenth
of that: first a line with `fields`, the names of a row's values, and with `all`, what is the same in all rows, such as the
machine; then the values of a row a line, and the notes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import rows
from .rows import Row

ONLY_IN = {"bits": "accuracy", "largest_error": "accuracy"}  # what the other studies' checks find, and show nowhere


def file(folder: Path, study: str) -> Path:
    """Where a study's summary is."""
    return folder / f"{study}.jsonl"


def samples(folder: Path, study: str) -> Path:
    """Where a study's samples are."""
    return folder / f"{study}.samples.jsonl"


def begin(folder: Path, study: str) -> None:
    """Make room for a study's rows; those from before are gone."""
    samples(folder, study).write_text("", encoding="utf-8")
    file(folder, study).unlink(missing_ok=True)


def append(folder: Path, study: str, found: Iterable[Row]) -> None:
    """Write measured rows and notes, whole: what is there when a run is interrupted can be read."""
    with samples(folder, study).open("a", encoding="utf-8") as out:
        out.writelines(_line(row) for row in found)


def load(folder: Path, study: str) -> list[Row]:
    """A study's rows and notes, of its summary, which is made anew where samples are newer; none where there is neither."""
    kept, measured = file(folder, study), samples(folder, study)
    if measured.exists() and not (kept.exists() and kept.stat().st_mtime_ns > measured.stat().st_mtime_ns):
        kept.write_text("".join(_packed([summary(row) for row in read(measured)])), encoding="utf-8")
    return read(kept)


def summary(row: Row) -> Row:
    """What a row says, with the number of its samples in place of them; a note as it is."""
    if "note" in row:
        return row
    kept = {name: value for name, value in row.items() if ONLY_IN.get(name, row["study"]) == row["study"]}
    return kept | {"samples": len(kept.pop("seconds"))}


def _packed(found: list[Row]) -> Iterator[str]:
    """The lines of a summary."""
    some = rows.measured(found)
    names = list(dict.fromkeys(name for row in some for name in row))
    same = {name: some[0].get(name) for name in names if all(row.get(name) == some[0].get(name) for row in some)}
    fields = [name for name in names if name not in same]
    yield _line({"fields": fields, "all": same})
    for row in found:
        yield _line(row if "note" in row else [row.get(name) for name in fields])


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def read(path: Path) -> list[Row]:
    """The rows and notes of a summary, or of a file of samples; none if there is no file.

    Raises SystemExit for a line that is no row.
    """
    found: list[Row] = []
    fields: list[str] = []
    same: Row = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        try:
            value = json.loads(line)
            if isinstance(value, list):
                found.append(dict(zip(fields, value, strict=True)) | same)
            elif "fields" in value:
                fields, same = value["fields"], value["all"]
            else:
                found.append(value)
        except (ValueError, TypeError) as error:
            raise SystemExit(f"{path}, line {number}: expected a row, got {line[:60]!r} ({error}); delete it") from None
    return found

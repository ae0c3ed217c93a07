"""Tables of text: their cells as they are spelt, read in pieces of whole rows.

A piece whose quotes are where they should be is read by polars, and the delimiters in it are counted, for polars fills rows
that are too short. What it cannot read, or would read wrongly (quotes after blanks or within words, blank lines between
quotes), is read by Python's csv module from there on, as is a row that must be named, being too long or too short.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import encodings, layout
from .dialect import MINUS, MISSING, Dialect, find_decimal, rows_of
from .invalid import InvalidFile
from .layout import Layout
from .library import polars
from .pieces import Text
from .unpacking import Progress, chunks
from .whatitis import HEAD, require_text

PART = 1 << 18  # bytes that are counted in one go
CELLS = 1 << 18  # that are collected before they become columns
BLANKS = re.compile(rb"[ \t]+")
BLANK_LINES = re.compile(rb"\n(?:\r?\n)+")


def read(
    path: Path, file: BinaryIO, kind: str, dialect: Dialect, progress: Progress | None
) -> tuple[Any, Layout, str | None, list[str]]:
    """The cells of a file as a frame of polars, its layout, its decimal mark if one is seen, and lines for people."""
    try:
        return _read(path, file, kind, dialect, progress, None)
    except encodings.NotUtf8:
        file.seek(0)
        return _read(path, file, kind, dialect, progress, encodings.older())


def _read(
    path: Path, file: BinaryIO, kind: str, dialect: Dialect, progress: Progress | None, older: encodings.Encoding | None
) -> tuple[Any, Layout, str | None, list[str]]:
    raw = chunks(path, file, kind, progress)
    first = next(raw, b"")
    if kind != "text":
        require_text(path, first[:HEAD], f" packed with {kind}")
    encoding = older or encodings.find(path, first[:HEAD], dialect.encoding)
    text = Text(path, encodings.to_utf8(path, chain([first], raw), encoding), dialect.encoding is not None)
    found = layout.find(path, *text.head(), dialect)
    frame = polars().concat(list(_frames(path, text, found, [*MISSING, "", *dialect.na])))
    frame = _without_lone_minus(frame)
    frame, said = _without_empty(frame, found)
    decimal = dialect.decimal or find_decimal(_sample(frame), found.delimiter)
    packed = [] if kind == "text" else [f"unpacked from {kind}"]
    spoken = [encoding.said] if encoding.said else []
    return frame, found, decimal, [*packed, *spoken, *found.said, *said]


def _frames(path: Path, text: Text, found: Layout, missing: Sequence[str]) -> Iterator[Any]:
    """The table piece by piece."""
    text.skip(found.skip)
    rows, line = 0, found.skip
    for piece in text.pieces():
        frame = _fast(piece, found)
        if frame is None:
            yield from _carefully(path, text.lines(piece), found, rows, line, missing)
            return
        rows, line = rows + len(frame), line + _count(piece, 10)
        yield _clean(frame, missing, b" " in piece or b"\t" in piece or not piece.isascii())


def _fast(piece: bytes, found: Layout) -> Any:
    """The rows of a piece as polars reads them, or None where it may read them wrongly."""
    mark = found.delimiter.encode()
    quoted = b'"' in piece
    if found.width < 2 or len(mark) != 1 or b"\0" in piece or (quoted and found.delimiter == " "):
        return None
    if found.delimiter == " ":
        piece = BLANKS.sub(b" ", piece).replace(b" \r\n", b"\n").replace(b" \n", b"\n").replace(b"\n ", b"\n").strip(b" ")
    if not piece or (quoted and not _are_regular(piece, mark)):
        return None
    frame = _parsed(piece, found, quoted)
    if frame is None and not quoted and (b"\n\n" in piece or b"\n\r\n" in piece or piece[:1] in b"\r\n"):
        # they were read as rows; looked for only now, for that takes as long as reading
        frame = _parsed(BLANK_LINES.sub(b"\n", piece).lstrip(b"\r\n"), found, quoted)
    return frame


def _parsed(piece: bytes, found: Layout, quoted: bool) -> Any:
    """The rows of a piece by polars, or None where they have not all as many cells."""
    pl = polars()
    try:
        frame = pl.read_csv(
            piece,
            has_header=False,
            schema=dict.fromkeys(found.names, pl.String),
            separator=found.delimiter,
            quote_char='"' if quoted else None,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    marks = _count(piece, ord(found.delimiter))
    if quoted:
        inside = frame.select(pl.all().str.count_matches(found.delimiter, literal=True).sum())
        marks -= inside.sum_horizontal().item()
    return frame if marks == (found.width - 1) * len(frame) else None


def _count(piece: bytes, code: int) -> int:
    """How often a byte is there; NumPy counts twice as fast as bytes do, and in parts no new memory is needed."""
    codes = np.frombuffer(piece, np.uint8)
    return sum(int(np.count_nonzero(codes[at : at + PART] == code)) for at in range(0, len(codes), PART))


def _are_regular(piece: bytes, mark: bytes) -> bool:
    """Tell whether quotes are where cells begin and end, or doubled within them, and as many as close."""
    codes = np.frombuffer(b"\n" + piece + b"\n", np.uint8)
    quotes = np.flatnonzero(codes == 34)
    borders = np.frombuffer(mark + b'\r\n"', np.uint8)
    before, after = codes[quotes[::2] - 1], codes[quotes[1::2] + 1]
    return len(quotes) % 2 == 0 and bool(np.isin(before, borders).all() and np.isin(after, borders).all())


def _carefully(
    path: Path, lines: Iterator[str], found: Layout, row: int, line: int, missing: Sequence[str]
) -> Iterator[Any]:
    """The table row by row, as frames. row, line: how many come before these."""
    over: list[bool] = []
    reader = rows_of(_ended(lines, over), found.delimiter)
    batch: list[list[str]] = []
    try:
        begun = line + 1
        for cells in reader:
            if over:
                raise InvalidFile(path, f"a quote is not closed in the row that begins in line {begun}; close it")
            if cells and (len(cells) == found.width or cells[0].strip() or len(cells) > 1):
                if len(cells) != found.width:
                    raise InvalidFile(path, _other_width(found, len(cells), row + len(batch), begun))
                batch.append(cells)
            begun = line + reader.line_num + 1
            if len(batch) * found.width >= CELLS:
                yield _framed(batch, found, missing)
                row, batch = row + len(batch), []
    except csv.Error as error:
        raise InvalidFile(path, f"not a readable csv file ({error}; line {begun}); is a quote not closed?") from None
    yield _framed(batch, found, missing)


def _ended(lines: Iterator[str], over: list[bool]) -> Iterator[str]:
    """The lines; over is filled when another one is asked for: a row that comes after that was not complete."""
    yield from lines
    over.append(True)


def _framed(rows: Sequence[Sequence[str]], found: Layout, missing: Sequence[str]) -> Any:
    pl = polars()
    columns: Any = zip(*rows, strict=True) if rows else [[] for _ in found.names]
    frame = pl.DataFrame([pl.Series(name, cells, pl.String) for name, cells in zip(found.names, columns, strict=True)])
    return _clean(frame, missing, True)


def _other_width(found: Layout, got: int, row: int, line: int) -> str:
    how = "from 0, below the header" if found.header else "from 0"
    what = {" ": "blanks", "\t": "a tab", ",": "a comma", ";": "a semicolon"}.get(found.delimiter, repr(found.delimiter))
    expected = f"expected {found.width} columns, as in the first line, got {got} at row {row} ({how}; line {line})"
    return f"{expected}; a cell with {what} in it needs quotes"


def _clean(frame: Any, missing: Sequence[str], blanks: bool) -> Any:
    """The frame without blanks around its cells, and with null where a value is missing."""
    pl = polars()
    cells = pl.all().str.strip_chars() if blanks else pl.all()
    words = pl.Series(missing, dtype=pl.String)
    return frame.select(pl.when(cells.is_in(words.implode())).then(None).otherwise(cells).name.keep())


def _without_lone_minus(frame: Any) -> Any:
    """The frame with null for - in columns that have no +: with both, they are two classes."""
    pl = polars()
    alone = [name for name in frame.columns if (frame[name] == MINUS).any() and not (frame[name] == "+").any()]
    cells = pl.col(alone)
    return frame.with_columns(pl.when(cells == MINUS).then(None).otherwise(cells).name.keep()) if alone else frame


def _without_empty(frame: Any, found: Layout) -> tuple[Any, list[str]]:
    """The frame without columns that have neither name nor cells."""
    empty = [found.names[n] for n in found.unnamed if frame[found.names[n]].null_count() == len(frame)]
    if not empty or len(empty) == found.width:
        return frame, []
    return frame.drop(empty), [f"left out {len(empty)} empty columns" if len(empty) > 1 else "left out an empty column"]


def _sample(frame: Any, cells: int = 20_000) -> Iterator[str]:
    """Cells from all over a frame, if any of them has a comma: else nothing in them can be a decimal comma."""
    rows, pl = max(20, cells // max(frame.width, 1)), polars()
    some = frame.gather_every(max(len(frame) // rows, 1))
    commas = some.select(pl.any_horizontal(pl.all().str.contains(",", literal=True).any()))
    for row in some.iter_rows() if commas.item() else ():
        yield from (cell for cell in row if cell is not None)

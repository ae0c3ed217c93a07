"""The encoding of a text file: by its first bytes, or UTF-8, or else what Windows and old programs wrote."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .invalid import InvalidFile

# UTF-32 before UTF-16, whose mark begins like it.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
OLD = "latin-1"  # of what is no UTF-8: every byte is a character
# Windows' own characters, where Latin-1 has controls that no text holds.
WINDOWS = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}


class Encoding(NamedTuple):
    """How bytes are text. name: Python's. mark: bytes at the start that are no text. said: a line for people, or none."""

    name: str
    mark: int = 0
    said: str | None = None


class NotUtf8(Exception):
    """Bytes that are not UTF-8 came, so that the file must be read again as an older encoding."""


def find(path: Path, head: bytes, chosen: str | None) -> Encoding:
    """The encoding of a file that begins with these bytes. chosen: what the user says. Raises InvalidFile."""
    marks = ((mark, name) for mark, name in MARKS if head.startswith(mark))
    mark, marked = next(marks, (b"", ""))
    if chosen is not None:
        known = _known(path, chosen)
        same = marked.startswith(known)
        return Encoding(marked if same else known, len(mark) if same else 0)
    if marked:
        return Encoding(marked, len(mark), None if marked == "utf-8" else f"read as {marked[:6].upper()}")
    if (wide := _unmarked_utf16(head)) is not None:
        return Encoding(wide, 0, "read as UTF-16, of which it has no mark")
    return Encoding("utf-8")


def older() -> Encoding:
    """The encoding of a file that is not UTF-8."""
    return Encoding(OLD, 0, "read as Latin-1 (Windows-1252), for it is not UTF-8")


def _known(path: Path, chosen: str) -> str:
    """Python's name of an encoding of text."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=chosen)  # which takes no rot13 and no zip
        return codecs.lookup(chosen).name
    except (LookupError, ValueError):
        known = "such as utf-8, utf-16, latin-1, cp1252 or shift-jis"
        raise InvalidFile(path, f"expected an encoding, {known}, got {chosen!r:.60}") from None


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of western text is 0, and text has no other zeros."""
    head = head[: len(head) & ~1]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and 5 * odd > 2 * len(head) and not even:
        return "utf-16-le"
    return "utf-16-be" if len(head) >= 4 and 5 * even > 2 * len(head) and not odd else None


def to_utf8(path: Path, chunks: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """The same text as UTF-8, chunk by chunk; what is UTF-8 already is not looked at. Raises InvalidFile."""
    skip = encoding.mark
    decoder = None if encoding.name == "utf-8" else codecs.getincrementaldecoder(encoding.name)()
    for chunk in chunks:
        data, skip = chunk[skip:], max(skip - len(chunk), 0)
        yield data if decoder is None else _decoded(path, decoder, data, encoding)
    if decoder is not None:
        yield _decoded(path, decoder, b"", encoding, last=True)


def _decoded(path: Path, decoder: codecs.IncrementalDecoder, data: bytes, encoding: Encoding, last: bool = False) -> bytes:
    try:
        text = decoder.decode(data, last)
        return (text.translate(WINDOWS) if encoding.said and encoding.name == OLD else text).encode()
    except UnicodeError as error:
        raise InvalidFile(path, f"not text in {encoding.name} ({error}); name its encoding with --encoding") from None


def require_utf8(path: Path, data: bytes, chosen: bool) -> None:
    """Raise NotUtf8 for other bytes, or InvalidFile where the user chose UTF-8."""
    if data.isascii():
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if chosen:
            raise InvalidFile(path, f"not text in UTF-8 ({error}); name its encoding with --encoding") from None
        raise NotUtf8 from None

"""The text of a table's file in UTF-8 as it comes: its beginning, then pieces of whole rows, or lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from . import encodings
from .invalid import InvalidFile
from .opening import require_memory
from .unpacking import CHUNK
from .whatitis import HEAD

LONGEST_LINE = 1 << 26
MOST_HEAD = 1 << 18  # bytes from which the layout is found, more where lines are long
LINES = 8  # that the layout is found from at least
COST = 4  # bytes of memory for a byte of text: a cell's view of 16 bytes, and its text where that is longer than 12


class Text:
    """The text of a file in UTF-8, of which some is read: pieces of whole rows, or lines."""

    def __init__(self, path: Path, stream: Iterator[bytes], chosen: bool) -> None:
        self.path, self.stream, self.chosen = path, stream, chosen
        self.held, self.over = b"", False
        self.old_ends = False  # lines that end with \r alone

    def more(self) -> bool:
        """Read on. Tell whether there was anything."""
        chunk = next(self.stream, None)
        if chunk is None:
            self.over = True
            return False
        chunk = chunk.replace(b"\r", b"\n") if self.old_ends else chunk
        self.held = self.held + chunk if self.held else chunk
        return True

    def head(self) -> tuple[str, bool]:
        """The beginning, and whether it is all there is."""
        while len(self.held) < HEAD or self.held.count(b"\n") < LINES:
            self._require_lines()
            if not self.more():
                break
            if not self.old_ends and b"\r" in self.held[:-1] and b"\n" not in self.held:
                self.old_ends, self.held = True, self.held.replace(b"\r", b"\n")
        end = len(self.held)
        if end > MOST_HEAD and self.held.count(b"\n", 0, MOST_HEAD) >= LINES:
            end = MOST_HEAD
        whole = self.over and end == len(self.held)
        head = self.held[: end if whole else self.held.rfind(b"\n", 0, end) + 1]
        if b"\0" in head:
            raise InvalidFile(self.path, "expected a table, got binary data of an unknown kind")
        encodings.require_utf8(self.path, head, self.chosen)
        return head.decode(), whole

    def skip(self, lines: int) -> None:
        """Leave out so many lines of the beginning."""
        at = 0
        for _ in range(lines):
            at = self.held.find(b"\n", at) + 1 or len(self.held)
        self.held = self.held[at:]

    def pieces(self) -> Iterator[bytes]:
        """Whole rows, as far as quotes tell, some MiB at a time."""
        while True:
            while len(self.held) < CHUNK and self.more():
                pass
            end = len(self.held) if self.over else _end_of_rows(self.held)
            if not end and len(self.held) > LONGEST_LINE:  # a quote is open: the csv module goes on from here
                end = self.held.rfind(b"\n") + 1
            if not end and not self.over:
                self._require_lines()
                self.more()
                continue
            if not end:
                return
            piece, self.held = self.held[:end], self.held[end:]
            encodings.require_utf8(self.path, piece, self.chosen)
            require_memory(self.path, COST * len(piece), "the next part of its table")
            yield piece

    def lines(self, start: bytes) -> Iterator[str]:
        """The lines of a piece and of all that follows."""
        self.held, at = start + self.held, 0
        while True:
            end = self.held.find(b"\n", at) + 1
            if end:
                yield self.held[at:end].decode("utf-8", "replace")
                at = end
                continue
            self.held, at = self.held[at:], 0
            self._require_lines()
            if not self.more():
                break
            encodings.require_utf8(self.path, self.held[: self.held.rfind(b"\n") + 1], self.chosen)
        if self.held:
            encodings.require_utf8(self.path, self.held, self.chosen)
            yield self.held.decode()

    def _require_lines(self) -> None:
        if len(self.held) > LONGEST_LINE and self.held.count(b"\n") < LINES:
            reason = f"a line of more than {LONGEST_LINE // LINES} characters, or a quote that is never closed"
            raise InvalidFile(self.path, f"not a readable csv file ({reason})")


def _end_of_rows(data: bytes) -> int:
    """The place after the last end of a line that is not between quotes; 0 where there is none."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    codes = np.frombuffer(data, np.uint8)
    ends, quotes = np.flatnonzero(codes == 10), np.flatnonzero(codes == 34)
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0

"""The output of commands: lines for people, one JSON object for programs, or data. Each goes through `say` or `print_…`.

Lines for people are lines, whatever is in a label, a header or a file's name: what cannot be printed, an escape sequence
or a line's end, stands there as Python would write it. JSON and data are exact.
"""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console

from ..files.shown import printable, shortened

for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without "²" loses that sign, not the training

MOST = 300  # characters of a sentence
LABEL = 40  # columns of a name in a table


def sentence(text: str, most: int = MOST) -> str:
    """A sentence for people: printable, and where it is long without its middle; its end has the mend."""
    return shortened(text, most)


def label(name: str) -> str:
    """A name in a table."""
    shown = printable(name[: 2 * LABEL])
    if cell_len(shown) <= LABEL and len(name) <= 2 * LABEL:
        return shown
    while cell_len(shown) >= LABEL:
        shown = shown[:-1]
    return f"{shown}…"


def padded(text: str, width: int) -> str:
    """The text in so many columns of a terminal, on which some letters take two."""
    return text + " " * (width - cell_len(text))


_muted = [False]


def mute(silent: bool = True) -> None:
    """Print nothing from now on: another process of this training does. Or, not silent, print again."""
    _muted[0] = silent


_forwarded = [False]


def forwarded() -> None:
    """Take no stream for a terminal from now on: this output goes through a terminal of its own to one, or to a file."""
    _forwarded[0] = True


def say(*lines: str, err: bool = False) -> None:
    """Print lines for people."""
    stream = sys.stderr if err else sys.stdout
    if not (stream is None or _muted[0]):  # closed, as by >&-
        with _of_the_output():
            stream.write("".join(f"{printable(line)}\n" for line in lines))
            stream.flush()


@contextmanager
def _of_the_output() -> Iterator[None]:
    """Make errors say that they are about the output."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, "the output") from None  # BrokenPipeError stays one


class Lines:
    """The destination of lines for people: the screen, beside JSON a terminal that shows errors, or nothing."""

    def __init__(self, as_json: bool = False) -> None:
        self.err, self.quiet = as_json, as_json and not (sys.stderr is not None and sys.stderr.isatty())

    def say(self, *lines: str) -> None:
        """Print lines."""
        if not self.quiet:
            say(*lines, err=self.err)

    def console(self) -> Console:
        """A console at the same place, for a bar that moves."""
        quiet, terminal = self.quiet or _muted[0], False if _forwarded[0] else None
        plain: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False, "emoji": False}
        return Console(stderr=self.err, quiet=quiet, force_terminal=terminal, **plain)


def decimal(value: float, digits: int = 4) -> str:
    """A number with so many digits behind the point, or six in all where it is large."""
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.6g}"


def command(*words: str) -> str:
    """A command that a shell takes back to these words, and that can be printed."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    told = {"\\": r"\\", "'": r"\'"}
    letters = (told.get(one, one) if one.isprintable() else _in_bytes(one) for one in word)
    return f"$'{''.join(letters)}'"


def _in_bytes(letter: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))


def print_json(result: dict[str, Any]) -> None:
    """Print the one JSON object. What no JSON can hold, NaN and infinity, is null."""
    text = json.dumps(_plain(result), allow_nan=False)  # ASCII
    say(text.replace("\x7f", r"\u007f"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(element) for element in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_data(rows: Iterable[str]) -> None:
    """Print rows of a file, each with its end: exact, in UTF-8, for a program or a file; on a terminal lines for people."""
    if sys.stdout is None:
        return
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        say(*(row.removesuffix("\n") for row in rows))
        return
    with _of_the_output():
        sys.stdout.flush()
        sys.stdout.buffer.write(encoded(rows))
        sys.stdout.buffer.flush()


def encoded(rows: Iterable[str]) -> bytes:
    """The bytes of rows in a file."""
    return "".join(rows).encode(errors="backslashreplace")  # half a pair of UTF-16, which no encoding has

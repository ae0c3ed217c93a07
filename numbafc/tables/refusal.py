"""Words of a refusal: short, whatever is in a table, and without characters that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from .._startup import printable

SHOWN = 4  # names in a message
MOST = 24  # characters of each


def short(names: Iterable[str], most: int = MOST, shown: int = SHOWN) -> str:
    """The first names, in quotes, and … for what is left out."""
    some = list(islice(names, shown + 1))
    return ", ".join(quoted(name, most) for name in some[:shown]) + (", …" if len(some) > shown else "")


def quoted(text: str, most: int = MOST) -> str:
    """A text in quotes, in at most about so many characters."""
    shown = repr(text[: most + 1])  # which writes up to ten characters for one that cannot be printed
    return shown if len(shown) <= most + 2 else f"{shown[: most - 1]}…{shown[0]}"


def bare(text: str, most: int = MOST) -> str:
    """A text without quotes, on one line, in at most so many characters."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def some(names: Sequence[str], most: int = 60) -> str:
    """The first names, in at most so many characters, and … for what is left out."""
    first = ", ".join(bare(name, 20) for name in names[:8])
    return bare(f"{first}, …" if len(names) > 8 and len(first) < most - 2 else first, most)


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """A number and its noun: "1 row", "2 rows"."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def called(name: str) -> str:
    """A column's name in a line for people; one may have none."""
    return bare(name) or "(no name)"

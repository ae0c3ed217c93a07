"""Text of other people's in a message: short, and without characters that a terminal would obey."""

from __future__ import annotations

from .._startup import printable

__all__ = ["printable", "shortened"]


def shortened(text: str, most: int) -> str:
    """The text in at most so many characters, printable: the beginning, and the end, which says what to do."""
    if len(text) > most:
        end = most // 3
        text = f"{text[: most - end - 1]}…{text[len(text) - end :]}"
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"

"""Text of other people's in a message: short, and without characters that a terminal would obey."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what cannot be printed, a line's end and an escape sequence among them, written as Python would."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shortened(text: str, most: int) -> str:
    """At most so many characters, printable: the beginning, and the end, where the mend is."""
    if len(text) > most:
        end = most // 3
        text = f"{text[: most - end - 1]}…{text[len(text) - end :]}"
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"

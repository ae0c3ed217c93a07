"""What was decided about the columns of a table, as a table: each one's name, kind, values, gaps, and what it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

from . import aligned, screen

MOST = 24  # columns of a table that are shown, unless all are asked for
IN_THE_TABLE = "missing cells in ", "left out: ", "target "  # how lines begin that say what its rows say
VALUES, FEWEST = 2, 12  # the place of the values in a row, and the columns of a terminal that they have at least
NARROW = 80  # columns of a terminal that has room for the values


def lines(table: Any, most: int | None = MOST) -> list[str]:
    """A line for each column, the target's among them, and what else there is to say."""
    rows, width = table.report(), aligned.width()
    shown = rows if most is None or len(rows) <= most else [*rows[: most - 1], rows[-1]]
    heading = ("column", "kind", "values", "missing", "becomes")
    cells: list[tuple[str, ...]] = [
        heading,
        *((row.name, row.kind, row.values, str(row.missing or ""), row.becomes) for row in shown),
    ]
    if width < NARROW:
        cells = [(*row[:2], row[-1]) for row in cells]
    said = _in_columns([[screen.label(cell) for cell in row] for row in cells], width)
    told = table.describe()
    if len(shown) < len(rows):
        return [*said, f"… and {len(rows) - len(shown)} more columns, which `numbafc info MODEL` prints, too", *told]
    return [*said, *(line for line in told if not line.startswith(IN_THE_TABLE))]


def _in_columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The rows with each column as wide as its widest cell; where that is too wide, the values lose their ends."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    if over > 0 and len(widths) > VALUES:
        widths[VALUES] = max(widths[VALUES] - over, FEWEST)
    return [
        _cut(
            "  ".join(screen.padded(_cut(cell, wide), wide) for cell, wide in zip(row, widths, strict=True)).rstrip(), width
        )
        for row in rows
    ]


def _cut(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal."""
    if cell_len(text) <= width:
        return text
    while cell_len(text) >= width:
        text = text[:-1]
    return f"{text}…"

"""The reading of a table with a bar, where it takes long enough for one and a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ..files import tabular
from ..files.dialect import Dialect
from . import screen

LARGE = 1 << 25  # bytes: about half a second


def read(paths: Sequence[Path], dialect: Dialect, usual_decimal: str, known: Dialect) -> tabular.Reading:
    """The table in files. usual_decimal: the decimal mark where no number tells it. known: as in tabular.read.

    Raises InvalidFile, ImportError, OSError or MemoryError.
    """
    console = Console(stderr=True)
    if not console.is_interactive or sum(path.stat().st_size for path in paths if path.is_file()) < LARGE:
        return tabular.read(paths, dialect, usual_decimal=usual_decimal, known=known, notice=notice)
    columns = TextColumn("reading"), BarColumn(bar_width=20), DownloadColumn(binary_units=True), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as show:
        task = show.add_task("", total=None)

        def told(done: int, size: int) -> None:
            show.update(task, completed=done, total=size)

        return tabular.read(paths, dialect, progress=told, usual_decimal=usual_decimal, known=known, notice=notice)


def notice(line: str) -> None:
    """Say what is to come, beside what the command prints."""
    screen.say(f"numbafc: {screen.sentence(line)}", err=True)

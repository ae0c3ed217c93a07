"""The reading of a table with a bar, where it takes long enough for one and a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ..files import tabular
from ..files.dialect import Dialect

LARGE = 1 << 25  # bytes: about half a second


def read(paths: Sequence[Path], dialect: Dialect) -> tabular.Reading:
    """The table in files. Raises InvalidFile, ImportError, OSError or MemoryError."""
    console = Console(stderr=True)
    if not console.is_interactive or sum(path.stat().st_size for path in paths if path.is_file()) < LARGE:
        return tabular.read(paths, dialect)
    columns = TextColumn("reading"), BarColumn(bar_width=20), DownloadColumn(binary_units=True), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as show:
        task = show.add_task("", total=None)
        return tabular.read(paths, dialect, progress=lambda done, size: show.update(task, completed=done, total=size))

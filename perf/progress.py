"""How far a run is: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any


class Plain:
    """Lines, each with the share that is done and the time left."""

    def __init__(self, total: float) -> None:
        self.total, self.done, self.start = total, 0.0, time.monotonic()

    def advance(self, name: str, part: float) -> None:
        self.done += part

    def say(self, text: str) -> None:
        elapsed = time.monotonic() - self.start
        left = elapsed * (self.total - self.done) / self.done if self.done else self.total
        print(f"[{self.done / self.total:4.0%}, {_clock(left)} left] {text}", flush=True)


class Bar:
    """The same on a terminal."""

    def __init__(self, bar: Any, total: float) -> None:
        self.bar, self.task = bar, bar.add_task("", total=total)

    def advance(self, name: str, part: float) -> None:
        self.bar.update(self.task, advance=part, description=name)

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@contextlib.contextmanager
def shown(total: float) -> Iterator[Plain | Bar]:
    """Progress towards a total of expected seconds; the pace of this machine corrects them."""
    try:
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
    except ImportError:  # the extra `cli`
        yield Plain(total)
        return
    if not sys.stdout.isatty():
        yield Plain(total)
        return
    columns = TextColumn("{task.description:9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    left = TextColumn("left:"), TimeRemainingColumn(compact=True)
    # the speed of the last ten minutes: studies differ
    with Progress(*columns, *left, speed_estimate_period=600, refresh_per_second=1) as bar:
        yield Bar(bar, total)

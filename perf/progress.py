"""How far a run is: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any


class Plain:
    """Progress as lines, each with the share that is done and the time left.

    total: the seconds that the parts of a run are expected to take. The pace of this machine corrects them: what all parts
    took next to what was expected of them, but for the first part of each study, in which peers start and kernels compile.
    """

    def __init__(self, total: float) -> None:
        self.total, self.done = total, 0.0
        self.study, self.last = "", 0.0
        self.taken = self.expected = 0.0  # seconds of the parts that show the pace

    def advance(self, study: str, part: float) -> None:
        """Count a part of a study as done, which was expected to take so many seconds."""
        now = time.monotonic()
        if study == self.study:
            self.taken, self.expected = self.taken + now - self.last, self.expected + part
        self.study, self.last, self.done = study, now, self.done + part

    def left(self) -> str:
        """The time left, as minutes:seconds."""
        pace = self.taken / self.expected if self.expected else 1
        seconds = round(pace * (self.total - self.done))
        return f"{seconds // 60}:{seconds % 60:02}"

    def say(self, text: str) -> None:
        print(f"[{self.done / self.total:4.0%}, {self.left()} left] {text}", flush=True)


class Bar(Plain):
    """Progress as a bar on a terminal, with the same time left."""

    def __init__(self, bar: Any, total: float) -> None:
        super().__init__(total)
        self.bar, self.task = bar, bar.add_task("", total=total, left=self.left())

    def advance(self, study: str, part: float) -> None:
        super().advance(study, part)
        self.bar.update(self.task, completed=self.done, description=study, left=self.left())

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def shown(total: float) -> Iterator[Plain]:
    """What shows the progress towards a total of expected seconds."""
    try:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    except ImportError:  # the extra `cli`
        yield Plain(total)
        return
    if not sys.stdout.isatty():
        yield Plain(total)
        return
    columns = TextColumn("{task.description:9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("left: {task.fields[left]}"), refresh_per_second=1) as bar:
        yield Bar(bar, total)

"""The display of a training: a bar on a terminal, plain lines elsewhere.

It costs next to nothing however short epochs are: what moves is drawn a few times a second by a thread, from what
the last epoch left; and a log has some hundred lines however many epochs there are, and one a minute where they take long.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from .. import _numba
from ..nn import EpochRecord
from ..nn.members import Model
from . import screen
from .ensemble import averaged, furthest, minibatches
from .interrupts import Stop
from .screen import decimal
from .sources import score_name

BAR, WIDE = 12, 100  # columns of the bar, and of a terminal that has room for one
TIME, SPEED = 7, 17  # columns of the time left, 1:23:45, and of 1234567 samples/s
A_SECOND = 4  # times that the bar is drawn
LINES, SECONDS = 100, 60  # of a log: about so many, and at least one in so long
WAITING = "numbafc compiles {} for some seconds{}"
KEPT = "; the next run has them in its cache"


class Display(Progress):
    """A bar or lines that show how far a network's training is. The value is a callback for fit.

    Of members: how far the furthest is, and the means of their losses and scores.
    """

    def __init__(
        self,
        net: Model,
        epochs: int,
        console: Console,
        say: Callable[[str], None] = screen.say,
        needed: Sequence[object] = (),
    ) -> None:
        self.net, self.epochs, self.score = net, epochs, score_name(net)
        self.means = "means: " if averaged(net) else ""
        self.moves = console.is_interactive  # neither a pipe nor a terminal that cannot
        self.say, self.heard = say, True
        self.first = minibatches(net)
        self.record: EpochRecord | None = None
        self.every, self.told, self.told_at = -(-epochs // LINES), True, time.monotonic()
        width, has = 2 * len(str(epochs)) + 1, console.width
        done = TextColumn(
            "{task.fields[done]}/{task.fields[epochs]}", markup=False, table_column=Column(no_wrap=True, min_width=width)
        )
        bar = [BarColumn(bar_width=BAR)] if has >= WIDE else []
        self.left = max(has - width - (BAR + 1) * len(bar) - 1, 0)  # a space is between each two
        line = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
        columns = done, *bar, line
        super().__init__(*columns, console=console, disable=not self.moves, refresh_per_second=A_SECOND)
        begun = furthest(net)
        self.needed = len(needed)
        self.task = self.add_task("", total=self.needed or None, epochs=epochs, done=0 if begun is None else begun.done)
        if self.needed and not self.moves:
            kernels = "1 kernel" if self.needed == 1 else f"{self.needed} kernels"
            say(WAITING.format(kernels, KEPT if _numba.cache_folder() is not None else ""))

    def wait_for(self, name: str, done: bool) -> None:
        """Show which kernel the training waits for now. done: it is there."""
        if self.needed and minibatches(self.net) == self.first:
            self.update(self.task, description=f"compiling {name}, once for all runs"[: self.left], advance=int(done))

    def get_renderables(self) -> Iterable[RenderableType]:
        """The parts of the bar, several times a second: how far the network is now, in the middle of an epoch too."""
        training, done, record = furthest(self.net), minibatches(self.net), self.record
        if training is not None and done > self.first:
            self.update(self.task, total=self.epochs * training.batches, completed=done)
            if record is None:
                speed = (self.tasks[0].speed or 0) * training.recipe.batch_size
                self.update(self.task, description=self._fitted([""], speed))
        if record is not None:
            speed = record.samples / record.seconds
            self.update(
                self.task,
                description=self._fitted([f"{self.means}{line}" for line in _lines(record, self.score)], speed),
                done=record.epoch,
            )
        return super().get_renderables()

    def _fitted(self, lines: Sequence[str], speed: float) -> str:
        """The first of the lines that there is room for, behind the time left and the speed if they fit."""
        line = next((line for line in lines if len(line) <= self.left), lines[-1])
        seconds = self.tasks[0].time_remaining
        others = [_clock(seconds).rjust(TIME), (f"{speed:.0f} samples/s" if speed else "").rjust(SPEED)]
        for n in (2, 1):
            if len(text := " ".join([*others[:n], line])) <= self.left:
                return text
        return line[: self.left]

    def __call__(self, record: EpochRecord) -> None:
        first = self.record is None
        self.record, self.told = record, False
        if not self.moves and self.heard and (first or self._is_due(record.epoch)):
            self._say(self._line(record))

    def _is_due(self, epoch: int) -> bool:
        """Tell whether an epoch has a line of a log: 1 to 9, 10 to 90, …, each hundredth part, the last, one a minute."""
        round_ = epoch % 10 ** (len(str(epoch)) - 1) == 0
        return round_ or epoch % self.every == 0 or epoch == self.epochs or time.monotonic() - self.told_at >= SECONDS

    def _line(self, record: EpochRecord) -> str:
        known = f"train {record.score:.3f} " if np.isfinite(record.score) else ""
        validation = f"validation {decimal(record.validation_score, 3)}"
        speed = f"{record.samples / record.seconds:.0f} samples/s"
        losses = f"{self.means}loss {decimal(record.loss)}, {self.score} {known}{validation}"
        return f"epoch {record.epoch}/{self.epochs}: {losses}, {speed}"

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        if self.record is not None and not (self.moves or self.told) and self.heard:  # the last epoch of fewer than asked
            with contextlib.suppress(OSError):
                self.say(self._line(self.record))

    def _say(self, line: str) -> None:
        """Print a line: if it cannot be written, the training goes on; if nobody reads it any more, it ends."""
        self.told, self.told_at = True, time.monotonic()
        try:
            self.say(line)
        except BrokenPipeError:
            raise Stop(signal.SIGPIPE, "nobody reads the output any more") from None
        except OSError as error:
            self.heard = False
            screen.say(f"numbafc: warning: the output cannot be written, {error.strerror}; the training goes on", err=True)


def _lines(record: EpochRecord, score: str) -> list[str]:
    """What the bar says of an epoch, from the longest to the shortest."""
    loss, validation = f"loss {decimal(record.loss)}", f"validation {decimal(record.validation_score, 3)}"
    known = f"{record.score:.3f}, " if np.isfinite(record.score) else ""
    return [f"{loss}, {score} {known}{validation}", f"{loss}, {score} {validation}", f"{loss}, {validation}", validation]


def _clock(seconds: float | None) -> str:
    """The time left: 1:23:45, or 23:45."""
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"

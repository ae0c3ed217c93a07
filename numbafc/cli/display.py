"""The display of a training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from .. import _numba
from ..nn import MLP, EpochRecord
from ..nn.results import DONE
from . import screen
from .interrupts import Stop
from .screen import decimal
from .sources import score_name

BAR, WIDE = 12, 100  # columns of the bar, and of a terminal that has room for one
TIME, SPEED = 7, 17  # columns of the time left, 1:23:45, and of 1234567 samples/s
NARROW, NARROWER = 60, 30  # columns of a terminal that has room for the speed, and for the time
WAITING = "numbafc compiles {} for some seconds{}"
KEPT = "; the next run has them in its cache"


def minibatches(net: MLP) -> int:
    """The number of minibatches of a training that are done."""
    training = net.training
    return 0 if training is None else len(training.history) * training.batches + int(training.results[DONE])


class Display(Progress):
    """A bar or lines that show how far a network's training is. The value is a callback for fit."""

    def __init__(
        self,
        net: MLP,
        epochs: int,
        console: Console,
        say: Callable[[str], None] = screen.say,
        needed: Sequence[object] = (),
    ) -> None:
        self.net, self.epochs, self.score = net, epochs, score_name(net)
        self.moves = console.is_interactive  # neither a pipe nor a terminal that cannot
        self.say, self.heard = say, True
        self.first = minibatches(net)
        self.record: EpochRecord | None = None
        width, has = 2 * len(str(epochs)) + 1, console.width
        done = TextColumn(
            "{task.fields[done]}/{task.fields[epochs]}", markup=False, table_column=Column(no_wrap=True, min_width=width)
        )
        bar = [BarColumn(bar_width=BAR)] if has >= WIDE else []
        time = (
            [TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=TIME))]
            if has >= NARROWER
            else []
        )
        speed = [TextColumn("{task.fields[speed]}", table_column=Column(no_wrap=True))] if has >= NARROW else []
        # what is left to the line when the others are as wide as they get, and a space is between each two
        others = (BAR + 1) * len(bar) + (TIME + 1) * len(time) + (SPEED + 1) * len(speed)
        self.left = max(has - width - others - 1, 0)
        line = TextColumn("{task.description}", table_column=Column(no_wrap=True))
        super().__init__(done, *bar, *time, *speed, line, console=console, disable=not self.moves)
        history = [] if net.training is None else net.training.history
        self.needed = len(needed)
        self.task = self.add_task("", total=self.needed or None, epochs=epochs, done=len(history), speed="")
        if self.needed and not self.moves:
            kernels = "1 kernel" if self.needed == 1 else f"{self.needed} kernels"
            say(WAITING.format(kernels, KEPT if _numba.cache_folder() is not None else ""))

    def wait_for(self, name: str, done: bool) -> None:
        """Show which kernel the training waits for now. done: it is there."""
        if self.needed and minibatches(self.net) == self.first:
            self.update(self.task, description=f"compiling {name}, once for all runs"[: self.left], advance=int(done))

    def get_renderables(self) -> Iterable[RenderableType]:
        """The parts of the bar, several times a second: how far the network is now, in the middle of an epoch too."""
        training, done = self.net.training, minibatches(self.net)
        if training is not None and done > self.first:
            self.update(self.task, total=self.epochs * training.batches, completed=done)
            if self.record is None:
                speed = (self.tasks[0].speed or 0) * training.recipe.batch_size
                self.update(self.task, description="", speed=f"{speed:.0f} samples/s" if speed else "")
        return super().get_renderables()

    def __call__(self, record: EpochRecord) -> None:
        self.record = record
        loss, validation = f"loss {decimal(record.loss)}", f"validation {decimal(record.validation_score, 3)}"
        speed = f"{record.samples / record.seconds:.0f} samples/s"
        known = np.isfinite(record.score)
        short = f"{loss}, {self.score} " + (f"{record.score:.3f}, " if known else "") + validation
        self.update(self.task, description=short[: self.left], speed=speed, done=record.epoch)
        if not self.moves and self.heard:
            line = f"{loss}, {self.score} " + (f"train {record.score:.3f} " if known else "") + validation
            self._say(f"epoch {record.epoch}/{self.epochs}: {line}, {speed}")

    def _say(self, line: str) -> None:
        """Print a line: if it cannot be written, the training goes on; if nobody reads it any more, it ends."""
        try:
            self.say(line)
        except BrokenPipeError:
            raise Stop(signal.SIGPIPE, "nobody reads the output any more") from None
        except OSError as error:
            self.heard = False
            screen.say(f"numbafc: warning: the output cannot be written, {error.strerror}; the training goes on", err=True)

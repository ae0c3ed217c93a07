"""How a training shows its progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from ..nn import MLP, EpochRecord
from .screen import decimal
from .sources import score_name


def minibatches(net: MLP) -> int:
    """How many minibatches of a training are done."""
    training = net.training
    return 0 if training is None else len(training.history) * training.batches + int(training.results[4])


class Display(Progress):
    """The progress of a network's training. The value is a callback for fit."""

    def __init__(self, net: MLP, epochs: int, console: Console) -> None:
        self.net, self.epochs, self.score = net, epochs, score_name(net)
        self.first = minibatches(net)
        self.record: EpochRecord | None = None
        done = "{task.fields[done]}/{task.fields[epochs]}"
        super().__init__(
            TextColumn(done, table_column=Column(no_wrap=True, min_width=2 * len(str(epochs)) + 1)),
            BarColumn(bar_width=12),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        history = [] if net.training is None else net.training.history
        self.task = self.add_task("compiling", total=None, epochs=epochs, done=len(history))

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is on the screen, several times a second: how far the network is now, in the middle of an epoch too."""
        training, done = self.net.training, minibatches(self.net)
        if training is not None and done > self.first:
            self.update(self.task, total=self.epochs * training.batches, completed=done)
            if self.record is None:
                speed = (self.tasks[0].speed or 0) * training.recipe.batch_size
                self.update(self.task, description=f"{speed:.0f} samples/s" if speed else "")
        return super().get_renderables()

    def __call__(self, record: EpochRecord) -> None:
        self.record = record
        known = f"train {record.score:.3f} " if np.isfinite(record.score) else ""
        line = f"loss {decimal(record.loss)}, {self.score} {known}validation {decimal(record.validation_score, 3)}"
        speed = f"{record.samples / record.seconds:.0f} samples/s"
        self.update(self.task, description=f"{line}, {speed}", done=record.epoch)
        if not self.console.is_terminal:
            self.console.print(f"epoch {record.epoch}/{self.epochs}: {line}, {speed}")

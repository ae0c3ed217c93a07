"""A training from epoch to epoch: what each of them begins with, and what becomes of its results.

Whoever runs the epochs (training.py one network's, members.py those of several at once) asks for the next one, trains it,
and hands the results back. All that a training needs to go on is in its Progress at every moment.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from . import evaluation, schedules
from .losses import LOSSES
from .network import Network
from .progress import EpochRecord, History, Progress
from .results import DONE, HITS, LOSS_SUM, SAMPLES, WEIGHT
from .samples import HeldOut

Callback = Callable[[EpochRecord], Any]
Keep = Callable[[Progress | None], None]
EpochFunction = Callable[[np.ndarray, np.ndarray, int, np.ndarray], None]  # order of samples, rates, steps before, results


def moment_after(time_limit: float | None) -> float | None:
    """The moment of time.perf_counter() in so many seconds; None without a limit. Raises TypeError or ValueError."""
    return None if time_limit is None else time.perf_counter() + checks.positive("time_limit", time_limit)


class Epoch(NamedTuple):
    """An epoch that is to be trained, or what is left of it."""

    samples: np.ndarray  # their order
    rates: np.ndarray  # of each minibatch
    steps: int  # minibatches before it
    results: np.ndarray  # of the minibatches that are done (results.py)


class Course:
    """The course of one training. Each epoch is `begin`, then the epoch itself, then `end`.

    keep: called with the progress before the first epoch and after each, and with None where the training diverged: who
    keeps the last one can go on from it at every moment. until: the moment of time.perf_counter() after which no further
    epoch begins, or None.
    """

    above = 4  # how many frames are from the end of an epoch to whoever called fit

    def __init__(
        self,
        net: Network,
        progress: Progress,
        keep: Keep,
        validation: HeldOut | None,
        callbacks: tuple[Callback, ...],
        until: float | None,
    ) -> None:
        self.net, self.progress, self.keep, self.validation, self.callbacks = net, progress, keep, validation, callbacks
        self.until, self.recipe, self.silent = until, progress.recipe, False
        self.factors = schedules.following(self.recipe.schedule)
        self.losses = [progress.watched(record) for record in progress.history]
        keep(progress)
        if progress.last is not None:
            net.parameters[:] = progress.last
            progress.last = None
        net.order.bit_generator.state = progress.order

    @property
    def goes_on(self) -> bool:
        """Tell whether there is another epoch; if not, the progress says why."""
        now = self.progress
        if now.done >= now.epochs:
            now.ended = now.ended or "epochs"
        elif now.stopped:
            now.ended = now.ended or "early_stopping"
        return not now.ended

    def begin(self) -> Epoch:
        """The next epoch, or what is left of it."""
        net, progress, recipe = self.net, self.progress, self.recipe
        epoch, batches = progress.done + 1, progress.batches
        rates = self.factors(epoch, progress.epochs, batches, self.losses)
        self.start = time.perf_counter() - progress.seconds
        if progress.begun is None:
            progress.begun = net.parameters.copy()
        self.order = copy.deepcopy(net.order)  # which stays where the epoch began until it is finished, as a file has it
        samples = self.order.permutation(progress.samples) if recipe.shuffle else np.arange(progress.samples)
        self.rates = float(getattr(recipe.optimizer, "learning_rate", np.nan)) * schedules.checked(rates, batches)
        return Epoch(samples[: recipe.samples(progress.samples)], self.rates, (epoch - 1) * batches, progress.results)

    def pause(self) -> None:
        """Count the time: the epoch is finished, or interrupted."""
        self.progress.seconds = time.perf_counter() - self.start

    def end(self) -> None:
        """What follows an epoch: validation, the record, callbacks.

        Raises FloatingPointError where the loss stopped being finite, with the parameters from before the epoch.
        """
        net, progress = self.net, self.progress
        self.require_finite()
        held_out = (np.nan, np.nan)
        if self.validation is not None:
            Y = self.outputs(self.validation.X)
            held_out = evaluation.mean_loss(net, *self.validation, Y), evaluation.score(net, *self.validation[:2], Y)
        loss, hits, total_weight, seen = progress.results[[LOSS_SUM, HITS, WEIGHT, SAMPLES]].tolist()
        score = hits / seen if LOSSES[net.loss_name].classifies and seen else float("nan")
        loss = loss / total_weight if total_weight else float("nan")  # those of weight are in the part that was left out
        samples, rate = self.recipe.samples(progress.samples), float(self.rates[-1])
        record = EpochRecord(progress.done + 1, loss, score, *held_out, progress.seconds, samples, rate)
        self.progress = progress = progress.after(record, net.parameters, self.order.bit_generator.state)
        self.keep(progress)
        net.order.bit_generator.state = progress.order
        self.losses.append(progress.watched(record))
        if self.validation and np.isnan(record.validation_loss) and not self.silent:
            self.silent = True
            warnings.warn(
                f"the validation loss of epoch {record.epoch} is NaN, which early stopping and schedules take for no "
                "better; look for numbers beyond all others in the validation data",
                RuntimeWarning,
                stacklevel=self.above,
            )
        stops = [callback(record) for callback in self.callbacks]  # every callback sees every epoch
        if any(stops):
            progress.ended = "callback"
        elif self.goes_on and self.until is not None and time.perf_counter() >= self.until:
            progress.ended = "time_limit"

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        """The network's outputs of rows of validation, (samples, T)."""
        return evaluation.outputs(self.net, rows)

    def run(self, train_epoch: EpochFunction) -> History:
        """Train from here to the last epoch."""
        self.above += 1
        while self.goes_on:
            epoch = self.begin()
            try:
                train_epoch(*epoch)
            finally:
                self.pause()
            self.end()
        self.bring_back()
        return self.progress.history

    def require_finite(self) -> None:
        """Require of an epoch that it was trained to its end. Raises FloatingPointError, as end does."""
        net, progress = self.net, self.progress
        done, batches = int(progress.results[DONE]), progress.batches
        if done == batches and np.isfinite(net.parameters).all():
            return
        net.parameters[:] = progress.begun
        self.keep(None)
        raise FloatingPointError(
            f"training diverged in epoch {progress.done + 1}, batch {min(done + 1, batches)}; the parameters are those "
            "from before that epoch; try a smaller learning rate or standardised inputs"
        )

    def bring_back(self) -> None:
        """Give the network the parameters of the best epoch, if one is to be kept."""
        if self.progress.best is not None:
            self.progress.last = self.net.parameters.copy()
            self.net.parameters[:] = self.progress.best

"""The progress of a training, all that it needs to go on: whole at every moment, after Ctrl-C and in a file, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from . import curves, schedules
from .network import Network
from .recipe import Recipe
from .results import DONE, no_results
from .samples import HeldOut, Samples

ENDS = "", "epochs", "early_stopping", "callback", "time_limit"  # of a call of fit; "" where it was interrupted
UNKNOWN = -1  # validation, of which an older version wrote nothing


class EpochRecord(NamedTuple):
    """A record of one epoch. Loss and score are those of the minibatches as they were trained on.

    score: accuracy for "cross_entropy", else NaN (a running R² means little). validation_…: after the epoch, or NaN.
    """

    epoch: int  # from 1
    loss: float
    score: float
    validation_loss: float
    validation_score: float
    seconds: float  # of training, without compilation and validation
    samples: int
    learning_rate: float  # of the last minibatch


class History(list[EpochRecord]):
    """The records of a training run, one per epoch. history.loss, history.score, … are the columns.

    ended: why there are no more: "epochs", "early_stopping", "callback" or "time_limit"; "" where it was interrupted.
    """

    ended = ""

    def __getattr__(self, name: str) -> list[float]:
        if name in EpochRecord._fields:
            return [getattr(record, name) for record in self]
        raise AttributeError(f"a History has the columns {', '.join(EpochRecord._fields)}, not {name!r}")

    def plot(self, axes: Any = None, *, score: str = "score") -> Any:
        """Draw loss and score over the epochs with matplotlib, and return the two axes.

        axes: two of matplotlib's, or None: those of a new figure, axes[0].figure, that plt.show() shows. score: the name
        of the score, "accuracy" or "R²". Raises ImportError where matplotlib is missing.
        """
        return curves.plotted(self._columns(), axes, score)

    def to_frame(self, backend: str | None = None) -> Any:
        """The records as a data frame, one row per epoch.

        backend: "pandas", "polars" or "pyarrow"; None: the one that is imported, or else installed. Raises ImportError
        where it is missing.
        """
        return curves.frame(self._columns(), backend)

    def _columns(self) -> dict[str, list[Any]]:
        return {name: [record[n] for record in self] for n, name in enumerate(EpochRecord._fields)}


@dataclass
class Progress:
    """How far a training has come, and all that it needs to go on."""

    recipe: Recipe
    epochs: int  # asked for
    samples: int
    fingerprint: int  # of the data, for older versions
    state: dict[str, Any]  # the optimizer's
    order: Mapping[str, Any]  # of the generator of shuffles, when the epoch that is not finished began
    digest: int | None = None  # of the data; older versions wrote none
    validation: int | None = None  # likewise of the samples held out; None where there are none
    records: list[EpochRecord] = field(default_factory=list)  # the first `done` are those of the finished epochs
    done: int = 0
    results: np.ndarray = field(default_factory=no_results)  # of the epoch that is not finished
    seconds: float = 0.0  # in it
    best_loss: float = np.inf
    best: np.ndarray | None = None  # the parameters of the epoch that is kept, for best_epoch, or for early stopping
    best_at: int = 0  # the number of that epoch; 0 where there is none
    best_measure: float = np.inf  # its validation loss, or −score, for best_epoch
    waited: int = 0  # epochs since the best loss, for early stopping
    last: np.ndarray | None = None  # the parameters of the last epoch, where the network was given those of the best
    begun: np.ndarray | None = None  # those with which the epoch that is not finished began
    ended: str = ""  # why the last call of fit went no further (see History)

    def is_of(self, given: Samples) -> bool:
        """Tell whether these samples are those of the training."""
        if self.samples != len(given.X):
            return False
        return self.fingerprint == given.old_fingerprint if self.digest is None else self.digest == given.digest

    @property
    def history(self) -> History:
        """The records of the finished epochs, copied."""
        history = History(self.records[: self.done])
        history.ended = self.ended
        return history

    @property
    def batches(self) -> int:
        """The number of minibatches in an epoch."""
        return self.recipe.batches(self.samples)

    @property
    def stopped(self) -> bool:
        """Tell whether early stopping ends it."""
        return self.recipe.early_stopping is not None and self.waited >= self.recipe.early_stopping

    @property
    def finished(self) -> bool:
        """Tell whether nothing is left to do: no epoch, nor to bring back the best."""
        ended = self.done >= self.epochs or self.stopped
        return ended and (self.best is None or self.last is not None)

    def watched(self, record: EpochRecord) -> float:
        """The loss that schedules and early stopping look at: validation's, even NaN, where there is validation."""
        return record.loss if self.validation is None else record.validation_loss

    def after(self, record: EpochRecord, parameters: np.ndarray, order: Mapping[str, Any]) -> Progress:
        """The progress with one more epoch finished.

        The list of records is shared, and grows: a copy for each epoch would take a time that is quadratic in them. Until
        the result is in self's place, a record too many is behind the first `done`.
        """
        self.records[self.done :] = [record]
        done = self.done + 1
        finished = replace(self, done=done, order=order, results=no_results(), seconds=0.0, begun=None)
        loss, by, is_best = self.watched(record), self.recipe.best_epoch, False
        if self.recipe.early_stopping is not None:
            is_best = loss < self.best_loss  # NaN is not
            of_losses: dict[str, Any] = {"best_loss": loss, "waited": 0} if is_best else {"waited": self.waited + 1}
            finished = replace(finished, **of_losses)
        if by is not None:
            measure = record.validation_loss if by == "loss" else -record.validation_score
            is_best = measure <= self.best_measure  # of equal ones the last
            finished = replace(finished, best_measure=measure if is_best else self.best_measure)
        return replace(finished, best=parameters.copy(), best_at=done) if is_best else finished

    def may_be_of(self, epochs: int) -> bool:
        """Tell whether the minibatches so far have the rates of a training of so many epochs in all."""
        losses, minibatches = [self.watched(record) for record in self.history], self.done * self.batches
        minibatches += int(self.results[DONE])
        lengths = self.epochs, epochs
        return schedules.same_beginning(self.recipe.schedule, lengths, self.batches, losses, minibatches)

    def to(self, epochs: int) -> Progress:
        """The progress of a training of so many epochs in all. Raises ValueError where one run would have other bits."""
        if epochs == self.epochs:
            return self
        begun = self.done + int(self.results[DONE] > 0)
        if epochs < begun:
            raise ValueError(f"epochs is the number in all, and {begun} have begun, got {epochs}; ask for {begun} or more")
        if not self.may_be_of(epochs):
            kind = type(self.recipe.schedule).__name__
            raise ValueError(
                f"{kind} was to end with epoch {self.epochs}: of {epochs} epochs those done would have had other rates. "
                "Leave epochs out to go on to that end, or call fit without resume, which trains the parameters on by a "
                "schedule of its own"
            )
        return replace(self, epochs=epochs)


def begin(net: Network, asked: Recipe, epochs: int, given: Samples, held_out: HeldOut | None) -> Progress:
    """The progress of a training whose first minibatch is to come. The network keeps its earlier one until then."""
    order, batches = net.order.bit_generator.state, asked.batches(len(given.X))
    if asked.best_epoch is not None and held_out is None:
        raise ValueError("best_epoch needs samples that the network is not trained on; pass validation=(X, y)")
    if epochs and not schedules.is_ours(asked.schedule):
        schedules.checked(asked.schedule.factors(1, epochs, batches, []), batches)
    numbers = given.fingerprint, given.digest, None if held_out is None else held_out.digest
    state = asked.optimizer.init(net.parameters)
    return Progress(asked, epochs, len(given.X), numbers[0], state, order, digest=numbers[1], validation=numbers[2])


def resumed(
    theirs: Progress | None,
    asked: Recipe,
    said: Mapping[str, Any],
    epochs: int | None,
    given: Samples,
    held_out: HeldOut | None,
) -> Progress:
    """The progress to go on from: theirs, that the network has. Raises ValueError where it is none, or of another training.

    said: the settings that fit was given, which make `asked`; epochs: None if it was not given.
    """
    if theirs is None:
        raise ValueError(
            "there is no training to resume: this network was not trained, its last training diverged, or its file was "
            "saved without it; call fit without resume"
        )
    if not theirs.is_of(given):
        raise ValueError(
            "resume needs the samples, targets and weights that the training began with, and these are others "
            f"({len(given.X)} samples now, {theirs.samples} then); give the same, or call fit without resume"
        )
    if theirs.digest is None and given.weight is not None:
        raise ValueError(
            "the training to resume is of an older version, which divided a minibatch by its sum of weights, not by their "
            "mean over all samples; call fit without resume, which trains these parameters further"
        )
    _require_settings(asked, theirs.recipe, said)
    validation = _validation(theirs, held_out)
    goes_on = theirs if epochs is None else theirs.to(epochs)
    return replace(goes_on, validation=validation, records=goes_on.history, ended="")  # a list of its own, which grows


def _require_settings(asked: Recipe, theirs: Recipe, said: Mapping[str, Any]) -> None:
    """Require of fit's settings beside resume, and of the network's, that they are the training's. Raises ValueError."""
    for name in (*said, "label_smoothing", "seed"):
        mine, then = asked.setting(name), theirs.setting(name)
        if name == "learning_rate":
            if "optimizer" in said:  # which has it
                continue
            if said[name] is None:  # the usual one of that optimizer
                mine = getattr(type(theirs.optimizer), name, None)
        if mine is not then and mine != then:
            raise ValueError(
                f"the training to resume has {then!r:.80} for {name}, got {mine!r:.80}; leave it out, or call fit "
                "without resume"
            )


def _validation(theirs: Progress, held_out: HeldOut | None) -> int | None:
    """The digest of what is held out now. Raises ValueError where another decides what becomes of the training."""
    now = None if held_out is None else held_out.digest
    settings = theirs.recipe
    if settings.early_stopping is None and settings.best_epoch is None and not schedules.watches(settings.schedule):
        return now
    if theirs.validation == UNKNOWN and (now is not None or theirs.done == 0):
        return now
    if now != theirs.validation:
        then = "none" if theirs.validation is None else "others" if now is not None else "some"
        raise ValueError(
            "early stopping, best_epoch or the schedule of the training to resume looks at each epoch's losses, and so at "
            f"its validation samples, of which there were {then}; give the same validation, or call fit without resume"
        )
    return now

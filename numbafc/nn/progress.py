"""How far a training has come, and all that it needs to go on: whole at every moment, after Ctrl-C and in a file, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import recipe
from .engine import no_results
from .recipe import Recipe
from .samples import Samples

if TYPE_CHECKING:
    from .mlp import MLP


class EpochRecord(NamedTuple):
    """What one epoch did. Loss and score are those of the minibatches as they were trained on.

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
    """The records of a training run, one per epoch. history.loss, history.score, … are the columns."""

    def __getattr__(self, name: str) -> list[float]:
        if name in EpochRecord._fields:
            return [getattr(record, name) for record in self]
        raise AttributeError(f"a History has the columns {', '.join(EpochRecord._fields)}, not {name!r}")


@dataclass
class Progress:
    """How far a training has come, and all that it needs to go on."""

    recipe: Recipe
    epochs: int  # asked for
    samples: int
    fingerprint: int  # of the data
    state: dict[str, Any]  # the optimizer's
    order: Mapping[str, Any]  # of the generator of shuffles, when the epoch that is not finished began
    history: History = field(default_factory=History)  # of the finished epochs
    results: np.ndarray = field(default_factory=no_results)  # of the epoch that is not finished
    seconds: float = 0.0  # in it
    best_loss: float = np.inf
    best: np.ndarray | None = None  # its parameters, for early stopping
    waited: int = 0  # epochs since then
    last: np.ndarray | None = None  # the parameters of the last epoch, where the network was given those of the best
    begun: np.ndarray | None = None  # those with which the epoch that is not finished began

    def is_of(self, given: Samples) -> bool:
        """Whether these samples are those of the training."""
        return (self.samples, self.fingerprint) == (len(given.X), given.fingerprint)

    @property
    def batches(self) -> int:
        """Minibatches in an epoch."""
        return -(-self.samples // self.recipe.batch_size)

    @property
    def stopped(self) -> bool:
        """Whether early stopping ends it."""
        return self.recipe.early_stopping is not None and self.waited >= self.recipe.early_stopping

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: no epoch, nor to bring back the best."""
        ended = len(self.history) >= self.epochs or self.stopped
        return ended and (self.best is None or self.last is not None)

    def watched(self) -> list[float]:
        """The losses that schedules and early stopping look at."""
        return [r.loss if np.isnan(r.validation_loss) else r.validation_loss for r in self.history]

    def after(self, record: EpochRecord, parameters: np.ndarray, order: Mapping[str, Any]) -> Progress:
        """With one more epoch finished."""
        history, fresh = History([*self.history, record]), no_results()
        done = replace(self, history=history, order=order, results=fresh, seconds=0.0, begun=None)
        if self.recipe.early_stopping is None:
            return done
        loss = done.watched()[-1]
        if loss < self.best_loss:
            return replace(done, best_loss=loss, best=parameters.copy(), waited=0)
        return replace(done, waited=self.waited + 1)


def begin(net: MLP, asked: Recipe, epochs: int, given: Samples) -> Progress:
    """Of a training whose first minibatch is to come."""
    state, order = asked.optimizer.init(net.parameters), net.order.bit_generator.state
    return Progress(asked, epochs, len(given.X), given.fingerprint, state, order)


def resumed(net: MLP, asked: Recipe, settings: Mapping[str, Any], epochs: int, given: Samples) -> Progress:
    """The progress to go on from. Raises ValueError where there is none, or it is that of another training."""
    if net.training is None:
        raise ValueError(
            "there is no training to resume: this network was not trained, its last training diverged, or its file was "
            "saved without it; call fit without resume"
        )
    if not net.training.is_of(given):
        raise ValueError(
            "resume needs the samples, targets and weights that the training began with, and these are others "
            f"({len(given.X)} samples now, {net.training.samples} then); give the same, or call fit without resume"
        )
    theirs, usual = net.training.recipe, recipe.make(label_smoothing=net.label_smoothing, seed=net.seed)
    for name in ("optimizer", "schedule", "batch_size", "shuffle", "early_stopping", "regularization"):
        mine = getattr(asked, name)
        if mine not in (getattr(usual, name), getattr(theirs, name)):
            raise ValueError(
                f"the training to resume has {getattr(theirs, name)} for {name}, got {mine}; leave it out, or call fit "
                "without resume"
            )
    return replace(net.training, epochs=net.training.epochs if epochs == 1 else epochs)

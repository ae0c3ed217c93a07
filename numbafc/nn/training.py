"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import optimizers
from .losses import LOSSES

if TYPE_CHECKING:
    from .mlp import MLP


class EpochRecord(NamedTuple):
    """What one epoch did. Loss and score are those of the minibatches as they were trained on.

    score: accuracy for a classifier, else NaN (a running R² means little). validation_…: after the epoch, or NaN.
    """

    epoch: int  # from 1
    loss: float
    score: float
    validation_loss: float
    validation_score: float
    seconds: float  # of training, without validation
    samples: int


Callback = Callable[[EpochRecord], Any]


class History(list[EpochRecord]):
    """The records of a training run, one per epoch. history.loss, history.score, … are the columns."""

    def __getattr__(self, name: str) -> list[float]:
        if name in EpochRecord._fields:
            return [getattr(record, name) for record in self]
        raise AttributeError(f"a History has the columns {', '.join(EpochRecord._fields)}, not {name!r}")


def train(
    net: MLP,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    *,
    optimizer: str | optimizers.Optimizer,
    learning_rate: float | None,
    batch_size: int,
    epochs: int,
    order: np.random.Generator | None,
    validation: tuple[np.ndarray, Any] | None,
    callbacks: tuple[Callback, ...],
) -> History:
    """Train net on checked rows X. order: the stream of shuffles, or None to keep the samples' order."""
    step = optimizers.make(optimizer, learning_rate)
    state, history = step.init(net.parameters), History()
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        samples = np.arange(len(X)) if order is None else order.permutation(len(X))
        loss, score = _epoch(net, X, targets, weight, samples, batch_size, step, state, epoch)
        seconds = time.perf_counter() - start
        held_out = (net.loss(*validation), net.score(*validation)) if validation else (np.nan, np.nan)
        record = EpochRecord(epoch, loss, score, *held_out, seconds, len(X))
        history.append(record)
        stops = [callback(record) for callback in callbacks]  # every callback sees every epoch
        if any(stops):
            break
    return history


def _epoch(
    net: MLP,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    samples: np.ndarray,
    batch_size: int,
    step: optimizers.Optimizer,
    state: dict[str, Any],
    epoch: int,
) -> tuple[float, float]:
    """One pass over the samples in the given order; the mean loss and score of its minibatches."""
    gradients, last_good = np.empty_like(net.parameters), net.parameters.copy()
    classifies = LOSSES[net.loss_name].classifies
    losses, hits, mass, seen = 0.0, 0, 0.0, 0
    for batch, first in enumerate(range(0, len(samples), batch_size), 1):
        chosen = samples[first : first + batch_size]
        batch_weight = None if weight is None else weight[chosen]
        share = float(len(chosen)) if batch_weight is None else float(batch_weight.sum())
        if share == 0:  # nobody in this batch counts
            continue
        with np.errstate(all="ignore"):  # divergence is found below, with a sentence
            loss, Y = net.step_gradients(X[chosen], targets[chosen], batch_weight, gradients)
            if not (np.isfinite(loss) and np.isfinite(gradients).all()):
                raise _diverged(net, last_good, f"loss {loss}", epoch, batch)
            last_good[:] = net.parameters
            step.update(net.parameters, gradients, state)
        losses += loss * share
        mass, seen = mass + share, seen + len(chosen)
        if classifies:
            hits += int(np.count_nonzero(Y.argmax(axis=0) == targets[chosen]))
    if not np.isfinite(net.parameters).all():
        raise _diverged(net, last_good, "infinite parameters", epoch, batch)
    return losses / mass, hits / seen if classifies else float("nan")


def _diverged(net: MLP, last_good: np.ndarray, what: str, epoch: int, batch: int) -> FloatingPointError:
    """The error of a training that left the numbers, once the parameters of the last finite loss are back."""
    net.parameters[:] = last_good
    return FloatingPointError(
        f"training diverged: {what} in epoch {epoch}, batch {batch}; the parameters are those of the last finite loss; "
        "try a smaller learning rate or standardised inputs"
    )

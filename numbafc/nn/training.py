"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer.

engine.py runs them; python_epochs says in Python what it does, with the same bits.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba.core import config

from . import optimizers, schedules
from .activations import ACTIVATIONS
from .engine import Data, Engine, Results
from .losses import LOSSES, split_targets

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
    seconds: float  # of training, without validation
    samples: int
    learning_rate: float  # of the last minibatch


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
    schedule: schedules.Schedule,
    patience: int | None,
) -> History:
    """Train net on checked rows X. order: the stream of shuffles, or None to keep the samples' order."""
    step = optimizers.make(optimizer, learning_rate)
    state, history = step.init(net.parameters), History()
    watched: list[float] = []
    ours = type(step) in optimizers.OURS  # not a class of somebody's made from them
    if not ours and not isinstance(schedule, schedules.Constant):
        names = ", ".join(kind.__name__ for kind in optimizers.OURS)
        raise ValueError(f"schedule goes with {names}; {type(step).__name__} must see to its own learning rate")
    run = compiled_epochs if ours and not config.DISABLE_JIT else python_epochs
    train_epoch = run(net, X, targets, weight, batch_size, step, state)
    rate = float(getattr(step, "learning_rate", np.nan))
    best = Best(net.parameters) if patience is not None else None
    for epoch in range(1, epochs + 1):
        start, before = time.perf_counter(), net.parameters.copy()
        samples = np.arange(len(X)) if order is None else order.permutation(len(X))
        batches = -(-len(X) // batch_size)
        rates = rate * schedules.checked(schedule.factors(epoch, epochs, batches, watched), batches)
        results = train_epoch(samples, rates)
        if results.batches < batches or not np.isfinite(net.parameters).all():
            net.parameters[:] = before
            raise FloatingPointError(
                f"training diverged in epoch {epoch}, batch {min(results.batches + 1, batches)}; the parameters are those "
                "from before that epoch; try a smaller learning rate or standardised inputs"
            )
        seconds = time.perf_counter() - start
        held_out = (net.loss(*validation), net.score(*validation)) if validation else (np.nan, np.nan)
        score = results.hits / results.samples if LOSSES[net.loss_name].classifies else float("nan")
        loss = results.loss / results.share
        record = EpochRecord(epoch, loss, score, *held_out, seconds, len(X), float(rates[-1]))
        history.append(record)
        watched.append(record.validation_loss if validation else loss)
        stops = [callback(record) for callback in callbacks]  # every callback sees every epoch
        if best is not None:
            best.see(watched[-1], net.parameters)
            stops.append(best.waited == patience)
        if any(stops):
            break
    if best is not None:
        net.parameters[:] = best.parameters
    return history


class Best:
    """The parameters of the smallest loss so far, for early stopping."""

    def __init__(self, parameters: np.ndarray) -> None:
        self.loss, self.parameters, self.waited = np.inf, parameters.copy(), 0

    def see(self, loss: float, parameters: np.ndarray) -> None:
        """After an epoch with this loss."""
        self.waited += 1
        if loss < self.loss:
            self.loss, self.waited = loss, 0
            self.parameters[:] = parameters


EpochFunction = Callable[[np.ndarray, np.ndarray], Results]  # (order of samples, learning rates)


def compiled_epochs(
    net: MLP,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    batch_size: int,
    step: Any,
    state: dict[str, Any],
) -> EpochFunction:
    """One pass over the samples in a given order, as a compiled call."""
    loss = LOSSES[net.loss_name]
    data = Data(
        np.ascontiguousarray(X),
        *split_targets(loss, targets, net.dtype),
        np.empty(0) if weight is None else weight,
        *_standardisation(net),
    )
    codes = ACTIVATIONS[net.activation].code, loss.code
    engine = Engine(net.sizes, net.parameters, codes, step.compiled(), state, data, batch_size)
    return engine.epoch


def _standardisation(net: MLP) -> tuple[np.ndarray, np.ndarray]:
    """The mean and scale of each input, (N,), or two empty arrays; anybody may have set them."""
    if net.input_mean is None or net.input_scale is None:
        return np.empty(0, net.dtype), np.empty(0, net.dtype)
    mean, scale = (np.broadcast_to(a, net.sizes[:1]).astype(net.dtype) for a in (net.input_mean, net.input_scale))
    return mean, scale


def python_epochs(
    net: MLP,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    batch_size: int,
    step: Any,
    state: dict[str, Any],
) -> EpochFunction:
    """The same, written down: the specification of the engine, and what runs optimizers that are not ours."""
    gradients = np.empty_like(net.parameters)
    classifies = LOSSES[net.loss_name].classifies
    now = copy.copy(step) if type(step) in optimizers.OURS else step

    def epoch(samples: np.ndarray, rates: np.ndarray) -> Results:
        total, hits, mass, seen = 0.0, 0, 0.0, 0
        for batch, first in enumerate(range(0, len(samples), batch_size)):
            chosen = samples[first : first + batch_size]
            batch_weight = None if weight is None else weight[chosen]
            share = float(len(chosen)) if batch_weight is None else float(np.cumsum(batch_weight)[-1])
            if share == 0:  # nobody in this batch counts
                continue
            with np.errstate(all="ignore"):  # divergence is found by its loss
                loss, Y = net.step_gradients(X[chosen], targets[chosen], batch_weight, gradients)
                if not np.isfinite(loss):
                    return Results(total, hits, mass, seen, batch)
                if now is not step:
                    object.__setattr__(now, "learning_rate", float(rates[batch]))  # 0 is no setting, but may be a rate
                now.update(net.parameters, gradients, state)
            total += loss * share
            mass, seen = mass + share, seen + len(chosen)
            if classifies:
                hits += int(np.count_nonzero(Y.argmax(axis=0) == targets[chosen]))
        return Results(total, hits, mass, seen, -(-len(samples) // batch_size))

    return epoch

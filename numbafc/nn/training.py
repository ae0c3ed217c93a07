"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer.

engine.py runs them; python_epochs says in Python what it does, with the same bits. What a run needs to go on is in its
Progress, which is whole at every moment: after Ctrl-C, and in a file, it continues with the bits it would have had.
"""

from __future__ import annotations

import copy
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba.core import config

from . import optimizers, schedules
from .activations import ACTIVATIONS
from .engine import Data, Engine, no_results
from .losses import LOSSES, split_targets
from .recipe import Recipe

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


Callback = Callable[[EpochRecord], Any]


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

    @property
    def batches(self) -> int:
        """Minibatches in an epoch."""
        return -(-self.samples // self.recipe.batch_size)

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


def fingerprint(X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> int:
    """A number that changes with the data: all targets and weights, and at most some thousand rows."""
    some = np.ascontiguousarray(X[:: max(1, len(X) // 1024)])
    value = zlib.crc32(np.ascontiguousarray(targets).tobytes(), zlib.crc32(some.tobytes()))
    return value if weight is None else zlib.crc32(weight.tobytes(), value)


def train(
    net: MLP,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    progress: Progress,
    *,
    validation: tuple[np.ndarray, Any] | None,
    callbacks: tuple[Callback, ...],
) -> History:
    """Train net on checked rows X, from where progress is to its last epoch. net.training is always up to date."""
    recipe, net.training = progress.recipe, progress
    ours = type(recipe.optimizer) in optimizers.OURS
    run = compiled_epochs if ours and not config.DISABLE_JIT else python_epochs
    train_epoch = run(net, X, targets, weight, recipe, progress.state)
    if progress.last is not None:
        net.parameters[:] = progress.last
        progress.last = None
    rate, batches = float(getattr(recipe.optimizer, "learning_rate", np.nan)), progress.batches
    net.order.bit_generator.state = progress.order
    for epoch in range(len(progress.history) + 1, progress.epochs + 1):
        if recipe.early_stopping is not None and progress.waited >= recipe.early_stopping:
            break
        start = time.perf_counter() - progress.seconds
        if progress.begun is None:
            progress.begun = net.parameters.copy()
        order = copy.deepcopy(net.order)  # which stays where the epoch began until it is finished, as a file has it
        samples = order.permutation(len(X)) if recipe.shuffle else np.arange(len(X))
        rates = rate * schedules.checked(
            recipe.schedule.factors(epoch, progress.epochs, batches, progress.watched()), batches
        )
        results = progress.results
        try:
            train_epoch(samples, rates, (epoch - 1) * batches, results)
        finally:
            progress.seconds = time.perf_counter() - start
        if results[4] < batches or not np.isfinite(net.parameters).all():
            net.parameters[:], net.training = progress.begun, None
            raise FloatingPointError(
                f"training diverged in epoch {epoch}, batch {min(int(results[4]) + 1, batches)}; the parameters are those "
                "from before that epoch; try a smaller learning rate or standardised inputs"
            )
        held_out = (net.loss(*validation), net.score(*validation)) if validation else (np.nan, np.nan)
        loss, hits, mass, seen = results.tolist()[:4]
        score = hits / seen if LOSSES[net.loss_name].classifies else float("nan")
        record = EpochRecord(epoch, loss / mass, score, *held_out, progress.seconds, len(X), float(rates[-1]))
        progress = net.training = progress.after(record, net.parameters, order.bit_generator.state)
        net.order.bit_generator.state = progress.order
        stops = [callback(record) for callback in callbacks]  # every callback sees every epoch
        if any(stops):
            break
    if progress.best is not None:
        progress.last = net.parameters.copy()
        net.parameters[:] = progress.best
    return progress.history


EpochFunction = Callable[[np.ndarray, np.ndarray, int, np.ndarray], None]  # order of samples, rates, steps before, results


def compiled_epochs(
    net: MLP, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, recipe: Recipe, state: dict[str, Any]
) -> EpochFunction:
    """One pass over the samples in a given order, as compiled calls."""
    loss, step = LOSSES[net.loss_name], recipe.optimizer
    data = Data(
        np.ascontiguousarray(X),
        *split_targets(loss, targets, net.dtype),
        np.empty(0) if weight is None else weight,
        *_standardisation(net),
    )
    parts = ACTIVATIONS[net.activation], loss, step.compiled()  # type: ignore[attr-defined]
    return Engine(net.sizes, net.parameters, *parts, state, data, recipe.batch_size, recipe.regularization).epoch


def _standardisation(net: MLP) -> tuple[np.ndarray, np.ndarray]:
    """The mean and scale of each input, (N,), or two empty arrays; anybody may have set them."""
    if net.input_mean is None or net.input_scale is None:
        return np.empty(0, net.dtype), np.empty(0, net.dtype)
    mean, scale = (np.broadcast_to(a, net.sizes[:1]).astype(net.dtype) for a in (net.input_mean, net.input_scale))
    return mean, scale


def python_epochs(
    net: MLP, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, recipe: Recipe, state: dict[str, Any]
) -> EpochFunction:
    """The same, written down: the specification of the engine, and what runs optimizers that are not ours."""
    gradients, step, batch_size = np.empty_like(net.parameters), recipe.optimizer, recipe.batch_size
    classifies = LOSSES[net.loss_name].classifies
    now = copy.copy(step) if type(step) in optimizers.OURS else step

    def epoch(samples: np.ndarray, rates: np.ndarray, steps: int, results: np.ndarray) -> None:
        for batch in range(int(results[4]), len(rates)):
            chosen = samples[batch * batch_size : (batch + 1) * batch_size]
            batch_weight = None if weight is None else weight[chosen]
            share = float(len(chosen)) if batch_weight is None else float(np.cumsum(batch_weight)[-1])
            if share == 0:  # nobody in this batch counts
                results[4] += 1
                continue
            with np.errstate(all="ignore"):  # divergence is found by its loss
                loss, Y = net.step_gradients(
                    X[chosen], targets[chosen], batch_weight, gradients, recipe.regularization, steps + batch
                )
                if not np.isfinite(loss):
                    return
                if now is not step:
                    object.__setattr__(now, "learning_rate", float(rates[batch]))  # 0 is no setting, but may be a rate
                now.update(net.parameters, gradients, state)
            hits = np.count_nonzero(Y.argmax(axis=0) == targets[chosen]) if classifies else 0
            results += (loss * share, hits, share, len(chosen), 1, 0)

    return epoch

"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer.

engine.py runs them; python_epochs says in Python what it does, with the same bits. What a run needs to go on is in its
Progress (progress.py): after Ctrl-C, and from a file, it continues with the bits it would have had.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._numba import interpreted
from . import evaluation, interrupts, optimizers, passes, schedules
from .activations import ACTIVATIONS
from .engine import Engine
from .losses import LOSSES, split_targets
from .network import Network
from .progress import EpochRecord, History, Progress
from .recipe import Recipe
from .results import DONE, HITS, LOSS_SUM, SAMPLES, WEIGHT, added
from .run import Data
from .samples import HeldOut, Samples

Callback = Callable[[EpochRecord], Any]
Keep = Callable[[Progress | None], None]
EpochFunction = Callable[[np.ndarray, np.ndarray, int, np.ndarray], None]  # order of samples, rates, steps before, results


def train(
    net: Network,
    given: Samples,
    progress: Progress,
    *,
    keep: Keep,
    validation: HeldOut | None,
    callbacks: tuple[Callback, ...],
) -> History:
    """Train net on checked samples, from where progress is to its last epoch.

    keep: called with the progress before the first epoch and after each, and with None where the training diverged: who
    keeps the last one can go on from it at every moment.
    """
    recipe = progress.recipe
    ours = type(recipe.optimizer) in optimizers.OURS
    run = compiled_epochs if ours and not interpreted() else python_epochs
    train_epoch = run(net, given.X, given.targets, given.relative, recipe, progress.state)
    factors, losses, silent = schedules.following(recipe.schedule), [progress.watched(r) for r in progress.history], False
    keep(progress)
    if progress.last is not None:
        net.parameters[:] = progress.last
        progress.last = None
    net.order.bit_generator.state = progress.order
    for epoch in range(progress.done + 1, progress.epochs + 1):
        if progress.stopped:
            break
        rates = factors(epoch, progress.epochs, progress.batches, losses)
        order, rate = _one_epoch(net, progress, train_epoch, epoch, rates, keep)
        held_out = (np.nan, np.nan)
        if validation:
            held_out = evaluation.mean_loss(net, *validation), evaluation.score(net, *validation[:2])
        loss, hits, total_weight, seen = progress.results[[LOSS_SUM, HITS, WEIGHT, SAMPLES]].tolist()
        score = hits / seen if LOSSES[net.loss_name].classifies else float("nan")
        record = EpochRecord(epoch, loss / total_weight, score, *held_out, progress.seconds, progress.samples, rate)
        progress = progress.after(record, net.parameters, order.bit_generator.state)
        keep(progress)
        net.order.bit_generator.state = progress.order
        losses.append(progress.watched(record))
        if validation and np.isnan(record.validation_loss) and not silent:
            silent = True
            warnings.warn(
                f"the validation loss of epoch {epoch} is NaN, which early stopping and schedules take for no better; look "
                "for numbers beyond all others in the validation data",
                RuntimeWarning,
                stacklevel=3,
            )
        stops = [callback(record) for callback in callbacks]  # every callback sees every epoch
        if any(stops):
            break
    if progress.best is not None:
        progress.last = net.parameters.copy()
        net.parameters[:] = progress.best
    return progress.history


def _one_epoch(
    net: Network, progress: Progress, train_epoch: EpochFunction, epoch: int, factors: Any, keep: Keep
) -> tuple[np.random.Generator, float]:
    """Train an epoch to its end. Returns the generator of shuffles as it is then, and the last learning rate.

    Raises FloatingPointError, with the parameters from before the epoch.
    """
    recipe, batches = progress.recipe, progress.batches
    start = time.perf_counter() - progress.seconds
    if progress.begun is None:
        progress.begun = net.parameters.copy()
    order = copy.deepcopy(net.order)  # which stays where the epoch began until it is finished, as a file has it
    samples = order.permutation(progress.samples) if recipe.shuffle else np.arange(progress.samples)
    rates = float(getattr(recipe.optimizer, "learning_rate", np.nan)) * schedules.checked(factors, batches)
    try:
        train_epoch(samples, rates, (epoch - 1) * batches, progress.results)
    finally:
        progress.seconds = time.perf_counter() - start
    done = int(progress.results[DONE])
    if done < batches or not np.isfinite(net.parameters).all():
        net.parameters[:] = progress.begun
        keep(None)
        raise FloatingPointError(
            f"training diverged in epoch {epoch}, batch {min(done + 1, batches)}; the parameters are those from "
            "before that epoch; try a smaller learning rate or standardised inputs"
        )
    return order, float(rates[-1])


def compiled_epochs(
    net: Network, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, recipe: Recipe, state: dict[str, Any]
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


def _standardisation(net: Network) -> tuple[np.ndarray, np.ndarray]:
    """The mean and scale of each input, (N,), or two empty arrays; anybody may have set them."""
    if net.input_mean is None or net.input_scale is None:
        return np.empty(0, net.dtype), np.empty(0, net.dtype)
    mean, scale = (np.broadcast_to(a, net.sizes[:1]).astype(net.dtype) for a in (net.input_mean, net.input_scale))
    return mean, scale


def python_epochs(
    net: Network, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, recipe: Recipe, state: dict[str, Any]
) -> EpochFunction:
    """One pass over the samples in Python: the specification of the engine, and what runs optimizers that are not ours.

    A step is made and counted before Ctrl-C is heard: none is repeated or left out by whoever goes on from there. An
    exception of update itself leaves its step uncounted, in whatever state update leaves parameters and state.
    """
    gradients, step, batch_size = np.empty_like(net.parameters), recipe.optimizer, recipe.batch_size
    classifies = LOSSES[net.loss_name].classifies
    now = copy.copy(step) if type(step) in optimizers.OURS else step

    def epoch(samples: np.ndarray, rates: np.ndarray, steps: int, results: np.ndarray) -> None:
        for batch in range(int(results[DONE]), len(rates)):
            chosen = samples[batch * batch_size : (batch + 1) * batch_size]
            batch_weight = None if weight is None else weight[chosen]
            total_weight = float(len(chosen)) if batch_weight is None else float(np.cumsum(batch_weight)[-1])
            if total_weight == 0:  # nobody in this batch counts
                results[DONE] += 1
                continue
            with np.errstate(all="ignore"):  # divergence is found by its loss
                loss, Y = passes.step_gradients(
                    net, X[chosen], targets[chosen], batch_weight, gradients, recipe.regularization, steps + batch
                )
                if not np.isfinite(loss):
                    return
                if now is not step:
                    object.__setattr__(now, "learning_rate", float(rates[batch]))  # 0 is no setting, but may be a rate
                hits = np.count_nonzero(Y.argmax(axis=0) == targets[chosen]) if classifies else 0
                with interrupts.deferred():
                    now.update(net.parameters, gradients, state)
                    results += added(loss * len(chosen), int(hits), total_weight, len(chosen))

    return epoch


def callback_functions(callbacks: Any) -> tuple[Callback, ...]:
    """The functions that fit calls after each epoch. Raises TypeError."""
    if callable(callbacks) or not isinstance(callbacks, Iterable):
        kind = "a function" if callable(callbacks) else type(callbacks).__name__
        raise TypeError(f"callbacks must be a list of functions of an EpochRecord, got {kind}; pass callbacks=[function]")
    given = tuple(callbacks)
    for n, function in enumerate(given):
        if not callable(function):
            raise TypeError(f"callbacks[{n}] must be a function of an EpochRecord, got {type(function).__name__}")
    return given

"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer.

engine.py runs them; python_epochs says in Python what it does, with the same bits; course.py has what is between them. What
a run needs to go on is in its Progress (progress.py): after Ctrl-C, and from a file, it continues with the bits it would
have had.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._numba import interpreted
from . import interrupts, optimizers, passes, rates
from .activations import ACTIVATIONS
from .course import Callback, Course, Keep
from .engine import Engine
from .losses import LOSSES, split_targets
from .network import Network
from .progress import History, Progress
from .recipe import Recipe
from .results import DONE, added
from .run import Data
from .samples import HeldOut, Samples

EpochFunction = Callable[[np.ndarray, np.ndarray, int, np.ndarray], None]  # order of samples, rates, steps before, results


def train(
    net: Network,
    given: Samples,
    progress: Progress,
    *,
    keep: Keep,
    validation: HeldOut | None,
    callbacks: tuple[Callback, ...],
    until: float | None,
) -> History:
    """Train net on checked samples, from where progress is to its last epoch. keep, until: see Course."""
    recipe = progress.recipe
    ours = type(recipe.optimizer) in optimizers.OURS
    run = compiled_epochs if ours and not interpreted() else python_epochs
    train_epoch = run(net, given.X, given.targets, given.relative, recipe, progress.state)
    course = Course(net, progress, keep, validation, callbacks, until)
    while course.goes_on:
        epoch = course.begin()
        try:
            train_epoch(*epoch)
        finally:
            course.pause()
        course.end()
    course.bring_back()
    return course.progress.history


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
    regularization, factors = recipe.regularization, rate_factors(net, recipe)
    return Engine(
        net.sizes, net.parameters, *parts, state, data, recipe.batch_size, regularization, net.scaling, factors
    ).epoch


def rate_factors(net: Network, recipe: Recipe) -> np.ndarray:
    """The table of rate factors (rates.py)."""
    step: Any = recipe.optimizer
    return rates.table(net.sizes, recipe.rate_factors, recipe.ntp, step, recipe.regularization.l2 > 0)


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
    classifies, l2 = LOSSES[net.loss_name].classifies, recipe.regularization.l2
    now: Any = copy.copy(step) if type(step) in optimizers.OURS else step
    of_spans = [slice(*ends) for ends in rates.spans(net.sizes, net.scaling)], rate_factors(net, recipe)

    def epoch(samples: np.ndarray, rate_of: np.ndarray, steps: int, results: np.ndarray) -> None:
        for batch in range(int(results[DONE]), len(rate_of)):
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
                    object.__setattr__(now, "learning_rate", float(rate_of[batch]))  # 0 is no setting, but may be a rate
                hits = np.count_nonzero(Y.argmax(axis=0) == targets[chosen]) if classifies else 0
                with interrupts.deferred():
                    if recipe.has_rates:
                        now.update_spans(net.parameters, gradients, state, *of_spans, l2 / total_weight)
                    else:
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

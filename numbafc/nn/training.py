"""Training: epochs of shuffled minibatches, each a forward pass, a backward pass and a step of the optimizer.

engine.py runs them; python_epochs says in Python what it does, with the same bits; course.py has what is between them, and
ranks.py runs them in several processes at once. What
a run needs to go on is in its Progress (progress.py): after Ctrl-C, and from a file, it continues with the bits it would
have had.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._numba import interpreted
from . import interrupts, optimizers, passes, ranks
from .activations import ACTIVATIONS
from .communication import Group
from .course import Callback, Course, EpochFunction, Keep
from .engine import Engine
from .losses import LOSSES, split_targets
from .mapped import MappedRows
from .network import Network
from .progress import History, Progress
from .recipe import Recipe
from .results import DONE, added
from .run import Data
from .samples import HeldOut, Samples
from .stepping import rate_factors, stepper
from .windows import windowed


def train(
    net: Network,
    given: Samples,
    progress: Progress,
    *,
    keep: Keep,
    validation: HeldOut | None,
    callbacks: tuple[Callback, ...],
    until: float | None,
    group: Group | None = None,
) -> History:
    """Train net on checked samples, from where progress is to its last epoch. keep, until: see Course.

    group: the ranks that train it together, if there are several.
    """
    if group is not None and group.size > 1:
        told: Any = {"keep": keep, "validation": validation, "callbacks": callbacks, "until": until}
        return ranks.train(net, given, progress, group, **told)
    recipe = progress.recipe
    ours = type(recipe.optimizer) in optimizers.OURS
    run = compiled_epochs if ours and not interpreted() else python_epochs
    train_epoch = run(net, given.X, given.targets, given.relative, recipe, progress.state)
    return Course(net, progress, keep, validation, callbacks, until).run(train_epoch)


def compiled_epochs(
    net: Network,
    X: np.ndarray | MappedRows,
    targets: np.ndarray,
    weight: np.ndarray | None,
    recipe: Recipe,
    state: dict[str, Any],
) -> EpochFunction:
    """One pass over the samples in a given order, as compiled calls."""
    loss, step, standardisation = LOSSES[net.loss_name], recipe.optimizer, _standardisation(net)
    parts = ACTIVATIONS[net.activation], loss, step.compiled()  # type: ignore[attr-defined]
    regularization, factors = recipe.regularization, rate_factors(net, recipe)

    def data(X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> Data:
        wanted = split_targets(loss, targets, net.dtype)
        return Data(np.ascontiguousarray(X), *wanted, np.empty(0) if weight is None else weight, *standardisation)

    def engine(data: Data) -> Engine:
        return Engine(
            net.sizes, net.parameters, *parts, state, data, recipe.batch_size, regularization, net.scaling, factors
        )

    if isinstance(X, MappedRows):
        return windowed(X, targets, weight, recipe.batch_size, data, engine)
    return engine(data(X, targets, weight)).epoch


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
    gradients, batch_size, regularization = np.empty_like(net.parameters), recipe.batch_size, recipe.regularization
    classifies, step = LOSSES[net.loss_name].classifies, stepper(net, recipe, state)

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
                    net, X[chosen], targets[chosen], batch_weight, gradients, regularization, steps + batch
                )
                if not np.isfinite(loss):
                    return
                hits = np.count_nonzero(Y.argmax(axis=0) == targets[chosen]) if classifies else 0
                with interrupts.deferred():
                    step(gradients, float(rate_of[batch]), total_weight)
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

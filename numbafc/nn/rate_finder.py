"""A learning-rate range test (L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017).

One minibatch after the other is trained on, each with a rate that is larger by the same factor; the loss falls, then grows.
The rate where it falls most steeply, over the logarithm of the rate, is a good one to train with. All of this happens to a
copy of the parameters: the network stays as it was, to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from .._numba import interpreted
from . import curves, optimizers, recipe, samples
from .network import Network, set_layers
from .results import DONE, LOSS_SUM, WEIGHT, no_results
from .training import compiled_epochs, python_epochs

OF_THE_TEST = "epochs", "learning_rate", "schedule", "early_stopping", "shuffle"  # which it sets itself, or has no use for
MEMORY = 0.9  # of the running mean that says when to stop
WORSE = 4.0  # times the best running mean: beyond it nothing is to be learnt
WIDTH = 0.08  # share of the steps on each side that a smoothed loss looks at
EDGE = 3  # first and last steps, of which no slope is taken


class RateCurve(NamedTuple):
    """The losses of a range test. One element per minibatch, (steps,)."""

    rates: np.ndarray
    losses: np.ndarray  # of each minibatch, before its step
    smoothed: np.ndarray  # means of those around it, the nearer the more
    suggestion: float | None  # the rate of the steepest descent, or None where the loss did not fall

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses over the rates with matplotlib. Returns the axes: those given, or of a new figure."""
        axes = curves.new_axes("plot()", 1) if axes is None else axes
        axes.plot(self.rates, self.losses, ".", color="tab:orange", markersize=3, label="of a minibatch")
        axes.plot(self.rates, self.smoothed, color="black", label="smoothed")
        if self.suggestion is not None:
            axes.axvline(self.suggestion, color="black", linestyle=":", label=f"suggested: {self.suggestion:.2g}")
        least, first = float(self.smoothed.min()), float(self.smoothed[0])
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(None, max(first, least) + abs(first - least)))
        axes.grid(alpha=0.3)
        axes.legend()
        return axes


def find(
    net: Network, X: Any, y: Any, limits: tuple[float, float, int], weights: tuple[Any, Any], settings: Mapping[str, Any]
) -> RateCurve:
    """The range test of a network. limits: the lowest and the highest rate, and the steps; weights: as fit takes them.

    Raises TypeError or ValueError.
    """
    asked = _recipe(net, settings)
    rates = _rates(*limits)
    given = samples.of(net, X, y, *weights)
    samples.require("find_rate", given.X)
    trial = copy.copy(net)
    set_layers(trial, net.sizes, net.parameters.copy())
    losses = _losses(trial, given, asked, rates)
    if len(losses) < 2 * EDGE + 2:
        raise ValueError(
            f"the loss was not finite after {len(losses)} steps, at a rate of {rates[len(losses)]:.2g}; begin with a lower "
            "one, or standardise the inputs"
        )
    smoothed = smooth(losses)
    return RateCurve(rates[: len(losses)], losses, smoothed, steepest(rates[: len(losses)], smoothed))


def _recipe(net: Network, settings: Mapping[str, Any]) -> recipe.Recipe:
    known = [name for name in recipe.SETTINGS if name not in OF_THE_TEST]
    for name in settings:
        if name not in known:
            raise TypeError(f"settings of find_rate are fit's {', '.join(known)}, got {name!r:.80}; leave it out")
    asked = recipe.make(**settings, label_smoothing=net.label_smoothing, seed=net.seed)
    if type(asked.optimizer) not in optimizers.OURS:
        kind = type(asked.optimizer).__name__
        raise ValueError(f"find_rate needs an optimizer of numbafc's, whose rate it can set, got {kind:.80}")
    return asked


def _rates(lowest: Any, highest: Any, steps: Any) -> np.ndarray:
    """Rates from the lowest to the highest, each larger by the same factor."""
    low, high = checks.positive("lowest", lowest), checks.positive("highest", highest)
    steps = checks.int64("steps", steps, 20)
    if not low < high:
        raise ValueError(f"lowest must be below highest, got {low:g} and {high:g}")
    rates: np.ndarray = np.geomspace(low, high, steps)
    return rates


def _losses(net: Network, given: samples.Samples, asked: recipe.Recipe, rates: np.ndarray) -> np.ndarray:
    """The loss of each minibatch, as long as it is finite and not much worse than the best."""
    run, batch_size = python_epochs if interpreted() else compiled_epochs, asked.batch_size
    state = asked.optimizer.init(net.parameters)
    step = run(net, given.X, given.targets, given.relative, asked, state)
    rng, order = np.random.default_rng([net.seed, 3]), np.empty(0, np.intp)
    found: list[float] = []
    mean = best = np.inf
    for n, rate in enumerate(rates):
        if len(order) < min(batch_size, len(given.X)):
            order = rng.permutation(len(given.X))
        chosen, order, results = order[:batch_size], order[batch_size:], no_results()
        step(chosen, np.array([rate]), n, results)
        if not results[DONE] or not np.isfinite(results[LOSS_SUM]):
            break
        loss = float(results[LOSS_SUM] / results[WEIGHT]) if results[WEIGHT] else (found or [0.0])[-1]
        found.append(loss)
        mean = loss if n == 0 else MEMORY * mean + (1 - MEMORY) * loss
        if n < len(rates) // 10:  # the mean is of too few
            continue
        best = min(best, mean)
        if mean > WORSE * abs(best):
            break
    return np.array(found)


def smooth(losses: np.ndarray) -> np.ndarray:
    """Means of the losses around each, weights falling in a line on both sides: nothing is shifted, as by running ones.

    At the ends both sides are as long as the shorter one.
    """
    width = max(int(WIDTH * len(losses)), 1)
    smoothed = np.empty(len(losses))
    for n in range(len(losses)):
        reach = min(width, n, len(losses) - 1 - n)
        weight = 1 + reach - np.abs(np.arange(-reach, reach + 1))
        smoothed[n] = np.sum(weight * losses[n - reach : n + reach + 1]) / np.sum(weight)
    return smoothed


def steepest(rates: np.ndarray, smoothed: np.ndarray) -> float | None:
    """The rate at which the smoothed loss falls most steeply over log(rate), before its least; None if it does not."""
    slopes = np.gradient(smoothed, np.log(rates))
    last = max(int(np.argmin(smoothed)) + 1, EDGE + 1)
    at = EDGE + int(np.argmin(slopes[EDGE:last]))
    return float(rates[at]) if slopes[at] < 0 else None

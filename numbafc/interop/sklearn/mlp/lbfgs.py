"""The solver "lbfgs": scipy's L-BFGS-B on the loss of all samples and its gradient, which are compiled.

The engine trains on minibatches. Here its step leaves the parameters as they are and adds up gradients, so that as many
samples as fit in the caches pass at a time, and memory does not grow with their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from ...._numba import inner
from ....nn import clipping, updates
from ....nn.compiled import Compiled
from ....nn.recipe import Regularization
from ....nn.updates import Hyperparameters
from ..training import Part
from .batches import Batches
from .callbacks import Tasks

ROWS = 2048  # that pass through the network at a time


@inner
def _sum(theta, g, total, s):
    return theta, total + s.rate * g


_sums = Compiled(updates.update("sum_of_gradients", _sum, states=1), Hyperparameters(), ("gradient",))


class Objective:
    """The loss of all samples, with the penalty, and its gradient, as functions of flat parameters in float64."""

    def __init__(self, of: Any, part: Part) -> None:
        self.net, self.samples = of.net_, len(part.targets)
        batch_size = min(ROWS, self.samples)
        firsts = np.arange(0, self.samples, batch_size)
        sizes = np.diff(np.append(firsts, self.samples))
        weights = sizes.astype(np.float64) if part.weight is None else np.add.reduceat(part.weight, firsts)
        self.alpha = float(of.alpha) / weights.sum()
        mean = 1.0 if part.weight is None else weights.sum() / self.samples
        part = part._replace(weight=None if part.weight is None else part.weight / mean)
        self.gradient, self.rates = np.zeros_like(self.net.parameters), sizes / self.samples
        state = {"gradient": self.gradient}
        self.batches = Batches(self.net, part, of._loss(), _sums, state, batch_size, Regularization())
        self.order, (self.weights, _) = np.arange(self.samples), self.net.views(self.gradient)

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        self.net.parameters[:], self.gradient[:] = parameters, 0
        loss = self.batches.epoch(self.order, self.rates, 0) / self.samples
        for dW, W in zip(self.weights, self.net.weights, strict=True):
            dW += self.alpha * W
            loss += 0.5 * self.alpha * clipping.squares(W)
        return loss, self.gradient.copy()


class _Iterations:
    """What hears of scipy's iterations: callbacks, and who watches."""

    def __init__(self, of: Any, tasks: Tasks) -> None:
        self.of, self.tasks, self.done = of, tasks, 0
        tasks.begin("lbfgs-iter")

    def __call__(self, intermediate_result: Any) -> None:
        self.done += 1
        if self.of.verbose:
            print(f"Iteration {self.done}, loss = {intermediate_result.fun:.8f}")  # noqa: T201
        if self.tasks.heard:
            self.of.net_.parameters[:] = intermediate_result.x
        if self.tasks.end():
            raise StopIteration
        self.tasks.begin("lbfgs-iter")


def fit(of: Any, part: Part, tasks: Tasks) -> None:
    """Train an estimator's network on all samples at once."""
    hears = of.verbose or tasks.heard
    found = scipy.optimize.minimize(
        Objective(of, part),
        of.net_.parameters.copy(),
        method="L-BFGS-B",
        jac=True,
        options={"maxfun": of.max_fun, "maxiter": of.max_iter, "gtol": of.tol},
        callback=_Iterations(of, tasks) if hears else None,
    )
    of.net_.parameters[:] = found.x
    of.loss_ = float(found.fun)
    if found.status == 99:  # a callback's wish
        of.n_iter_ = found.nit
    else:
        of.n_iter_ = _check_optimize_result("lbfgs", found, of.max_iter)

"""Samples on their way to the engine: dense ones as they are, sparse ones a few minibatches at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ...._numba import interpreted
from ....nn import MLP, rates
from ....nn.activations import ACTIVATIONS
from ....nn.compiled import Compiled, CompiledOptimizer
from ....nn.engine import Engine
from ....nn.losses import Loss, split_targets
from ....nn.recipe import Regularization
from ....nn.results import DONE, LOSS_SUM, no_results
from ....nn.run import Data
from ..training import Part

DENSE = 2**28  # bytes: sparse samples of up to so many are made dense once, others over and over
AT_ONCE = 2**23  # bytes of dense rows that others are made into, or one minibatch


def penalised(net: MLP, optimizer: CompiledOptimizer, l2: float) -> np.ndarray:
    """The table of rate factors (nn/rates.py): an L2 penalty is of weights, not of biases."""
    return rates.table(net.sizes, rates.USUAL, False, optimizer, l2 > 0)


class Batches:
    """The minibatches of a training. batch_size: at most the number of samples."""

    def __init__(
        self,
        net: MLP,
        part: Part,
        loss: Loss,
        compiled: Compiled,
        state: dict[str, np.ndarray],
        batch_size: int,
        regularization: Regularization,
        factors: np.ndarray = rates.NONE,
    ) -> None:
        if interpreted():
            raise RuntimeError("MLPClassifier and MLPRegressor need compiled code: unset NUMBA_DISABLE_JIT, or use MLP.fit")
        X, itemsize = part.X, net.dtype.itemsize
        if issparse(X) and X.shape[0] * X.shape[1] * itemsize <= DENSE:
            X = X.toarray()
        self.sparse = X.tocsr() if issparse(X) else None
        self.batch_size, self.part, self.at_once = batch_size, part, X.shape[0]
        if self.sparse is not None:
            batches = max(1, AT_ONCE // (batch_size * X.shape[1] * itemsize))
            self.at_once = min(batches * batch_size, X.shape[0])
            X = np.zeros((self.at_once, X.shape[1]), net.dtype)
        self.targets = split_targets(loss, part.targets, net.dtype)
        weight = np.empty(0) if part.weight is None else part.weight
        told: tuple[Any, ...] = (*self.targets, weight)
        if self.sparse is not None:
            told = tuple(array[: self.at_once * (len(array) // len(part.targets))].copy() for array in told)
        none = np.empty(0, net.dtype)
        data = Data(X, told[0], told[1], told[2], none, none)
        activation = ACTIVATIONS[net.activation]
        self.engine = Engine(
            net.sizes, net.parameters, activation, loss, compiled, state, data, batch_size, regularization, False, factors
        )

    def epoch(self, order: np.ndarray, rates_of: np.ndarray, steps: int) -> float:
        """Train on the samples in this order. Returns the sum of the losses, NaN where it stopped being finite."""
        if self.sparse is None:
            return _trained(self.engine, order, rates_of, steps)
        total, first = 0.0, 0
        for chosen in self._parts(order):
            batches = -(-len(chosen) // self.batch_size)
            self._fill(chosen)
            total += _trained(self.engine, np.arange(len(chosen)), rates_of[first : first + batches], steps + first)
            if np.isnan(total):
                return total
            first += batches
        return total

    def _parts(self, order: np.ndarray) -> Iterator[np.ndarray]:
        whole = self.at_once // self.batch_size * self.batch_size
        for first in range(0, len(order), whole):
            yield order[first : first + whole]

    def _fill(self, chosen: np.ndarray) -> None:
        """Put the chosen samples where the engine finds them."""
        data, n = self.engine.data, len(chosen)
        rows: Any = self.sparse
        rows[chosen].toarray(out=data.rows[:n])
        classes, reals = self.targets
        if len(classes):
            data.classes[:n] = classes[chosen]
        else:
            T = len(reals) // len(self.part.targets)
            data.targets[: n * T] = reals.reshape(-1, T)[chosen].reshape(-1)
        if self.part.weight is not None:
            data.weight[:n] = self.part.weight[chosen]


def _trained(engine: Engine, order: np.ndarray, rates_of: np.ndarray, steps: int) -> float:
    results = no_results()
    engine.epoch(order, rates_of, steps, results)
    return float(results[LOSS_SUM]) if results[DONE] == len(rates_of) else float("nan")

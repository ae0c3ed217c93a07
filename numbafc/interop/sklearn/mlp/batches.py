"""Samples on their way to the engine: dense ones as they are, sparse ones a few minibatches at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ...._numba import interpreted
from ....nn import MLP, ranks, rates
from ....nn.activations import ACTIVATIONS
from ....nn.communication import Group
from ....nn.compiled import Compiled, CompiledOptimizer
from ....nn.course import EpochFunction
from ....nn.engine import Engine
from ....nn.losses import Loss, split_targets
from ....nn.recipe import Recipe, Regularization
from ....nn.results import DONE, LOSS_SUM, no_results
from ....nn.run import Data
from ....nn.schedules import Constant
from ....nn.stepping import StepFunction
from ..training import Part
from .solver import Solver

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
        X = self._laid_out(net, part, batch_size)
        if self.sparse is not None:
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
        self.run: EpochFunction = self.engine.epoch

    def _laid_out(self, net: MLP, part: Part, batch_size: int) -> Any:
        """The samples' rows, all of them dense if they may be; else how many are made dense at once."""
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
        return X

    def epoch(self, order: np.ndarray, rates_of: np.ndarray, steps: int) -> float:
        """Train on the samples in this order. Returns the sum of the losses, NaN where it stopped being finite."""
        if self.sparse is None:
            return _trained(self.run, order, rates_of, steps)
        total, first = 0.0, 0
        for chosen in self._parts(order):
            batches = -(-len(chosen) // self.batch_size)
            total += _trained(self.run, self._placed(chosen), rates_of[first : first + batches], steps + first)
            if np.isnan(total):
                return total
            first += batches
        return total

    def _parts(self, order: np.ndarray) -> Iterator[np.ndarray]:
        whole = self.at_once // self.batch_size * self.batch_size
        for first in range(0, len(order), whole):
            yield order[first : first + whole]

    def _placed(self, chosen: np.ndarray) -> np.ndarray:
        """The places of the chosen samples, which are put where the engine finds them."""
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
        return np.arange(n)


class BatchesOfRanks(Batches):
    """Minibatches that all ranks of a group train on together, with the bits of Batches. All have all samples."""

    def __init__(
        self,
        net: MLP,
        part: Part,
        loss: Loss,
        solver: Solver,
        batch_size: int,
        regularization: Regularization,
        group: Group,
    ) -> None:
        X = self._laid_out(net, part, batch_size)
        given: Any = _Given(X if self.sparse is None else _DenseRows(self.sparse), part.targets, part.weight)
        recipe = Recipe(solver.optimizer, Constant(), batch_size, False, None, regularization)
        step = _stepper(net, solver, regularization.l2)
        self.run = ranks.RankEpochs(net, given, recipe, solver.state, group, loss, step)

    def _placed(self, chosen: np.ndarray) -> np.ndarray:
        return chosen  # of all samples


class _Given(NamedTuple):
    """Samples as RankEpochs takes them."""

    X: Any
    targets: np.ndarray
    relative: np.ndarray | None  # weights, as they are


class _DenseRows:
    """Rows of a sparse matrix, dense where they are asked for."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        dense: np.ndarray = self.matrix[places].toarray()
        return dense


class _OfSolver(CompiledOptimizer):
    """A solver's optimizer with what the solver has replaced among its numbers."""

    def __init__(self, solver: Solver) -> None:
        self.solver, self.learning_rate = solver, solver.learning_rate

    def compiled(self) -> Compiled:
        return self.solver.compiled()


def _stepper(net: MLP, solver: Solver, l2: float) -> StepFunction:
    """The function that makes a step as the engine does."""
    optimizer, spans = _OfSolver(solver), [slice(*ends) for ends in rates.spans(net.sizes, False)]
    factors = penalised(net, solver.optimizer, l2)

    def step(gradients: np.ndarray, rate: float, total_weight: float) -> None:
        optimizer.learning_rate = rate
        optimizer.update_spans(net.parameters, gradients, solver.state, spans, factors, l2 / total_weight)

    return step


def _trained(run: EpochFunction, order: np.ndarray, rates_of: np.ndarray, steps: int) -> float:
    results = no_results()
    run(order, rates_of, steps, results)
    return float(results[LOSS_SUM]) if results[DONE] == len(rates_of) else float("nan")

"""A call of fit, or of partial_fit, with a solver of minibatches: epochs, what is said of them, and when they end."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ....nn import communication
from ....nn.communication import Group
from ....nn.dropout import folded
from ....nn.losses import Loss
from ....nn.recipe import Regularization
from ..training import Part
from .batches import Batches, BatchesOfRanks, penalised
from .callbacks import Tasks
from .solver import Rates, Solver, penalty


class Training:
    """The epochs of one call. rows: the places of the samples that are trained on; held: those that are measured.

    part.weight: as the loss takes them; held.weight: as the score takes them. group: of ranks that train together.
    """

    def __init__(
        self,
        of: Any,
        solver: Solver,
        loss: Loss,
        score_of: Callable[[Part], float],
        part: Part,
        rows: np.ndarray | None,
        held: Part | None,
        rs: Any,
        incremental: bool,
        group: Group | None = None,
    ) -> None:
        self.group, self.speaks = group, group is None or group.rank == 0
        self.of, self.solver, self.score_of, self.held = of, solver, score_of, held
        self.rs, self.incremental = rs, incremental
        self.order = np.arange(len(part.targets)) if rows is None else rows
        self.samples = len(self.order)
        self.batch_size = _batch_size(of, self.samples)
        self.count = -(-self.samples // self.batch_size)
        l2 = penalty(of)
        seed = folded(int(rs.randint(np.iinfo(np.int32).max))) if of.dropout else 0
        regularization = Regularization(
            float(of.dropout), float(of.clip_norm or 0), seed=seed, l2=l2, batch_mean=part.weight is not None
        )
        if group is not None:
            self.batches: Batches = BatchesOfRanks(of.net_, part, loss, solver, self.batch_size, regularization, group)
        else:
            compiled, factors = solver.compiled(), penalised(of.net_, solver.optimizer, l2)
            self.batches = Batches(of.net_, part, loss, compiled, solver.state, self.batch_size, regularization, factors)
        self.rates = Rates(self.solver, of.max_iter, incremental)
        self.first = len(of.loss_curve_)
        self.best: np.ndarray | None = None

    def run(self, tasks: Tasks, keep_best: bool) -> None:
        """Train to the end. keep_best: of the first call, whose best parameters begin with those it begins with."""
        of = self.of
        self.best = of.net_.parameters.copy() if keep_best else None
        of.n_iter_ = 0
        try:
            for _ in range(of.max_iter):
                if self._epoch(tasks) or self.incremental:
                    break
                if of.n_iter_ == of.max_iter:
                    with communication.agreed(self.group):  # it may be an error
                        warnings.warn(
                            f"Stochastic Optimizer: Maximum iterations ({of.max_iter}) reached and the optimization hasn't "
                            "converged yet.",
                            ConvergenceWarning,
                            stacklevel=2,
                        )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        if of.verbose > 1 and self.speaks:
            print()  # noqa: T201
        if of.early_stopping and self.best is not None:
            of.net_.parameters[:] = self.best

    def _epoch(self, tasks: Tasks) -> bool:
        """Train an epoch. Returns whether it was the last one."""
        group, solver = self.group, self.solver
        with communication.agreed(group):
            tasks.begin()
            rates = self._begin_epoch()
        with np.errstate(all="ignore"):  # what diverges is found in the end
            total = self.batches.epoch(self.order, rates, solver.steps)
        with communication.agreed(group):
            self._end_epoch(total)
            ended = self._ended()
            asked = tasks.end()
        return ended or (asked if group is None else bool(group.first_of(asked)))

    def _begin_epoch(self) -> np.ndarray:
        """Draw the order of samples. Returns the rates of the minibatches."""
        of, solver = self.of, self.solver
        if of.shuffle:
            places = np.arange(self.samples)
            self.rs.shuffle(places)  # as sklearn.utils.shuffle draws
            self.order = self.order[places]
        solver.begin_epoch()
        epoch = len(of.loss_curve_) + 1 if self.incremental else of.n_iter_ + 1
        return self.rates.of(epoch, self.count, of.loss_curve_ if self.incremental else of.loss_curve_[self.first :])

    def _end_epoch(self, total: float) -> None:
        """Count an epoch with such a sum of losses, and measure what is held out."""
        of, solver = self.of, self.solver
        if np.isnan(total):
            of.net_.parameters[:] = np.nan  # as they would become
        solver.steps += self.count
        of.n_iter_ += 1
        of.loss_ = total / self.samples
        of.t_ += self.samples
        of.loss_curve_.append(of.loss_)
        if self.held is not None:
            of.validation_scores_.append(self.score_of(self.held))
        self._say()

    def _say(self) -> None:
        of = self.of
        if not of.verbose or not self.speaks:
            return
        score = "" if self.held is None else f"Validation score: {of.validation_scores_[-1]:f}"
        line = f"Iteration {of.n_iter_}, loss = {of.loss_:.8f}"
        if of.verbose > 1:  # one line, over and over
            print(f"\r{line} of at most {of.max_iter}  {score}", end="", flush=True)  # noqa: T201
            sys.stdout.flush()
        else:
            print(line + ("\n" + score if score else ""))  # noqa: T201

    def _is_no_better(self) -> bool:
        """Compare the epoch with the best one so far, and keep what is best. Returns whether it is no better by tol."""
        of = self.of
        if not of.early_stopping:
            no_better = of.loss_ > of.best_loss_ - of.tol
            if of.loss_ < of.best_loss_:
                of.best_loss_ = of.loss_
        if self.held is not None:
            score, best = of.validation_scores_[-1], of.best_validation_score_
            if of.early_stopping:
                no_better = score < best + of.tol
            if score > best:
                of.best_validation_score_ = score
                self.best = of.net_.parameters.copy() if of.early_stopping else None
        return bool(no_better)

    def _ended(self) -> bool:
        """Count epochs without improvement. Returns whether there were too many."""
        of = self.of
        of._no_improvement_count = of._no_improvement_count + 1 if self._is_no_better() else 0
        self.solver.end_epoch(of.t_)
        if of._no_improvement_count <= of.n_iter_no_change:
            return False
        what = "Validation score" if of.early_stopping else "Training loss"
        ends, words = self.solver.stops()
        if of.verbose and self.speaks:
            print(  # noqa: T201
                f"{what} did not improve more than tol={of.tol:f} for {of.n_iter_no_change} consecutive epochs. {words}"
            )
        if not ends:
            of._no_improvement_count = 0
        return ends


def _batch_size(of: Any, samples: int) -> int:
    if of.batch_size == "auto":
        return min(200, samples)
    if of.batch_size > samples:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2)
    return int(min(of.batch_size, samples))

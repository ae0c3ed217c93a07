"""A solver: the optimizer of an estimator, its state, and the learning rate of each epoch, as scikit-learn has them.

Adam's ε is of √v, the paper's remark behind algorithm 1. SGD's velocity is −rate·v of ours: where the rate changes from one
epoch to the next, ours is divided by what the rate is multiplied with, so that theirs stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....nn import optimizers, schedules
from ....nn.compiled import Compiled, CompiledOptimizer
from ....nn.schedules import SCHEDULES, Schedule

STOCHASTIC = "sgd", "adam", "adamw", "rmsprop", "adagrad"
OF_SGD = "invscaling", "adaptive"  # kinds of learning_rate that only SGD has
SMALLEST_RATE, PARTS = 1e-6, 5.0  # "adaptive" ends at this rate, and divides by so much until then


def is_stochastic(solver: Any) -> bool:
    """Tell whether a solver trains on minibatches."""
    return not isinstance(solver, str) or solver in STOCHASTIC


def _optimizer(of: Any) -> tuple[CompiledOptimizer, dict[str, float]]:
    """The optimizer that an estimator asks for, and what is to be replaced among its numbers."""
    if not isinstance(of.solver, str):
        if type(of.solver) not in optimizers.OURS:
            names = ", ".join(kind.__name__ for kind in optimizers.OURS)
            raise TypeError(
                f"solver must be a name, or an instance of {names}, got {type(of.solver).__name__:.60}, whose steps are "
                "not compiled; MLP.fit takes any optimizer"
            )
        return of.solver, {}
    rate, epsilon = float(of.learning_rate_init), float(of.epsilon)
    if of.solver == "sgd":
        some = 0.5 if of.momentum > 0 else 0.0  # 1 is allowed here
        nesterov = bool(of.nesterovs_momentum) and of.momentum > 0
        return optimizers.SGD(rate, momentum=some, nesterov=nesterov), {"momentum": float(of.momentum)}
    betas = {"beta1": float(of.beta_1), "beta2": float(of.beta_2), "epsilon": epsilon}
    if of.solver == "adam":
        return optimizers.Adam(rate, **betas), {"epsilon_hat": 1.0}
    if of.solver == "adamw":
        return optimizers.AdamW(rate, **betas, weight_decay=float(of.alpha)), {}
    return optimizers.OPTIMIZERS[of.solver](rate, epsilon=epsilon), {}


def penalty(of: Any) -> float:
    """The coefficient of an estimator's L2 penalty: alpha, but AdamW has a decay of its own."""
    is_adamw = of.solver == "adamw" or isinstance(of.solver, optimizers.AdamW)
    return 0.0 if is_adamw else float(of.alpha)


class Solver:
    """The optimizer of an estimator, which partial_fit goes on with. It holds settings and numbers only."""

    def __init__(self, of: Any, parameters: np.ndarray) -> None:
        self.optimizer, self.replaced = _optimizer(of)
        self.state = self.optimizer.init(parameters)
        self.learning_rate = self.initial_rate = float(self.optimizer.learning_rate)
        self.state_rate = self.learning_rate  # that velocity is of
        self.power_t, self.steps = float(of.power_t), 0
        self.kind: str | Schedule = of.learning_rate
        if isinstance(self.kind, str) and self.kind in OF_SGD and of.solver != "sgd":
            self.kind = "constant"

    @property
    def schedule(self) -> Schedule | None:
        """A schedule of numbafc's, or of somebody's; None where the rate is scikit-learn's."""
        if isinstance(self.kind, str):
            return None if self.kind in ("constant", *OF_SGD) else SCHEDULES[self.kind]()
        return self.kind

    def compiled(self) -> Compiled:
        """The optimizer as the engine takes it."""
        step = self.optimizer.compiled()
        return step._replace(numbers=step.numbers._replace(**self.replaced))

    def make_writable(self) -> None:
        """Copy what of the state is read-only, from a memory map."""
        self.state = {name: array if array.flags.writeable else array.copy() for name, array in self.state.items()}

    def begin_epoch(self) -> None:
        """Keep scikit-learn's velocity, if the rate is another one than that of the epoch before."""
        if self.kind in OF_SGD and "velocity" in self.state and 0 < self.learning_rate != self.state_rate:
            self.state["velocity"] *= self.state_rate / self.learning_rate
        self.state_rate = self.learning_rate

    def end_epoch(self, samples: int) -> None:
        """Set the rate that follows from the number of samples seen so far."""
        if self.kind == "invscaling":
            self.learning_rate = self.initial_rate / (samples + 1) ** self.power_t

    def stops(self) -> tuple[bool, str]:
        """Whether training ends where it no longer improves, and what is to be said; "adaptive" goes on for a while."""
        if self.kind != "adaptive":
            return True, "Stopping."
        if self.learning_rate <= SMALLEST_RATE:
            return True, "Learning rate too small. Stopping."
        self.learning_rate /= PARTS
        return False, f"Setting learning rate to {self.learning_rate:f}"


class Rates:
    """The learning rates of the minibatches of each epoch of one call of fit, or of one epoch of partial_fit."""

    def __init__(self, solver: Solver, epochs: int, incremental: bool) -> None:
        self.solver, self.epochs, schedule = solver, epochs, solver.schedule
        if incremental and schedule is not None and getattr(schedule, "knows_end", False):
            raise ValueError(
                f"learning_rate={solver.kind!r:.60} needs to know the last epoch, which partial_fit has not; use fit, or "
                "'constant', 'step' or 'on_plateau'"
            )
        self.factors = None if schedule is None else schedules.following(schedule)

    def of(self, epoch: int, batches: int, losses: list[float]) -> np.ndarray:
        """Those of an epoch, from 1."""
        if self.factors is None:
            return np.full(batches, self.solver.learning_rate)
        factors = schedules.checked(self.factors(epoch, max(self.epochs, epoch), batches, losses), batches)
        return np.asarray(self.solver.initial_rate * factors)

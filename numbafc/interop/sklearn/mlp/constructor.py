"""The parameters of MLPClassifier and MLPRegressor: scikit-learn's, numbafc's own behind them, and which go together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from ....nn import ACTIVATIONS
from ....nn.compiled import CompiledOptimizer
from ....nn.schedules import SCHEDULES
from .solver import OF_SGD, STOCHASTIC, is_stochastic

AT_LEAST_1 = Interval(Integral, 1, None, closed="left")


class Constraints:
    """What a parameter may be, as scikit-learn checks it."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", AT_LEAST_1],
        "activation": [StrOptions({"logistic", *ACTIVATIONS})],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC}), CompiledOptimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), AT_LEAST_1],
        "learning_rate": [StrOptions({*OF_SGD, *SCHEDULES}), HasMethods("factors")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [AT_LEAST_1],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [AT_LEAST_1, Options(Real, {np.inf})],
        "max_fun": [AT_LEAST_1],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "n_threads": [AT_LEAST_1, None],
    }


def require_goes_together(of: Any, validates: bool, together: bool = False) -> None:
    """Refuse settings that the solver has no use for. together: with other ranks. Raises ValueError."""
    if together and not is_stochastic(of.solver):
        raise ValueError(
            "comm goes with a solver of minibatches, not with 'lbfgs', which one process runs; use solver='adam', or leave "
            "comm out"
        )
    scheduled = of.learning_rate not in ("constant", *OF_SGD)
    if not is_stochastic(of.solver) and (of.dropout or of.clip_norm or scheduled or validates):
        raise ValueError(
            "dropout, clip_norm, schedules of the learning rate and validation data go with a solver of minibatches, not "
            "with 'lbfgs'"
        )
    if not isinstance(of.solver, str) and isinstance(of.learning_rate, str) and of.learning_rate in OF_SGD:
        raise ValueError(
            f"learning_rate={of.learning_rate!r} goes with solver='sgd', got an instance of {type(of.solver).__name__}, "
            "which has its own rate; use a schedule such as 'cosine'"
        )


def hidden_sizes(sizes: Any) -> list[int]:
    """hidden_layer_sizes as a list. Raises ValueError."""
    hidden = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(isinstance(size, Integral) for size in hidden):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, got {hidden!s:.100}.")
    if np.any(np.array(hidden) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden!s:.100}.")
    return hidden


def has_partial_fit(of: Any) -> bool:
    """Whether there is a partial_fit, for available_if. Raises AttributeError."""
    if not is_stochastic(of.solver):
        raise AttributeError(f"partial_fit is only available for stochastic optimizers. {of.solver} is not stochastic.")
    return True

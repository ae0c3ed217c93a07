"""The parameters of MLPClassifier and MLPRegressor that both have: scikit-learn's, and numbafc's own behind them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from ....nn import ACTIVATIONS
from ....nn.compiled import CompiledOptimizer
from ....nn.schedules import SCHEDULES
from .solver import OF_SGD, STOCHASTIC

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

"""MLPRegressor: real targets of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ....nn import portable
from ....nn.losses import Loss
from .. import ranks
from ..training import Part
from . import losses, outputs
from .constructor import has_partial_fit
from .outputs import SPARSE
from .perceptron import REALS, Perceptron, fit


class MLPRegressor(RegressorMixin, Perceptron):
    """scikit-learn's MLPRegressor, trained by numbafc.

    Parameters, attributes and numbers are those of sklearn.neural_network.MLPRegressor (1.9), and loss_curve_ for the same
    data and random_state, but for rounding. Beyond it:

    loss                    "absolute_error" ("mae") and "huber", too, means over the outputs
    activation, solver, learning_rate, verbose, dropout, clip_norm, n_threads       as in MLPClassifier

    net_: the network, a numbafc.MLP. Sparse X of up to 256 MiB as dense rows is made dense once, other X by minibatches.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Perceptron._parameter_constraints,
        "loss": [StrOptions(set(losses.OF_REGRESSORS))],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        clip_norm: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.n_threads = n_threads

    @available_if(has_partial_fit)
    @ranks.agreeing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, comm: Any = None) -> Any:
        """Train for one epoch on these samples. comm: as in fit."""
        return fit(self, X, y, sample_weight, incremental=True, group=comm)

    def _checked(self, X: Any, y: Any, reset: bool, begins: bool, keeps: bool = False) -> tuple[Any, np.ndarray]:
        X, y = validate_data(self, X, y, accept_sparse=SPARSE, multi_output=True, y_numeric=True, dtype=REALS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"y must be at least 0 for the loss 'poisson', got {y.min()}; use 'squared_error'")
        return X, y

    def _encoded(self, y: Any) -> np.ndarray:
        return (y.reshape(-1, 1) if y.ndim == 1 else y).astype(self.net_.dtype, copy=False)

    def _outputs_of(self, y: np.ndarray) -> tuple[int, str, str]:
        return (
            1 if y.ndim == 1 else y.shape[1],
            "exp" if self.loss == "poisson" else "identity",
            losses.OF_REGRESSORS[self.loss][0],
        )

    def _loss(self) -> Loss:
        return losses.OF_REGRESSORS[self.loss][1]

    def _score_of(self, held: Part) -> float:
        """R², the mean over the outputs; NaN where predictions are not finite."""
        Y = self._predictions(outputs.through(self, held.X))
        return float(r2_score(held.targets, Y, sample_weight=held.weight)) if np.isfinite(Y).all() else float("nan")

    def _predictions(self, Y: np.ndarray) -> np.ndarray:
        return portable.exp(Y) if self.out_activation_ == "exp" else Y

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each sample, (samples,) or (samples, T)."""
        Y = self._predictions(outputs.of_data(self, X))
        return Y.ravel() if Y.shape[1] == 1 else Y

"""Training with scikit-learn: MLPClassifier.fit."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from .problems import BETA1, BETA2, EPSILON, Problem, Train, Trained, views


def sklearn_trainer(given: Problem) -> Train:
    """MLPClassifier.fit with warm_start, timed between the ends of its epochs: its checks of X and y are not counted.

    Rows of 0 and 1 for y, and softmax set by hand: two classes would get one logistic output, a smaller network.
    """
    from sklearn.neural_network import MLPClassifier

    class Watched(MLPClassifier):
        def _update_no_improvement_count(self, *args: Any) -> None:
            self.ends.append(time.perf_counter())  # of an epoch
            super()._update_no_improvement_count(*args)

    model = Watched(given.sizes[1:-1], solver=given.optimizer, alpha=0, batch_size=given.batch, warm_start=True, max_iter=1)
    model.set_params(learning_rate_init=given.rate, momentum=0, nesterovs_momentum=False)
    model.set_params(beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON, n_iter_no_change=10**9, random_state=0)
    rows = np.eye(given.sizes[-1], dtype=np.int64)[given.y]

    def fit(epochs: int, shuffle: bool) -> None:
        model.set_params(max_iter=epochs, shuffle=shuffle)
        model.ends = [time.perf_counter()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so few epochs do not converge
            model.fit(given.X, rows)

    fit(1, False)  # makes the arrays
    model.out_activation_ = "softmax"

    def train(epochs: int, shuffle: bool) -> Trained:
        for (W, b), coefficients, intercepts in zip(
            views(given.start, given.sizes), model.coefs_, model.intercepts_, strict=True
        ):
            coefficients[:], intercepts[:] = W.T, b
        fit(epochs, shuffle)
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        parameters = np.concatenate([part for W, b in pairs for part in (W.T.ravel(), b)])
        return Trained(np.diff(model.ends).tolist(), float(model.loss_), parameters)

    return train

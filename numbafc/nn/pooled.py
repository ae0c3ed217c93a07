"""The answers of several networks as one: the mean of their probabilities, counts or predictions.

What is asked of a network may be asked of them, by the same names, and what they have alike is the first one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from . import evaluation, frames, portable, samples, summary
from .losses import LOSSES
from .mlp import MLP
from .shared import Shared


class Pooled:
    """Networks that answer together. What they have alike can be read here, and is set on each of them.

    seed, order, training: those of the first; the others' are their own.
    """

    nets: list[MLP]
    sizes, activation, loss_name, dtype = Shared(), Shared(), Shared(), Shared()
    label_smoothing, init, scaling, seed = Shared(), Shared(), Shared(), Shared()
    classes, features, table = Shared(), Shared(), Shared()
    input_mean, input_scale, target_mean, target_scale = Shared(), Shared(), Shared(), Shared()
    order, training = Shared(), Shared()

    def __len__(self) -> int:
        return len(self.nets)

    def __iter__(self) -> Iterator[MLP]:
        return iter(self.nets)

    def __getitem__(self, m: int) -> MLP:
        return self.nets[m]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} networks, the first is {self.nets[0]!r}>"

    def __str__(self) -> str:
        return str(self._summary())

    def _repr_html_(self) -> str:
        return self._summary().to_html()

    def _summary(self) -> summary.Summary:
        return summary.of_members(self.nets, getattr(self, "out_of_fold", None))

    def outputs(self, X: Any) -> np.ndarray:
        """What one network with the answers of all would have for outputs, (samples, T).

        The logarithms of the mean probabilities of classes or of the mean counts; the logit of a label's mean probability;
        of reals the mean prediction, standardised as the first one's targets are.
        """
        X, loss = self.encoded(X), self.nets[0].loss_name
        if not LOSSES[loss].classifies and loss not in ("binary_cross_entropy", "poisson"):
            predicted = _mean(net.predict(X) for net in self.nets)
            return samples.standardised(self.nets[0], predicted.reshape(len(predicted), -1)).astype(self.dtype)
        each = [net.outputs(X).astype(np.float64) for net in self.nets]
        with np.errstate(all="ignore"):  # outputs of a network that diverged may be infinite
            if LOSSES[loss].classifies:
                each = [_log_softmax(Y) for Y in each]
            pooled = _log_of_mean([_log_sigmoid(Y) for Y in each] if loss == "binary_cross_entropy" else each)
            if loss == "binary_cross_entropy":
                pooled -= _log_of_mean([_log_sigmoid(-Y) for Y in each])
            return pooled.astype(self.dtype)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The mean of the members' probabilities. Errors as in MLP.predict_proba."""
        X = self.encoded(X)
        return _mean(net.predict_proba(X) for net in self.nets)

    def predict(self, X: Any) -> np.ndarray:
        """The answer of all members, as MLP.predict gives one's.

        The class with the largest mean probability; labels whose mean probability is above ½; else the mean prediction.
        """
        X = self.encoded(X)
        if LOSSES[self.nets[0].loss_name].classifies:
            return self.predict_proba(X).argmax(axis=1)
        if self.nets[0].loss_name != "binary_cross_entropy":
            return _mean(net.predict(X) for net in self.nets)
        labels = (self.predict_proba(X) > 0.5).astype(np.intp)
        return labels[:, 0] if labels.shape[1] == 1 else labels

    def loss(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The weighted mean of the samples' losses, of the outputs of all."""
        first = self.nets[0]
        rows = samples.rows(first, X)
        samples.require("loss", rows)
        targets, weight = samples.targets(first, y, len(rows)), samples.weights(sample_weight, len(rows))
        return evaluation.mean_loss(first, rows, targets, weight, self.outputs(rows))

    def score(self, X: Any, y: Any) -> float:
        """That of the predictions, as MLP.score gives one's."""
        rows = samples.rows(self.nets[0], X)
        samples.require("score", rows)
        return evaluation.score_of(self.nets[0], self.predict(rows), samples.targets(self.nets[0], y, len(rows)))

    def was_trained_on(self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> bool:
        """Tell whether these are, all, in this order and with these weights, the samples that each was trained on."""
        X = self.encoded(X)
        return all(net.was_trained_on(X, y, sample_weight, class_weight) for net in self.nets)

    def encoded(self, X: Any) -> Any:
        """X as an array, if it is a frame and there is a table, which is the same for all: it is encoded once."""
        first = self.nets[0]
        return first.table.encode(X, first.dtype) if first.table is not None and frames.is_frame(X) else X


Answering = MLP | Pooled  # what is asked for predictions


def networks(model: Answering) -> list[MLP]:
    """The networks of a model: its members, or itself alone."""
    return model.nets if isinstance(model, Pooled) else [model]


def _log_softmax(Y: np.ndarray) -> np.ndarray:
    """The logarithm of each class's probability, (samples, T), of logits."""
    Y = Y - Y.max(axis=1, keepdims=True)
    return Y - portable.log(portable.column_sums(portable.exp(Y).T))[:, np.newaxis]


def _log_sigmoid(Y: np.ndarray) -> np.ndarray:
    """The logarithm of σ(y) = 1/(1 + e^−y)."""
    return np.minimum(Y, 0) - portable.log(1 + portable.exp(-np.abs(Y)))


def _log_of_mean(each: list[np.ndarray]) -> np.ndarray:
    """log (1/k)·Σ_m e^(Y_m), which overflows nowhere."""
    largest = np.maximum.reduce(each)
    total = np.zeros_like(largest)
    for Y in each:
        total += portable.exp(Y - largest)
    return largest + portable.log(total / len(each))


def _mean(predictions: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of arrays, in float64 and in their order, in their own dtype."""
    each = list(predictions)
    total = np.zeros(each[0].shape)
    for one in each:
        total += one
    return (total / len(each)).astype(each[0].dtype)

"""Answers of a network, and measures of them: outputs, predictions, probabilities, loss and score of checked rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import few_rows, passes, portable, samples
from .activations import ACTIVATIONS
from .cross_entropy import softmax
from .losses import LOSSES
from .network import Network

CHUNK = 1024  # rows that pass through the network at a time: bounds memory, and no bit depends on it


def outputs(net: Network, rows: np.ndarray) -> np.ndarray:
    """The last layer's outputs, (samples, T), of rows (samples, N)."""
    if len(rows) <= CHUNK:
        return np.ascontiguousarray(passes.outputs(net, net.columns(rows[:])).T)
    Y = np.empty((len(rows), net.sizes[-1]), net.dtype)
    for first in range(0, len(rows), CHUNK):
        Y[first : first + CHUNK] = passes.outputs(net, net.columns(rows[first : first + CHUNK])).T
    return Y


def answers(net: Network, X: Any) -> np.ndarray:
    """The last layer's outputs, (samples, T), of X as people have it. Raises TypeError or ValueError."""
    Y = few_rows.outputs(net, X)
    return outputs(net, samples.rows(net, X)) if Y is None else Y


def predictions(net: Network, X: Any) -> np.ndarray:
    """Class indices, (samples,), or answers, (samples, T), (samples,) where T = 1. Raises TypeError or ValueError."""
    Y = answers(net, X)
    if LOSSES[net.loss_name].classifies:
        return Y.argmax(axis=1)
    Y = _in_own_units(net, Y)
    return Y[:, 0] if net.sizes[-1] == 1 else Y


def _in_own_units(net: Network, Y: np.ndarray) -> np.ndarray:
    """Outputs as the targets are: labels 0 or 1, counts, or reals that are not standardised."""
    if net.loss_name == "binary_cross_entropy":
        return (Y > 0).astype(np.intp)
    with np.errstate(all="ignore"):  # they may be infinite
        if net.loss_name == "poisson":
            return portable.exp(Y)
        if net.target_mean is not None and net.target_scale is not None:
            return Y * net.target_scale + net.target_mean
    return Y


def probabilities(net: Network, X: Any) -> np.ndarray:
    """Probabilities of classes or labels, (samples, T). Raises TypeError, or ValueError, for the losses of reals too."""
    classifies = LOSSES[net.loss_name].classifies
    if not classifies and net.loss_name != "binary_cross_entropy":
        raise ValueError(f"predict_proba needs a classifier, and this network's loss is {net.loss_name!r}; use predict")
    Y = answers(net, X)
    if classifies:
        return softmax(Y.T).T
    ACTIVATIONS["sigmoid"].apply(Y)
    return Y


def mean_loss(
    net: Network, rows: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, Y: np.ndarray | None = None
) -> float:
    """The weighted mean of the samples' losses. targets: in their own units. Y: the outputs, if they are there."""
    run, targets = LOSSES[net.loss_name], samples.standardised(net, targets)
    losses = np.empty(len(rows))
    for first in range(0, len(rows), CHUNK):
        part = slice(first, first + CHUNK)
        outputs_ = passes.outputs(net, net.columns(rows[part])) if Y is None else Y[part].T
        losses[part] = run.per_sample(outputs_, targets[part], net.label_smoothing)
    with np.errstate(all="ignore"):  # a loss may be infinite
        if weight is None:
            return portable.total(losses) / len(losses)
        return float(np.float64(portable.total(losses * weight)) / portable.total(weight))


def score(net: Network, rows: np.ndarray, targets: np.ndarray, Y: np.ndarray | None = None) -> float:
    """Accuracy for classes, and over all labels; else R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², over all outputs.

    Y: the outputs, if they are there.
    """
    Y = outputs(net, rows) if Y is None else Y
    return score_of(net, Y.argmax(axis=1) if LOSSES[net.loss_name].classifies else _in_own_units(net, Y), targets)


def score_of(net: Network, predicted: np.ndarray, targets: np.ndarray) -> float:
    """The score of predictions of such a network: class indices (samples,), or (samples, T), (samples,) where T = 1."""
    if LOSSES[net.loss_name].classifies:
        return float(np.mean(predicted == targets))
    predicted = predicted.reshape(targets.shape)
    if net.loss_name == "binary_cross_entropy":
        return float(np.mean(predicted == (targets > 0.5)))
    with np.errstate(all="ignore"):
        residual = portable.total(np.square(targets - predicted, dtype=np.float64).reshape(-1))
        deviation = targets - portable.column_sums(targets) / len(targets)
        deviation[:, targets.max(axis=0) == targets.min(axis=0)] = 0  # which rounding may have given them
        spread = portable.total(np.square(deviation).reshape(-1))
        return float(1 - np.float64(residual) / spread) if spread else float(residual == 0)

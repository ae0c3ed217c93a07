"""Measures of how good predictions are: pure functions of what is so and what was said.

A share of nothing is NaN: the precision of a class that was never predicted, the recall of one that has no sample.
Those of probabilities are in calibration.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .portable import column_sums

QUANTILES = 0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0  # of residuals


class Detection(NamedTuple):
    """Precision, recall and F1 of each class, or label. One element per class, (T,)."""

    precision: np.ndarray  # of the samples that were said to be of it, the share that is
    recall: np.ndarray  # of the samples that are of it, the share that was found
    f1: np.ndarray  # the harmonic mean of both
    samples: np.ndarray  # how many are of it


class Errors(NamedTuple):
    """Measures of how far predictions of reals are off. One element per output, (T,), in the targets' own units."""

    r2: np.ndarray
    rmse: np.ndarray
    mae: np.ndarray


def of_classes(y: np.ndarray, predicted: np.ndarray, T: int) -> Detection:
    """Precision, recall and F1 of class indices y and predicted, (samples,), from 0 to T − 1.

    precision[c] = #(y = c and predicted = c)/#(predicted = c),  recall[c] = #(y = c and predicted = c)/#(y = c)
    f1[c] = 2·#(y = c and predicted = c)/(#(predicted = c) + #(y = c))
    """
    found = np.bincount(y[y == predicted], minlength=T)
    return _detection(found, np.bincount(predicted, minlength=T), np.bincount(y, minlength=T))


def of_labels(y: np.ndarray, predicted: np.ndarray) -> Detection:
    """Precision, recall and F1 of independent labels y and predicted, (samples, T), where True stands for having the label.

    precision[t] = #(y[:,t] and predicted[:,t])/#predicted[:,t],  recall[t] = #(y[:,t] and predicted[:,t])/#y[:,t]
    """
    return _detection((y & predicted).sum(axis=0), predicted.sum(axis=0), y.sum(axis=0))


def of_reals(y: np.ndarray, predicted: np.ndarray) -> Errors:
    """Errors of real targets y and predictions, (samples, T).

    r2[t]   = 1 − Σ_s (y − ŷ)²/Σ_s (y − ȳ)²; of a target that does not vary 1 where all are right, else 0
    rmse[t] = √(Σ_s (y − ŷ)²/samples)
    mae[t]  = Σ_s |y − ŷ|/samples
    """
    y = y.astype(np.float64)
    error = y - predicted
    squares = column_sums(np.square(error))
    spread = column_sums(np.square(y - column_sums(y) / len(y))) * (y.max(axis=0) > y.min(axis=0))
    r2 = np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1), squares == 0)
    return Errors(r2, np.sqrt(squares / len(y)), column_sums(np.abs(error)) / len(y))


def confusion(y: np.ndarray, predicted: np.ndarray, T: int) -> np.ndarray:
    """How many samples of class c were said to be of class k: (T, T), of class indices from 0 to T − 1, (samples,)."""
    return np.bincount(y.astype(np.int64) * T + predicted, minlength=T * T).reshape(T, T)


def most_confused(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """The pairs of different classes with the most samples in a confusion matrix: (is, said, samples), most first."""
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    return [(*divmod(int(at), len(errors)), int(errors.flat[at])) for at in order if errors.flat[at]]


def residual_quantiles(y: np.ndarray, predicted: np.ndarray, at: Sequence[float] = QUANTILES) -> np.ndarray:
    """The quantiles of y − ŷ, (len(at), T), of real targets and predictions, (samples ≥ 1, T), linear between samples."""
    quantiles: np.ndarray = np.quantile(y.astype(np.float64) - predicted, at, axis=0)
    return quantiles


def _detection(found: np.ndarray, said: np.ndarray, are: np.ndarray) -> Detection:
    with np.errstate(invalid="ignore"):  # 0/0 is NaN
        return Detection(found / said, found / are, 2 * found / (said + are), are)

"""Measures of how good predictions are: pure functions of what is so and what was said.

A share of nothing is NaN: the precision of a class that was never predicted, the recall of one that has no sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .portable import column_sums


class Detection(NamedTuple):
    """Precision and recall of each class, or label. One element per class, (T,)."""

    precision: np.ndarray  # of the samples that were said to be of it, the share that is
    recall: np.ndarray  # of the samples that are of it, the share that was found
    samples: np.ndarray  # how many are of it


class Errors(NamedTuple):
    """Measures of how far predictions of reals are off. One element per output, (T,), in the targets' own units."""

    r2: np.ndarray
    rmse: np.ndarray
    mae: np.ndarray


def of_classes(y: np.ndarray, predicted: np.ndarray, T: int) -> Detection:
    """Precision and recall of class indices y and predicted, (samples,), from 0 to T − 1.

    precision[c] = #(y = c and predicted = c)/#(predicted = c),  recall[c] = #(y = c and predicted = c)/#(y = c)
    """
    found = np.bincount(y[y == predicted], minlength=T)
    return _detection(found, np.bincount(predicted, minlength=T), np.bincount(y, minlength=T))


def of_labels(y: np.ndarray, predicted: np.ndarray) -> Detection:
    """Precision and recall of independent labels y and predicted, (samples, T), where True stands for having the label.

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


def _detection(found: np.ndarray, said: np.ndarray, are: np.ndarray) -> Detection:
    with np.errstate(invalid="ignore"):  # 0/0 is NaN
        return Detection(found / said, found / are, are)

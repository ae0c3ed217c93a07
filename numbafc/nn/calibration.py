"""Measures of probabilities: whether samples are ranked rightly, and whether the numbers mean what they say.

Pure functions of what is so and which probability it was given. What has no answer, such as the ranks of samples that are
all of one class, is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 10  # of probabilities


class Reliability(NamedTuple):
    """Samples in bins (low, high] of their probability, the first with its low end. One element per bin, (bins,)."""

    low: np.ndarray
    high: np.ndarray
    samples: np.ndarray
    said: np.ndarray  # the mean probability; NaN in an empty bin
    share: np.ndarray  # of them that it is true of; NaN in an empty bin


def roc_auc(y: np.ndarray, score: np.ndarray) -> float:
    """The area under the ROC curve: how often a sample that is has a larger score than one that is not.

    Of equal scores half counts (the Mann-Whitney U, J. Hanley, B. McNeil 1982). y: (samples,) bool; score: (samples,).
    """
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive or not negative or np.isnan(score).any():
        return float("nan")
    _, at, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    twice_rank = 2 * last - counts + 1  # in whole numbers: samples of one score share the middle of their ranks
    pairs = int(twice_rank[at[y]].sum()) - positive * (positive + 1)
    return pairs / (2 * positive * negative)


def roc_curve(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shares of those that are not and of those that are among the samples of each score and above, from (0, 0).

    y: (samples,) bool, of both kinds.
    """
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    ends = np.append(np.flatnonzero(sorted_score[1:] != sorted_score[:-1]), len(order) - 1)
    true = np.cumsum(y[order])[ends]
    false = 1 + ends - true
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def brier(y: np.ndarray, probability: np.ndarray) -> float:
    """The mean of (p − y)² (G. Brier 1950). y: (samples ≥ 1,) bool."""
    return float(np.mean(np.square(probability.astype(np.float64) - y)))


def reliability(y: np.ndarray, probability: np.ndarray, bins: int = BINS) -> Reliability:
    """How often something is true of samples, in bins of the probability it was given. y: (samples,) bool."""
    p, edges = probability.astype(np.float64), np.linspace(0, 1, bins + 1)
    at = np.searchsorted(edges[1:-1], p)
    samples = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 is NaN
        said, share = (np.bincount(at, weights=of, minlength=bins) / samples for of in (p, y))
    return Reliability(edges[:-1], edges[1:], samples, said, share)


def expected_error(found: Reliability) -> float:
    """The mean of |said − share| over the samples: the expected calibration error (C. Guo et al., ICML 2017)."""
    filled = found.samples > 0
    gaps = np.abs(found.said - found.share)[filled]
    return float(np.sum(gaps * found.samples[filled]) / np.sum(found.samples)) if filled.any() else float("nan")

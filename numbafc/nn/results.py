"""The sums of an epoch that is not finished, as its minibatches add to them: an array of numbers, and their names."""

from __future__ import annotations

import numpy as np

LOSS_SUM = 0  # Σ weight·loss
HITS = 1  # samples whose largest output is that of their class
WEIGHT = 2  # Σ weight
SAMPLES = 3
DONE = 4  # minibatches, until the last one or the one whose loss is not finite
REFUSED = 5  # answers of products that refused the engine's arrays: a defect
COUNT = 6


def no_results() -> np.ndarray:
    """The results of no minibatch."""
    return np.zeros(COUNT)


def added(loss: float, hits: int, weight: float, samples: int) -> np.ndarray:
    """The results of one minibatch."""
    results = no_results()
    results[[LOSS_SUM, HITS, WEIGHT, SAMPLES, DONE]] = loss, hits, weight, samples, 1
    return results

"""Epochs over rows that are in a file: window by window, each some whole minibatches, copied into memory and trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .course import EpochFunction
from .engine import Engine
from .mapped import MappedRows
from .results import DONE
from .run import Data

DataFunction = Callable[[np.ndarray, np.ndarray, Any], Data]  # of rows, targets and weights, or None


def windowed(
    X: MappedRows,
    targets: np.ndarray,
    weight: np.ndarray | None,
    batch_size: int,
    data: DataFunction,
    engine: Callable[[Data], Engine],
) -> EpochFunction:
    """One pass over the samples in a given order, with the bits of an engine that has all rows at once."""
    B = min(batch_size, len(X))
    most = max(1, X.part // B)  # minibatches of a window

    def part(places: np.ndarray) -> Data:
        return data(X[places], targets[places], None if weight is None else weight[places])

    run = engine(part(np.arange(B)))

    def epoch(samples: np.ndarray, rates: np.ndarray, steps: int, results: np.ndarray) -> None:
        for first in range(int(results[DONE]), len(rates), most):
            last = min(first + most, len(rates))
            run.replace(part(samples[first * B : last * B]))
            own = results.copy()
            own[DONE] = 0
            try:
                run.epoch(np.arange(len(run.data.rows)), rates[first:last], steps + first, own)
            finally:
                own[DONE] += first
                results[:] = own
            if results[DONE] < last:
                break

    return epoch

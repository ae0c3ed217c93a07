"""Epochs of several networks over rows that are in a file: window by window, each some minibatches of every network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .course import Epoch
from .results import DONE
from .run import Data
from .side_by_side import Group


class Windows:
    """What a Group is, with the rows of a window in memory.

    data: of the samples at these places. group: of such data. rows: of a window, about. networks: how many share it.
    """

    def __init__(
        self, data: Callable[[np.ndarray], Data], group: Callable[[Data], Group], rows: int, networks: int
    ) -> None:
        self.data, self.group = data, group(data(np.zeros(1, np.intp)))
        self.most = max(1, rows // (self.group.batch_size * networks))  # minibatches of a network in a window

    def epochs(self, begun: dict[int, Epoch], seeds: Sequence[int], *heard: Any) -> None:
        """Train an epoch of each of some networks, with the bits of a group that has all rows at once."""
        left = dict(begun)
        while left:
            first = {m: int(epoch.results[DONE]) for m, epoch in left.items()}
            last = {m: min(first[m] + self.most, len(epoch.rates)) for m, epoch in left.items()}
            windows, places = self._windows(left, first, last)
            self.group.data = self.data(places)
            try:
                self.group.epochs(windows, seeds, *heard)
            finally:
                for m, window in windows.items():
                    window.results[DONE] += first[m]
                    left[m].results[:] = window.results
            left = {m: epoch for m, epoch in left.items() if epoch.results[DONE] == last[m] < len(epoch.rates)}

    def _windows(
        self, left: dict[int, Epoch], first: dict[int, int], last: dict[int, int]
    ) -> tuple[dict[int, Epoch], np.ndarray]:
        """These minibatches of each network, as an epoch over the rows of a window; and which rows those are."""
        B, windows, places, count = self.group.batch_size, {}, [], 0
        for m, epoch in left.items():
            own = epoch.samples[first[m] * B : last[m] * B]
            results = epoch.results.copy()
            results[DONE] = 0
            samples = np.arange(count, count + len(own))
            windows[m] = Epoch(samples, epoch.rates[first[m] : last[m]], epoch.steps + first[m], results)
            places.append(own)
            count += len(own)
        return windows, np.concatenate(places)

"""What every estimator of numbafc shares: its seed, its threads, and checks of its settings."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ... import _numba, checks


class Base(BaseEstimator):
    """An estimator whose networks numbafc trains. It keeps its parameters as they are given, and checks them in fit."""

    random_state: Any
    n_threads: int | None

    def _seed(self) -> int:
        """A seed of the split, the weights and the order of samples: random_state itself, if it is a number."""
        if isinstance(self.random_state, numbers.Integral) and not isinstance(self.random_state, bool):
            check_random_state(self.random_state)  # refuses what is no seed
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        """A context in which kernels use n_threads threads, if it says how many, as far as this process has them."""
        if self.n_threads is None:
            yield
            return
        asked, before = checks.count("n_threads", self.n_threads, 1), _numba.get_num_threads()
        _numba.set_num_threads(min(asked, _numba.most_threads()))
        try:
            yield
        finally:
            _numba.set_num_threads(before)

"""What every estimator does: draw a seed, use as many threads as it is told, and stay as it was where a fit fails."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ... import _numba, checks
from . import workers


def seed(random_state: Any) -> int:
    """A seed of the split, the weights and the order of samples: random_state itself, if it is a number."""
    if isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool):
        check_random_state(random_state)  # refuses what is no seed
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextlib.contextmanager
def kept_where_it_fails(estimator: Any) -> Iterator[Callable[[], None]]:
    """A context in which an estimator is fitted; where that raises, the estimator stays as it was, fitted or not.

    What the context gives is called where training changes what was there, if it does: from then on nothing is put back.
    """
    before, changes = dict(vars(estimator)), [False]
    try:
        yield lambda: changes.__setitem__(0, True)
    except BaseException:
        if not changes[0]:
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


@contextlib.contextmanager
def threads(n: int | None) -> Iterator[None]:
    """A context in which kernels use n threads, as far as this process has them.

    None leaves it as it is, but in a worker, beside others that fit models, it is one, or what it was told (workers.py).
    """
    n = workers.threads() if n is None else n
    if n is None:
        yield
        return
    asked, before = checks.count("n_threads", n, 1), _numba.get_num_threads()
    _numba.set_num_threads(min(asked, _numba.most_threads()))
    try:
        yield
    finally:
        _numba.set_num_threads(before)

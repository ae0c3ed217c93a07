"""Threads: several Python threads that launch parallel regions, forked processes, and how many threads there are."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import numba
import numpy as np
from numba.core import config

# Held while a kernel is compiled, which one Python thread does at a time.
compiling = threading.RLock()


class _Launches:
    """What is known of this process's parallel regions."""

    layer: str | None = None  # known after the first launch
    forked = False  # this process was forked from one whose OpenMP threads it does not have: it computes on one
    lock = threading.Lock()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _Launches.lock:
        yield
        _Launches.layer = numba.threading_layer()


_FREE = contextlib.nullcontext()


def launch() -> contextlib.AbstractContextManager[None]:
    """The context of a parallel region: none under omp and tbb, a lock under workqueue, which aborts on two at once."""
    return _FREE if _Launches.layer in ("omp", "tbb") else _one_at_a_time()


def _threads_started_with() -> str | None:
    """The threading layer that anybody in this process has started, or None."""
    try:
        return numba.threading_layer()
    except ValueError:  # none yet
        return None


def _before_fork() -> None:
    """No fork while a kernel compiles or, under workqueue, runs: the child would wait for a thread it does not have."""
    compiling.acquire()
    _Launches.lock.acquire()


def _after_fork() -> None:
    _Launches.lock.release()
    compiling.release()


def _after_fork_in_child() -> None:
    _after_fork()
    _Launches.forked = _Launches.forked or _threads_started_with() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def set_num_threads(n: int) -> None:
    """Use n threads in kernels that this Python thread calls; the bits of every result stay the same.

    n: from 1 to the number Numba started with (all cores, or NUMBA_NUM_THREADS). Raises TypeError or ValueError.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"the number of threads must be an integer, got {type(n).__name__} ({n!r})")
    most = most_threads()
    if not 1 <= n <= most:
        raise ValueError(
            f"the number of threads must be from 1 to {most}, got {n}; for more, set NUMBA_NUM_THREADS before the start"
        )
    if _Launches.forked:
        return  # a region of OpenMP would end this process: there is one thread, whatever is asked for
    numba.set_num_threads(int(n))


def get_num_threads() -> int:
    """How many threads kernels use that this Python thread calls. One in a process forked from one with OpenMP threads."""
    return 1 if _Launches.forked else int(numba.get_num_threads())


def most_threads() -> int:
    """How many threads Numba started with: all cores, or NUMBA_NUM_THREADS."""
    return int(config.NUMBA_NUM_THREADS)


def threading_layer() -> str:
    """The threading layer, which is started if it was not."""
    if not _Launches.forked:
        numba.set_num_threads(numba.get_num_threads())  # starts the thread pool, which names its layer
    return str(numba.threading_layer())

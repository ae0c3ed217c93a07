"""Threads: several Python threads that launch parallel regions, forked processes, and how many threads there are."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
from llvmlite.binding import ffi
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel

# Held while a kernel is compiled, which one Python thread does at a time.
compiling = threading.RLock()


def uninterrupted(work: Callable[[], Any]) -> Any:
    """The result of work, which goes on to its end whatever signals come: Ctrl-C and the like are raised when it is done.

    A compilation that stops in the middle leaves Numba and LLVM with half of a function for as long as the process lives.
    Handlers of signals run in the main thread, and may raise anything, so there another thread does the work.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    results: list[Any] = []
    failures: list[BaseException] = []
    ticket, done = [work], threading.Event()

    def run() -> None:
        try:
            mine = ticket.pop()
        except IndexError:  # an interruption came while a thread was started, and this is one more
            return
        try:
            results.append(mine())
        except BaseException as error:
            failures.append(error)
        done.set()

    interruption: BaseException | None = None
    while not done.is_set():
        try:
            if ticket:
                try:
                    threading.Thread(target=run, name="numbafc compiles").start()
                except RuntimeError:  # no more threads can be started
                    run()
            done.wait()
        except BaseException as error:  # what a handler has raised
            interruption = interruption or error
    if interruption is not None:
        raise interruption
    if failures:
        raise failures[0]
    return results[0]


class _Launches:
    """What is known of this process's parallel regions."""

    layer: str | None = None  # known after the first launch
    forked = False  # from a process whose threads of OpenMP or TBB it does not have: it computes on one
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


# What a fork must find free, in the order in which a compilation takes them: a child has no thread to give them back.
_held_by_forks: tuple[Any, ...] = (
    *(compiling, global_compiler_lock, ffi.lib._lock),
    *(parallel._backend_init_thread_lock, _Launches.lock),  # Numba's own, while it starts threads, and ours
)


def _before_fork() -> None:
    """No fork while a kernel compiles, LLVM works, threads start or, under workqueue, a region runs: a child would wait."""
    for lock in _held_by_forks:
        lock.__enter__()


def _after_fork() -> None:
    for lock in reversed(_held_by_forks):
        lock.__exit__(None, None, None)


def _after_fork_in_child() -> None:
    _after_fork()
    _Launches.forked = _Launches.forked or _threads_started_with() in ("omp", "tbb")


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
        return  # a parallel region would end this process, or wait for ever: there is one thread, whatever is asked for
    numba.set_num_threads(int(n))


def get_num_threads() -> int:
    """How many threads kernels use that this Python thread calls; one in a fork of a process with OpenMP or TBB threads."""
    return 1 if _Launches.forked else int(numba.get_num_threads())


def most_threads() -> int:
    """How many threads Numba started with: all cores, or NUMBA_NUM_THREADS."""
    return int(config.NUMBA_NUM_THREADS)


def threading_layer() -> str:
    """The threading layer, which is started if it was not."""
    if not _Launches.forked:
        numba.set_num_threads(numba.get_num_threads())  # starts the thread pool, which names its layer
    return str(numba.threading_layer())

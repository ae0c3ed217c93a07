"""How many threads an estimator has in a worker, where others are trained beside it: one, unless the worker was told.

joblib  a process of loky has NUMBA_NUM_THREADS threads: joblib sets it to inner_max_num_threads, else, where it is not set,
        to the cores divided by the workers. A worker that is a thread, or inside another one, has one.
Dask    one. Its workers are told about OpenMP and BLAS, not about Numba, and run several tasks at once.
Ray     the CPUs that were asked for the task (num_cpus): one for an actor that has none.

Each is asked only in a process that has imported it. An estimator's own n_threads comes before all of this.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import Any

from joblib import parallel


def threads() -> int | None:
    """The number of threads of the worker that this is, or None where this is none, or its process was told how many."""
    found = _of_ray()
    if found is None and _in_dask():
        found = 1
    return _of_joblib() if found is None else found


def _of_ray() -> int | None:
    ray: Any = sys.modules.get("ray")
    if ray is None or not ray.is_initialized() or ray.get_runtime_context().worker.mode != ray.WORKER_MODE:
        return None
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))


def _in_dask() -> bool:
    distributed: Any = sys.modules.get("distributed")
    try:
        return distributed is not None and distributed.get_worker() is not None
    except ValueError:  # no task of a worker
        return False


def _of_joblib() -> int | None:
    level = parallel.get_active_backend()[0].nesting_level or 0
    told = multiprocessing.parent_process() is not None and "NUMBA_NUM_THREADS" in os.environ
    return None if level == 0 or (level == 1 and told) else 1

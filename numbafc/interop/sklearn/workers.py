"""Whether this process, or thread, is one of several that somebody fits models in: then a fit of its own has one thread."""

from __future__ import annotations

import sys

from joblib.parallel import get_active_backend


def is_worker() -> bool:
    """Tell whether this is a task of joblib (with loky, processes, threads, Ray or Dask), of Dask, or of Ray."""
    if (get_active_backend()[0].nesting_level or 0) > 0:
        return True
    return _is_of_dask() or _is_of_ray()


def _is_of_dask() -> bool:
    distributed = sys.modules.get("distributed")  # who is in a task of it has it
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _is_of_ray() -> bool:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)

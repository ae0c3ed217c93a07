"""A process that searches a grid on an engine, with one library: `python -m perf.searches NAME THREADS`; for `search`.

Engines: alone, one process; loky, joblib's processes; dask, Dask's LocalCluster; ray, a local Ray. An engine is started by
the first job that names it, and ends when another one is named. The search is that of perf/swap_import.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .peers import serve

WORKERS = 2
PACKAGES = {"alone": "sklearn", "loky": "joblib", "dask": "distributed", "ray": "ray"}
WHERE = {"numbafc": "numbafc.interop.sklearn", "sklearn": "sklearn.neural_network"}


def missing(engine: str) -> str | None:
    """Why there is no such engine here, in a sentence; None if there is."""
    package = PACKAGES[engine]
    return None if importlib.util.find_spec(package) else f"{package} is not installed: no search on {engine}"


@contextlib.contextmanager
def alone() -> Iterator[dict[str, Any]]:
    """No other process."""
    yield {"n_jobs": 1}


@contextlib.contextmanager
def loky() -> Iterator[dict[str, Any]]:
    """joblib's own processes, which it starts and keeps."""
    yield {"n_jobs": WORKERS}


@contextlib.contextmanager
def dask() -> Iterator[dict[str, Any]]:
    """A cluster of this machine's."""
    from distributed import Client, LocalCluster
    from joblib import parallel_config

    settings: dict[str, Any] = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**settings) as cluster, Client(cluster), parallel_config("dask"):
        yield {"n_jobs": -1}


@contextlib.contextmanager
def ray() -> Iterator[dict[str, Any]]:
    """A Ray of this machine's."""
    import ray
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(num_cpus=WORKERS, **options)
    register_ray()
    try:
        with parallel_config("ray"):
            yield {"n_jobs": WORKERS}
    finally:
        ray.shutdown()


ENGINES = {"alone": alone, "loky": loky, "dask": dask, "ray": ray}


def threads_here() -> int:
    """How many threads an estimator of numbafc would use in the process that this runs in."""
    import numbafc
    from numbafc.interop.sklearn import base

    time.sleep(0.05)
    with base.threads(None):
        return numbafc.get_num_threads()


class Searcher:
    """What answers jobs."""

    def __init__(self) -> None:
        self.engine, self.stack = "", contextlib.ExitStack()
        self.how: dict[str, Any] = {}

    def use(self, engine: str) -> None:
        """Be on an engine."""
        if engine != self.engine:
            self.stack.close()
            self.how, self.engine = self.stack.enter_context(ENGINES[engine]()), engine

    def __call__(self, module: str, job: dict[str, Any]) -> dict[str, Any]:
        from . import swap_import

        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(sys.stderr):  # Ray greets, and answers are on stdout
            start = time.perf_counter()
            self.use(job["engine"])
            found = swap_import.search(WHERE[module], job["quick"], **self.how)
            seconds = time.perf_counter() - start
        if not job.get("check"):
            return {"seconds": seconds}
        scores = found.cv_results_["mean_test_score"]
        bits = hashlib.sha256(
            scores.tobytes() + np.concatenate([W.ravel() for W in found.best_estimator_[-1].coefs_]).tobytes()
        )
        return {
            "seconds": seconds,
            "scores": scores.tolist(),
            "best": {name: repr(value) for name, value in found.best_params_.items()},
            "bits": bits.hexdigest(),
            "worker_threads": self.threads() if module == "numbafc" else None,
        }

    def threads(self) -> int:
        """The most threads that an estimator would use in a worker."""
        from joblib import Parallel, delayed

        return max(Parallel(**self.how)(delayed(threads_here)() for _ in range(2 * WORKERS)))


if __name__ == "__main__":
    serve(Searcher())

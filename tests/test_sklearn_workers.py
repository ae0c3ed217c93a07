"""Many models at once, on the engines that users of scikit-learn have: loky and Dask find the bits that one process finds.

One process of its own searches a grid by itself, under joblib's loky and under Dask's LocalCluster, and looks into their
workers; it prints what it has seen, and each test here is about a part of that. Ray is measured by `python -m perf search`.
"""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import run_python

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")

import joblib
from joblib import parallel

import numbafc as fc
from numbafc.interop.sklearn import base, workers

SEARCH = """
import hashlib, json, os, warnings
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import numbafc as fc
from numbafc.interop.sklearn import MLPClassifier

warnings.filterwarnings("ignore", "Stochastic Optimizer")
X, y = load_iris(return_X_y=True)

def look(X, y, n_threads=None):
    # pickled with the function, as all of __main__ is: in a worker nothing of this script is there
    import os, time, warnings
    from numba.core import event
    import numbafc as fc
    from numbafc.interop.sklearn import MLPClassifier, base
    warnings.filterwarnings("ignore", "Stochastic Optimizer")  # 60 epochs are few
    model = MLPClassifier((9,), max_iter=60, random_state=0, n_threads=n_threads)
    with event.install_recorder("numba:compile") as seen:
        with base.threads(model.n_threads):
            threads = fc.get_num_threads()
        P = model.fit(X, y).predict_proba(X)
    time.sleep(0.3)  # so that the other worker takes the other task
    return {"pid": os.getpid(), "threads": threads, "compiled": len(seen.buffer), "bits": P.tobytes().hex()[:64]}

def search(**how):
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__learning_rate_init": [0.001, 0.02]}
    found = GridSearchCV(model, grid, cv=3, scoring="neg_log_loss", **how).fit(X, y)
    digest = hashlib.sha256(found.cv_results_["mean_test_score"].tobytes() + found.predict_proba(X).tobytes())
    digest.update(cross_val_score(found.best_estimator_, X, y, cv=4, **how).tobytes())
    return {"best": found.best_params_, "bits": digest.hexdigest()}

found = {"alone": search(), "most": fc._numba.most_threads(), "here": look(X, y), "pid": os.getpid()}
found["loky"] = search(n_jobs=2)
found["in loky"] = Parallel(n_jobs=2)(delayed(look)(X, y) for _ in range(2))
with parallel_config("loky", inner_max_num_threads=2):
    found["in loky, told"] = Parallel(n_jobs=2)([delayed(look)(X, y)])
try:
    from distributed import Client, LocalCluster
except ImportError:
    LocalCluster = None
if LocalCluster:
    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with LocalCluster(processes=True, **settings) as cluster, Client(cluster) as client:
        with parallel_config("dask"):
            found["dask"] = search()
        found["in dask"] = client.gather(client.map(lambda _: look(X, y), range(2)))
        found["in dask, told"] = [client.submit(look, X, y, n_threads=2).result()]
print(json.dumps(found))
"""
ENGINES = pytest.mark.parametrize("engine", ["loky", "dask"])


@pytest.fixture(scope="module")
def found():
    done = run_python(SEARCH)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def part(found, name):
    """What was seen of a part; skips where there is no Dask."""
    if "dask" in name and name not in found:
        pytest.skip("Dask is not installed")
    return found[name]


@ENGINES
def test_a_search_in_several_processes_has_the_bits_of_one_in_one(found, engine):
    assert part(found, engine) == found["alone"]
    assert found["alone"]["best"]["mlpclassifier__learning_rate_init"] == 0.02


@ENGINES
def test_two_processes_work_with_one_thread_each(found, engine):
    seen = part(found, f"in {engine}")
    assert len({one["pid"] for one in seen} | {found["pid"]}) == 3
    assert [one["threads"] for one in seen] == [max(1, found["most"] // 2) if engine == "loky" else 1] * 2
    assert {one["bits"] for one in seen} == {found["here"]["bits"]}
    assert found["here"]["threads"] == found["most"]


@ENGINES
def test_a_worker_that_is_told_uses_more_threads(found, engine):
    """By inner_max_num_threads of joblib, which sets NUMBA_NUM_THREADS, or by n_threads of the estimator."""
    (one,) = part(found, f"in {engine}, told")
    assert one["threads"] == (2 if engine == "loky" else min(2, found["most"]))
    assert one["bits"] == found["here"]["bits"]


@ENGINES
def test_workers_compile_nothing_that_is_in_the_cache(found, engine):
    """All have the folder of the process that started them, by NUMBA_CACHE_DIR or beside the package."""
    assert [one["compiled"] for one in part(found, f"in {engine}")] == [0, 0]


# ---- what a worker is told ------------------------------------------------------------------------------------------


def test_a_process_of_its_own_is_no_worker():
    assert workers.threads() is None
    with base.threads(None):
        assert fc.get_num_threads() == fc._numba.most_threads()


def test_threads_of_joblib_and_workers_in_workers_have_one_each(monkeypatch):
    found = joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(workers.threads)() for _ in range(4))
    assert found == [1] * 4
    assert joblib.Parallel(n_jobs=1)([joblib.delayed(workers.threads)()]) == [None]
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")  # of this process, and each of its workers is a thread of it
    assert joblib.Parallel(n_jobs=2, backend="threading")([joblib.delayed(workers.threads)()]) == [1]


@pytest.mark.parametrize(
    ("level", "process", "told", "expected"),
    [
        (0, True, True, None),
        (1, True, True, None),
        (1, True, False, 1),
        (1, False, True, 1),
        (2, True, True, 1),
        (None, True, False, None),
    ],
)
def test_a_process_of_joblib_is_told_by_numba_s_variable(monkeypatch, level, process, told, expected):
    monkeypatch.setattr(parallel, "get_active_backend", lambda: (SimpleNamespace(nesting_level=level), 2))
    monkeypatch.setattr(workers.multiprocessing, "parent_process", lambda: object() if process else None)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    if not told:
        monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert workers.threads() == expected


@pytest.mark.parametrize(
    ("mode", "resources", "expected"),
    [
        ("worker", {"CPU": 1.0}, 1),
        ("worker", {"CPU": 3.0}, 3),
        ("worker", {"CPU": 0.5}, 1),
        ("worker", {}, 1),
        ("driver", None, None),
    ],
)
def test_a_worker_of_ray_has_the_cpus_of_its_task(monkeypatch, mode, resources, expected):
    context = SimpleNamespace(worker=SimpleNamespace(mode=mode), get_assigned_resources=lambda: resources)
    ray = SimpleNamespace(is_initialized=lambda: True, WORKER_MODE="worker", get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert workers.threads() == expected
    ray.is_initialized = lambda: False
    assert workers.threads() is None


def test_of_the_real_ray_is_asked_what_there_is():
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    assert ray.is_initialized() is False
    assert {type(ray.WORKER_MODE), type(ray.SCRIPT_MODE)} == {int}
    assert ray.WORKER_MODE != ray.SCRIPT_MODE
    assert callable(ray.get_runtime_context)
    assert callable(ray.runtime_context.RuntimeContext.get_assigned_resources)


def test_scipy_s_blas_has_one_thread_while_ours_work(monkeypatch):
    """Its threads wait for short vectors on the cores that ours want: a fit with lbfgs took thirty times as long."""
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="scikit-learn's own")
    pytest.importorskip("scipy", reason="solver lbfgs is SciPy's")
    import numpy as np

    from numbafc.interop.sklearn import MLPRegressor
    from numbafc.interop.sklearn.mlp import lbfgs

    seen = []
    call = lbfgs.Objective.__call__

    def look(self, parameters):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")
        return call(self, parameters)

    monkeypatch.setattr(lbfgs.Objective, "__call__", look)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        X = np.arange(20.0).reshape(10, 2) / 20
        MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", tol=10.0, random_state=0).fit(X, X[:, 0])
        after = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    assert set(seen) <= {1}
    assert bool(seen) == bool(before)
    assert after == before


# ---- Optuna ---------------------------------------------------------------------------------------------------------

EXAMPLE = """\
import optuna
from sklearn.datasets import load_digits
from numbafc.interop.sklearn import MLPClassifier

X, y = load_digits(return_X_y=True)


def objective(trial):
    rate = trial.suggest_float("learning_rate_init", 1e-5, 1e-1, log=True)
    model = MLPClassifier(trial.suggest_int("units", 8, 128, log=True), learning_rate_init=rate, random_state=0)
    for epoch in range(20):
        score = model.partial_fit(X[:1400], y[:1400], classes=range(10)).score(X[1400:], y[1400:])
        trial.report(score, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return score


study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=3))
study.optimize(objective, n_trials=20)
"""
PRINTED = """
states = [trial.state.name for trial in study.trials]
print(states.count("COMPLETE"), states.count("PRUNED"), study.best_value)
"""


def test_optuna_prunes_by_partial_fit():
    pytest.importorskip("optuna", reason="Optuna is not installed")
    seeded = EXAMPLE.replace('direction="maximize"', 'sampler=optuna.samplers.RandomSampler(0), direction="maximize"')
    done = run_python(f"import optuna; optuna.logging.set_verbosity(40)\n{seeded}{PRINTED}")
    assert done.returncode == 0, done.stderr
    complete, pruned, best = done.stdout.split()
    assert int(complete) + int(pruned) == 20
    assert int(pruned) >= 5
    assert int(complete) >= 3
    assert float(best) > 0.9


def test_the_example_is_short_and_is_that_of_readme():
    assert len([line for line in EXAMPLE.splitlines() if line]) <= 15
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    examples = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "optuna" in block]
    assert all(block == EXAMPLE for block in examples)

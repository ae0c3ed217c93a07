"""Peers: each in a process of its own, told how many threads to use; a job is one line of JSON, and so is its answer."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

REST = 0.25  # seconds: the idle threads of the peer before spin on the cores of the next, Intel's OpenMP for 200 ms


class Peer:
    """A worker process: `python -m WORKER MODULE THREADS`. version: of the module."""

    def __init__(self, label: str, worker: str, module: str, threads: int, **environment: str) -> None:
        self.label = label
        pinned = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
        if module == "jax":
            pinned["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        if module == "numbafc":
            del pinned["OMP_NUM_THREADS"]  # Numba's pool has its own number
        affinity = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker, module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **pinned, **environment},
            # JAX takes all processors it sees, whatever it is told: it sees as many as it may use
            preexec_fn=(lambda: os.sched_setaffinity(0, affinity)) if module == "jax" and affinity else None,
        )
        self.version = self._answer()["version"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label} ended with exit code {self.process.wait()}; its message is above")
        return json.loads(line)

    def ask(self, **job: Any) -> dict[str, Any]:
        """Send a job, wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def started(worker: str, modules: Iterable[str], threads: int, coretype: str) -> Iterator[list[Peer]]:
    """The peers among these that this machine has, in this order. NumPy comes twice: as installed, and with OpenBLAS forced
    to its kernels for `coretype`, the best for this processor; scikit-learn, which calls NumPy, only with the best.
    """
    with contextlib.ExitStack() as stack:
        found: list[Peer] = []
        for module in modules:
            if importlib.util.find_spec(module) is None:
                print(f"{module} is not installed: no line of it")
                continue
            kinds: list[dict[str, str]] = [] if module == "sklearn" else [{}]
            if module in ("numpy", "sklearn"):
                kinds.append({"OPENBLAS_CORETYPE": coretype})
            for environment in kinds:
                label = ", ".join([module, *(f"{name}={value}" for name, value in environment.items())])
                found.append(Peer(label, worker, module, threads, **environment))
                stack.callback(found[-1].close)
        yield found


def in_turns(workers: list[Peer], rounds: int, threads: int, ask: Callable[[Peer], list[float]]) -> dict[str, list[float]]:
    """The samples of each peer, by its label: all of them in turn, `rounds` times."""
    samples: dict[str, list[float]] = {worker.label: [] for worker in workers}
    for _ in range(rounds):
        for worker in workers:
            time.sleep(REST if threads > 1 else 0)
            samples[worker.label] += ask(worker)
    return samples


def serve(answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Be a worker process: answer each job, called with the module's name and the job."""
    name, threads = sys.argv[1], int(sys.argv[2])
    module = importlib.import_module(name)
    if name in ("numbafc", "torch"):
        module.set_num_threads(threads)
    print(json.dumps({"version": module.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(name, json.loads(line))), flush=True)


def add_arguments(parser: argparse.ArgumentParser, quick: str) -> None:
    """The options that studies have in common. quick: what --quick does."""
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--threads", default="1", help="numbers of threads, separated by commas")
    parser.add_argument("--dtype", default="float32", help="float32, float64 or both, separated by a comma")
    parser.add_argument("--rounds", type=int, default=8, help="how often everybody has a turn")
    parser.add_argument("--out", type=Path, help="append rows to this file")


def finish(rows: Iterable[dict[str, Any]], peak: float, threads: int, common: dict[str, Any]) -> None:
    """What rows have in common, and each one's share of the peak."""
    for row in rows:
        share = row["gflops"] / peak / threads
        row |= {"threads": threads, "fma_peak_gflops": peak, "share_of_peak": share} | common


def summary(ratios: list[float], threads: int) -> str:
    """The line at the end. ratios: of the best peer's time to ours."""
    losses, mean = sum(ratio < 1 for ratio in ratios), statistics.geometric_mean(ratios)
    return f"{threads} threads: {mean:.2f} x the best peer in the geometric mean, slower in {losses} of {len(ratios)}"


def append(out: Path | None, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to a file, if there is one."""
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

"""python -m perf layer: the three products of the layer next to its peers.

numbafc, NumPy as installed, NumPy with OpenBLAS forced to its best kernels for this processor, PyTorch and JAX, each in a
process of its own with the same number of threads. They take turns, round after round, on the same numbers; each result
is checked against float64 before it is timed. A missing peer is a line, not an error. --out FILE appends JSON Lines.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import machine

OPS = ("forward", "grad_w", "grad_x")
SHAPES = (
    (10, 64, 1), (128, 784, 1), (1024, 1024, 1), (4096, 4096, 1), (10, 64, 32), (64, 64, 32), (10, 128, 32),
    (128, 784, 32), (45, 45, 128), (46, 46, 128), (47, 47, 128), (48, 48, 128), (128, 784, 128), (100, 300, 64),
    (300, 200, 64), (512, 512, 128), (512, 784, 128), (528, 784, 64), (784, 784, 64), (1000, 1000, 100), (1024, 1024, 8),
    (1024, 1024, 64), (1024, 1024, 256), (1056, 1056, 96), (17, 1031, 33), (257, 513, 129), (2048, 512, 64),
    (512, 2048, 64), (2000, 10, 500), (10, 2000, 500), (2048, 2048, 512),
)  # fmt: skip
REST = 0.25  # seconds: the idle threads of the peer before spin on the cores of the next, Intel's OpenMP for 200 ms
QUICK = ((10, 64, 1), (128, 784, 32), (512, 512, 128), (784, 784, 64))


class Peer:
    """A worker process."""

    def __init__(self, label: str, module: str, threads: int, **environment: str) -> None:
        self.label = label
        pinned = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
        if module == "jax":
            pinned["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        if module == "numbafc":
            del pinned["OMP_NUM_THREADS"]  # Numba's pool has its own number
        affinity = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perf.worker", module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **pinned, **environment},
            # JAX takes all processors it sees, whatever it is told: it sees as many as it may use
            preexec_fn=(lambda: os.sched_setaffinity(0, affinity)) if module == "jax" and affinity else None,
        )
        self._answer()

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
        self.process.stdin.close()
        self.process.wait()


def peers(threads: int) -> list[Peer]:
    """All peers this machine has."""
    best = "SkylakeX" if machine.widest_register_bits() == 512 else "Haswell"
    found = [
        Peer("numbafc", "numbafc", threads),
        Peer("numpy", "numpy", threads),
        Peer(f"numpy, OPENBLAS_CORETYPE={best}", "numpy", threads, OPENBLAS_CORETYPE=best),
    ]
    for module in ("torch", "jax"):
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed: no line of it")
        else:
            found.append(Peer(module, module, threads))
    return found


def measure(
    workers: list[Peer], shape: tuple[int, int, int], op: str, dtype: str, rounds: int, rest: float
) -> list[dict[str, Any]]:
    """One row per peer: all of them in turn, `rounds` times, with a rest before each turn. Raises SystemExit where a result
    is wrong.
    """
    T, N, B = shape
    job = {"op": op, "T": T, "N": N, "B": B, "dtype": dtype}
    flops = 2 * T * N * B
    repeats = max(3, min(1000, int(3e8 / flops)))  # some milliseconds: the caches are warm for everybody
    errors = {}
    for worker in workers:
        errors[worker.label] = worker.ask(**job, check=True, repeats=1)["error_over_bound"]
        if not errors[worker.label] <= 1:
            raise SystemExit(f"{worker.label}: {op} {shape} {dtype} is wrong by {errors[worker.label]:.3g} times the bound")
    samples: dict[str, list[float]] = {worker.label: [] for worker in workers}
    for _ in range(rounds):
        for worker in workers:
            time.sleep(rest)
            samples[worker.label] += worker.ask(**job, check=False, repeats=repeats)["seconds"]
    return [
        {
            "study": "layer",
            **job,
            "peer": label,
            "best": min(seconds),
            "median": statistics.median(seconds),
            "gflops": flops / min(seconds) / 1e9,
            "verified": True,
            "error_over_bound": errors[label],
            "seconds": [round(s, 9) for s in sorted(seconds)[:5]],
            "samples": len(seconds),
        }
        for label, seconds in samples.items()
    ]


def run(options: argparse.Namespace) -> None:
    """The study."""
    common = {"machine": machine.describe(), "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    for threads in (int(n) for n in options.threads.split(",")):
        workers = peers(threads)
        ratios = []
        for dtype in options.dtype.split(","):
            for shape in QUICK if options.quick else SHAPES:
                for op in OPS:
                    peak = machine.fma_peak(np.dtype(dtype), machine.widest_register_bits(), repeats=3)
                    rows = measure(workers, shape, op, dtype, options.rounds, REST if threads > 1 else 0)
                    ours, others = rows[0], rows[1:]
                    fastest = min(others, key=lambda row: row["best"])
                    ratios.append(fastest["best"] / ours["best"])
                    share = ours["gflops"] / peak / threads
                    print(
                        f"{threads} threads {dtype} {op:8}{shape!s:18}{ours['gflops']:8.1f} GFLOP/s, {share:6.1%} "
                        f"of the peak, {ratios[-1]:5.2f} x {fastest['peer']}",
                        flush=True,
                    )
                    if options.out is not None:
                        with options.out.open("a", encoding="utf-8") as file:
                            for row in rows:
                                share = row["gflops"] / peak / threads
                                extra = {"threads": threads, "fma_peak_gflops": peak, "share_of_peak": share}
                                file.write(json.dumps(row | extra | common) + "\n")
        losses = sum(ratio < 1 for ratio in ratios)
        mean = statistics.geometric_mean(ratios)
        print(f"{threads} threads: {mean:.2f} x the best peer in the geometric mean, slower in {losses} of {len(ratios)}")
        for worker in workers:
            worker.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the study."""
    parser.add_argument("--quick", action="store_true", help="four shapes")
    parser.add_argument("--threads", default="1", help="numbers of threads, separated by commas")
    parser.add_argument("--dtype", default="float32", help="float32, float64 or both, separated by a comma")
    parser.add_argument("--rounds", type=int, default=8, help="how often everybody has a turn")
    parser.add_argument("--out", type=Path, help="append rows to this file")

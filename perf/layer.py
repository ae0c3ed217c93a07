"""python -m perf layer: the three products of the layer next to its peers.

numbafc, NumPy as installed, NumPy with OpenBLAS forced to its best kernels for this processor, PyTorch and JAX, each in a
process of its own with the same number of threads. They take turns, round after round, on the same numbers; each result
is checked against float64 before it is timed. A missing peer is a line, not an error. --out FILE appends JSON Lines.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np

from . import machine, peers

OPS = ("forward", "grad_w", "grad_x")
SHAPES = (
    (10, 64, 1), (128, 784, 1), (1024, 1024, 1), (4096, 4096, 1), (10, 64, 32), (64, 64, 32), (10, 128, 32),
    (128, 784, 32), (45, 45, 128), (46, 46, 128), (47, 47, 128), (48, 48, 128), (128, 784, 128), (100, 300, 64),
    (300, 200, 64), (512, 512, 128), (512, 784, 128), (528, 784, 64), (784, 784, 64), (1000, 1000, 100), (1024, 1024, 8),
    (1024, 1024, 64), (1024, 1024, 256), (1056, 1056, 96), (17, 1031, 33), (257, 513, 129), (2048, 512, 64),
    (512, 2048, 64), (2000, 10, 500), (10, 2000, 500), (2048, 2048, 512),
)  # fmt: skip
QUICK = ((10, 64, 1), (128, 784, 32), (512, 512, 128), (784, 784, 64))
MODULES = ("numbafc", "numpy", "torch", "jax")


def measure(
    workers: list[peers.Peer], shape: tuple[int, int, int], op: str, dtype: str, rounds: int, threads: int
) -> list[dict[str, Any]]:
    """One row per peer. Raises SystemExit where a result is wrong."""
    T, N, B = shape
    job = {"op": op, "T": T, "N": N, "B": B, "dtype": dtype}
    flops = 2 * T * N * B
    repeats = max(3, min(1000, int(3e8 / flops)))  # some milliseconds: the caches are warm for everybody
    errors = {}
    for worker in workers:
        errors[worker.label] = worker.ask(**job, check=True, repeats=1)["error_over_bound"]
        if not errors[worker.label] <= 1:
            raise SystemExit(f"{worker.label}: {op} {shape} {dtype} is wrong by {errors[worker.label]:.3g} times the bound")
    samples = peers.in_turns(
        workers, rounds, threads, lambda worker: worker.ask(**job, check=False, repeats=repeats)["seconds"]
    )
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
    for threads in (int(n) for n in options.threads.split(",")):
        with peers.started("perf.worker", MODULES, threads, machine.best_coretype()) as workers:
            run_with(workers, threads, options)


def run_with(workers: list[peers.Peer], threads: int, options: argparse.Namespace) -> None:
    """The study with one number of threads."""
    common, ratios = machine.common(), []
    for dtype in options.dtype.split(","):
        for shape in QUICK if options.quick else SHAPES:
            for op in OPS:
                peak = machine.fma_peak(np.dtype(dtype), machine.widest_register_bits(), repeats=3)
                rows = measure(workers, shape, op, dtype, options.rounds, threads)
                peers.finish(rows, peak, threads, common)
                ours, others = rows[0], rows[1:]
                fastest = min(others, key=lambda row: row["best"])
                ratios.append(fastest["best"] / ours["best"])
                print(
                    f"{threads} threads {dtype} {op:8}{shape!s:18}{ours['gflops']:8.1f} GFLOP/s, "
                    f"{ours['share_of_peak']:6.1%} of the peak, {ratios[-1]:5.2f} x {fastest['peer']}",
                    flush=True,
                )
                peers.append(options.out, rows)
    print(peers.summary(ratios, threads))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the study."""
    peers.add_arguments(parser, quick="four shapes")

"""python -m perf.loops: GFLOP/s of the three products, kernel="loops" and "tiled", next to NumPy and the FMA peak.

Each product is checked against NumPy's before it is timed. Rounds interleave everything that is compared; a row keeps
every sample. With --out FILE rows are appended as JSON Lines.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import numbafc as fc
from numbafc.testing import error_bound

from . import machine

T, N, B = 512, 512, 128


KERNELS = ("loops", "tiled")


def products(dtype: np.dtype) -> dict[str, tuple[Callable[[str], np.ndarray], Callable[[], np.ndarray], np.ndarray]]:
    """For each product: ours for a kernel, NumPy's, and how far two right results may lie apart."""
    rng = np.random.default_rng(0)
    W, X, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((T, N), (N, B), (T, B)))
    return {
        "forward": (lambda kernel: fc.forward(W, X, kernel=kernel), lambda: np.matmul(W, X), 2 * error_bound(W, X)),
        "grad_w": (lambda kernel: fc.grad_w(dY, X, kernel=kernel), lambda: np.matmul(dY, X.T), 2 * error_bound(dY, X.T)),
        "grad_x": (lambda kernel: fc.grad_x(dY, W, kernel=kernel), lambda: np.matmul(W.T, dY), 2 * error_bound(W.T, dY)),
    }


def measure(dtype: np.dtype, threads: int, rounds: int) -> list[dict[str, Any]]:
    """The rows of one dtype."""
    fc.set_num_threads(threads)
    rows = []
    for op, (ours, numpy, bound) in products(dtype).items():
        calls: dict[str, Callable[[], np.ndarray]] = {name: functools.partial(ours, name) for name in KERNELS}
        calls["numpy"] = numpy
        if not all((np.abs(call() - numpy()) <= bound).all() for call in calls.values()):
            raise SystemExit(f"{op} is wrong: nothing is timed")
        samples: dict[str, list[float]] = {name: [] for name in calls}
        peaks = []
        for _ in range(rounds):
            peaks.append(machine.fma_peak(dtype, machine.widest_register_bits(), repeats=2))
            for kernel, call in calls.items():
                start = time.perf_counter()
                call()
                samples[kernel].append(time.perf_counter() - start)
        for kernel, seconds in samples.items():
            gflops = 2 * T * N * B / min(seconds) / 1e9
            rows.append(
                {
                    "study": "loops",
                    "op": op,
                    "T": T,
                    "N": N,
                    "B": B,
                    "dtype": dtype.name,
                    "threads": threads,
                    "kernel": kernel,
                    "gflops": round(gflops, 2),
                    "fma_peak_gflops": round(max(peaks), 1),
                    "share_of_peak": round(gflops / max(peaks) / threads, 4),
                    "verified": True,
                    "seconds": seconds,
                }
            )
    return rows


def pin_blas(threads: int) -> None:
    """Start again with NumPy's BLAS on as many threads as the kernels: it reads its number when it is loaded."""
    wanted = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, "-m", "perf.loops", *sys.argv[1:]], {**os.environ, **wanted})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pin_blas(options.threads)
    common = machine.common()
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        for row in measure(dtype, options.threads, options.rounds):
            speed = f"{row['gflops']:7.1f} GFLOP/s, {row['share_of_peak']:6.1%} of the FMA peak"
            print(f"{row['dtype']} {row['op']:8} {row['kernel']:6} {speed}")
            if options.out is not None:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row | common) + "\n")


if __name__ == "__main__":
    main()

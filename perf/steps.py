"""python -m perf steps: training steps next to their peers.

A step is a shuffled minibatch: gathered, forward, loss, backward, update. numbafc (net.fit), NumPy as installed and with
OpenBLAS forced to its best kernels for this processor, scikit-learn's fit with the same kernels, PyTorch (eager) and JAX
(an epoch is one compiled scan), each in a process of its own with the same number of threads. They take turns, round after
round, each from the same weights on the same data; a sample is the time of an epoch divided by its steps, and the first
epoch of a turn is not counted. A missing peer is a line, and so is one whose parameters after eight steps are wrong: it is
not timed. --out FILE appends JSON Lines.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import machine, peers, trainers

NETWORKS = (
    ((64, 32, 10), 32), ((784, 128, 10), 32), ((784, 128, 10), 128), ((20, 45, 45, 10), 128), ((20, 46, 46, 10), 128),
    ((20, 47, 47, 10), 128), ((20, 48, 48, 10), 128), ((300, 200, 100, 50, 2), 64), ((784, 512, 512, 10), 128),
    ((1024, 1024, 1024, 1024), 256),
)  # fmt: skip
QUICK = (((64, 32, 10), 32), ((784, 128, 10), 128), ((784, 512, 512, 10), 128))
MODULES = ("numbafc", "numpy", "sklearn", "torch", "jax")
RATES = {"sgd": 0.01, "adam": 0.001}
CHECKED = 8  # steps before the parameters are compared
EPOCHS = 3  # samples of a turn


def flops(sizes: tuple[int, ...], batch: int) -> int:
    """Of the products of a step: forward, dW and dX of each layer, but no dX of the first."""
    products = [N * T for N, T in itertools.pairwise(sizes)]
    return 2 * batch * (3 * sum(products) - products[0])


# ---- is it right? --------------------------------------------------------------------------------------------------


class Reference(NamedTuple):
    """The parameters that training must reach, and for each W and b how far from them, as a norm, a right answer may be."""

    loss: float
    parts: list[np.ndarray]
    bounds: list[float]


def reference(given: trainers.Problem) -> Reference:
    """Train in float64, without shuffling.

    The bound of a part θ is k·u·‖θ‖, for the rounding of θ in each of k steps with unit roundoff u, plus a thousandth of
    its update: the gradient's rounding is of order √N·u for each product on its way, 2e-6 for N = 1024 in float32.
    But where rounding puts a unit of relu on the other side of 0, its whole share of the gradient comes or goes. It does so
    to pre-activations, of order 1, within some √N·u of 0. So twice the distance to the runs with relu's kink 4·√N·u
    below and above 0 is allowed, too: for SGD up to 1.5 % of the update. Adam's ε stands beside √(v/(1 − β₂ⁿ)) in the
    paper and beside √v in scikit-learn, there up to 1/√(1 − β₂) times as large: the run with that is one more.
    """
    exact = given._replace(X=given.X.astype(np.float64), start=given.start.astype(np.float64))
    roundoff = float(np.finfo(given.start.dtype).eps) / 2
    kink = 4 * max(given.sizes) ** 0.5 * roundoff
    neighbours: list[dict[str, float]] = [{"kink": -kink}, {"kink": kink}]
    if given.optimizer == "adam":
        neighbours.append({"epsilon": trainers.EPSILON / (1 - trainers.BETA2) ** 0.5})
    right = trainers.numpy_trainer(exact)(1, False)
    others = [trainers.numpy_trainer(exact, **settings)(1, False) for settings in neighbours]
    parts, start = split(right.parameters, given.sizes), split(exact.start, given.sizes)
    bounds = []
    for n, (part, before) in enumerate(zip(parts, start, strict=True)):
        strays = [np.linalg.norm(split(other.parameters, given.sizes)[n] - part) for other in others]
        steps = len(given.X) // given.batch
        rounding = steps * roundoff * np.linalg.norm(part) + 1e-3 * np.linalg.norm(part - before)
        bounds.append(float(rounding + 2 * sum(strays)))
    return Reference(right.loss, parts, bounds)


def split(flat: np.ndarray, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Every W and b."""
    return [part for pair in trainers.views(flat, sizes) for part in pair]


def error_over_bound(expected: Reference, sizes: tuple[int, ...], loss: float, parameters: np.ndarray) -> float:
    """The largest error of any W or b, or of the loss, in units of its bound; unless it is at most 1, it is wrong."""
    errors = [abs(loss - expected.loss) / (1e-3 * expected.loss)]
    for found, part, bound in zip(split(parameters, sizes), expected.parts, expected.bounds, strict=True):
        errors.append(float(np.linalg.norm(found.astype(np.float64) - part)) / bound)
    return float(np.max(errors))  # NaN if one is


def verified(workers: list[peers.Peer], job: dict[str, Any]) -> dict[str, float]:
    """The error of each peer that trains rightly, by its label. Raises SystemExit if numbafc is not among them."""
    given = trainers.problem(job["sizes"], job["batch"], CHECKED, job["dtype"], job["optimizer"], job["rate"])
    expected, errors = reference(given), {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.npy"
        for worker in workers:
            answer = worker.ask(**job | {"steps": CHECKED}, epochs=1, shuffle=False, save=str(file))
            error = error_over_bound(expected, job["sizes"], answer["loss"], np.load(file))
            if error <= 1:
                errors[worker.label] = error
                continue
            message = (
                f"{worker.label}: {job['sizes']} {job['optimizer']} {job['dtype']} is wrong by {error:.3g} times the bound"
            )
            if worker is workers[0]:
                raise SystemExit(message)
            print(f"{message}: not timed")
    return errors


# ---- how fast is it? -----------------------------------------------------------------------------------------------


def measure(workers: list[peers.Peer], job: dict[str, Any], rounds: int, threads: int) -> list[dict[str, Any]]:
    """One row per peer that trains rightly, numbafc first."""
    work = flops(job["sizes"], job["batch"])
    steps = max(8, min(1000, int(4e9 / work)))  # some 50 milliseconds an epoch
    job = job | {"steps": steps}
    errors = verified(workers, job)

    def turn(worker: peers.Peer) -> list[float]:
        seconds = worker.ask(**job, epochs=1 + EPOCHS, shuffle=True, save=None)["seconds"]
        return [s / steps for s in seconds[1:]]

    right = [worker for worker in workers if worker.label in errors]
    samples = peers.in_turns(right, rounds, threads, turn)
    return [
        {
            "study": "steps",
            **job,
            "peer": worker.label,
            "version": worker.version,
            "best": min(samples[worker.label]),
            "median": statistics.median(samples[worker.label]),
            "gflops": work / min(samples[worker.label]) / 1e9,
            "verified": True,
            "error_over_bound": errors[worker.label],
            "seconds": [round(s, 9) for s in samples[worker.label]],
            "samples": len(samples[worker.label]),
        }
        for worker in right
    ]


def report(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Print the lines of a network. Returns the best peer's time next to ours, by "best" and by "median"."""
    ours, others = rows[0], rows[1:]
    ratios = {}
    for kind in ("best", "median"):
        fastest = min(others, key=lambda row: row[kind])
        ratios[kind] = fastest[kind] / ours[kind]
    fastest = min(others, key=lambda row: row["best"])
    network = f"{'-'.join(map(str, ours['sizes']))}, {ours['batch']}"
    print(
        f"{ours['threads']} threads {ours['dtype']} {ours['optimizer']} {network:24}{1e6 * ours['best']:9.1f} us, "
        f"{ours['share_of_peak']:6.1%} of the peak, {ratios['best']:5.2f} x {fastest['peer']} "
        f"({ratios['median']:.2f} x by medians)"
    )
    for row in rows:
        best, median = 1e6 * row["best"], 1e6 * row["median"]
        print(f"    {row['peer']:36}{best:10.1f} us, median {median:10.1f}, {row['share_of_peak']:6.1%}", flush=True)
    return ratios


def run(options: argparse.Namespace) -> None:
    """The study."""
    for threads in (int(n) for n in options.threads.split(",")):
        with peers.started("perf.trainers", MODULES, threads, machine.best_coretype()) as workers:
            run_with(workers, threads, options)


def run_with(workers: list[peers.Peer], threads: int, options: argparse.Namespace) -> None:
    """The study with one number of threads."""
    common, ratios = machine.common(), []
    for dtype in options.dtype.split(","):
        for sizes, batch in QUICK if options.quick else NETWORKS:
            peak = machine.fma_peak(np.dtype(dtype), machine.widest_register_bits(), repeats=3)
            job = {"sizes": sizes, "batch": batch, "dtype": dtype}
            job |= {"optimizer": options.optimizer, "rate": RATES[options.optimizer]}
            rows = measure(workers, job, options.rounds, threads)
            peers.finish(rows, peak, threads, common)
            ratios.append(report(rows))
            peers.append(options.out, rows)
    print(peers.summary([ratio["best"] for ratio in ratios], threads))
    print(f"by medians: {statistics.geometric_mean(ratio['median'] for ratio in ratios):.2f} x")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the study."""
    peers.add_arguments(parser, quick="three networks")
    parser.add_argument("--optimizer", choices=sorted(RATES), default="sgd", help="the update, with the rate of numbafc")

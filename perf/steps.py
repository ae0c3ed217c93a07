"""microseconds of a training step, next to NumPy, scikit-learn, PyTorch, JAX, LIBXSMM and oneDNN.

A step is a shuffled minibatch: gathered, forward, loss, backward, update. numbafc (net.fit), NumPy as installed and with
OpenBLAS forced to its best kernels for this processor, scikit-learn's fit with the same kernels, PyTorch (eager) and JAX
(an epoch is one compiled scan) are what users have; LIBXSMM and oneDNN (an epoch is one call of a C program, perf/c) are
what an expert writes. Each is a process of its own with the same number of threads. They are interleaved, round after
round, each from the same weights on the same data; a sample is the time of an epoch divided by its steps, and the first
epoch of a round is not counted. A peer whose parameters after eight steps are wrong is a line, and is not timed.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import drawing, rounds, rows, trainers
from .layer import versus
from .products import EXPERTS
from .reference import Reference, error_over_bound, reference
from .session import Session

NETWORKS = (
    ((64, 32, 10), 32), ((784, 128, 10), 32), ((784, 128, 10), 128), ((20, 45, 45, 10), 128), ((20, 46, 46, 10), 128),
    ((20, 47, 47, 10), 128), ((20, 48, 48, 10), 128), ((300, 200, 100, 50, 2), 64), ((784, 512, 512, 10), 128),
    ((1024, 1024, 1024, 1024), 256),
)  # fmt: skip
QUICK = (((64, 32, 10), 32), ((784, 128, 10), 128), ((784, 512, 512, 10), 128))
MODULES = ("numbafc", "numpy", "sklearn", "torch", "jax", *EXPERTS)
FRAMEWORKS = "the frameworks alone (without LIBXSMM and oneDNN)"
RATES = {"sgd": 0.01, "adam": 0.001}
CHECKED = 8  # steps before the parameters are compared
EPOCHS = 3  # samples of a round
SECONDS = (300, 36)


def flops(sizes: tuple[int, ...], batch: int) -> int:
    """The flops of the products of a step: forward, dW and dX of each layer, but no dX of the first."""
    products = [N * T for N, T in itertools.pairwise(sizes)]
    return 2 * batch * (3 * sum(products) - products[0])


# ---- is it right? --------------------------------------------------------------------------------------------------


def check(subject: Any, expected: Reference, job: dict[str, Any]) -> dict[str, float]:
    """Train CHECKED steps. Returns the error, and the seconds that it took, with what had to be compiled for it."""
    with tempfile.TemporaryDirectory() as folder:
        file, start = Path(folder) / "parameters.npy", time.perf_counter()
        answer = subject.ask(**job | {"steps": CHECKED}, epochs=1, shuffle=False, save=str(file))
        seconds = time.perf_counter() - start
        error = error_over_bound(expected, job["sizes"], answer["loss"], np.load(file))
    return {"error_over_bound": error, "first_seconds": seconds}


# ---- how fast is it? -----------------------------------------------------------------------------------------------


def measure(session: Session, workers: list[Any], job: dict[str, Any], threads: int) -> list[rows.Row]:
    """Measure a network. Returns one row per peer that trains rightly, numbafc first."""
    work = flops(job["sizes"], job["batch"])
    steps = max(8, min(1000, int((1.5e9 if session.quick else 4e9) / work)))  # some 50 milliseconds an epoch
    job = job | {"steps": steps}
    given = trainers.problem(job["sizes"], job["batch"], CHECKED, job["dtype"], job["optimizer"], job["rate"])
    expected = reference(given)

    def sample(worker: Any, _: rows.Row) -> list[float]:
        seconds = worker.ask(**job, epochs=1 + EPOCHS, shuffle=True, save=None)["seconds"]
        return [s / steps for s in seconds[1:]]

    sizes, batch = job["sizes"], job["batch"]
    comparison = rounds.Comparison(
        what=f"{sizes} {job['optimizer']} {job['dtype']}",
        case={"op": f"step, {job['optimizer']}", "T": sizes[-1], "N": sizes[0], "B": batch, **job, "threads": threads},
        check=lambda worker: check(worker, expected, job),
        sample=sample,
        flops=lambda _: work,
    )
    return rounds.measure(session, workers, comparison)


def network(row: rows.Row) -> str:
    """The name of a row's network."""
    return f"{'-'.join(map(str, row['sizes']))}, batch {row['batch']}"


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: what a network's steps take, ours and everybody's."""
    times = ", ".join(f"{1e6 * row['best']:.1f} {drawing.name(row['peer'])}" for row in found)
    ratio = versus(found)
    fastest = f"; {ratio:.2f} x the fastest peer" if ratio else ""
    mine = found[0]
    threads = drawing.counted(mine["threads"])
    return f"{threads} {mine['dtype']} {mine['optimizer']} {network(mine)}, us a step: {times}{fastest}"


def run(session: Session) -> None:
    """Measure every network."""
    dtypes, threads = session.dtypes("float32"), session.threads(1)
    networks = QUICK if session.quick else NETWORKS
    cases = [
        {"sizes": sizes, "batch": batch, "dtype": dtype, "optimizer": optimizer, "rate": RATES[optimizer]}
        for optimizer in session.options.optimizers
        for dtype in dtypes
        for sizes, batch in networks
    ]
    for n in threads:
        with session.workers("perf.trainers", MODULES, n) as workers:
            for job in session.each(cases, of=len(threads)):
                session.say(line(measure(session, workers, job, n)))


def findings(found: list[rows.Row]) -> list[str]:
    """How often we are faster, and by how much; PyTorch's cliff."""
    said = []
    for (n, dtype, op), part in rows.groups(found, "threads", "dtype", "op").items():
        which = f"{op}, {dtype}, {drawing.counted(n)}"
        for kind in ("best", "median"):
            if text := against_peers(part, kind):
                said.append(f"{which}, by {kind} samples: {text}")
        if (text := against_peers(frameworks(part))) and len(frameworks(part)) < len(part):
            said.append(f"{which}, {FRAMEWORKS}: {text}")
        said += [f"{which}: {text}" for text in cliffs(part)]
    return said


def against_peers(found: list[rows.Row], kind: str = "best") -> str | None:
    """Our speed next to the fastest peer's, over the networks, by "best" or "median" samples; None without peers."""
    cases = rows.groups(found, "sizes", "batch").values()
    ratios = [ratio for case in cases if (ratio := versus(case, kind)) is not None]
    if not ratios:
        return None
    mean, slower = statistics.geometric_mean(ratios), sum(ratio < 1 for ratio in ratios)
    return f"{mean:.2f} × the fastest peer's speed in the geometric mean, slower in {slower} of {len(ratios)}."


def frameworks(found: list[rows.Row]) -> list[rows.Row]:
    """The rows without those of the peers in C."""
    return [row for row in found if row["peer"] not in EXPERTS]


def cliffs(found: list[rows.Row]) -> list[str]:
    """What one unit more in the hidden layers costs where PyTorch's issue #144633 saw a cliff."""
    narrow = [row for row in found if len(row["sizes"]) == 4 and row["sizes"][1] in (45, 46)]
    pairs = {peer: sorted(rows.where(narrow, peer=peer), key=lambda row: row["sizes"]) for peer in ("numbafc", "torch")}
    return [
        f"with {drawing.name(peer)} width 46 takes {pair[1]['best'] / pair[0]['best']:.2f} times as long as width 45, "
        "where PyTorch's issue #144633 saw a cliff."
        for peer, pair in pairs.items()
        if len(pair) == 2
    ]


def picture(found: list[rows.Row]) -> Any:
    """A line for each network, a mark for each peer, and where the FMA peak would be."""
    mine = rows.where(found, dtype=found[0]["dtype"], threads=found[0]["threads"], op=found[0]["op"])
    names = list(dict.fromkeys(network(row) for row in mine))
    figure, axes = drawing.panels(1.4 + 0.3 * len(names))
    dots(axes[0, 0], mine, names)
    axes[0, 0].set_title(
        f"a training step, {mine[0]['optimizer']}, {mine[0]['dtype']}, {drawing.counted(mine[0]['threads'])}"
    )
    drawing.legend(figure, (axes[0, 0],))
    return figure


def dots(axes: Any, mine: list[rows.Row], names: list[str]) -> None:
    """Draw the microseconds of each network, which are lines from top to bottom."""
    for part in rows.groups(mine, "peer").values():
        look = drawing.style(rows.label(part[0])) | {"linestyle": "none", "markersize": 6}
        axes.plot([1e6 * row["best"] for row in part], [names.index(network(row)) for row in part], **look)
    limits = {network(row): 1e-3 * flops(tuple(row["sizes"]), row["batch"]) / row["fma_peak_gflops"] for row in mine}
    axes.plot(
        [limits[name] for name in names], range(len(names)), "|", color="0.25", markersize=11, markeredgewidth=1.5,
        label="at the FMA peak",
    )  # fmt: skip
    drawing.log(axes, "x")
    axes.set_xlabel("µs a step (left is fast)")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)

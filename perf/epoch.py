"""seconds of training until a stated accuracy, next to scikit-learn and PyTorch.

Two tasks: the digits that come with the package, and made-up data of MNIST's size. Everybody starts from the same weights
and uses Adam with the same settings, but shuffles in its own way. How many epochs a subject needs is found first, by
training anew with one epoch more until its parameters put enough of the samples that were held back into their classes:
they are judged in float64, outside of the subject. Then trainings of that length are timed in rounds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import drawing, rounds, rows, steps, tasks
from .layer import versus
from .session import Session

# task, its layers, samples of a minibatch, minibatches of an epoch, accuracy to reach
TASKS = (("digits", (64, 64, 10), 32, 46, 0.97), ("mnist-sized", (784, 128, 10), 100, 600, 0.96))
MODULES = ("numbafc", "sklearn", "torch")
MOST = 25  # epochs
RATE = 0.001
SECONDS = (60, 8)


def reach(subject: Any, job: dict[str, Any], target: float) -> dict[str, Any]:
    """Train for one, two, … epochs until the accuracy is there. The bound is the share of errors that it leaves."""
    accuracies: list[float] = []
    seconds: list[float] = []
    start, first = time.perf_counter(), 0.0
    samples = job["steps"] * job["batch"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.npy"
        while len(accuracies) < MOST and not (accuracies and accuracies[-1] >= target):
            seconds = subject.ask(**job, epochs=len(accuracies) + 1, shuffle=True, save=str(file))["seconds"]
            first = first or time.perf_counter() - start
            accuracies.append(tasks.accuracy(job["task"], tuple(job["sizes"]), samples, np.load(file)))
    answer = {"first_seconds": first, "error_over_bound": (1 - accuracies[-1]) / (1 - target), "epochs": len(accuracies)}
    short = [round(value, 4) for value in accuracies]
    return answer | {"accuracies": short, "ends": [rows.short(float(end)) for end in np.cumsum(seconds)]}


def run(session: Session) -> None:
    """Measure every task."""
    dtypes, threads = session.dtypes("float32"), session.threads(1)
    cases = [(dtype, *task) for dtype in dtypes for task in (TASKS[:1] if session.quick else TASKS)]
    for n in threads:
        with session.workers("perf.tasks", MODULES, n) as workers:
            for dtype, task, sizes, batch, count, target in session.each(cases, of=len(threads)):
                job = {"task": task, "sizes": sizes, "batch": batch, "steps": count, "dtype": dtype}
                session.say(line(measure(session, workers, job | {"optimizer": "adam", "rate": RATE}, target, n)))


def measure(session: Session, workers: list[Any], job: dict[str, Any], target: float, threads: int) -> list[rows.Row]:
    """Measure a task. Returns one row per subject that learns; a sample is the sum of its epochs' seconds."""

    def sample(worker: Any, reached: rows.Row) -> list[float]:
        return [sum(worker.ask(**job, epochs=reached["epochs"], shuffle=True, save=None)["seconds"])]

    sizes, batch = job["sizes"], job["batch"]
    case = {"op": f"{job['task']} to {target}", "T": sizes[-1], "N": sizes[0], "B": batch, **job}
    work = steps.flops(sizes, batch) * job["steps"]
    comparison = rounds.Comparison(
        what=f"{job['task']} {job['dtype']}: accuracy {target}",
        case=case | {"threads": threads, "target": target},
        check=lambda worker: reach(worker, job, target),
        sample=sample,
        flops=lambda reached: work * reached["epochs"],
        rounds=min(5, session.rounds),
    )
    return rounds.measure(session, workers, comparison)


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: everybody's seconds and epochs."""
    times = ", ".join(f"{row['best']:.3g} s in {row['epochs']} epochs {drawing.name(row['peer'])}" for row in found)
    return f"{drawing.counted(found[0]['threads'])} {found[0]['dtype']} {found[0]['op']}: {times}"


def findings(found: list[rows.Row]) -> list[str]:
    """Seconds to the accuracy, and of an epoch, which luck with the order of samples does not change."""
    said = []
    for (op, dtype, n), case in rows.groups(found, "op", "dtype", "threads").items():
        times = "; ".join(
            f"{drawing.name(row['peer'])} {row['best']:.3g} s in {row['epochs']} epochs of "
            f"{row['best'] / row['epochs']:.3g} s, accuracy {row['accuracies'][-1]:.3f}"
            for row in case
        )
        ratio = versus(case)
        said.append(
            f"{op}, {dtype}, {drawing.counted(n)}: {times}." + (f" {ratio:.2f} × the fastest peer." if ratio else "")
        )
    return said


def picture(found: list[rows.Row]) -> Any:
    """Accuracy over the seconds of training, a panel for each task."""
    part = rows.where(found, dtype=found[0]["dtype"], threads=found[0]["threads"])
    groups = rows.groups(part, "task")
    figure, axes = drawing.panels(3.4, len(groups))
    for one, ((task,), case) in zip(axes[0], groups.items(), strict=True):
        lowest = min(value for row in case for value in row["accuracies"])
        target = case[0]["target"]
        for row in case:
            one.plot(row["ends"], row["accuracies"], **drawing.style(rows.label(row)))
        one.axhline(target, color="0.25", linewidth=1)
        one.annotate(
            f"stated: {target}", (0, target), (3, 3), xycoords=("axes fraction", "data"),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
        sizes = "-".join(map(str, case[0]["sizes"]))
        one.set(title=f"{task}, {sizes}, batch {case[0]['batch']}", xlabel="seconds of training")
        one.set_ylim(max(lowest, 1 - 9 * (1 - target)) - 0.01, 1)
        drawing.log(one, "x")
    axes[0, 0].set_ylabel("accuracy on held-back samples")
    drawing.legend(figure, axes[0])
    return figure

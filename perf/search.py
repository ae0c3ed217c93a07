"""seconds of a grid search over a pipeline: with one changed import, in one process and on loky, Dask and Ray.

The search is that of perf/swap_import.py: min-max scaling, PCA and MLPClassifier on the 1797 digits, eight settings, three
folds, the log loss. Each library has a process of its own, which starts the engine: two workers of one thread each. Before
anything is timed its mean scores must be those that scikit-learn finds alone, within 1e-6 of them, and its best parameters;
and those of numbafc, with the weights of the best network, must have the same bits on every engine, where every worker must
use one thread. The first search on an engine, which starts it, and compiles or loads, is in no sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing, rounds, rows, searches
from .session import Session

MODULES = ("numbafc", "sklearn")
BOUND = 1e-6  # of a mean score, relative
SECONDS = (240, 20)


def run(session: Session) -> None:
    """Measure every engine."""
    session.only(dtype="float64")
    engines = ("alone", "loky") if session.quick else tuple(searches.ENGINES)
    with session.workers("perf.searches", MODULES, 1) as workers:
        expected = next(worker for worker in workers if worker.module == "sklearn").ask(
            engine="alone", quick=session.quick, check=True
        )
        bits: set[str] = set()
        for engine in session.each(engines):
            reason = searches.missing(engine)
            if reason is not None:
                session.note(reason)
                continue
            session.say(line(measure(session, workers, engine, expected, bits)))


def measure(session: Session, workers: list[Any], engine: str, expected: rows.Row, bits: set[str]) -> list[rows.Row]:
    """Measure an engine. expected: what scikit-learn finds alone; bits: of our searches so far."""
    job = {"engine": engine, "quick": session.quick}

    def check(worker: Any) -> rows.Row:
        found = worker.ask(**job, check=True)
        right = found["best"] == expected["best"]
        if worker.module == "numbafc":
            bits.add(found["bits"])
            right = right and len(bits) == 1 and found["worker_threads"] == 1
        got, wanted = np.array(found["scores"]), np.array(expected["scores"])
        error = float(np.max(np.abs(got - wanted) / np.abs(wanted)) / BOUND) if right else float("inf")
        return {"error_over_bound": error, "first_seconds": found["seconds"], "settings": len(wanted)}

    comparison = rounds.Comparison(
        what=f"the search on {engine}",
        case={
            "op": f"search, {engine}", "T": 10, "N": 64, "B": 200, "dtype": "float64",
            "threads": 1 if engine == "alone" else searches.WORKERS,
        },
        check=check,
        sample=lambda worker, _: [worker.ask(**job)["seconds"]],
        flops=lambda _: None,
        rounds=min(3, session.rounds),
    )  # fmt: skip
    return rounds.measure(session, workers, comparison)


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: everybody's seconds."""
    times = ", ".join(f"{row['best']:.3g} s {drawing.name(row['peer'])}" for row in found)
    return f"{found[0]['op']}: {times}"


def findings(found: list[rows.Row]) -> list[str]:
    """On every engine, how many times sooner ours ends, and what the engine gains over one process."""
    said = []
    alone = {row["peer"]: row["best"] for row in found if row["op"] == "search, alone"}
    for (op,), case in rows.groups(found, "op").items():
        mine = next((row for row in case if rows.ours(row)), None)
        if mine is None:
            continue
        text = f"The search with MLPClassifier of numbafc, {op.removeprefix('search, ')}: {mine['best']:.2f} s"
        for row in case:
            if row is not mine:
                text += (
                    f", with {drawing.name(row['peer'])}'s {row['best']:.2f} s, {row['best'] / mine['best']:.1f} × as long"
                )
        if mine["threads"] > 1 and "numbafc" in alone:
            text += f"; {alone['numbafc'] / mine['best']:.2f} × the speed of one process"
        said.append(f"{text}.")
    return said


def picture(found: list[rows.Row]) -> Any:
    """Seconds of the search, a group of bars for each engine."""
    engines = rows.groups(found, "op")
    peers = list(dict.fromkeys(row["peer"] for row in found))
    figure, axes = drawing.panels(3.2)
    one = axes[0, 0]
    for n, peer in enumerate(peers):
        colour = drawing.style(peer)["color"]
        for at, case in enumerate(engines.values()):
            for row in rows.where(case, peer=peer):
                label = drawing.name(peer) if at == 0 else None
                one.barh(at + 0.38 * (n - 0.5 * (len(peers) - 1)), row["best"], 0.34, color=colour, label=label)
                one.annotate(
                    f"{row['best']:.2f}", (row["best"], at + 0.38 * (n - 0.5 * (len(peers) - 1))), (3, 0),
                    textcoords="offset points", va="center", fontsize=8,
                )  # fmt: skip
    one.set_yticks(range(len(engines)), [op.removeprefix("search, ") for (op,) in engines])
    one.invert_yaxis()
    one.set(title="a grid search, 8 settings × 3 folds, two workers", xlabel="seconds")
    drawing.legend(figure, (one,))
    return figure

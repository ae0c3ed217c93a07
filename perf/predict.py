"""microseconds of the prediction of one row, the middle and the 99th percentile, next to NumPy, PyTorch and ONNX Runtime.

A service answers one request after the other: a network with relu between its layers, one row, float32, its class. numbafc
is net.predict; NumPy is by hand, matrices times a vector into arrays made once; PyTorch is its Sequential in inference
mode; ONNX Runtime runs Gemm, Relu and ArgMax. Every call is timed by itself, and what is reported is the middle of all, and
the times that one of a hundred and one of a thousand exceed (p50, p99 and p999 of the rows). With more than one thread each
library decides whether it uses them.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from . import drawing, rounds, rows
from .session import Session

NETWORKS = ((64, 128, 10), (64, 512, 512, 10))
MODULES = ("numbafc", "numpy", "torch", "onnxruntime")
CALLS = 2000  # of a round
PERCENTILES = {"p50": 50, "p99": 99, "p999": 99.9}
SECONDS = (45, 14)


def run(session: Session) -> None:
    """Measure every network."""
    session.only(dtype="float32")
    threads = session.threads(*sorted({1, min(2, session.common["machine"]["cores"])}))
    for n in threads:
        with session.workers("perf.predictors", MODULES, n) as workers:
            for sizes in session.each(NETWORKS, of=len(threads)):
                session.say(line(measure(session, workers, sizes, n)))


def measure(session: Session, workers: list[Any], sizes: tuple[int, ...], threads: int) -> list[rows.Row]:
    """Measure a network. Returns one row for each right subject, with p50, p99 and p999 in seconds."""
    asked = {"sizes": sizes}
    all_calls: dict[int, list[float]] = {}

    def sample(one: Any, _: rows.Row) -> list[float]:
        answer = one.ask(**asked, check=False, calls=CALLS // (4 if session.quick else 1))
        all_calls.setdefault(id(one), []).extend(answer["seconds"])
        return [float(np.median(answer["seconds"]))]

    def finish(one: Any) -> rows.Row:
        found = np.percentile(all_calls[id(one)], list(PERCENTILES.values()))
        return {name: rows.short(float(value)) for name, value in zip(PERCENTILES, found, strict=True)}

    comparison = rounds.Comparison(
        what=f"one row through {sizes}",
        case={
            "op": "predict",
            "T": sizes[-1],
            "N": sizes[0],
            "B": 1,
            "sizes": sizes,
            "dtype": "float32",
            "threads": threads,
        },
        check=lambda one: one.ask(**asked, check=True),
        sample=sample,
        flops=lambda _: 2 * sum(N * T for N, T in itertools.pairwise(sizes)),
        finish=finish,
    )
    return rounds.measure(session, workers, comparison)


def network(row: rows.Row) -> str:
    """The name of a row's network."""
    return "-".join(map(str, row["sizes"]))


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: everybody's middle, 99th and 99.9th percentile."""
    times = ", ".join(
        f"{1e6 * row['p50']:.1f} ({1e6 * row['p99']:.1f}, {1e6 * row['p999']:.1f}) {drawing.name(row['peer'])}"
        for row in found
    )
    return f"{drawing.counted(found[0]['threads'])} {network(found[0])}, us a row, p50 (p99, p99.9): {times}"


def findings(found: list[rows.Row]) -> list[str]:
    """Ours next to the fastest peer's, and how far the 99th percentile is from the middle."""
    said = []
    for (_, n), case in rows.groups(found, "sizes", "threads").items():
        mine = next((row for row in case if rows.ours(row)), None)
        others = [row for row in case if not rows.ours(row)]
        if mine is None:
            continue
        best = min(others, key=lambda row: row["p50"], default=None)
        peer = f"; {drawing.name(best['peer'])}, the fastest peer, {1e6 * best['p50']:.1f} µs" if best else ""
        said.append(
            f"{network(mine)}, {drawing.counted(n)}: {1e6 * mine['p50']:.1f} µs{peer}; one call of a hundred takes "
            f"more than {1e6 * mine['p99']:.1f} µs, {mine['p99'] / mine['p50']:.1f} times the middle{_rarest(mine)}."
        )
    return said


def _rarest(row: rows.Row) -> str:
    """What one call of a thousand takes; older rows do not know."""
    return f", and one of a thousand more than {1e6 * row['p999']:.1f} µs" if "p999" in row else ""


def picture(found: list[rows.Row]) -> Any:
    """A panel for each network: a line from the middle to the 99th percentile for each subject and number of threads."""
    groups = rows.groups(found, "sizes")
    figure, axes = drawing.panels(3.2, len(groups))
    for one, case in zip(axes[0], groups.values(), strict=True):
        for at, row in enumerate(case):
            look = drawing.style(rows.label(row))
            ends = [1e6 * row["p50"], 1e6 * row["p99"]]
            one.plot(ends, [at, at], **look | {"linestyle": "-" if row["threads"] == 1 else ":"})
        one.set_yticks(
            range(len(case)), [f"{drawing.name(row['peer'])}, {drawing.counted(row['threads'])}" for row in case]
        )
        one.invert_yaxis()
        one.set(title=f"{network(case[0])}, one row", xlabel="µs: the middle, and the 99th percentile")
        drawing.log(one, "x")
    return figure

"""what a small call costs, each function with out= and without, next to NumPy's product of the same size.

Where there is little to compute, the call itself is what takes time: looking at the arguments, making the result. NumPy's
np.matmul is the measure, for grad_b also its sum; backward, which computes two products and a sum, is next to one product.
"""

from __future__ import annotations

import statistics
from typing import Any

from . import drawing, rounds, rows
from .peers import Kernel
from .products import flops, job
from .session import Session

MODULES = ("numbafc", "numpy")
SHAPES = ((10, 64, 1), (64, 64, 1), (64, 64, 32), (128, 784, 1), (128, 784, 32))
QUICK = ((10, 64, 1), (64, 64, 32))
CALLS = tuple((op, form) for op in ("forward", "grad_w", "grad_b", "grad_x") for form in ("new", "out"))
CALLS += (("backward", "new"),)
SAMPLES = 10  # of a round
GOAL = {"backward": 3.0}  # times NumPy's time; 1.5 for the others
SECONDS = (25, 6)


def run(session: Session) -> None:
    """Measure every shape and call."""
    session.only(threads=1)
    dtypes = session.dtypes("float32")
    cases = [
        (dtype, shape, op, form) for dtype in dtypes for shape in (QUICK if session.quick else SHAPES) for op, form in CALLS
    ]
    with session.workers("perf.caller", MODULES, 1) as workers:
        for dtype, shape, op, form in session.each(cases):
            session.say(line(measure(session, workers, op, form, shape, dtype)))


def measure(
    session: Session, workers: list[Any], op: str, form: str, shape: tuple[int, int, int], dtype: str
) -> list[rows.Row]:
    """Measure a call. Returns one row for each right subject."""
    asked = {**job(op, shape, dtype), "form": form}
    others = [Kernel(worker, "ones") for worker in workers[1:] if op == "grad_b"]
    # short samples: whatever interrupts a process meets few of them
    timing = {"check": False, "samples": SAMPLES, "calls": min(200, int(1e7 / flops(*shape)) + 1), "warm": 100}
    comparison = rounds.Comparison(
        what=f"{asked}",
        case={**asked, "threads": 1},
        check=lambda one: one.ask(**asked, check=True),
        sample=lambda one, _: one.ask(**asked, **timing)["seconds"],
        flops=lambda _: None,
    )
    return rounds.measure(session, [*workers, *others], comparison)


def ratios(found: list[rows.Row]) -> dict[tuple[Any, ...], float]:
    """Our time next to that of the fastest of NumPy's, for each (dtype, op, form, T, N, B)."""
    ratio = {}
    for key, case in rows.groups(found, "dtype", "op", "form", "T", "N", "B").items():
        mine = [row["best"] for row in case if rows.ours(row)]
        others = [row["best"] for row in case if not rows.ours(row)]
        if mine and others:
            ratio[key] = mine[0] / min(others)
    return ratio


def goal(op: str) -> float:
    """How many times as long as NumPy's product a call may take."""
    return GOAL.get(op, 1.5)


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: our time in a case, and how many times NumPy's that is."""
    mine = found[0]
    shape, what = str((mine["T"], mine["N"], mine["B"])), mine["op"] + (", out=" if mine["form"] == "out" else "")
    peer = "".join(f", {ratio:5.2f} x NumPy's" for ratio in ratios(found).values())
    return f"{mine['dtype']} {what:14}{shape:15}{1e6 * mine['best']:8.2f} us{peer}"


def findings(found: list[rows.Row]) -> list[str]:
    """How our calls compare with NumPy's, for each form."""
    groups = rows.groups(found, "dtype", "form").items()
    said = {
        f"{dtype}, {'with' if form == 'out' else 'without'} out=": against_numpy(ratios(part))
        for (dtype, form), part in groups
    }
    return [f"{which}: {text}" for which, text in said.items() if text]


def against_numpy(by_case: dict[tuple[Any, ...], float]) -> str | None:
    """Our time next to that of NumPy's product, of ratios; None if there are none."""
    if not by_case:
        return None
    over = sum(ratio > goal(key[1]) for key, ratio in by_case.items())
    worst = max(by_case, key=lambda key: by_case[key] / goal(key[1]))
    mean, count = statistics.geometric_mean(by_case.values()), drawing.counted(len(by_case), "call", "calls")
    return (
        f"{mean:.2f} × the time of NumPy's product in the geometric mean of {count}; {over} take more than 1.5 × "
        f"(backward: 3 ×). The worst is {worst[1]} of {worst[3:]}, with {by_case[worst]:.2f} ×."
    )


def picture(found: list[rows.Row]) -> Any:
    """Our time over NumPy's, for each function and form; a panel for each form."""
    part = rows.where(found, dtype=found[0]["dtype"])
    by_case = ratios(part)
    shapes = list(rows.groups(part, "T", "N", "B"))
    figure, axes = drawing.panels(3.6, 2, sharey=True)
    looks = zip(("forward", "grad_w", "grad_b", "grad_x", "backward"), "os^Dv", strict=True)
    for op, marker in looks:
        for one, form in zip(axes[0], ("new", "out"), strict=True):
            shown = [(shapes.index(key[3:]), ratio) for key, ratio in by_case.items() if key[1:3] == (op, form)]
            if shown:
                one.plot(
                    *zip(*shown, strict=True),
                    marker=marker,
                    color="black",
                    linestyle=":",
                    markerfacecolor="white",
                    label=op,
                )
    for one, title in zip(axes[0], ("a new result", "out="), strict=True):
        one.set(title=f"{title}: below 1 numbafc is faster", xlabel="T, N, B", ylabel="numbafc's time / NumPy's")
        one.axhline(1, color="0.25", linewidth=1)
        one.set_xticks(range(len(shapes)), [", ".join(map(str, shape)) for shape in shapes], fontsize=7, rotation=20)
        drawing.log(one, "y")
    drawing.legend(figure, (axes[0][0],))
    return figure

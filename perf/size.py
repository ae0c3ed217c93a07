"""GFLOP/s of the three products as they grow, square and skinny, each kernel and each peer.

Five families: all of T, N and B grow, or all but one, which stays as small as a sample, a small batch or few classes. The
peak is the top of every panel. Above 10 Mflop time must grow as T·N·B: the exponent is fitted.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

from . import drawing, rows
from .layer import versus
from .peers import Kernel
from .products import MODULES, OPS, flops, line, measure
from .session import Session

FAMILIES = {"square": "T = N = B", "B = 1": "T = N", "B = 8": "T = N", "T = 10": "N = B", "N = 10": "T = B"}
SECONDS = (190, 20)


def shapes(family: str, quick: bool) -> list[tuple[int, tuple[int, int, int]]]:
    """(n, (T, N, B)) of a family, from small to large."""
    sizes: tuple[int, ...] = (64, 256, 512, 768) if quick else (32, 64, 128, 256, 512, 1024, 2048)
    if family == "B = 1":
        sizes = (128, 1024) if quick else (64, 128, 256, 512, 1024, 2048, 4096, 8192)
    elif family != "square":
        sizes = (128, 1024) if quick else (64, 256, 1024, 2048)
    made = {
        "square": lambda n: (n, n, n),
        "B = 1": lambda n: (n, n, 1),
        "B = 8": lambda n: (n, n, 8),
        "T = 10": lambda n: (10, n, n),
    }
    return [(n, made.get(family, lambda n: (n, 10, n))(n)) for n in sizes]


def run(session: Session) -> None:
    """Measure every family, size and product."""
    dtypes, threads = session.dtypes("float32"), session.threads(1)
    cases = [
        (dtype, family, n, shape, op)
        for dtype in dtypes
        for family in FAMILIES
        for n, shape in shapes(family, session.quick)
        for op in OPS
    ]
    for count in threads:
        with session.workers("perf.worker", MODULES, count) as workers:
            subjects = [workers[0], Kernel(workers[0], "loops"), *workers[1:]]
            for dtype, family, n, shape, op in session.each(cases, of=len(threads)):
                session.say(line(measure(session, subjects, op, shape, dtype, count, family=family, n=n)))


def exponent(found: list[rows.Row]) -> float | None:
    """p in time ~ (T·N·B)^p by least squares on logarithms, for our kernel above 10 Mflop; None for fewer than two sizes.

    One p for all products and families, each with a factor of its own: they run at different speeds.
    """
    chosen = [row for row in found if rows.ours(row) and row["kernel"] == "auto" and work(row) >= 1e7]
    x, y = [], []
    for part in rows.groups(chosen, "op", "family", "dtype", "threads").values():
        logs = np.log([[work(row), row["best"]] for row in part])
        x += list(logs[:, 0] - logs[:, 0].mean())
        y += list(logs[:, 1] - logs[:, 1].mean())
    spread = math.fsum(value * value for value in x)
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / spread if spread else None


def work(row: rows.Row) -> int:
    """The flops of a row's product."""
    return flops(row["T"], row["N"], row["B"])


def findings(found: list[rows.Row]) -> list[str]:
    """How time grows, and how near the peak and the loops are."""
    said = []
    square = exponent(rows.where(found, family="square"))
    if square is not None:
        within = "within" if abs(square - 1) <= 0.05 else "outside"
        said.append(f"Above 10 Mflop time grows as T·N·B to the power {square:.3f} (square shapes; {within} 1.00 ± 0.05).")
    everything = exponent(found)
    if everything is not None:
        said.append(f"Over all families, the skinny ones included, the power is {everything:.3f}.")
    groups = rows.groups(found, "dtype", "threads").items()
    said += [f"{dtype}, {drawing.counted(n)}: {fastest(part)}" for (dtype, n), part in groups]
    return said + [f"{dtype}, {drawing.counted(n)}: {text}" for (dtype, n), part in groups if (text := one_sample(part))]


def one_sample(found: list[rows.Row]) -> str | None:
    """How one sample's products compare with the fastest peer's, both directions; None where there are none."""
    said = []
    for op in ("forward", "grad_x"):
        cases = rows.groups(rows.where(found, family="B = 1", op=op), "n")
        ratios = {n: ratio for (n,), case in cases.items() if (ratio := versus(case)) is not None}
        if ratios:
            worst = min(ratios, key=lambda n: ratios[n])
            mean = statistics.geometric_mean(ratios.values())
            said.append(
                f"{op} {mean:.2f} × the fastest peer's speed in the geometric mean, at worst {ratios[worst]:.2f} × "
                f"(n = {worst})"
            )
    return f"one sample: {'; '.join(said)}." if said else None


def fastest(found: list[rows.Row]) -> str:
    """The best GFLOP/s that our kernels reach, in words."""
    mine = [row for row in found if rows.ours(row)]
    best = max(rows.where(mine, kernel="auto"), key=lambda row: row["share_of_peak"])
    loops = max((row["gflops"] for row in rows.where(mine, kernel="loops")), default=0)
    return (
        f"at best {best['gflops']:.0f} GFLOP/s, {best['share_of_peak']:.0%} of the FMA peak ({best['op']}, "
        f'{(best["T"], best["N"], best["B"])}); kernel="loops", the formula in an order that the compiler vectorises, '
        f"reaches {loops:.0f}."
    )


def picture(found: list[rows.Row]) -> Any:
    """A panel for each family; the three products of it where they were measured."""
    part = rows.where(found, dtype=found[0]["dtype"], threads=found[0]["threads"])
    families = rows.groups(part, "family")
    figure, axes = drawing.panels(2 + 1.75 * len(families), len(OPS), len(families), sharey=True)
    for line_of_axes, ((family,), members) in zip(axes, families.items(), strict=True):
        for one, op in zip(line_of_axes, OPS, strict=True):
            panel(one, rows.where(members, op=op), f"{op}, {family}")
            one.set_xlabel(f"n = {FAMILIES[family]}")
        line_of_axes[0].set_ylabel("GFLOP/s")
    drawing.legend(figure, axes.flat)
    return figure


def panel(axes: Any, members: list[rows.Row], title: str) -> None:
    """GFLOP/s over n, the peak on top."""
    axes.set_title(title)
    if not members:
        axes.set_axis_off()
        return
    drawing.curves(axes, members, "n", "gflops")
    top = max(row["fma_peak_gflops"] for row in members)
    drawing.peak(axes, top, "peak")
    axes.set_ylim(0, 1.12 * top)
    axes.set_xscale("log", base=2)
    drawing.ticks(axes, [row["n"] for row in members])

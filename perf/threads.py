"""strong and weak scaling of the products, up to all cores.

Strong: the same product on more threads. Weak: as many columns of X more as there are threads more, so that each thread has
as much to do as one has alone. Speed-up is what one thread takes next to what n take, for weak scaling times n; efficiency
is that for each thread. The peers say whether a machine has two cores or two halves of one.
"""

from __future__ import annotations

from typing import Any

from . import drawing, rows
from .products import MODULES, OPS, line, measure
from .session import Session

STRONG = ((1024, 1024, 256), (128, 784, 128), (64, 64, 32))
WEAK = ((1024, 1024, 128), (128, 784, 64))  # for each thread
SECONDS = (170, 22)


def counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4, … and all cores."""
    return tuple(sorted({*(2**k for k in range(cores.bit_length()) if 2**k <= cores), cores}))


def cases(n: int, quick: bool) -> list[tuple[str, tuple[int, int, int], tuple[int, int, int], str]]:
    """(scaling, shape on one thread, shape on n threads, product)."""
    ops = OPS[:1] if quick else OPS
    strong = [("strong", shape, shape, op) for shape in STRONG[: 1 if quick else None] for op in ops]
    weak = [("weak", (T, N, B), (T, N, n * B), op) for T, N, B in WEAK[: 1 if quick else None] for op in ops]
    return strong + weak


def run(session: Session) -> None:
    """Measure with every number of threads."""
    dtypes = session.dtypes("float32")
    numbers = session.threads(*counts(session.common["machine"]["cores"]))
    for n in numbers:
        with session.workers("perf.worker", MODULES, n) as workers:
            todo = [(dtype, *case) for dtype in dtypes for case in cases(n, session.quick)]
            for dtype, scaling, base, shape, op in session.each(todo, of=len(numbers)):
                extra = {"scaling": scaling, "base": list(base)}
                session.say(f"{scaling:7}{line(measure(session, workers, op, shape, dtype, n, **extra))}")


def speedups(found: list[rows.Row]) -> list[rows.Row]:
    """The rows with their speed-up and efficiency next to the same subject on the fewest threads measured."""
    complete = []
    for group in rows.groups(found, "scaling", "base", "op", "dtype", "peer").values():
        first = min(group, key=lambda row: row["threads"])
        for row in group:
            speedup = row["gflops"] / first["gflops"]
            complete.append(row | {"speedup": speedup, "efficiency": speedup * first["threads"] / row["threads"]})
    return complete


def findings(found: list[rows.Row]) -> list[str]:
    """Speed-up and efficiency on the most threads, ours and the fastest peer's."""
    most = max(row["threads"] for row in found)
    last = rows.where(speedups(found), threads=most)
    if most == min(row["threads"] for row in found):
        return [f"Only {drawing.counted(most)}: nothing to compare."]
    said = []
    for (scaling, base, op), part in rows.groups(last, "scaling", "base", "op").items():
        mine = next(row for row in part if rows.ours(row))
        others = [row for row in part if not rows.ours(row)]
        best = max(others, key=lambda row: row["gflops"], default=None)
        peer = f"; {drawing.name(best['peer'])}, the fastest peer there, {best['speedup']:.2f} ×" if best else ""
        said.append(
            f"{scaling} scaling, {op} {base}: {mine['speedup']:.2f} × on {drawing.counted(most)}, "
            f"{mine['efficiency']:.0%} efficient{peer}."
        )
    return said


def picture(found: list[rows.Row]) -> Any:
    """Speed-up over threads, a panel for each scaling and shape, of the forward product."""
    part = rows.where(speedups(found), dtype=found[0]["dtype"], op="forward")
    groups = rows.groups(part, "scaling", "base")
    columns = min(3, len(groups))
    figure, axes = drawing.panels(1 + 2.4 * -(-len(groups) // columns), columns, -(-len(groups) // columns), sharey=True)
    numbers = sorted({row["threads"] for row in part})
    for one in axes.flat[len(groups) :]:
        one.set_axis_off()
    for one, ((scaling, base), members) in zip(axes.flat, groups.items(), strict=False):
        one.plot(numbers, [n / numbers[0] for n in numbers], color="0.25", linewidth=1, label="ideal")
        drawing.curves(one, members, "threads", "speedup")
        T, N, B = base
        one.set(title=f"weak: ({T}, {N}, {B}·n)" if scaling == "weak" else f"strong: {base}", xlabel="threads, n")
        drawing.ticks(one, numbers)
        one.set_yscale("linear")
        one.set_ylim(0, 1.15 * numbers[-1] / numbers[0])
    for one in axes[:, 0]:
        one.set_ylabel("speed-up, forward")
    drawing.legend(figure, axes.flat)
    return figure

"""the layer's three products on many shapes, with out= and without, next to NumPy, PyTorch, JAX, LIBXSMM and oneDNN.

numbafc, NumPy as installed, NumPy with OpenBLAS forced to its best kernels for this processor, PyTorch and JAX; with out=,
LIBXSMM and oneDNN (C programs, perf/c) in place of JAX. Each is a process of its own with the same number of threads. They
are interleaved, round after round, on the same numbers; each result is checked against float64 before it is timed.
"""

from __future__ import annotations

import statistics
from typing import Any

from . import drawing, rows
from .products import EXPERTS, FORMS, MODULES, OPS, line, measure, who
from .session import Session

SHAPES = (
    (10, 64, 1), (128, 784, 1), (1024, 1024, 1), (4096, 4096, 1), (10, 64, 32), (64, 64, 32), (10, 128, 32),
    (128, 784, 32), (45, 45, 128), (46, 46, 128), (47, 47, 128), (48, 48, 128), (128, 784, 128), (100, 300, 64),
    (300, 200, 64), (512, 512, 128), (512, 784, 128), (528, 784, 64), (784, 784, 64), (1000, 1000, 100), (1024, 1024, 8),
    (1024, 1024, 64), (1024, 1024, 256), (1056, 1056, 96), (17, 1031, 33), (257, 513, 129), (2048, 512, 64),
    (512, 2048, 64), (2000, 10, 500), (10, 2000, 500), (2048, 2048, 512), (64, 64, 1), (512, 512, 1), (2048, 2048, 1),
    (256, 256, 64), (2048, 2048, 64),
)  # fmt: skip
QUICK = ((10, 64, 1), (128, 784, 32), (512, 512, 128), (784, 784, 64))
SECONDS = (200, 22)


def run(session: Session) -> None:
    """Measure every shape and product."""
    dtypes, threads = session.dtypes("float32"), session.threads(1)
    shapes = QUICK if session.quick else SHAPES
    cases = [(dtype, shape, op, form) for dtype in dtypes for shape in shapes for op in OPS for form in FORMS]
    for n in threads:
        with session.workers("perf.worker", (*MODULES, *EXPERTS), n) as workers:
            for dtype, shape, op, form in session.each(cases, of=len(threads)):
                session.say(line(measure(session, who(workers, form), op, shape, dtype, n, form=form)))


def ratios(found: list[rows.Row]) -> dict[tuple[Any, ...], float]:
    """The fastest peer's best time next to ours, for each (threads, dtype, op, form, T, N, B); below 1 the peer wins."""
    cases = rows.groups(found, "threads", "dtype", "op", "form", "T", "N", "B")
    return {key: ratio for key, case in cases.items() if (ratio := versus(case)) is not None}


def versus(case: list[rows.Row], kind: str = "best") -> float | None:
    """The fastest peer's time next to ours in one case, by "best" or "median"; None without a peer."""
    mine = [row[kind] for row in case if rows.ours(row) and row["kernel"] == "auto"]
    others = [row[kind] for row in case if not rows.ours(row)]
    return min(others) / mine[0] if mine and others else None


def findings(found: list[rows.Row]) -> list[str]:
    """How often we are faster, and by how much."""
    said = []
    for (n, dtype, form), part in rows.groups(found, "threads", "dtype", "form").items():
        if text := against_peers(part):
            said.append(f"{dtype}, {drawing.counted(n)}, {FORMS[form or 'new']}: {text}")
    return said


def against_peers(found: list[rows.Row]) -> str | None:
    """Our speed next to the fastest peer's, over products of one dtype, form and number of threads; None without."""
    by_case = ratios(found)
    if not by_case:
        return None
    shapes, ops, values = len({key[4:] for key in by_case}), len({key[2] for key in by_case}), by_case.values()
    products = drawing.counted(len(values), "product", "products")
    how = f" ({drawing.counted(shapes, 'shape', 'shapes')} × {ops})" if len(values) == shapes * ops else ""
    return (
        f"against the fastest peer of each of {products}{how}: {statistics.geometric_mean(values):.2f} × its speed in the "
        f"geometric mean, {min(values):.2f} × to {max(values):.2f} ×, slower in {sum(value < 1 for value in values)}."
    )


def picture(found: list[rows.Row]) -> Any:
    """Share of the peak, and the fastest peer's time next to ours, over the size of the product."""
    from matplotlib.ticker import PercentFormatter

    n, dtype = found[0]["threads"], found[0]["dtype"]
    part = rows.where(found, threads=n, dtype=dtype)
    figure, axes = drawing.panels(3.6, 2)
    left, right = axes[0]
    looks = zip(OPS, ("o", "s", "^"), ("black", "0.45", "white"), strict=True)
    for op, marker, colour in looks:
        look = {
            "marker": marker,
            "color": colour,
            "edgecolor": "black",
            "s": 26,
            "linewidth": 0.8,
            "label": op,
            "zorder": 3,
        }
        mine = [row for row in rows.where(part, op=op, form=part[0].get("form")) if rows.ours(row)]
        left.scatter([_size(row) for row in mine], [row["share_of_peak"] for row in mine], **look)
        shown = [(key[4] * key[5] * key[6], ratio) for key, ratio in ratios(part).items() if key[2] == op]
        if shown:
            right.scatter(*zip(*shown, strict=True), **look)
    left.set(
        title=f"numbafc, {dtype}, {drawing.counted(n)}", xlabel="T·N·B", ylabel="share of the FMA peak", ylim=(0, 1.02)
    )
    left.yaxis.set_major_formatter(PercentFormatter(1))
    right.set(title="above 1 numbafc is faster", xlabel="T·N·B", ylabel="fastest peer's time / numbafc's")
    right.axhline(1, color="0.25", linewidth=1)
    drawing.log(right, "y")
    for one in (left, right):
        one.set_xscale("log")
    drawing.legend(figure, (left,))
    return figure


def _size(row: rows.Row) -> int:
    return row["T"] * row["N"] * row["B"]

"""README's numbers: one table and one picture, made of the committed rows in perf/results. Nothing is timed."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from . import drawing, jacobian, layer, products, rows, size, steps, storage
from .peers import OURS

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- made by: python -m perf readme -->", "<!-- until here -->"
SHAPES = (
    (10, 64, 32), (48, 48, 128), (128, 784, 32), (128, 784, 128), (512, 512, 128), (784, 784, 64), (1024, 1024, 64),
    (2048, 2048, 512), (1024, 1024, 8), (1024, 1024, 1), (10, 64, 1),
)  # fmt: skip
NETWORKS = (
    ((64, 32, 10), 32), ((784, 128, 10), 32), ((784, 128, 10), 128), ((20, 46, 46, 10), 128), ((784, 512, 512, 10), 128),
    ((1024, 1024, 1024, 1024), 256),
)  # fmt: skip


def write(folder: Path) -> None:
    """Put the numbers of a folder's rows into README.md, and its picture beside them."""
    found = {name: rows.measured(storage.load(folder, name)) for name in ("layer", "steps", "size", "jacobian")}
    for name, some in found.items():
        if not some:
            raise SystemExit(f"expected rows of {name} in {folder}, found none: python -m perf all --out {folder}")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"expected the lines {BEGIN!r} and {END!r} in {readme}, found them not: put them back")
    readme.write_text(f"{before}{section(found)}{after}", encoding="utf-8")
    with drawing.settings():
        drawing.save(picture(found), folder / "readme.png")
    print(f"{readme} and {folder / 'readme.png'} have the numbers of {folder}")


def section(found: dict[str, list[rows.Row]]) -> str:
    """The text between the marks, with them. found: the rows of layer, steps, size and jacobian."""
    some = rows.where(found["layer"], threads=1, dtype="float32")
    machine, peak = some[0]["machine"], max(row["fma_peak_gflops"] for row in some)
    products_said, steps_said = layer.against_peers(some), steps.against_peers(chosen(found["steps"]))
    said = [
        *([products_said[0].upper() + products_said[1:]] if products_said else []),
        *([f"Training steps: {steps_said}"] if steps_said else []),
        *size.findings(found["size"])[:1],
        *jacobian.findings(found["jacobian"])[:1],
    ]
    cpu = f"{machine['cpu']} (LLVM calls it {machine['llvm_cpu']})"
    where = f"{cpu}, float32, FMA peak {peak:.0f} GFLOP/s, {rows.revision(some[0])}"
    intro = (
        f"One thread of {where}: microseconds, the best of many samples, each subject verified before; bold: the fastest. "
        "Three products: forward, dW and dX of a layer (T, N, B), a call each. A step: a shuffled minibatch, trained on "
        "with SGD. The columns at the end: numbafc's share of the FMA peak, and its speed next to the fastest peer's; "
        "below 1 × the peer wins."
    )
    lines = [
        BEGIN,
        textwrap.fill(intro, 124),
        "",
        *table(found),
        "",
        *(textwrap.fill(f"- {text}", 124, subsequent_indent="  ") for text in said),
        "",
        "![GFLOP/s and microseconds a step, next to peers](perf/results/readme.png)",
        END,
    ]
    return "\n".join(lines)


def chosen(found: list[rows.Row]) -> list[rows.Row]:
    """The rows of training steps that are in README."""
    return rows.where(found, threads=1, dtype="float32", optimizer="sgd")


def table(found: dict[str, list[rows.Row]]) -> list[str]:
    """The lines of the table: what there is of SHAPES and NETWORKS."""
    cases: dict[str, tuple[dict[str, float], float]] = {}  # seconds by peer, and those that the peak would take
    for shape in SHAPES:
        part = rows.where(found["layer"], threads=1, dtype="float32", **dict(zip("TNB", shape, strict=True)))
        by_peer = rows.groups(part, "peer")
        times = {peer: _seconds(mine) for (peer,), mine in by_peer.items() if len(mine) == len(products.OPS)}
        if times:
            cases[f"three products, {shape}"] = times, len(products.OPS) * products.flops(*shape) / _peak(part)
    for sizes, batch in NETWORKS:
        part = [row for row in chosen(found["steps"]) if (tuple(row["sizes"]), row["batch"]) == (sizes, batch)]
        if part:
            times = {row["peer"]: row["best"] for row in part}
            cases[f"step, {steps.network(part[0])}"] = times, steps.flops(sizes, batch) / _peak(part)
    peers = sorted({peer for times, _ in cases.values() for peer in times}, key=_order)
    lines = [
        f"| | {' | '.join(drawing.name(peer) for peer in peers)} | of peak | speed / fastest peer |",
        "|---|" + "---|" * (len(peers) + 2),
    ]
    return lines + [_line(case, times, least, peers) for case, (times, least) in cases.items()]


def _line(case: str, times: dict[str, float], least: float, peers: list[str]) -> str:
    cells = [_cell(times.get(peer), min(times.values())) for peer in peers]
    others = [seconds for peer, seconds in times.items() if peer != OURS]
    ratio = f"{min(others) / times[OURS]:.2f} ×" if others else ""
    return f"| {case} | {' | '.join(cells)} | {least / times[OURS]:.0%} | {ratio} |"


def _seconds(found: list[rows.Row]) -> float:
    return sum(row["best"] for row in found)


def _peak(found: list[rows.Row]) -> float:
    return 1e9 * max(row["fma_peak_gflops"] for row in found)


def _order(peer: str) -> int:
    return next(
        n for n, start in enumerate(("numbafc", "numpy,", "numpy", "jax", "torch", "sklearn")) if peer.startswith(start)
    )


def _cell(seconds: float | None, best: float) -> str:
    if seconds is None:
        return ""
    text = f"{1e6 * seconds:.3g}" if seconds < 1e-4 else f"{1e6 * seconds:.0f}"
    return f"**{text}**" if seconds == best else text


def picture(found: dict[str, list[rows.Row]]) -> Any:
    """The picture of README: the layer as it grows, and training steps."""
    square = rows.where(found["size"], family="square", op="forward", threads=1, dtype="float32")
    mine = chosen(found["steps"])
    figure, axes = drawing.panels(4.2, 2, width_ratios=(1, 1.15))
    left, right = axes[0]
    size.panel(left, square, "forward, T = N = B = n, GFLOP/s")
    left.set_xlabel("n")
    names = list(dict.fromkeys(steps.network(row) for row in mine))
    steps.dots(right, mine, names)
    right.set_title("a training step, SGD, µs")
    drawing.legend(figure, (left, right), 4)
    return figure

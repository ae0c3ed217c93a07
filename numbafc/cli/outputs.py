"""Files that are written: looked at before the work, saved whole while it goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..nn import MLP, EpochRecord

SECONDS = 30  # between two saves, at least


def check_writable(option: str, path: Path, *inputs: Path | None) -> None:
    """Refuse a file that cannot or must not be written before the work, not after it. Raises OSError or ValueError."""
    folder = Path(os.path.realpath(path)).parent
    special = path.exists() and not path.is_file()
    if special or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise OSError(f"{path} cannot be written: expected a file in a folder that exists and is writable")
    for other in inputs:
        if other is not None and path.exists() and other.exists() and path.samefile(other):
            raise ValueError(f"{option} {path} is the file that is read; give the output a name of its own")


class Saver:
    """Saves a network between epochs, now and then: a killed process loses little. The value is a callback for fit."""

    def __init__(self, net: MLP, path: Path) -> None:
        self.net, self.path, self.saved_at = net, path, time.monotonic()

    def __call__(self, record: EpochRecord) -> None:
        if time.monotonic() - self.saved_at >= SECONDS:
            self.net.save(self.path)
            self.saved_at = time.monotonic()


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt once; pressed again, while what was learnt is being saved, it is not heard."""
    usual = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if usual is not signal.default_int_handler:  # a background job of a shell ignores Ctrl-C
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)

"""Files that are written: looked at before the work, saved whole while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..files import require_savable, require_writable
from ..nn import EpochRecord
from .places import UNSAVED, why

SECONDS = 30  # between two saves, at least


def check_writable(option: str, path: Path, *inputs: Path | None, model: bool = False) -> None:
    """Refuse a file that cannot or must not be written before the work, not after it. Raises OSError or ValueError."""
    for other in inputs:
        if other is not None and path.exists() and other.exists() and path.samefile(other):
            raise ValueError(f"{option} {path} is the file that is read; give the output a name of its own")
    try:
        (require_savable if model else require_writable)(path)
    except OSError as error:
        reason = f"expected a file in a folder that exists and is writable ({error.strerror or error})"
        raise OSError(f"{path} cannot be written: {reason}") from None


class Saver:
    """A callback for fit that saves a network between epochs, now and then: a killed process loses little.

    A save that fails is said, once until one works again, and costs the training nothing.
    """

    def __init__(self, save: Callable[[], Path], say: Callable[[str], None]) -> None:
        self.save, self.say, self.saved_at, self.failed = save, say, time.monotonic(), False

    def __call__(self, record: EpochRecord) -> None:
        if time.monotonic() - self.saved_at < SECONDS:
            return
        try:
            path = self.save()
        except UNSAVED as error:
            if not self.failed:
                self.say(f"warning: cannot save on the way, {why(error)}; the training goes on")
            self.failed = True
        else:
            if self.failed:
                self.say(f"saved {path} on the way; it works again")
            self.failed = False
        self.saved_at = time.monotonic()

"""The one error for a file that is not what it should be."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from .shown import shortened

MOST_OF_PATH, MOST_OF_REASON = 150, 300  # characters


class InvalidFile(ValueError):
    """A model or data file that is damaged, hostile, or of another kind: the file's name and the reason.

    path, reason: these two, whole. The message is one line of at most 450 characters, whatever is in the file.
    """

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(fspath(path), reason)  # with which pickle makes it anew
        self.path, self.reason = fspath(path), reason

    def __str__(self) -> str:
        name = str(Path(self.path))
        if len(name) > MOST_OF_PATH:
            name = f"…{name[1 - MOST_OF_PATH :]}"
        return f"{shortened(name, MOST_OF_PATH)}: {shortened(self.reason, MOST_OF_REASON)}"

"""The one error for a file that is not what it should be."""

from __future__ import annotations

from os import PathLike
from pathlib import Path


class InvalidFile(ValueError):
    """A model or data file that is damaged, hostile, or of another kind: the file's name and the reason."""

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(f"{Path(path)}: {reason}")

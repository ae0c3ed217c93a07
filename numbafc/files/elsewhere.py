"""Another place for a network whose own cannot be written: a new file in another folder, never over one."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from ..nn import MLP, Members
from .checkpoint import content
from .replacing import write_whole
from .suffixes import SUFFIX

NAMES = 1000  # that are tried in a folder


def save_elsewhere(net: MLP | Members, path: str | PathLike[str], error: Exception | None = None) -> Path:
    """Save a network to a new file: in the current folder, else the home folder, else the one for temporary files.

    Its name is the path's with "-elsewhere" and, where that is taken, a number; no file is replaced. A training that cannot
    be saved is left out, for the parameters are worth more. Returns the absolute path. Raises the given error, or OSError,
    where none of these can be written; ValueError for a network that no file can hold.
    """
    try:
        written = content(net)
    except (ValueError, MemoryError):
        written = content(net, training=False)
    for folder in _folders():
        try:
            return _new_file(folder, Path(path), written)
        except OSError as reason:
            error = error or reason
    raise error or OSError("there is no folder to save a network to")


def _folders() -> Iterator[Path]:
    for find in (Path.cwd, Path.home, tempfile.gettempdir):
        try:
            yield Path(find()).absolute()
        except (OSError, RuntimeError):  # removed, or there is none
            continue


def _new_file(folder: Path, like: Path, written: bytes) -> Path:
    """Write a file with the first free name. Raises OSError."""
    stem = like.name.removesuffix(SUFFIX).replace("\0", "")[:50]  # whatever its letters, no name is too long
    for n in itertools.count(1):
        place = folder / f"{stem}-elsewhere{f'-{n}' if n > 1 else ''}{SUFFIX}"
        try:
            write_whole(place, written, new=True)
        except FileExistsError:
            if n == NAMES:
                raise
        else:
            break
    return place

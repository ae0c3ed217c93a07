"""Temporary files for what is larger than memory, without names: whatever ends the process, the system takes them back.

That is so where /proc has names for open files, by which libraries open them; elsewhere they have one until they are
closed.
"""

from __future__ import annotations

import errno
import math
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..nn.mapped import MappedRows
from .opening import sized

OPEN_FILES = Path("/proc/self/fd")


class Temporary:
    """A new file, which is there as long as this object, and a name by which others open it meanwhile."""

    def __init__(self) -> None:
        with _enough_space(0):
            new: Any = tempfile.TemporaryFile if has_names() else tempfile.NamedTemporaryFile
            self.file = new()
        self.name: str = name_of(self.file) if has_names() else self.file.name
        self.close = weakref.finalize(self, self.file.close)


def has_names() -> bool:
    """Tell whether open files have names on this system."""
    return OPEN_FILES.is_dir()


def name_of(file: BinaryIO) -> str:
    """A name by which this process, and a child that the file is passed to, open an open file once more."""
    return str(OPEN_FILES / str(file.fileno()))


def require_space(nbytes: int) -> None:
    """Require so many bytes of free space for temporary files. Raises OSError before any is taken."""
    free = shutil.disk_usage(folder()).free
    if nbytes > free:
        raise full(nbytes, free)


def full(nbytes: int, free: int | None = None) -> OSError:
    """The error where the disk has no room for a temporary file."""
    there = "" if free is None else f", and {sized(free)} are free"
    wanted = f"a temporary file of {sized(nbytes)}" if nbytes else "a temporary file"
    words = f"no space for {wanted}{there}; make room, or name another folder in the environment variable TMPDIR"
    return OSError(errno.ENOSPC, words, folder())


def folder() -> str:
    """The folder that temporary files are in."""
    return tempfile.gettempdir()


def rows_of(parts: Iterable[np.ndarray], shape: tuple[int, int], dtype: np.dtype) -> MappedRows:
    """A matrix of that shape, of parts of its rows in order, in a temporary file. Raises OSError where there is no room."""
    nbytes = math.prod(shape) * dtype.itemsize
    require_space(nbytes)
    temporary = Temporary()
    for part in parts:
        with _enough_space(nbytes):
            temporary.file.write(np.ascontiguousarray(part, dtype).data)
    with _enough_space(nbytes):
        temporary.file.flush()
    matrix = np.memmap(temporary.file, dtype, "r", 0, shape)  # which keeps what is in the file
    return MappedRows(matrix, slice(0, shape[1]), dtype)


@contextmanager
def _enough_space(nbytes: int) -> Iterator[None]:
    """Make a full disk one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise full(nbytes) from None
        raise

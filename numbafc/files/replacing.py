"""A file replaced by another so that at every moment one of the two is there, whole."""

from __future__ import annotations

import errno
import os
import tempfile
from os import PathLike
from pathlib import Path


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Replace a file by new content, so that a crash at any moment leaves the old or the new one."""
    target = Path(os.path.realpath(path))  # through a symbolic link, not over it
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is no regular file, so it cannot be replaced by one", str(path))
    try:
        _replace(target, content)
    except OSError as error:  # of the file that was asked for, not of the one beside it
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(target: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), target.stat().st_mode if target.exists() else 0o666 & ~_umask())
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

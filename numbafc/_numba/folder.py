"""Folders of compiled kernels: this user's own, and root's that are read, for whoever can write runs code in all processes.

NUMBA_CACHE_DIR, the package's own __pycache__ and the user's cache folder are tried in this order. Kernels are kept in the
first that can be written, and read from where they may be: the image of a container may bring a folder of root's.
Files are reached through the open folder, so that nobody can put another one in its place between a look and a use.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from numba.core import config

from .sources import PACKAGE

NAME = "numbafc-kernels"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
POSIX = os.name == "posix"  # elsewhere a user's folders are guarded by other means, and have no owner or mode to look at


def candidates() -> Iterator[Path]:
    """Where the folder may be, the best place first."""
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / NAME
    yield PACKAGE / "__pycache__" / NAME
    with contextlib.suppress(RuntimeError):  # there is no home
        yield _user_caches() / NAME


def readable() -> Iterator[Path]:
    """Where kernels are read from besides: in NUMBA_CACHE_DIR if that is set, else wherever the folder may be."""
    yield from itertools.islice(candidates(), 1 if config.CACHE_DIR else None)


def _user_caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def _found() -> tuple[Path | None, list[str]]:
    """The folder that kernels are kept in, made if it was not there, or None; and why others cannot be it."""
    reasons = []
    for path in candidates():
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(path):
                tempfile.TemporaryFile(dir=path).close()
        except OSError as error:
            reasons.append(f"{str(path)!r:.80}: {error.strerror or error}")
        else:
            return path, reasons
    return None, reasons


def keep_in(path: Path) -> tuple[Path, list[Path]]:
    """From now on, keep kernels in this folder and in no other. Raises OSError.

    Returns where in it, and the folders that were made.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = config.CACHE_DIR = str(path.resolve())
    _found.cache_clear()
    place = folder()
    if place is None or place.parent != path.resolve():
        why = next(iter(_found()[1]), "it is no folder of your own that nobody else may write to")
        raise OSError(errno.EACCES, f"kernels cannot be kept there: {why}", str(path), None, None)
    return place, made


def for_everybody(place: Path, made: list[Path]) -> int:
    """Let everybody read the kernels in a folder, and nobody but its user write. Returns how many there are.

    made: folders on the way to it, which were made for it; others stay as they are. For who knows that no other process is
    at work there.
    """
    files = list(place.glob("*.kernel"))
    for path in (*place.glob("*.lock"), *place.glob("*.new")):  # of a process that was ended in the middle
        path.unlink(missing_ok=True)
    if POSIX:
        for path in (*made, place):
            path.chmod(0o755)
        for path in files:
            path.chmod(0o644)
    return len(files)


def closed(place: Path) -> Path | None:
    """The first folder on the way to this one that not everybody may pass through and look into, if there is one."""
    if not POSIX:
        return None
    return next((path for path in reversed((place, *place.parents)) if path.stat().st_mode & 0o001 == 0), None)


def folder() -> Path | None:
    """The folder that kernels are kept in, or None where none can be used."""
    return _found()[0]


@functools.cache
def warn_of_none() -> None:
    """Warn once that what was compiled cannot be kept."""
    warnings.warn(
        "numbafc found no folder it may keep compiled kernels in, so every process compiles them again; set "
        f"NUMBA_CACHE_DIR to a folder that only you can write to ({'; '.join(_found()[1])})",
        RuntimeWarning,
        stacklevel=2,
    )


@contextlib.contextmanager
def opened(path: Path, only_read: bool = False) -> Iterator[int | None]:
    """The folder's descriptor for the dir_fd of other calls, or None where the system has none. Raises OSError."""
    if not POSIX:
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        require_own(descriptor, only_read)
        yield descriptor
    finally:
        os.close(descriptor)


def require_own(descriptor: int, only_read: bool = False) -> None:
    """Require of an open file or folder that it is this user's, or only read and root's, and nobody else may write to it.

    Raises PermissionError.
    """
    if not POSIX:
        return
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() and not (only_read and status.st_uid == 0):
        raise PermissionError(1, f"it belongs to another user (uid {status.st_uid}), who could put code in it")
    if status.st_mode & OTHERS_WRITE:
        raise PermissionError(1, f"others may write to it (mode {status.st_mode & 0o777:o}); chmod go-w")

"""Files opened to be read: regular ones, no larger than memory. A pipe would be waited for, a device read without end."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TextIO

from .invalid import MOST_OF_PATH, InvalidFile
from .shown import shortened

MACHINE = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
NOT_REGULAR = "is not a regular file, but a pipe or a device; copy what comes out of it into a file"
SMALL = 1 << 24  # bytes for which nobody asks


def regular(path: Path) -> BinaryIO:
    """The file, open in binary. Raises InvalidFile for anything but a regular one, OSError where it cannot be opened."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(21, "Is a directory", os.fspath(path))
        if not stat.S_ISREG(kind):
            raise InvalidFile(path, NOT_REGULAR)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def text(path: Path) -> TextIO:
    """The file, open as UTF-8, with the ends of its lines as they are."""
    return io.TextIOWrapper(regular(path), encoding="utf-8-sig", newline="")


def size_of(file: BinaryIO) -> int:
    """Bytes in an open file."""
    return os.fstat(file.fileno()).st_size


def require_memory(path: Path, nbytes: int, what: str) -> None:
    """Require so many bytes of free memory for something in a file. Raises MemoryError before any is taken."""
    require_free(nbytes, f"{_name(path)}: {what}", "use a smaller file or a machine with more")


def require_free(nbytes: int, what: str, fix: str) -> None:
    """Require so many bytes of free memory, as far as the system says. Raises MemoryError before any is taken."""
    free = free_memory() if nbytes > SMALL else None
    if free is not None and nbytes > free:
        raise MemoryError(f"{what} takes {sized(nbytes)} of memory, and {sized(free)} are free; {fix}")


@contextmanager
def enough_memory(path: str | PathLike[str]) -> Iterator[None]:
    """Make errors for lack of memory name the file that wanted it."""
    try:
        yield
    except MemoryError as error:
        if str(error).startswith(_name(path)):
            raise
        reason = f" ({shortened(str(error), 150)})" if str(error) else ""
        raise MemoryError(f"{_name(path)}: it takes more memory than there is{reason}") from None


def free_memory() -> int | None:
    """Bytes that this process can still have, or None where nobody says."""
    found = [free for free in (_of_machine(), *map(_of_container, CONTAINER), _of_process()) if free is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in MACHINE.read_text().splitlines())
        return sum(int(lines[name].split()[0]) for name in ("MemAvailable", "SwapFree")) * 1024
    except (OSError, ValueError, LookupError):
        return None


def _of_container(limit: Path) -> int | None:
    """All memory of a container: what it uses now may be files' copies, which are given up."""
    try:
        return int(limit.read_text())
    except (OSError, ValueError):  # none, or "max"
        return None


def _of_process() -> int | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        return max(limit - int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE"), 0)
    except (ImportError, OSError, ValueError, LookupError):
        return None


def _name(path: str | PathLike[str]) -> str:
    return shortened(str(path), MOST_OF_PATH)


def sized(nbytes: int) -> str:
    """So many bytes, for people."""
    if nbytes >= 2**60:  # which may be too large for a float
        return "more than 10⁹ GiB"
    return f"{nbytes / 2**30:.3g} GiB" if nbytes >= 2**30 else f"{nbytes / 2**20:.3g} MiB"

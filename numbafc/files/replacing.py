"""A file replaced by another so that at every moment one of the two is there, whole.

The new content is written to a file beside its place, flushed to the disk, and renamed. That file has one of a few names
made from the place's, and a lock that ends with its process: what a killed process left is known by that, and the next
writer of the same place removes it. Two writers at once take two names.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # a system without such locks: nothing is known to be left over, so nothing is removed
    fcntl = None  # type: ignore[assignment]

WRITERS = 16  # of one place at the same time

FIXES = {
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "what should be its folder is a file",
    errno.EACCES: "a file is written beside it first: its folder must be writable, too",
    errno.EPERM: "a file is written beside it first and takes its place: its folder must allow that",
    errno.EROFS: "choose another folder",
    errno.EBUSY: "a mounted file cannot be replaced: mount its folder, or choose another one",
    errno.ENAMETOOLONG: "give it a shorter name",
}


def write_whole(path: str | PathLike[str], content: bytes | Iterable[bytes], *, new: bool = False) -> None:
    """Replace a file by new content, so that a crash at any moment leaves the old or the new one.

    content: all of it, or parts of it in order.
    new: never replace one, but raise FileExistsError. Raises OSError with the path and what to do.
    """
    with _of(path):
        target = _target(path)
        with _beside(target) as (file, temporary):
            for part in (content,) if isinstance(content, bytes) else content:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            if new:
                os.link(temporary, target)
            else:
                temporary.replace(target)
            _flush_folder(target.parent, file)


def require_writable(path: str | PathLike[str]) -> None:
    """Require that write_whole could write there now, by trying it up to the rename; nothing is left. Raises OSError."""
    with _of(path):
        target = _target(path)
        with _beside(target):
            pass


@contextmanager
def _of(path: str | PathLike[str]) -> Iterator[None]:
    """Make errors name the file that was asked for, not the one beside it, with what to do."""
    try:
        yield
    except OSError as error:
        words = error.strerror or str(error)
        if error.errno in FIXES and words == os.strerror(error.errno):
            words = f"{words}; {FIXES[error.errno]}"
        raise OSError(error.errno, words, os.fspath(path)) from error


def _target(path: str | PathLike[str]) -> Path:
    """The place itself, through a symbolic link. Raises OSError for what cannot be replaced, whatever the folder allows."""
    target = Path(os.path.realpath(path))
    try:
        found = target.lstat()
    except FileNotFoundError:
        return target
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no regular file, so it cannot be replaced by one", os.fspath(path))
    if not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, "is read-only; make it writable or choose another name", os.fspath(path))
    if _is_mounted(target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    folder = target.parent.stat()
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, found.st_uid, folder.st_uid):
        raise OSError(errno.EPERM, "is somebody else's in a shared folder; choose another name", os.fspath(path))
    return target


def _is_mounted(target: Path) -> bool:
    """Tell whether a file is a mount point, which no rename replaces. No, where the system does not say."""
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    name = os.fsencode(target)
    for special in (b"\\", b" ", b"\t", b"\n"):  # as the kernel writes them
        name = name.replace(special, b"\\%03o" % special[0])
    return any(mount.split(b" ")[4:5] == [name] for mount in mounts)


@contextmanager
def _beside(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file beside its place, locked, with the mode that the place has or will have; removed if it keeps its name."""
    try:
        old = target.stat()
    except FileNotFoundError:
        old = None
    file, temporary = _taken(target, 0o666 if old is None else 0o600)  # less the umask, which the kernel knows
    with file:
        try:
            if old is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            yield file, temporary
        finally:
            if _is(temporary, file.fileno()):
                temporary.unlink()


def _taken(target: Path, mode: int) -> tuple[IO[bytes], Path]:
    """The first free one of the names beside a place, as a new file that is locked; what was left over is removed."""
    stem = f".numbafc-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}"  # no longer than any name may be
    names = [target.with_name(f"{stem}-{n}") for n in range(WRITERS)]
    for name in names:
        _remove_left_over(name)
    for name in names:
        try:
            file = _created(name, mode)
        except FileExistsError:
            continue
        if _lock(file.fileno()) is not False and _is(name, file.fileno()):
            return file, name
        file.close()  # another process took it for left over, in the moment before the lock
    raise OSError(errno.EBUSY, f"{WRITERS} processes are writing it already; wait for them", os.fspath(target))


def _created(name: Path, mode: int) -> IO[bytes]:
    """A new file. Interrupted at any line, it is not locked yet: the next writer removes it."""
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        return os.fdopen(handle, "wb")
    except BaseException:
        os.close(handle)
        name.unlink()
        raise


def _remove_left_over(name: Path) -> None:
    """Remove a file beside a place, if its writer is gone."""
    try:
        handle = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # there is none, nearly always; or it is not ours
        return
    try:
        if _lock(handle) and _is(name, handle):
            with contextlib.suppress(OSError):  # somebody else's, in a shared folder
                name.unlink()
    finally:
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock a file for as long as it is open. False: another one has; None: there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is(name: Path, handle: int) -> bool:
    """Tell whether the open file still has the name."""
    try:
        return os.path.samestat(name.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _flush_folder(folder: Path, file: IO[bytes]) -> None:
    """Flush the rename itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not read: journals have the rename with its file
        os.fsync(file.fileno())
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that flushes no folders
            raise
    finally:
        os.close(handle)

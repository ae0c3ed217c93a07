"""Entries of the cache: one file each, which says whose code it holds and is whole, or is no entry.

    MAGIC · SHA-256 of the rest (32 bytes) · length of the key (8 bytes) · key · code

The file's name is a hash of the key, and the key is in the file, so no list of entries has to be kept in step with them.
Nothing of the code is looked at before checksum and key are right. A file is written under another name and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from .folder import opened, require_own

try:
    import fcntl
except ImportError:  # no locks: processes that start together all compile, and each writes a whole entry
    fcntl = None  # type: ignore[assignment]

MAGIC = b"numbafc kernel 1\n"
LENGTH = struct.Struct("<Q")
HEAD = len(MAGIC) + hashlib.sha256().digest_size + LENGTH.size
PATIENCE = 300  # seconds to wait for another process that compiles the same: longer than any kernel takes


def packed(key: bytes, code: bytes) -> bytes:
    """The bytes of an entry."""
    rest = LENGTH.pack(len(key)) + key + code
    return MAGIC + hashlib.sha256(rest).digest() + rest


def unpacked(content: bytes, key: bytes) -> bytes | None:
    """The code in the bytes of an entry with this key; None where they are anything else."""
    rest = memoryview(content)[HEAD - LENGTH.size :]
    if not content.startswith(MAGIC) or content[len(MAGIC) : HEAD - LENGTH.size] != hashlib.sha256(rest).digest():
        return None
    start = LENGTH.pack(len(key)) + key
    return bytes(rest[len(start) :]) if rest[: len(start)] == start else None


class Entry:
    """A place for one piece of code in the folder, used within `with`, which gives back the lock if it was taken."""

    def __init__(self, folder: Path, name: str, key: bytes) -> None:
        self.folder, self.key = folder, key
        self.name = f"{name}-{hashlib.sha256(key).hexdigest()[:32]}"
        self.held = contextlib.ExitStack()

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()

    def read(self) -> bytes | None:
        """The code, or None."""
        with contextlib.suppress(OSError), opened(self.folder, only_read=True) as at:
            path = self._path(f"{self.name}.kernel", at)
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), dir_fd=at)
            with os.fdopen(descriptor, "rb") as file:
                require_own(descriptor, only_read=True)
                return unpacked(file.read(), self.key)
        return None

    def wait(self) -> None:
        """Return as the only process that compiles this, or after PATIENCE; until `with` ends the others wait here."""
        with contextlib.suppress(OSError):  # a folder without locks: nobody waits, and entries are whole all the same
            at = self.held.enter_context(opened(self.folder))
            self.held.enter_context(_locked(self._path(f"{self.name}.lock", at), at))

    def write(self, code: bytes) -> None:
        """Put the code there, whole, or leave everything as it was: a full disk costs the next start some seconds."""
        with contextlib.suppress(OSError), opened(self.folder) as at:
            new = self._path(f"{self.name}.{secrets.token_hex(4)}.new", at)
            try:
                with os.fdopen(os.open(new, _NEW, 0o600, dir_fd=at), "wb") as file:
                    file.write(packed(self.key, code))
                os.replace(new, self._path(f"{self.name}.kernel", at), src_dir_fd=at, dst_dir_fd=at)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new, dir_fd=at)
                raise

    def clear(self) -> None:
        """Remove what killed processes have left half written. Only for who has waited: nobody else writes meanwhile."""
        with contextlib.suppress(OSError), opened(self.folder) as at:
            for path in self.folder.glob(f"{self.name}.*.new"):
                os.unlink(self._path(path.name, at), dir_fd=at)

    def _path(self, name: str, at: int | None) -> str:
        return name if at is not None else str(self.folder / name)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def _locked(path: str, at: int | None) -> Iterator[None]:
    """A lock that ends with the process that holds it. Its file is there only while somebody holds or waits for it."""
    if fcntl is None:
        yield
        return
    end = time.monotonic() + PATIENCE
    descriptor = None
    try:
        while descriptor is None:
            descriptor = _tried(path, at)
            if descriptor is None and time.monotonic() > end:
                break  # whoever holds it is stopped, perhaps: both compile, and each writes a whole entry
            if descriptor is None:
                time.sleep(0.02)
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(path, dir_fd=at)  # before the lock ends: whoever waits for this file looks for it anew
            os.close(descriptor)


def _tried(path: str, at: int | None) -> int | None:
    """The descriptor of the locked file, or None where another process has it, or has just removed it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600, dir_fd=at)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path, dir_fd=at)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None

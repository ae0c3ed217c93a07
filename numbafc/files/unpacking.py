"""The bytes of a table's file as they come, from a disk or standard input, out of gzip, bzip2, xz or zstd."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from .invalid import InvalidFile
from .opening import regular

CHUNK = 1 << 23  # bytes read at a time
SPOOLED = 1 << 26  # bytes of standard input that are kept in memory; more go to a file that has no name
STANDARD_INPUT = "-"
Progress = Callable[[int, int], object]  # bytes of the file that are read, and of all of it

FAILURES = gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, or what comes from standard input, open and seekable. Raises InvalidFile or OSError."""
    if str(path) != STANDARD_INPUT:
        with regular(path) as file:
            yield file
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidFile(path, "standard input is a terminal; send a table into it, or name a file")
    with tempfile.SpooledTemporaryFile(SPOOLED) as spooled:
        shutil.copyfileobj(sys.stdin.buffer, spooled, CHUNK)
        spooled.seek(0)
        yield spooled  # type: ignore[misc]  # it has all that is used


def length(file: BinaryIO) -> int:
    """Bytes in an open file, of which none are read yet."""
    end = file.seek(0, 2)
    file.seek(0)
    return end


def chunks(path: Path, file: BinaryIO, kind: str, progress: Progress | None) -> Iterator[bytes]:
    """The unpacked bytes of a file, some at a time. kind: how it is packed, or "text". Raises InvalidFile."""
    size = length(file)
    step = min(CHUNK, max(8 * size, 1 << 16))  # no buffer of 32 MiB for a small file
    try:
        stream = _unpacker(path, kind, file)
        while chunk := stream.read(step):
            yield chunk
            if progress is not None:
                progress(min(file.tell(), size), size)
    except FAILURES as error:
        raise InvalidFile(path, f"damaged {kind} data ({error}); copy or download the file again") from None
    except OSError as error:
        if kind == "text" or error.errno is not None:
            raise
        raise InvalidFile(path, f"damaged {kind} data ({error}); copy or download the file again") from None


def _unpacker(path: Path, kind: str, file: BinaryIO) -> IO[bytes] | Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file, mode="rb")
    if kind == "bzip2":
        return bz2.BZ2File(file)
    if kind == "xz":
        return lzma.LZMAFile(file)
    if kind == "zstd":
        try:
            return importlib.import_module("compression.zstd").ZstdFile(file)  # Python's own from 3.14 on
        except ImportError:
            raise InvalidFile(path, "packed with zstd, which this Python cannot read; unpack it with `zstd -d`") from None
    return file

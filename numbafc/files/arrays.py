"""npy and npz files, read without trusting them: no pickles, and no more memory than the file can fill."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from .invalid import InvalidFile
from .opening import regular, require_memory, size_of

MOST_COMPRESSION = 1100  # deflate cannot do better than 1032 : 1
SHOWN = 20  # names in a message
MAPPED = 1 << 28  # bytes above which a matrix is not read into memory: smaller ones are faster there


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Make every way in which a damaged file fails InvalidFile."""
    try:
        yield
    except (InvalidFile, OSError, MemoryError):
        raise
    except Exception as error:
        raise InvalidFile(path, f"not a readable NumPy file ({type(error).__name__}: {error})") from None


def read_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array in an npy file. mapped: a large matrix of numbers, in C order, may be a memory map."""
    with _named(path), regular(path) as file:
        return _read(path, file, size_of(file), "the array", mapped)


def read_npz(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays in an npz file."""
    with _named(path), regular(path) as whole, zipfile.ZipFile(whole) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        found: dict[str, np.ndarray] = {}
        for name in names:
            if name not in members:
                found_names = ", ".join(list(members)[:SHOWN]) or "none"
                raise InvalidFile(path, f"expected the arrays {', '.join(names)}, found {found_names}")
            if members[name].file_size > MOST_COMPRESSION * max(members[name].compress_size, 1):
                raise InvalidFile(path, f"{name} claims {members[name].file_size} bytes, more than the file can hold")
            with archive.open(members[name]) as file:
                found[name] = _read(path, file, members[name].file_size, name)
        return found


def _read(path: Path, file: IO[bytes], size: int, name: str, mapped: bool = False) -> np.ndarray:
    """One array, after a look at its header. mapped: a large matrix stays in the file."""
    version = np.lib.format.read_magic(file)
    read_header: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise InvalidFile(path, f"{name} holds Python objects, which could run code; save it as numbers")
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > size:
        raise InvalidFile(path, f"{name} claims shape {shape}, {nbytes} bytes, but the file holds {size}")
    if mapped and nbytes > MAPPED and dtype.kind in "fiub" and len(shape) == 2 and not fortran:
        return np.memmap(file, dtype, "r", file.tell(), shape)
    require_memory(path, nbytes, f"{name} of shape {shape}")
    data = file.read(nbytes)
    if len(data) != nbytes:
        raise InvalidFile(path, f"{name} ends after {len(data)} of {nbytes} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")

"""Whether a process is held to AVX2: what its library says of itself, and whether AVX-512 registers were touched.

The processor keeps a bit for each group of registers that is not as it was when the process began. The masks k0 to k7, the
upper halves of zmm0 to zmm15, and zmm16 to zmm31 are three of them: they stay 0 in a thread that used none, whatever
library ran there. Linux tells the same of other threads. A library whose setting had no effect is so found out by its work:
products need more than 16 registers, and rests of rows masks. Only what used neither, and cleared the upper halves as it
returned, leaves no trace; there what libraries say is all there is.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import isa

# mov ecx, 1; xgetbv; shl rdx, 32; or rax, rdx; ret: the state in use
XGETBV = bytes([0xB9, 1, 0, 0, 0, 0x0F, 0x01, 0xD0, 0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xD0, 0xC3])
AVX512_STATE = 0b11100000
AVX2_KERNELS = ("Haswell", "Zen", "Excavator")  # OpenBLAS's


@functools.cache
def _in_use() -> Callable[[], int] | None:
    """A function that reads the state in use; None where the processor cannot say."""
    info = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not info.exists() or "xgetbv1" not in info.read_text(encoding="utf-8"):
        return None
    try:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a system that lets nobody write what runs
        return None
    memory.write(XGETBV)
    call = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    _in_use_memory.append(memory)
    return call


_in_use_memory: list[mmap.mmap] = []  # alive as long as the process
_state = {"clean": True}  # whether the registers were untouched before the library was loaded


def begin() -> None:
    """See whether the registers tell something: not where an old C library has used them before anybody else."""
    _state["clean"] = touched() is False


def touched() -> bool | None:
    """Whether this thread, or another that lives, has used AVX-512; None where nobody can say."""
    read = _in_use()
    if read is None:
        return None
    me, threads = str(os.getpid()), Path("/proc/self/task")
    return bool(read() & AVX512_STATE) or any(_used(one) for one in threads.iterdir() if one.name != me)


def _used(thread: Path) -> bool:
    """Whether another thread has used AVX-512; not if it is gone, or if the system does not say."""
    try:
        found = re.search(r"AVX512_elapsed_ms:\s*(-?\d+)", (thread / "arch_status").read_text())
    except OSError:
        return False
    return found is not None and int(found[1]) >= 0


# ---- what libraries say of themselves ------------------------------------------------------------------------------


def _numbafc() -> tuple[str, bool]:
    from numbafc import _numba

    features = _numba.environment()["cpu_features"]
    return "avx512f" if "avx512f" in features else "avx2", "avx2" in features and "avx512f" not in features


def _numpy() -> tuple[str, bool] | None:
    import numpy as np

    if loops := isa.numpy_loops("found"):
        return f"loops for {', '.join(loops)}", False
    folders = (Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs")
    for file in (path for folder in folders if folder.is_dir() for path in folder.glob("*openblas*")):
        library = ctypes.CDLL(str(file))
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if hasattr(library, name):
                getattr(library, name).restype = ctypes.c_char_p
                kernels = getattr(library, name)().decode()
                return kernels, kernels in AVX2_KERNELS
    return None


def _torch() -> tuple[str, bool]:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return capability, capability == "AVX2"


def _c(name: str) -> tuple[str, bool]:
    from . import c

    said = c.load(name).peer_isa().decode()
    return said, said in ("hsw", "avx2")


WORDS: dict[str, Callable[[], tuple[str, bool] | None]] = {
    "numbafc": _numbafc,
    "numpy": _numpy,
    "sklearn": _numpy,
    "torch": _torch,
    "pytabkit": _torch,
    "libxsmm": functools.partial(_c, "libxsmm"),
    "onednn": functools.partial(_c, "onednn"),
}


def problem(name: str) -> str | None:
    """Why a library is not held to the AVX2 that this run asked for, in words; None if it is, or if nothing was asked."""
    if os.environ.get(isa.ASKED) != "avx2":
        return None
    word: Any = WORDS[name]() if name in WORDS else None
    if word is not None and not word[1]:
        return f"is to be held to AVX2, and says that it uses {word[0]}"
    used = touched() if _state["clean"] else None
    if used:
        return "is to be held to AVX2, and has used AVX-512 registers"
    if used is None and word is None and isa.native() == "avx512":
        return "is to be held to AVX2, and nothing here can tell whether it is"
    return None

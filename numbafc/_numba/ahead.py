"""Kernels compiled ahead: by a second process into the cache, while this one compiles others.

Threads would not do: Numba and LLVM each work in one thread at a time. Only who is a program of its own starts processes,
such as the command: a library does not, for its caller's limits, signals and children are his.

The process is told this one's sys.path, so that it compiles the same sources, and the names of kernels. What it does not
get done is compiled here: whoever needs a kernel waits for the process that compiles it, or compiles it (entries.py). It
ends with this process, however that ends: its standard input is a pipe that nobody writes to, and that then closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator

import numpy as np

from .cache import cache_folder
from .kernel import Kernel
from .options import interpreted

CODE = "import json, sys; told = json.loads(sys.argv[1]); sys.path[:] = told['path']; {}"
WORK = "from numbafc._numba.ahead import work; work(told['kernels'])"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def missing(kernels: Iterable[Kernel], dtype: np.dtype) -> list[Kernel]:
    """Those that are neither in this process nor in the cache."""
    return [] if interpreted() else [kernel for kernel in dict.fromkeys(kernels) if not kernel.is_there(dtype)]


@contextlib.contextmanager
def compiled_beside(kernels: Iterable[Kernel], dtype: np.dtype) -> Iterator[None]:
    """Meanwhile another process compiles these, in this order, if there are a core and a folder for it."""
    told = [[kernel.name, dtype.name] for kernel in kernels]
    process = _started(told) if told and cores() > 1 and cache_folder() is not None else None
    try:
        yield
    finally:
        if process is not None:
            process.kill()
            process.communicate()


def _started(kernels: list[list[str]]) -> subprocess.Popen[bytes] | None:
    """The other process, or None where none can be started."""
    if not sys.executable or getattr(sys, "frozen", False):  # no Python that could be asked
        return None
    told = json.dumps({"path": list(map(str, sys.path)), "kernels": kernels})
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            # -P: what the current folder has under the name of a module is not run
            [sys.executable, *subprocess._args_from_interpreter_flags(), "-P", "-c", CODE.format(WORK), told],  # type: ignore[attr-defined]
            stdin=subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
        )
    except (OSError, ValueError):
        return None


def _end_with_the_other() -> None:
    """End this process as soon as the one that has started it is gone."""
    with contextlib.suppress(OSError):
        os.read(0, 1)
    os._exit(0)


def work(kernels: list[list[str]]) -> None:
    """What the other process does: compile kernels of the package, by their names, and leave them in the cache."""
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    for name, dtype in kernels:
        Kernel.by_name[name].compile(np.dtype(dtype))
    os._exit(0)

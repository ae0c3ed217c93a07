"""The cache of compiled kernels: never stale, never another's, never fatal.

Numba's own keeps an index, which processes read, change and write without a lock: two that start together can leave one's
code under the other's name. Here every kernel has a file of its own (entries.py), and its key is all that it depends on.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding as llvm
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from . import sources
from .entries import Entry
from .folder import folder, readable, warn_of_none
from .l2 import l2_bytes

# Settings of Numba's, by their names in its configuration, that change the code it makes.
SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "DISABLE_INTEL_SVML"),
    *("BOUNDSCHECK", "DEBUGINFO_DEFAULT"),
)


class Cache:
    """The cache of one kernel, as Numba's dispatcher asks for it. Used within `with`, which gives a lock back."""

    def __init__(
        self, place: Path | None, function: Callable[..., Any], build: str, signature: tuple[Any, ...], counts: bool
    ) -> None:
        self.counts = counts
        name, key = f"{function.__module__}.{function.__qualname__}", _key(function, build, signature)
        self.entry = None if place is None else Entry(place, name, key)
        self.code = _found(place, name, key)

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *error: object) -> None:
        if self.entry is not None:
            self.entry.__exit__(*error)

    def wait(self) -> None:
        """Where the kernel is not there, return with that of another process, or as the only process that compiles it."""
        if self.code is None and self.entry is not None:
            self.entry.wait()
            self.code = self.entry.read()

    @property
    def cache_path(self) -> str:
        return str(self.entry and self.entry.folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel that was found, or None."""
        if self.code is None:
            return None
        # Numba's own cache refreshes the target context here, which imports all that it can compile, SciPy too: the longest
        # part of a first call. Code that is there needs no more than what counts references, if it does that.
        if self.counts:
            rtsys.initialize(target_context)
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(self.code))
        except Exception:  # it is whole and ours, and cannot be used all the same: compile it
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel that was compiled, unless the sources have changed since this process read them."""
        if self.entry is None:
            warn_of_none()
        elif not data.library.has_dynamic_globals and sources.digest() == sources.AT_IMPORT:
            self.entry.clear()
            (name, kind, (code, _)), *rest = data._reduce()
            self.entry.write(dumps(((name, kind, (code, _names_only(data.fndesc))), *rest)))


def _names_only(fndesc: Any) -> bytes:
    """What stands for a kernel's bitcode, which nobody compiles into others: it is larger than the code, and slower to
    read. Numba looks in it for the names that the code has.
    """
    names = fndesc.llvm_func_name, fndesc.llvm_cpython_wrapper_name
    return bytes(llvm.parse_assembly("\n".join(f'define void @"{name}"() {{ ret void }}' for name in names)).as_bitcode())


def _found(place: Path | None, name: str, key: bytes) -> bytes | None:
    """The code in the folder that is written to, or in one that is only read."""
    places = dict.fromkeys([*([] if place is None else [place]), *readable()])
    return next((code for path in places if (code := Entry(path, name, key).read()) is not None), None)


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """The machine code under this name, from the cache, or made and put there; it depends on nothing but the process.

    Of several processes one makes it, and the others wait.
    """
    if sources.AT_IMPORT is None:
        return make()
    place, key = folder(), _of_process({"object": name})
    code = _found(place, name, key)
    if code is not None:
        return code
    if place is None:
        warn_of_none()
        return make()
    with Entry(place, name, key) as entry:
        entry.wait()
        code = entry.read()
        if code is None:
            code = make()
            if sources.digest() == sources.AT_IMPORT:
                entry.clear()
                entry.write(code)
    return code


def _key(function: Callable[..., Any], build: str, signature: tuple[Any, ...]) -> bytes:
    """All that the code of a kernel depends on."""
    return _of_process(
        {
            "kernel": f"{function.__module__}.{function.__qualname__}",
            "function": hashlib.sha256(function.__code__.co_code).hexdigest(),
            "build": build,
            "signature": str(signature),
        }
    )


def _of_process(what: dict[str, Any]) -> bytes:
    """What is compiled, from which sources, by what, for which processor."""
    facts = what | {
        "processor": (*cpu_target.target_context.codegen().magic_tuple(), l2_bytes()),
        "sources": sources.AT_IMPORT,
        "versions": (numba.__version__, llvmlite.__version__, sys.version),
        "settings": [(name, repr(getattr(config, name, None))) for name in SETTINGS],
    }
    return "\n".join(f"{name}: {fact}" for name, fact in facts.items()).encode()


class NoCache(NullCache):
    """The cache of a package whose sources cannot be read: every process compiles."""

    def __enter__(self) -> NoCache:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    code = None

    def wait(self) -> None:
        """There is nothing to wait for."""


def cache_for(function: Callable[..., Any], build: str, signature: tuple[Any, ...], counts: bool) -> Cache | NoCache:
    """The cache of a kernel.

    build: "serial" or "parallel", of the same function, which are different code. counts: whether it counts references.
    """
    return NoCache() if sources.AT_IMPORT is None else Cache(folder(), function, build, signature, counts)


def cache_folder() -> str | None:
    """Where compiled kernels are kept, or None where no folder can be used."""
    place = folder() if sources.AT_IMPORT is not None else None
    return None if place is None else str(place)

"""The cache of compiled kernels: never stale, never fatal."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile


@functools.cache
def _sources_digest() -> str:
    """A hash of every source of the package: Numba's own key misses changed constants and callees in other files."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class _Cache(FunctionCache):
    """Numba's cache under names that hold the digest of the sources and the build, "serial" or "parallel", of which Numba's
    own key knows nothing; a file that cannot be used is a miss.
    """

    def __init__(self, function: Callable[..., None], build: str) -> None:
        super().__init__(function)
        name = f"{self._impl.filename_base}.{build}.{_sources_digest()}"
        self._cache_file = IndexDataCacheFile(self._cache_path, name, _sources_digest())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a truncated or foreign file fails in many ways; all of them mean: compile again
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # a full or read-only disk costs the next start some seconds, no more
            super().save_overload(sig, data)


def cache_for(function: Callable[..., None], build: str) -> Any:
    """A cache for the function, or none where no folder can be written."""
    try:
        return _Cache(function, build)
    except (RuntimeError, OSError):
        _warn_without_cache()
        return numba.core.caching.NullCache()


@functools.cache
def _warn_without_cache() -> None:
    warnings.warn(
        "numbafc found no folder it may write compiled kernels to, so every process compiles them again; "
        "set NUMBA_CACHE_DIR to a writable folder",
        RuntimeWarning,
        stacklevel=2,
    )


def cache_folder() -> str | None:
    """Where compiled kernels are kept, or None where no folder can be written."""
    return cache_for(cache_for, "serial").cache_path

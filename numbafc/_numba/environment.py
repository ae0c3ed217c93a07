"""What compiled code is made for, and what decides how fast this process is."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core.registry import cpu_target

from .cache import cache_folder
from .threads import get_num_threads, threading_layer, uninterrupted


def target() -> tuple[str, frozenset[str]]:
    """The processor and its features, as LLVM names them: the host's, or what NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say."""
    _triple, cpu, features = uninterrupted(lambda: cpu_target.target_context.codegen().magic_tuple())
    return cpu, frozenset(name[1:] for name in features.split(",") if name.startswith("+"))


def environment() -> dict[str, Any]:
    """What decides how fast this process is: versions, threads, threading layer, CPU, cache folder."""
    cpu, features = target()
    return {
        "numba": numba.__version__,
        "numpy": np.__version__,
        "threads": get_num_threads(),
        "threading_layer": threading_layer(),
        "cpu": cpu,
        "cpu_features": sorted(features),
        "cache_folder": cache_folder(),
    }

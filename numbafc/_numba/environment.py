"""What compiled code is made for, and what decides how fast this process is."""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any

import numba
import numpy as np
from llvmlite import binding as llvm
from numba.core import config
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


def unknown_to_llvm() -> str | None:
    """The first name in NUMBA_CPU_NAME or NUMBA_CPU_FEATURES that LLVM does not know, and would ignore, if there is one.

    LLVM says so on the standard error, in a line for each function that is compiled, and in no other way.
    """
    if config.CPU_NAME is None and not config.CPU_FEATURES:
        return None
    with tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            llvm.initialize_native_target()
            asked = {"cpu": config.CPU_NAME or "", "features": config.CPU_FEATURES or ""}
            llvm.Target.from_default_triple().create_target_machine(**asked)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        found = re.search(rb"'(.*)' is not a recognized", said.read())
    return found and found[1].decode(errors="replace")

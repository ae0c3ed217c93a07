"""The machine a measurement ran on: what must be known to judge and repeat the run."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numba
import numpy as np

import numbafc
from numbafc import _numba

from . import isa


def common() -> dict[str, Any]:
    """The fields that all rows of a run have."""
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "versions": versions(),
        "machine": describe(),
        "isa": isa.current(),
        "held": isa.current() != isa.native(),
        "commit": commit(),
        "time": time,
    }


def versions() -> dict[str, str]:
    """The versions of what numbafc is made of; a peer's own is beside it in its rows."""
    return {
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "numbafc": numbafc.__version__,
    }


def describe() -> dict[str, Any]:
    """What others need to judge and repeat a row. load: of the last minute, as the run began."""
    environment = _numba.environment()
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "llvm_cpu": environment["cpu"],
        "register_bits": widest_register_bits(),
        "cores": numba.config.NUMBA_NUM_THREADS,
        "clock_mhz": _clock(),
        "caches": caches(),
        "threading_layer": environment["threading_layer"],
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "load": load(),
    }


def load() -> float | None:
    """How many processes wanted a core in the last minute, where the system says."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def commit() -> str | None:
    """The commit of the checkout that was measured, with a + if it was changed since; None outside one."""
    folder = Path(__file__).parent.parent
    commands = ("git", "rev-parse", "--short", "HEAD"), ("git", "status", "--porcelain", "--", "numbafc", "perf/*.py")
    try:
        found, changes = (
            subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.strip() + ("+" if changes else "")


def caches() -> dict[str, str]:
    """The sizes of the first core's caches, where Linux says."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _clock() -> float | None:
    """The clock in MHz, where Linux says; a virtual machine is told the nominal one."""
    mhz = _cpuinfo("cpu MHz")
    return round(float(mhz)) if mhz else None


def _cpuinfo(key: str) -> str | None:
    info = Path("/proc/cpuinfo")
    for line in info.read_text(encoding="utf-8").splitlines() if info.exists() else ():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return None


def widest_register_bits() -> int:
    """The width of this processor's widest vector registers."""
    features = _numba.environment()["cpu_features"]
    return 512 if "avx512f" in features else 256 if "avx2" in features else 128


def best_coretype() -> str:
    """What OpenBLAS calls its best kernels for this processor."""
    return "SkylakeX" if widest_register_bits() == 512 else "Haswell"

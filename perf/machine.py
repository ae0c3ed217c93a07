"""The machine a measurement ran on: its limits, and what must be known to repeat the run."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

import numbafc
from numbafc import _numba

CHAINS = 12  # independent chains of fma: more than latency (4 cycles) times units (2)
UNROLL = 4
STREAMS = 4


def best_of(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several calls: the others were disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def fma_peak(dtype: np.dtype, register_bits: int = 512, repeats: int = 12) -> float:
    """GFLOP/s of one thread that does nothing but fma on vectors of that width: no kernel can be faster."""
    lanes = register_bits // (8 * dtype.itemsize)
    chains = _fma_chains(lanes, dtype)
    flops_each = 2 * lanes * CHAINS * UNROLL
    n, x = int(2e8 / flops_each), dtype.type(1e-3)
    chains(1, x)
    return n * flops_each / best_of(lambda: chains(n, x), repeats) / 1e9


@functools.cache
def _fma_chains(lanes: int, dtype: np.dtype) -> Callable[[int, Any], Any]:
    """A compiled loop over CHAINS vectors v ← fma(x, x, v), UNROLL times an iteration."""
    real = numba.from_dtype(dtype)
    scalar: Any = ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    vector, index = ir.VectorType(scalar, lanes), ir.IntType(64)

    @intrinsic
    def loop(typingctx: Any, n: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            name = f"llvm.fma.v{lanes}f{8 * dtype.itemsize}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
            x = ir.Constant(vector, ir.Undefined)
            for lane in range(lanes):
                x = builder.insert_element(x, args[1], ir.Constant(ir.IntType(32), lane))
            start, body, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(body)
            builder.position_at_end(body)
            done, sums = builder.phi(index), [builder.phi(vector) for _ in range(CHAINS)]
            results: list[Any] = list(sums)
            for _ in range(UNROLL):
                results = [builder.call(fma, [x, x, v]) for v in results]
            following = builder.add(done, ir.Constant(index, 1))
            for phi, first, then in zip(
                [done, *sums], [ir.Constant(index, 0), *[x] * CHAINS], [following, *results], strict=True
            ):
                phi.add_incoming(first, start)
                phi.add_incoming(then, body)
            builder.cbranch(builder.icmp_signed("<", following, args[0]), body, end)
            builder.position_at_end(end)
            total = results[0]
            for v in results[1:]:
                total = builder.fadd(total, v)
            return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

        return real(types.intp, real), codegen

    return numba.njit(lambda n, x: loop(n, x))


def widest_register_bits() -> int:
    """The width of this processor's widest vector registers."""
    features = _numba.environment()["cpu_features"]
    return 512 if "avx512f" in features else 256 if "avx2" in features else 128


def best_coretype() -> str:
    """What OpenBLAS calls its best kernels for this processor."""
    return "SkylakeX" if widest_register_bits() == 512 else "Haswell"


def bandwidth(nbytes: int, repeats: int = 12) -> float:
    """Bytes a second at which one thread reads an array of that size again and again: from a cache, if it fits there."""
    words = np.ones((STREAMS, max(1, nbytes // 8 // STREAMS)), np.int64)
    n = max(1, (1 << 26) // words.nbytes)
    _read(words, 1)
    return n * words.nbytes / best_of(lambda: _read(words, n), repeats)


@numba.njit
def _read(words: np.ndarray, n: int) -> int:
    a, b, c, d = words[0], words[1], words[2], words[3]  # STREAMS rows at a time, as products read W: faster than one
    total = 0  # of integers: their sum is vectorised without leave to reorder
    for i in range(n):  # which keeps the compiler from doing one for all
        for k in range(words.shape[1]):
            total += (a[k] ^ i) + (b[k] ^ i) + (c[k] ^ i) + (d[k] ^ i)
    return total


# ---- what a row says about where it came from ----------------------------------------------------------------------


def common() -> dict[str, Any]:
    """The fields that all rows of a run have."""
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"versions": versions(), "machine": describe(), "commit": commit(), "time": time}


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

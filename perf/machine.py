"""The machine a measurement ran on: its FMA peak, and what must be known to repeat the run."""

from __future__ import annotations

import datetime
import functools
import platform
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
from numbafc import _jit

CHAINS = 12  # independent chains of fma: more than latency (4 cycles) times units (2)
UNROLL = 4


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
    flops_per_turn = 2 * lanes * CHAINS * UNROLL
    turns, x = int(2e8 / flops_per_turn), dtype.type(1e-3)
    chains(1, x)
    return turns * flops_per_turn / best_of(lambda: chains(turns, x), repeats) / 1e9


@functools.cache
def _fma_chains(lanes: int, dtype: np.dtype) -> Callable[[int, Any], Any]:
    """A compiled loop over CHAINS vectors v ← fma(x, x, v), UNROLL times a turn."""
    real = numba.from_dtype(dtype)
    scalar: Any = ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    vector, index = ir.VectorType(scalar, lanes), ir.IntType(64)

    @intrinsic
    def loop(typingctx: Any, turns: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            name = f"llvm.fma.v{lanes}f{8 * dtype.itemsize}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
            x = ir.Constant(vector, ir.Undefined)
            for lane in range(lanes):
                x = builder.insert_element(x, args[1], ir.Constant(ir.IntType(32), lane))
            start, body, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(body)
            builder.position_at_end(body)
            turn, sums = builder.phi(index), [builder.phi(vector) for _ in range(CHAINS)]
            results: list[Any] = list(sums)
            for _ in range(UNROLL):
                results = [builder.call(fma, [x, x, v]) for v in results]
            following = builder.add(turn, ir.Constant(index, 1))
            for phi, first, then in zip(
                [turn, *sums], [ir.Constant(index, 0), *[x] * CHAINS], [following, *results], strict=True
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

    return numba.njit(lambda turns, x: loop(turns, x))


def widest_register_bits() -> int:
    """The width of this processor's widest vector registers."""
    features = _jit.environment()["cpu_features"]
    return 512 if "avx512f" in features else 256 if "avx2" in features else 128


def best_coretype() -> str:
    """What OpenBLAS calls its best kernels for this processor."""
    return "SkylakeX" if widest_register_bits() == 512 else "Haswell"


def common() -> dict[str, Any]:
    """What all rows of a run have."""
    return {"machine": describe(), "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def describe() -> dict[str, Any]:
    """What a row needs so that others can judge and repeat it."""
    environment = _jit.environment()
    return {
        "cpu": _cpu_name(),
        "llvm_cpu": environment["cpu"],
        "register_bits": widest_register_bits(),
        "threading_layer": environment["threading_layer"],
        "cores": numba.config.NUMBA_NUM_THREADS,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "numbafc": numbafc.__version__,
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text(encoding="utf-8").splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

"""Instruction sets: which this machine has, and how everybody is held to a smaller one, ours and every peer.

AVX2 on a machine with AVX-512 is what most desktops have. Each library has a setting of its own, read as it is loaded, so
`--isa avx2` starts the program once more with all of them. Whether they took effect is seen in each process (perf.held).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence

ASKED = "NUMBAFC_PERF_ISA"  # tells the processes of a run what it is held to
NAMES = ("avx2", "avx512")
TITLES = {"avx2": "AVX2", "avx512": "AVX-512", "neon": "NEON", "sse": "SSE"}
NUMBA = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"}
AVX2 = {
    **NUMBA,
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's, and SciPy's
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's products
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own loops
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # oneDNN by itself, in PyTorch and in JAX
    "DNNL_MAX_CPU_ISA": "AVX2",  # as it was called before
    # what JAX compiles; YNNPACK, which it would call for products, asks nobody, so that oneDNN takes them
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    "LIBXSMM_TARGET": "hsw",
    # memcpy and strlen, which would leave traces in the registers that perf.held looks at
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ",
}


def native() -> str:
    """The widest instruction set of this processor, whatever a run is held to."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return "avx512"
    if features.get("avx2") and features.get("fma"):
        return "avx2"
    return "neon" if platform.machine().lower() in ("aarch64", "arm64") else "sse"


def current() -> str:
    """The instruction set that this process is held to, or may use."""
    return os.environ.get(ASKED) or native()


def refusal(asked: str, has: str) -> str | None:
    """Why a machine that has one instruction set cannot measure another; None if it can."""
    if asked == has or (asked, has) == ("avx2", "avx512"):
        return None
    if has not in NAMES:
        return (
            f"--isa {asked}: expected an x86-64 processor with {TITLES[asked]}, this one has {TITLES[has]}: leave --isa out"
        )
    return f"--isa {asked}: expected a processor with {TITLES[asked]}, this one has {TITLES[has]}: --isa {has}, or none"


def environment(asked: str, has: str, given: dict[str, str]) -> dict[str, str]:
    """What to set in an environment so that everybody is held to an instruction set."""
    wanted = {ASKED: asked}
    if asked == "avx2" and has == "avx512":
        wanted |= AVX2 | {"NPY_DISABLE_CPU_FEATURES": " ".join(numpy_loops())}
        if flags := given.get("XLA_FLAGS", "").replace(AVX2["XLA_FLAGS"], "").strip():
            wanted["XLA_FLAGS"] = f"{AVX2['XLA_FLAGS']} {flags}"
    return wanted


def numpy_loops(*which: str) -> list[str]:
    """The groups of NumPy's own loops, exp among them, that are for AVX-512: all, or those "found" to be in use."""
    import numpy as np

    config: dict[str, dict[str, list[str]]] = np.show_config(mode="dicts")  # type: ignore[assignment]
    extensions = config.get("SIMD Extensions", {})
    names = [name for kind in which or ("found", "not found") for name in extensions.get(kind, [])]
    return [name for name in names if name == "X86_V4" or name.startswith("AVX512")]


def hold(asked: str, arguments: Sequence[str] | None) -> None:
    """Go on as a program with that environment, unless this is one already. Raises SystemExit where it cannot be."""
    has = native()
    if said := refusal(asked, has):
        raise SystemExit(f"python -m perf: error: {said}")
    wanted = environment(asked, has, dict(os.environ))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        rest = sys.argv[1:] if arguments is None else list(arguments)
        os.execve(sys.executable, [sys.executable, "-m", "perf", *rest], os.environ | wanted)

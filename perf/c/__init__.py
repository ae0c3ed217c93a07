"""Peers written in C: what an expert writes with LIBXSMM or oneDNN, compiled where a compiler and the library are.

    apt-get install g++ libxsmm-dev libdnnl-dev

Python calls them through ctypes with one pointer, which costs less than a call of NumPy's. peer.h says what each exports.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import isa

FOLDER = Path(__file__).parent
BUILT = FOLDER.parent.parent / "build" / "perf-c"  # which git ignores
OPS = ("forward", "grad_w", "grad_x")
LIMITS = "float32 and SGD only"
REFERENCE = "reference code"  # as in peer.h


class Source(NamedTuple):
    """A library's source. file: in this folder; header: of the library; package: Debian's name."""

    file: str
    compilers: tuple[str, ...]
    links: tuple[str, ...]
    header: str
    package: str


SOURCES = {
    "libxsmm": Source(
        "libxsmm.c",
        ("cc", "gcc", "clang"),
        ("-lxsmm", "-lxsmmnoblas", "-ldl", "-lm", "-lpthread"),
        "libxsmm.h",
        "libxsmm-dev",
    ),
    "onednn": Source("onednn.cpp", ("c++", "g++", "clang++"), ("-ldnnl", "-lm"), "dnnl.hpp", "libdnnl-dev"),
}
# Not -ffast-math: linked into a library it turns off subnormal numbers in the whole process that loads it. These options
# of it let the compiler vectorise as well.
MATH = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-ffinite-math-only")
OPTIONS = ("-O3", *MATH, "-fopenmp", "-shared", "-fPIC")


@functools.cache
def missing(name: str) -> str | None:
    """Why there is no such peer here, in a sentence; None if there is one, which is compiled then."""
    try:
        built(name)
    except LookupError as error:
        return str(error)
    return None


def built(name: str) -> Path:
    """The compiled library, of a file named after all that it is made of. Raises LookupError where it cannot be made."""
    source = SOURCES[name]
    compiler = next((path for one in source.compilers if (path := shutil.which(one))), None)
    if compiler is None:
        raise LookupError(f"{name}: expected a compiler ({' or '.join(source.compilers)}), found none: no line of it")
    command = [compiler, *OPTIONS, *instructions(), str(FOLDER / source.file)]
    texts = [path.read_bytes() for path in sorted(FOLDER.glob("*.*")) if path.suffix in (".c", ".cpp", ".h")]
    digest = hashlib.sha256(b"".join([*texts, " ".join(command).encode(), _processor().encode()])).hexdigest()[:16]
    file = BUILT / f"{name}-{digest}.so"
    if not file.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:
            made = Path(folder) / "made.so"
            done = subprocess.run([*command, "-o", str(made), *source.links], capture_output=True, text=True, check=False)
            if done.returncode:
                where = f"expected {source.header}, as Debian's {source.package} brings it"
                said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[-200:])
                raise LookupError(f"{name}: {where}; {Path(compiler).name} said {said.strip()[:200]!r}: no line of it")
            made.replace(file)
    return file


def instructions() -> list[str]:
    """The compiler's options for the instruction set of this run."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return []
    return ["-march=haswell"] if isa.current() == "avx2" else ["-march=native"]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line for line in lines if line.startswith("flags")), platform.processor())


@functools.cache
def load(name: str) -> Any:
    """The library, as ctypes has it, with __version__ as modules have it."""
    library: Any = ctypes.PyDLL(str(built(name)))  # which keeps the GIL: nobody else wants it
    pointer, integer, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_float
    kinds: dict[str, tuple[Any, list[Any]]] = {
        "peer_version": (ctypes.c_char_p, []),
        "peer_isa": (ctypes.c_char_p, []),
        "peer_error": (ctypes.c_char_p, []),
        "product_new": (pointer, [integer] * 4 + [pointer] * 5),
        "product_run": (None, [pointer]),
        "product_free": (None, [pointer]),
        "network_new": (pointer, [integer, pointer, integer, real, pointer, pointer]),
        "network_set": (None, [pointer, pointer]),
        "network_get": (None, [pointer, pointer]),
        "network_epoch": (ctypes.c_double, [pointer, pointer, integer]),
        "network_free": (None, [pointer]),
    }
    for function, (result, arguments) in kinds.items():
        found = getattr(library, function)
        found.restype, found.argtypes = result, arguments
    library.__version__ = library.peer_version().decode()
    return library


def products(name: str, W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The three products of given arrays, each into an array of its own, which it returns.

    Raises NotImplementedError for what was not written in C.
    """
    if W.dtype != np.float32:
        raise NotImplementedError(f"has {LIMITS} here")
    return {op: Product(load(name), op, W, X, b, dY) for op in OPS}


def _there(library: Any, address: int | None) -> ctypes.c_void_p:
    """What was made. Raises NotImplementedError where there is but reference code, RuntimeError for all else."""
    if not address:
        said = library.peer_error().decode()
        if said == REFERENCE:
            raise NotImplementedError("has only its reference code for this")
        raise RuntimeError(f"expected something made by {library.peer_version().decode()}, got the error {said!r}")
    return ctypes.c_void_p(address)


class Product:
    """One product, made once for its sizes and called with a pointer."""

    def __init__(self, library: Any, op: str, W: np.ndarray, X: np.ndarray, b: np.ndarray, dY: np.ndarray) -> None:
        (T, N), B = W.shape, X.shape[1]
        self.out = np.empty({"forward": (T, B), "grad_w": (T, N), "grad_x": (N, B)}[op], W.dtype)
        self.arrays = W, X, b, dY, self.out  # alive as long as this
        self.library, self.run = library, library.product_run
        addresses = (A.ctypes.data for A in self.arrays)
        self.made = _there(library, library.product_new(OPS.index(op), T, N, B, *addresses))

    def __call__(self) -> np.ndarray:
        self.run(self.made)
        return self.out

    def __del__(self) -> None:
        if hasattr(self, "made"):
            self.library.product_free(self.made)


class Network:
    """A network that trains. X: (samples, N); y: classes."""

    def __init__(self, name: str, sizes: tuple[int, ...], batch: int, rate: float, X: np.ndarray, y: np.ndarray) -> None:
        self.library, self.batch = load(name), batch
        self.X, self.y = np.ascontiguousarray(X, np.float32), np.ascontiguousarray(y, np.int64)
        numbers = np.array(sizes, np.intc)
        pointers = self.X.ctypes.data, self.y.ctypes.data
        self.made = _there(
            self.library, self.library.network_new(len(sizes) - 1, numbers.ctypes.data, batch, rate, *pointers)
        )

    def set(self, parameters: np.ndarray) -> None:
        """Take these parameters, flat, as MLP.parameters."""
        self.library.network_set(self.made, parameters.ctypes.data)

    def get(self, parameters: np.ndarray) -> None:
        """Write the parameters there."""
        self.library.network_get(self.made, parameters.ctypes.data)

    def epoch(self, order: np.ndarray) -> float:
        """Train on the samples in this order, whole minibatches. Returns the mean loss."""
        order = np.ascontiguousarray(order, np.int64)
        return self.library.network_epoch(self.made, order.ctypes.data, len(order) // self.batch)

    def __del__(self) -> None:
        if hasattr(self, "made"):
            self.library.network_free(self.made)

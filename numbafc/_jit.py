"""Where numbafc meets Numba: what a kernel may contain, when it is compiled, where it is cached, how it is launched.

Nothing is compiled, loaded or launched by an import. A kernel is compiled for a dtype on its first call with it, for one
signature only: read-only inputs of any layout convert to it without a copy.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import math
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import intrinsic, overload, register_jitable

from ._arrays import lent

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

# No fastmath: reassociation would break the order of sums, and NaN tests would be deleted.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
# Of what only kernels call: a way in from C would only take time to compile; nothing is counted (see Kernel.counts).
INNER: dict[str, Any] = {"no_cfunc_wrapper": True, "_nrt": False}


# ---- fma: one rounding, in plain Python and in compiled code --------------------------------------------------------


def fma(a: np.floating, b: np.floating, c: np.floating) -> Any:
    """a·b + c rounded once (IEEE-754 fusedMultiplyAdd), in the dtype of c.

    a, b, c: NumPy scalars of one dtype, float32 or float64. Inside a compiled function the same name is the processor's
    instruction. Python 3.11 has no math.fma, so the plain form is spelled out below.
    """
    single = isinstance(c, np.float32)
    return type(c)((_fma_single if single else _fma_double)(float(a), float(b), float(c)))


def _fma_single(a: float, b: float, c: float) -> float:
    """The float64 whose rounding to float32 is that of the exact a·b + c, for a, b, c that float32 represents.

    The product of two float32 is exact in float64. The sum is rounded to odd: where it is inexact, the neighbour with an
    odd last bit is taken, which keeps it off every tie of the second rounding (S. Boldo, G. Melquiond, "Emulation of
    FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Trans. Computers 57, 2008).
    """
    product = a * b
    total = product + c
    if not math.isfinite(total):
        return total
    part = total - product
    error = (product - (total - part)) + (c - part)
    last_bit = struct.pack("<d", total)[0] & 1
    if error != 0.0 and last_bit == 0:
        return math.nextafter(total, math.copysign(math.inf, error))
    return total


def _fma_double(a: float, b: float, c: float) -> float:
    """a·b + c in exact integers, rounded by Python's integer division, which is correctly rounded."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return a * b + c
    if not math.isfinite(c):
        return c
    (an, ad), (bn, bd), (cn, cd) = a.as_integer_ratio(), b.as_integer_ratio(), c.as_integer_ratio()
    numerator = an * bn * cd + cn * ad * bd
    if numerator == 0:  # the sign of an exact zero: that of a·b + c if a factor is zero, else + (cancellation)
        return a * b + c if a == 0.0 or b == 0.0 else 0.0
    try:
        return numerator / (ad * bd * cd)
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


@intrinsic
def _llvm_fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """LLVM's fma on scalars; a vectorised loop turns it into the vector instruction."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = args[2].type
        name = "llvm.fma.f32" if real == ir.FloatType() else "llvm.fma.f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(real, [real] * 3), name), args)

    return (c(c, c, c), codegen) if c in (types.float32, types.float64) else None


@overload(fma, jit_options=INNER)
def _compiled_fma(a, b, c):  # Numba compares the arguments with those of the lambda: no annotations
    return lambda a, b, c: _llvm_fma(a, b, c)


def inner(function: Any = None, **options: Any) -> Any:
    """Decorator: the function is part of the kernels that call it, and compiled with them."""
    decorate = register_jitable(**INNER, **options)
    return decorate if function is None else decorate(function)


def named(function: Any, name: str) -> Any:
    """A copy of the function under a name of its own.

    Compiled code is linked by qualified name, argument types and a number that each process counts for itself. So of two
    functions with one name, such as closures of one factory, a kernel from the cache can be given the wrong one, when
    another process has counted differently: every function that is compiled must have a name that no other has.
    """
    copy = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return copy


def stay_apart() -> None:
    """The compiled function with this call in it is not inlined: what calls it from several places has its code once."""


@intrinsic
def _stay_apart(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@overload(stay_apart, jit_options=INNER)
def _compiled_stay_apart():
    return lambda: _stay_apart()


# ---- the bits of a float64 ------------------------------------------------------------------------------------------


def as_integer(x: np.float64) -> np.int64:
    """The 64 bits of x as a whole number."""
    return np.float64(x).view(np.int64)


def as_real(bits: np.int64) -> np.float64:
    """The float64 that has these bits."""
    return np.int64(bits).view(np.float64)


def _reinterpret(source: Any, target: Any) -> Any:
    """An intrinsic that takes the bits of one type as those of the other."""

    @intrinsic
    def reinterpret(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(target))

        return (target(source), codegen) if value == source else None

    return reinterpret


_bits_of, _real_of = _reinterpret(types.float64, types.int64), _reinterpret(types.int64, types.float64)


@overload(as_integer, jit_options=INNER)
def _compiled_as_integer(x):
    return lambda x: _bits_of(x)


@overload(as_real, jit_options=INNER)
def _compiled_as_real(bits):
    return lambda bits: _real_of(bits)


# ---- kernels: compiled on first use, once per dtype -----------------------------------------------------------------


def array_in(real: Any, axes: int) -> Any:
    """The type of an input: any strides, read-only. Every aligned array of the dtype is lent as it is."""
    return types.Array(real, axes, "A", readonly=True)


def array_out(real: Any, axes: int) -> Any:
    """The type of an output: any strides."""
    return types.Array(real, axes, "A")


def flat(of: Any) -> Any:
    """The type of a contiguous array with one axis, to read and write. of: Numba's type of its numbers."""
    return types.Array(of, 1, "C")


class Kernel:
    """A function with index loops, compiled once for each dtype, when a call first needs it.

    function: the loops. argument_types: from Numba's scalar type to the types of all arguments. The dtype of a call is
    that of its first argument. parallel: whether its prange loops are parallel regions. allocates: whether it makes arrays.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        argument_types: Callable[[Any], tuple[Any, ...]],
        parallel: bool,
        allocates: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.argument_types = argument_types
        self.parallel = parallel
        # references are counted only for arrays that are made in it, and in prange: those that are lent have nobody to tell
        self.counts = parallel or allocates
        self.dispatchers: dict[int, Any] = {}  # by itemsize, which is faster to look up than a dtype
        self.addresses: dict[int, np.ndarray] = {}
        self.entries: dict[int, Callable[..., Any]] = {}  # the compiled functions themselves, which check their arguments

    def __call__(self, *arguments: Any) -> Any:
        entry = self.entries.get(arguments[0].itemsize) or self.compile(arguments[0].dtype)
        if not self.parallel:
            return entry(*arguments)
        with _launch():
            return entry(*arguments)

    def compile(self, dtype: np.dtype) -> Callable[..., Any]:
        """The compiled function for a dtype; serial ones may be called as they are."""
        if config.DISABLE_JIT:
            return np.errstate(all="ignore")(self.function)  # compiled code follows IEEE without a word
        with _compiling:
            if dtype.itemsize not in self.entries:
                build = "parallel" if self.parallel else "serial"
                function = named(self.function, f"{self.function.__qualname__}_{build}")
                dispatcher: Any = numba.njit(parallel=self.parallel, _nrt=self.counts, **OPTIONS)(function)
                dispatcher._cache = _cache_for(function, build)
                with _without_collections():
                    dispatcher.compile(tuple(map(lent, self.argument_types(numba.from_dtype(dtype)))))
                dispatcher.disable_compile()
                self.dispatchers[dtype.itemsize] = dispatcher
                (compiled,) = dispatcher.overloads.values()
                self.entries[dtype.itemsize] = compiled.entry_point
            return self.entries[dtype.itemsize]

    def address(self, dtype: np.dtype) -> np.ndarray:
        """Where the compiled function is in this process, as numbers of the dtype; for call_stored of kernels/vector."""
        address = self.addresses.get(dtype.itemsize)
        if address is None:
            self.compile(dtype)
            (compiled,) = self.dispatchers[dtype.itemsize].overloads.values()
            place = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
            address = self.addresses[dtype.itemsize] = np.array([place], np.uint64).view(dtype)
        return address


def kernel(
    argument_types: Callable[[Any], tuple[Any, ...]], *, parallel: bool = True, allocates: bool = False
) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorator: these loops are a Kernel."""
    return lambda function: Kernel(function, argument_types, parallel, allocates)


_compiling = threading.RLock()


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage collection: it would go through the compiler's many objects again and again."""
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()


# ---- the cache: never stale, never fatal ----------------------------------------------------------------------------


@functools.cache
def _sources_digest() -> str:
    """A hash of every source of the package: Numba's own key misses changed constants and callees in other files."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
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


def _cache_for(function: Callable[..., None], build: str) -> Any:
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
    return _cache_for(fma, "serial").cache_path


# ---- launching: several Python threads, forked processes ------------------------------------------------------------


class _Launches:
    """What is known of this process's parallel regions."""

    layer: str | None = None  # known after the first launch
    forked = False  # this process was forked from one whose OpenMP threads it does not have: it computes on one
    lock = threading.Lock()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _Launches.lock:
        yield
        _Launches.layer = numba.threading_layer()


_FREE = contextlib.nullcontext()


def _launch() -> contextlib.AbstractContextManager[None]:
    """The context of a parallel region: none under omp and tbb, a lock under workqueue, which aborts on two at once."""
    return _FREE if _Launches.layer in ("omp", "tbb") else _one_at_a_time()


def _threads_started_with() -> str | None:
    """The threading layer that anybody in this process has started, or None."""
    try:
        return numba.threading_layer()
    except ValueError:  # none yet
        return None


def _before_fork() -> None:
    """No fork while a kernel compiles or, under workqueue, runs: the child would wait for a thread it does not have."""
    _compiling.acquire()
    _Launches.lock.acquire()


def _after_fork() -> None:
    _Launches.lock.release()
    _compiling.release()


def _after_fork_in_child() -> None:
    _after_fork()
    _Launches.forked = _Launches.forked or _threads_started_with() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


# ---- threads --------------------------------------------------------------------------------------------------------


def set_num_threads(n: int) -> None:
    """Use n threads in kernels that this Python thread calls; the bits of every result stay the same.

    n: from 1 to the number Numba started with (all cores, or NUMBA_NUM_THREADS). Raises TypeError or ValueError.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"the number of threads must be an integer, got {type(n).__name__} ({n!r})")
    most = config.NUMBA_NUM_THREADS
    if not 1 <= n <= most:
        raise ValueError(
            f"the number of threads must be from 1 to {most}, got {n}; for more, set NUMBA_NUM_THREADS before the start"
        )
    if _Launches.forked:
        return  # a region of OpenMP would end this process: there is one thread, whatever is asked for
    numba.set_num_threads(int(n))


def get_num_threads() -> int:
    """How many threads kernels use that this Python thread calls. One in a process forked from one with OpenMP threads."""
    return 1 if _Launches.forked else int(numba.get_num_threads())


def environment() -> dict[str, Any]:
    """What decides how fast this process is: versions, threads, threading layer, CPU, cache folder."""
    codegen = numba.core.registry.cpu_target.target_context.codegen()
    _triple, cpu, features = codegen.magic_tuple()
    if not _Launches.forked:
        numba.set_num_threads(numba.get_num_threads())  # starts the thread pool, which names its layer
    return {
        "numba": numba.__version__,
        "numpy": np.__version__,
        "threads": get_num_threads(),
        "threading_layer": numba.threading_layer(),
        "cpu": cpu,
        "cpu_features": sorted(name[1:] for name in features.split(",") if name.startswith("+")),
        "cache_folder": cache_folder(),
    }

"""A kernel: index loops that are compiled for a dtype on its first call with it, for one signature only.

Nothing is compiled, loaded or launched by an import. Read-only inputs of any layout convert to the signature as they are.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
from numba.core import types

from .arrays import lent
from .cache import cache_for
from .options import OPTIONS, interpreted, named
from .threads import compiling, launch, uninterrupted

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


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
        with launch():
            return entry(*arguments)

    def compile(self, dtype: np.dtype) -> Callable[..., Any]:
        """The compiled function for a dtype; serial ones may be called as they are."""
        if interpreted():
            return np.errstate(all="ignore")(self.function)  # compiled code follows IEEE without a word
        with compiling:
            if dtype.itemsize not in self.entries:
                self._compile(dtype)
            return self.entries[dtype.itemsize]

    def _compile(self, dtype: np.dtype) -> None:
        dispatcher, signature = uninterrupted(lambda: self._dispatcher(dtype))
        with dispatcher._cache as cache, _without_collections():
            cache.wait()
            uninterrupted(lambda: dispatcher.compile(signature))
        dispatcher.disable_compile()
        self.dispatchers[dtype.itemsize] = dispatcher
        (compiled,) = dispatcher.overloads.values()
        self.entries[dtype.itemsize] = compiled.entry_point

    def _dispatcher(self, dtype: np.dtype) -> tuple[Any, tuple[Any, ...]]:
        """What compiles it, with its cache, and the types of its arguments."""
        build = "parallel" if self.parallel else "serial"
        function = named(self.function, f"{self.function.__qualname__}_{build}")
        dispatcher: Any = numba.njit(parallel=self.parallel, _nrt=self.counts, **OPTIONS)(function)
        signature = tuple(map(lent, self.argument_types(numba.from_dtype(dtype))))
        dispatcher._cache = cache_for(function, build, signature)
        return dispatcher, signature

    def address(self, dtype: np.dtype) -> np.ndarray:
        """Where the compiled function is in this process, as numbers of the dtype; for call_stored of kernels/vector."""
        address = self.addresses.get(dtype.itemsize)
        if address is None:
            with compiling:  # no fork meanwhile: LLVM has a lock
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

"""A kernel: index loops that are compiled for a dtype on its first call with it, for one signature only.

Nothing is compiled, loaded or launched by an import. Read-only inputs of any layout convert to the signature as they are.

The border: a call takes what the signature says, and what the kernel's own `check` allows, or raises a sentence before
anything is written. Who calls by address, or the compiled function itself, answers for lengths and indices.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numba
import numpy as np

from .arguments import refuse_argument
from .arrays import borrowed, is_array
from .cache import cache_for
from .options import OPTIONS, SERIAL, interpreted, named, with_inlined
from .pipeline import begin
from .shortcuts import shortcuts
from .threads import compiling, launch, uninterrupted

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


compilations: list[Callable[[Kernel, bool], None]] = []  # told what is compiled now, and when it is done


class Kernel:
    """A function with index loops, compiled once for each dtype, when a call first needs it.

    function: the loops. argument_types: from Numba's scalar type to the types of all arguments. The dtype of a call is
    that of its first argument. parallel: whether its prange loops are parallel regions. allocates: whether it makes arrays.
    check: takes the same arguments; raises ValueError where lengths, indices or settings are none that the loops can bear.
    before: what must be there before the first call with a dtype.
    """

    by_name: ClassVar[dict[str, Kernel]] = {}  # all there are

    def __init__(
        self,
        function: Callable[..., Any],
        argument_types: Callable[[Any], tuple[Any, ...]],
        parallel: bool,
        allocates: bool = False,
        check: Callable[..., None] | None = None,
        before: Callable[[np.dtype], None] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = f"{function.__module__}.{function.__qualname__}_{'parallel' if parallel else 'serial'}"
        self.by_name[self.name] = self
        self.function = function
        self.argument_types = argument_types
        self.parallel = parallel
        self.check, self.before = check, before
        # references are counted only for arrays that are made in it, and in prange: borrowed ones have an owner
        self.counts = parallel or allocates
        self.dispatchers: dict[int, Any] = {}  # by itemsize, which is faster to look up than a dtype
        self.addresses: dict[int, np.ndarray] = {}
        self.signatures: dict[int, tuple[Any, ...]] = {}  # Numba's types of the arguments
        self.entries: dict[int, Callable[..., Any]] = {}  # the compiled functions themselves, which check their arguments

    def __call__(self, *arguments: Any) -> Any:
        self._refuse(arguments)
        if self.check is not None:
            self.check(*arguments)
        return self.unchecked(*arguments)

    def unchecked(self, *arguments: Any) -> Any:
        """The call, for who has seen to lengths and indices: compiled code itself looks at nothing but types and memory."""
        first = arguments[0]
        entry = self.entries.get(first.itemsize) or self.compile(first.dtype)
        if not self.parallel:
            return entry(*arguments)
        with launch():
            return entry(*arguments)

    def _refuse(self, arguments: tuple[Any, ...]) -> None:
        """The sentence for arguments that are none of the signature's. Raises TypeError or ValueError, unless they are."""
        name, code = f"the kernel {self.function.__name__}", self.function.__code__
        names = code.co_varnames[: code.co_argcount]
        if len(arguments) != len(names):
            raise TypeError(f"{name} takes {len(names)} arguments ({', '.join(names):.200}), got {len(arguments)}")
        first = arguments[0]
        if not is_array(first) or first.dtype not in DTYPES:
            got = f"an array of {first.dtype!s:.40}" if is_array(first) else f"{type(first).__name__:.60}"
            raise TypeError(f"{name} takes arrays of float32 or float64, got {got} for {names[0]}; convert it first")
        if first.dtype.itemsize not in self.signatures:
            self.signatures[first.dtype.itemsize] = self.argument_types(numba.from_dtype(first.dtype))
        for argument, kind, value in zip(names, self.signatures[first.dtype.itemsize], arguments, strict=True):
            refuse_argument(f"{name} takes", argument, kind, value)

    def compile(self, dtype: np.dtype) -> Callable[..., Any]:
        """The compiled function for a dtype; serial ones may be called as they are."""
        _require_real(dtype)
        if interpreted():
            return np.errstate(all="ignore")(self.function)  # compiled code follows IEEE without a word
        if dtype.itemsize not in self.entries:  # or who has it would wait for what others compile
            with compiling:
                if dtype.itemsize not in self.entries:
                    with _meanwhile(self.before, dtype):
                        entry = self._compile(dtype)
                    self.entries[dtype.itemsize] = entry  # not before what it calls is there
        return self.entries[dtype.itemsize]

    def _compile(self, dtype: np.dtype) -> Callable[..., Any]:
        dispatcher, signature = uninterrupted(lambda: self._dispatcher(dtype))
        with dispatcher._cache as cache:
            told = list(compilations) if cache.code is None else []
            for tell in told:
                tell(self, False)
            cache.wait()
            with without_collections(compiles=cache.code is None):
                uninterrupted(lambda: _compiled(dispatcher, signature, cache.code is not None))
            for tell in told:
                tell(self, True)
        dispatcher.disable_compile()
        self.dispatchers[dtype.itemsize] = dispatcher
        (compiled,) = dispatcher.overloads.values()
        return compiled.entry_point

    def _dispatcher(self, dtype: np.dtype) -> tuple[Any, tuple[Any, ...]]:
        """What compiles it, with its cache, and the types of its arguments."""
        build = "parallel" if self.parallel else "serial"
        function = named(self.function, f"{self.function.__qualname__}_{build}")
        options = OPTIONS if self.parallel else SERIAL
        dispatcher: Any = numba.njit(parallel=self.parallel, _nrt=self.counts, **options)(with_inlined(function))
        signature = tuple(map(borrowed, self.argument_types(numba.from_dtype(dtype))))
        dispatcher._cache = cache_for(function, build, signature, self.counts)
        return dispatcher, signature

    def is_there(self, dtype: np.dtype) -> bool:
        """Whether it need not be compiled for this dtype."""
        with compiling:
            return dtype.itemsize in self.entries or self.is_kept(dtype)

    def is_kept(self, dtype: np.dtype) -> bool:
        """Whether a cache has it for this dtype."""
        with compiling:
            return self._dispatcher(dtype)[0]._cache.code is not None

    def address(self, dtype: np.dtype) -> np.ndarray:
        """Where the compiled function is in this process: an array of one address, for call_pointer of kernels/vector."""
        address = self.addresses.get(dtype.itemsize)
        if address is None:
            with compiling:  # no fork meanwhile: LLVM has a lock
                self.compile(dtype)
                (compiled,) = self.dispatchers[dtype.itemsize].overloads.values()
                place = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
                address = self.addresses[dtype.itemsize] = np.array([place], np.intp)
        return address


def kernel(
    argument_types: Callable[[Any], tuple[Any, ...]],
    *,
    parallel: bool = True,
    allocates: bool = False,
    check: Callable[..., None] | None = None,
    before: Callable[[np.dtype], None] | None = None,
) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorator: these loops are a Kernel."""
    return lambda function: Kernel(function, argument_types, parallel, allocates, check, before)


@contextlib.contextmanager
def _meanwhile(work: Callable[[np.dtype], None] | None, dtype: np.dtype) -> Iterator[None]:
    """Something else that must be done until the end, in another thread: LLVM works while Python does, and back."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(dtype)  # type: ignore[misc]
        except BaseException as error:
            failures.append(error)

    thread = None
    if work is not None:
        begin()
        thread = threading.Thread(target=run, name="numbafc compiles, too")
        try:
            thread.start()
        except RuntimeError:  # no more threads can be started
            thread = None
            run()
    try:
        yield
    finally:
        if thread is not None:
            uninterrupted(thread.join)
        if failures:
            raise failures[0]


def _compiled(dispatcher: Any, signature: tuple[Any, ...], is_there: bool) -> None:
    """Compile, or load what is there, which needs nothing but that."""
    with contextlib.nullcontext() if is_there else shortcuts():
        dispatcher.compile(signature)


def _require_real(dtype: Any) -> None:
    """Code for other numbers would lie under the name of a dtype of their size. Raises TypeError."""
    if not (isinstance(dtype, np.dtype) and dtype in DTYPES):
        raise TypeError(
            f"kernels are compiled for the dtypes float32 and float64 only, got {dtype!r:.60}; convert arrays first"
        )


@contextlib.contextmanager
def without_collections(compiles: bool) -> Iterator[None]:
    """No garbage collection: it would go through the compiler's many objects again and again.

    compiles: whether there are so many. Then all that there is counts as old afterwards, or the next collection, which
    comes at once, would go through it.
    """
    enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if enabled:
            if compiles and gc.get_freeze_count() == 0:  # the program's own frozen objects stay so
                gc.freeze()
                gc.unfreeze()
            gc.enable()

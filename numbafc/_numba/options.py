"""How functions are compiled: the options of kernels, and of what only kernels call."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numba
from numba import types
from numba.core import config
from numba.extending import intrinsic, overload, register_jitable

from .pipeline import KernelCompiler, PartCompiler

# No fastmath: reassociation would break the order of sums, and NaN tests would be deleted.
# A way in from C would only take time to compile.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
# Of kernels without parallel regions.
SERIAL: dict[str, Any] = {**OPTIONS, "pipeline_class": KernelCompiler}
# Of what only kernels call, which is a part of them; nothing is counted (see Kernel.counts).
INNER: dict[str, Any] = {"no_cfunc_wrapper": True, "_nrt": False, "pipeline_class": PartCompiler}


def inner(function: Any = None, **options: Any) -> Any:
    """Decorator: the function is part of the kernels that call it, and compiled with them."""
    decorate = register_jitable(**INNER, **options)
    return decorate if function is None else decorate(function)


def inlined(function: Any) -> Any:
    """Decorator: the function's code is put in where a kernel calls it, so that its prange loops are the kernel's own."""
    function.inlined = True
    return function


def with_inlined(function: Any) -> Any:
    """A copy of a kernel's function that Numba puts inlined functions into.

    Numba's own decorator asks LLVM for the processor, so it waits until something is compiled.
    """
    found = {name: value for name, value in function.__globals__.items() if getattr(value, "inlined", None) is True}
    made = {name: numba.njit(inline="always", **OPTIONS)(value) for name, value in found.items()}
    copy = FunctionType(function.__code__, function.__globals__ | made, function.__name__, None, function.__closure__)
    copy.__qualname__, copy.__module__ = function.__qualname__, function.__module__
    return copy


def named(function: Any, name: str) -> Any:
    """A copy of the function under a name of its own.

    Compiled code is linked by qualified name, argument types and a number that each process counts for itself. So of two
    functions with one name, such as closures of one factory, a kernel from the cache can be given the wrong one, when
    another process has counted differently: every function that is compiled must have a name that no other has.
    """
    copy = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return copy


def noinline() -> None:
    """The compiled function with this call in it is not inlined: what calls it from several places has its code once."""


@intrinsic
def _noinline(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@overload(noinline, jit_options=INNER)
def _compiled_noinline():
    return lambda: _noinline()


def interpreted() -> bool:
    """Whether NUMBA_DISABLE_JIT is set: kernels then run as plain Python."""
    return bool(config.DISABLE_JIT)

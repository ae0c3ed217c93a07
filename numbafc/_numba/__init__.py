"""Where numbafc meets Numba: no other room names what is private in it.

options.py      how functions are compiled, and what kernels call
kernel.py       a kernel: compiled on first use, once per dtype
pipeline.py     how kernels are compiled, and their parts: with them, and never by themselves
shortcuts.py    what Numba finds out again and again while it compiles, found out once
objects.py      functions in LLVM's IR: compiled without Numba, and called by address
ahead.py        kernels that a second process compiles meanwhile
cache.py        where compiled kernels are kept
arguments.py    the types of a kernel's arguments, and what is none of them
arrays.py       how arrays reach compiled code
threads.py      parallel regions, forks, the number of threads
fma.py, bits.py one rounding; the bits of a number
lowering.py     what intrinsics are written with
environment.py  the processor, and what decides how fast this process is
l2.py           the size of its L2 cache
"""

from .arguments import array_in, array_out, flat, flat_in
from .arrays import borrowed, is_array
from .bits import as_integer, as_real
from .cache import cache_folder
from .environment import environment, target, unknown_to_llvm
from .fma import fma
from .folder import closed, for_everybody, keep_in
from .kernel import DTYPES, Kernel, compilations, kernel
from .l2 import l2_bytes
from .lowering import cgutils, impl_ret_borrowed
from .objects import addresses_of, assembly, shared
from .options import INNER, OPTIONS, inlined, inner, interpreted, named, noinline
from .threads import compiling, get_num_threads, most_threads, set_num_threads

__all__ = [
    "DTYPES",
    "INNER",
    "OPTIONS",
    "Kernel",
    "addresses_of",
    "array_in",
    "array_out",
    "as_integer",
    "as_real",
    "assembly",
    "borrowed",
    "cache_folder",
    "cgutils",
    "closed",
    "compilations",
    "compiling",
    "environment",
    "flat",
    "flat_in",
    "fma",
    "for_everybody",
    "get_num_threads",
    "impl_ret_borrowed",
    "inlined",
    "inner",
    "interpreted",
    "is_array",
    "keep_in",
    "kernel",
    "l2_bytes",
    "most_threads",
    "named",
    "noinline",
    "set_num_threads",
    "shared",
    "target",
    "unknown_to_llvm",
]

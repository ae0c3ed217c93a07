"""Where the functions of this folder are: for each dtype one table of numbers, which compiled code knows by its name.

    word 0          whether any tile is asked for
    + ADDRESSES     the address of the tile in each place, or 0 (dispatch.py)
    + ASKED         whether it is asked for
    word LEVEL2     the address of the kernel for products with a vector, or 0 (../level2.py)
    + FIRST         the addresses of the functions in FUNCTIONS, in their order

Kernels have no code of these functions in them: what is compiled once serves all kernels, and no pass of LLVM goes through
it again for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..._numba import DTYPES, shared
from .function import I64

PLACES = 256
ADDRESSES, ASKED = 1, 1 + PLACES
LEVEL2 = ASKED + PLACES
FIRST = LEVEL2 + 1
WORDS = FIRST + 32
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # by name: what makes a Function from a module, tiles and bits
OF_LEVEL2: list[str] = []  # those that only level2.py needs; any product may need the others
TABLES = {dtype.itemsize: shared(f"numbafc_table_f{8 * dtype.itemsize}", WORDS) for dtype in DTYPES}


def add(name: str, make: Callable[..., Any], level2: bool) -> int:
    """A function for kernels. level2: whether only level2.py needs it. Returns its word."""
    FUNCTIONS[name] = make
    OF_LEVEL2.extend([name] if level2 else [])
    return FIRST + len(FUNCTIONS) - 1


def bring(dtype: np.dtype, word: int, address: int) -> None:
    """From now on the function is there."""
    TABLES[dtype.itemsize][word] = address


def is_there(dtype: np.dtype, word: int) -> bool:
    """Whether it has been brought."""
    return bool(TABLES[dtype.itemsize][word])


def word_of(builder: Any, table: Any, word: Any, first: int = 0) -> Any:
    """A pointer to a word of a table, in compiled code."""
    word = builder.add(word, ir.Constant(I64, first))
    return builder.bitcast(builder.gep(table, [word], source_etype=I64), I64.as_pointer())


def table_for(builder: Any, kind: Any) -> Any:
    """The table for a Numba type with a dtype, in compiled code."""
    name = f"numbafc_table_f{kind.dtype.bitwidth}"
    if name not in builder.module.globals:
        ir.GlobalVariable(builder.module, ir.ArrayType(I64, WORDS), name)  # defined in each process
    return builder.module.globals[name]

"""Vector code as Numba intrinsics: with the files of this folder, the kernels' only IR.

function.py is what they have in common, pointers.py how compiled code hands them memory, sizes.py what it asks about the
target. microkernel.py makes the sums of a tile, from rows that kept_rows.py reads, epilogues.py and step.py what becomes
of them (expression.py runs the formulas), dispatch.py calls the right one. gemv.py and axpyf.py are the ways past it, for
the kernel in ../level2.py; copy.py and transpose.py pack. table.py has the addresses of all of them, and that kernel's.
The dtype of the first array and the processor decide what they become.
"""

from .axpyf import AxpyfTask, axpyf_1, axpyf_2, axpyf_4, axpyf_8
from .copy import CopyTask, copy, gather
from .dispatch import (
    all_tiles,
    bring_tiles,
    dispatch_for,
    few_columns,
    first_functions,
    level2_functions,
    level2_is_there,
    microkernel,
    tiles_asked_for,
)
from .few_columns import ColumnsTask
from .gemv import GemvTask, gemv_1, gemv_2, gemv_3
from .microkernel import Task
from .pointers import Operand, Strided, address, call_pointer, first_byte, matrix, row_of, span, transposed_if
from .sizes import (
    cache_bytes,
    gemv_lanes,
    group_vectors,
    half_vectors,
    keeps_a,
    lanes_in,
    masked_loads,
    most_rows,
    most_vectors,
    next_height,
    vector_bytes,
)
from .table import LEVEL2, bring, is_there
from .transpose import transpose

__all__ = [
    "LEVEL2",
    "AxpyfTask",
    "ColumnsTask",
    "CopyTask",
    "GemvTask",
    "Operand",
    "Strided",
    "Task",
    "address",
    "all_tiles",
    "axpyf_1",
    "axpyf_2",
    "axpyf_4",
    "axpyf_8",
    "bring",
    "bring_tiles",
    "cache_bytes",
    "call_pointer",
    "copy",
    "dispatch_for",
    "few_columns",
    "first_byte",
    "first_functions",
    "gather",
    "gemv_1",
    "gemv_2",
    "gemv_3",
    "gemv_lanes",
    "group_vectors",
    "half_vectors",
    "is_there",
    "keeps_a",
    "lanes_in",
    "level2_functions",
    "level2_is_there",
    "masked_loads",
    "matrix",
    "microkernel",
    "most_rows",
    "most_vectors",
    "next_height",
    "row_of",
    "span",
    "tiles_asked_for",
    "transpose",
    "transposed_if",
    "vector_bytes",
]

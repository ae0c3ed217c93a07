"""The dispatch of the microkernel: the addresses of all tiles that a dtype and a processor have, and the call of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from .function import POINTER, i64
from .microkernel import TileFunction
from .pointers import numbers_of
from .sizes import tiles_of

ROW = 32  # addresses for one width: more than any tile has rows


@intrinsic
def dispatch_for(typingctx: Any, A: Any) -> Any:
    """The dispatch for A's dtype. Call it in one place of a kernel: what calls it has the code of all tiles in it, and so
    has, compiled anew, what calls that. The functions between the kernel and `microkernel` hand the dispatch on.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tiles, bits = tiles_of(signature.args[0])
        functions = [ir.Constant(POINTER, None)] * (ROW * (1 + max(tiles.heights())))
        half = replace(tiles, lanes=tiles.lanes // 2)
        for width, heights in tiles.heights().items():
            for height in heights:
                tile = TileFunction(builder.module, tiles if width > 0 else half, bits, height, max(width, 1))
                functions[width * ROW + height] = tile.build()
        entries = ", ".join(f"ptr {f.get_reference()}" for f in functions)
        kind = ir.ArrayType(POINTER, len(functions))
        table = cgutils.add_global_variable(builder.module, kind, f"numbafc_tiles_f{bits}")
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.FormattedConstant(kind, f"[{entries}]")
        return builder.bitcast(table, context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def microkernel(typingctx: Any, dispatch: Any, rows: Any, vectors: Any, task: Any) -> Any:
    """Tiles of rows × vectors, as a Task says. vectors = 0 is one vector of half as many lanes.

    rows and vectors must be in the dispatch.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.add(builder.mul(args[2], i64(ROW)), args[1])
        entry = builder.gep(builder.bitcast(args[0], POINTER), [place], source_etype=POINTER)
        numbers = numbers_of(builder, signature.args[3], args[3])
        kind = ir.FunctionType(ir.VoidType(), [number.type for number in numbers])
        builder.call(builder.load(entry, typ=kind.as_pointer()), numbers)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.intp, types.intp, task), codegen

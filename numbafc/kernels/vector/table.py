"""The tiles of a kernel: a table of all that its dtype and the processor have, and the call of one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from .function import POINTER, i64
from .sizes import tile_of
from .tiles import TileFunction

TABLE_ROW = 32  # entries for one width in the table of tiles: more than any tile has rows


@intrinsic
def tile_table(typingctx: Any, A: Any) -> Any:
    """The tiles for A's dtype. Call it in one place of a kernel: what calls it has the code of all tiles in it, and so has,
    compiled anew, what calls that. The functions between the kernel and `tile` hand the table on.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sizes, bits = tile_of(signature.args[0])
        functions = [ir.Constant(POINTER, None)] * (TABLE_ROW * (1 + max(sizes.tiles())))
        half = replace(sizes, lanes=sizes.lanes // 2)
        for width, heights in sizes.tiles().items():
            for height in heights:
                tile = TileFunction(builder.module, sizes if width > 0 else half, bits, height, max(width, 1))
                functions[width * TABLE_ROW + height] = tile.build()
        entries = ", ".join(f"ptr {f.get_reference()}" for f in functions)
        kind = ir.ArrayType(POINTER, len(functions))
        table = cgutils.add_global_variable(builder.module, kind, f"numbafc_tiles_f{bits}")
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.FormattedConstant(kind, f"[{entries}]")
        return builder.bitcast(table, context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def tile(
    typingctx, table, rows, vectors, a, a_row, a_step, x, x_panel, x_step, packed, K, y, y_row, columns, add, b, b_step,
    ending, e, e_step, extra, tiles, panels,
):  # fmt: skip
    """Tiles of Y = A X + b, from the table; a, x, y, b, e: addresses where they start; the rest as in TileFunction.

    rows and vectors must be in the processor's table; vectors = 0 is one vector of half as many lanes.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.add(builder.mul(args[2], i64(TABLE_ROW)), args[1])
        entry = builder.gep(builder.bitcast(args[0], POINTER), [place], source_etype=POINTER)
        kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args[3:]])
        builder.call(builder.load(entry, typ=kind.as_pointer()), args[3:])
        return context.get_dummy_value()

    n, to = types.intp, types.voidptr
    return types.void(to, n, n, to, n, n, to, n, n, n, n, to, n, n, n, to, n, n, to, n, n, n, n), codegen

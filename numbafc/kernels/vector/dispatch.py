"""The dispatch of the microkernel: the addresses of all tiles that a dtype and a processor have, and the call of one.

A tile is compiled by itself, when somebody needs it (_numba/objects.py). Where one is not there yet, tiles of one row do its
work, to the same bits, and it is asked for; who has called then brings it, for the next time (`bring_tiles`).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import DTYPES, address_of, assembly, shared
from ..target import target_features, tiles_for
from .function import I64, POINTER, i64
from .microkernel import Task, TileFunction
from .pointers import numbers_of

# A dispatch is whole numbers: whether any tile is asked for, then the address of each tile, or 0, then whether it is.
ROW = 32  # addresses for one width: more than any tile has rows
PLACES = 8 * ROW
ASKED = 1 + PLACES
_dispatches = {dtype.itemsize: shared(f"numbafc_tiles_f{8 * dtype.itemsize}", 1 + 2 * PLACES) for dtype in DTYPES}


def places(dtype: np.dtype) -> list[int]:
    """The places of all tiles that there are."""
    heights = tiles_for(dtype, target_features()).heights()
    return [width * ROW + rows for width in heights for rows in heights[width]]


def _tile(dtype: np.dtype, place: int) -> tuple[str, Any]:
    """The name of a tile, and what builds it in a module."""
    (width, rows), tiles, bits = divmod(place, ROW), tiles_for(dtype, target_features()), 8 * dtype.itemsize
    sizes = tiles if width > 0 else replace(tiles, lanes=tiles.lanes // 2)
    name = f"numbafc_tile_{rows}x{max(width, 1)}_v{sizes.lanes}f{bits}"
    return name, lambda module: TileFunction(module, sizes, bits, rows, max(width, 1)).build()


def _bring(dtype: np.dtype, place: int) -> None:
    _dispatches[dtype.itemsize][1 + place] = address_of(*_tile(dtype, place))


def first_tiles(dtype: np.dtype) -> None:
    """Bring the tiles of one row, which can stand for all."""
    for place in places(dtype):
        if place % ROW == 1:
            _bring(dtype, place)


def all_tiles(dtype: np.dtype) -> None:
    """Bring every tile that there is."""
    for place in places(dtype):
        _bring(dtype, place)


def bring_tiles(dtype: np.dtype) -> None:
    """Bring the tiles that were asked for."""
    dispatch = _dispatches[dtype.itemsize]
    if dispatch[0]:
        dispatch[0] = 0  # before the places are read: whoever asks meanwhile asks once more
        for place in np.flatnonzero(dispatch[ASKED:]).tolist():
            _bring(dtype, place)
            dispatch[ASKED + place] = 0


@functools.cache
def assembly_of_tiles(dtype: np.dtype) -> str:
    """The assembly of all tiles, for tests of what is in their loops."""
    return "\n".join(assembly(*_tile(dtype, place)) for place in places(dtype))


@intrinsic
def dispatch_for(typingctx: Any, A: Any) -> Any:
    """The dispatch for A's dtype. The functions between a kernel and `microkernel` hand it on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name, kind = f"numbafc_tiles_f{signature.args[0].dtype.bitwidth}", ir.ArrayType(I64, 1 + 2 * PLACES)
        if name not in builder.module.globals:
            ir.GlobalVariable(builder.module, kind, name)  # defined in each process
        return builder.bitcast(builder.module.globals[name], context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def tiles_asked_for(typingctx: Any, dispatch: Any) -> Any:
    """Whether any tile is asked for: 0 or 1."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.bitcast(args[0], POINTER), align=8, typ=I64)

    return types.intp(types.voidptr), codegen


@intrinsic
def microkernel(typingctx: Any, dispatch: Any, rows: Any, vectors: Any, task: Any) -> Any:
    """Tiles of rows × vectors, as a Task says. vectors = 0 is one vector of half as many lanes.

    rows and vectors must be in the dispatch.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        dispatch, rows, vectors, task = args
        start, row = builder.bitcast(dispatch, POINTER), builder.mul(vectors, i64(ROW))
        place = builder.add(row, rows)

        def at(number: Any, first: int) -> Any:
            return builder.bitcast(builder.gep(start, [builder.add(number, i64(first))], source_etype=I64), I64.as_pointer())

        numbers = numbers_of(builder, signature.args[3], task)
        tiles = Task._fields[::-1].index("tiles")
        kind = ir.FunctionType(ir.VoidType(), [number.type for number in numbers]).as_pointer()
        there, of_one = (builder.load(at(number, 1), align=8, typ=kind) for number in (place, builder.add(row, i64(1))))
        missing = builder.icmp_unsigned("==", there, ir.Constant(kind, None))
        with builder.if_then(missing, likely=False):
            builder.store(i64(1), at(place, ASKED), align=8)
            builder.store(i64(1), at(i64(0), 0), align=8)
        numbers[-1 - tiles] = builder.select(missing, builder.mul(numbers[-1 - tiles], rows), numbers[-1 - tiles])
        builder.call(builder.select(missing, of_one, there), numbers)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.intp, types.intp, task), codegen

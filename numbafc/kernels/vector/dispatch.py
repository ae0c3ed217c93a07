"""The dispatch of the microkernel: the addresses of all tiles that a dtype and a processor have, and the call of one.

A tile is compiled by itself, when somebody needs it (_numba/objects.py). Where one is not there yet, tiles of one row do
its work, to the same bits, and it is asked for; who has called then brings it, for the next time (`bring_tiles`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import addresses_of, compiling
from ..target import MOST_COLUMNS, target_features, tiles_for
from .few_columns import ColumnsFunction
from .function import I64, i64
from .microkernel import Task, TileFunction
from .pointers import numbers_of
from .table import ADDRESSES, ASKED, FIRST, FUNCTIONS, LEVEL2, OF_LEVEL2, TABLES, bring, table_for, word_of

ROW = 32  # places for one width: more than any tile has rows
COLUMNS = 5 * ROW  # behind the tiles: products of so many columns


def places(dtype: np.dtype) -> list[int]:
    """The places of all tiles that there are."""
    tiles = tiles_for(dtype, target_features())
    heights, columns = tiles.heights(), range(2, MOST_COLUMNS + 1) if tiles.masked_loads else ()
    return [width * ROW + rows for width in heights for rows in heights[width]] + [COLUMNS + count for count in columns]


def _tile(dtype: np.dtype, place: int) -> tuple[str, Any]:
    """The name of a tile, or of a product of few columns, and what builds it in a module."""
    if place > COLUMNS:
        return _few_columns(dtype, place - COLUMNS)
    (width, rows), tiles, bits = divmod(place, ROW), tiles_for(dtype, target_features()), 8 * dtype.itemsize
    sizes = tiles if width > 0 else replace(tiles, lanes=tiles.lanes // 2)
    name = f"numbafc_tile_{rows}x{max(width, 1)}_v{sizes.lanes}f{bits}"
    return name, lambda module: TileFunction(module, sizes, bits, rows, max(width, 1)).build()


def _few_columns(dtype: np.dtype, count: int) -> tuple[str, Any]:
    tiles, bits = tiles_for(dtype, target_features()), 8 * dtype.itemsize
    name = f"numbafc_columns_{count}_{ColumnsFunction(None, tiles, bits, count).kind}"
    return name, lambda module: ColumnsFunction(module, tiles, bits, count).build()


def first_functions(dtype: np.dtype) -> None:
    """Bring what any product may need: the tiles of one row, which can stand for all, and functions of the table."""
    ones = [place for place in places(dtype) if place % ROW == 1]
    tiles = {ADDRESSES + place: _tile(dtype, place) for place in ones}
    _bring(dtype, "first", tiles | _functions(dtype, False))


def level2_functions(dtype: np.dtype) -> None:
    """Bring what the kernel level2 needs."""
    _bring(dtype, "level2", _functions(dtype, True))


def _functions(dtype: np.dtype, level2: bool) -> dict[int, tuple[str, Any]]:
    """By their words in the table: the names of functions, and what builds each in a module."""
    tiles, bits = tiles_for(dtype, target_features()), 8 * dtype.itemsize
    found: dict[int, tuple[str, Any]] = {}
    for n, (name, make) in enumerate(FUNCTIONS.items()):
        if (name in OF_LEVEL2) == level2:
            built = f"numbafc_{name}_{make(None, tiles, bits).kind}"
            found[FIRST + n] = built, lambda module, make=make: make(module, tiles, bits).build()
    return found


def _bring(dtype: np.dtype, name: str, functions: dict[int, tuple[str, Any]]) -> None:
    """Make functions together, or load them, and put their addresses in these words."""
    found = addresses_of(f"numbafc_{name}_f{8 * dtype.itemsize}", dict(functions.values()))
    for word, (built, _) in functions.items():
        bring(dtype, word, found[built])


def _bring_tile(dtype: np.dtype, place: int) -> None:
    name, build = _tile(dtype, place)
    bring(dtype, ADDRESSES + place, addresses_of(name, {name: build})[name])


def all_tiles(dtype: np.dtype) -> None:
    """Bring every tile that there is."""
    with compiling:
        for place in places(dtype):
            if place % ROW != 1:
                _bring_tile(dtype, place)


def bring_tiles(dtype: np.dtype) -> None:
    """Bring the tiles that were asked for."""
    table = TABLES[dtype.itemsize]
    if table[0]:
        table[0] = 0  # before the places are read: whoever asks meanwhile asks once more
        with compiling:
            for place in np.flatnonzero(table[ASKED:LEVEL2]).tolist():
                _bring_tile(dtype, place)
                table[ASKED + place] = 0


@intrinsic
def dispatch_for(typingctx: Any, A: Any) -> Any:
    """The dispatch for A's dtype. The functions between a kernel and `microkernel` hand it on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(table_for(builder, signature.args[0]), context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def level2_is_there(typingctx: Any, dispatch: Any) -> Any:
    """The address of the kernel level2, or 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(word_of(builder, args[0], i64(LEVEL2)), align=8)

    return types.intp(types.voidptr), codegen


@intrinsic
def tiles_asked_for(typingctx: Any, dispatch: Any) -> Any:
    """Whether any tile is asked for: 0 or 1."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(word_of(builder, args[0], i64(0)), align=8)

    return types.intp(types.voidptr), codegen


def _there(builder: Any, dispatch: Any, place: Any, kind: Any) -> tuple[Any, Any]:
    """The function in a place, and whether it is missing; then it is asked for."""
    there = builder.load(word_of(builder, dispatch, place, ADDRESSES), align=8, typ=kind)
    missing = builder.icmp_unsigned("==", there, ir.Constant(kind, None))
    with builder.if_then(missing, likely=False):
        for word in (word_of(builder, dispatch, place, ASKED), word_of(builder, dispatch, i64(0))):
            builder.store(i64(1), word, align=8)
    return there, missing


@intrinsic
def few_columns(typingctx: Any, dispatch: Any, columns: Any, task: Any) -> Any:
    """A product of so many columns, as a ColumnsTask says; 0 where its function is not there yet, and nothing was done."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        dispatch, columns, task = args
        numbers = numbers_of(builder, signature.args[2], task)
        kind = ir.FunctionType(ir.VoidType(), [number.type for number in numbers]).as_pointer()
        there, missing = _there(builder, dispatch, builder.add(columns, i64(COLUMNS)), kind)
        with builder.if_then(builder.not_(missing)):
            builder.call(there, numbers)
        return builder.zext(builder.not_(missing), I64)

    return types.intp(types.voidptr, types.intp, task), codegen


@intrinsic
def microkernel(typingctx: Any, dispatch: Any, rows: Any, vectors: Any, task: Any) -> Any:
    """Tiles of rows × vectors, as a Task says. vectors = 0 is one vector of half as many lanes.

    rows and vectors must be in the dispatch.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        dispatch, rows, vectors, task = args
        row = builder.mul(vectors, i64(ROW))
        place = builder.add(row, rows)
        numbers = numbers_of(builder, signature.args[3], task)
        kind = ir.FunctionType(ir.VoidType(), [number.type for number in numbers]).as_pointer()

        there, missing = _there(builder, dispatch, place, kind)
        of_one = builder.load(word_of(builder, dispatch, builder.add(row, i64(1)), ADDRESSES), align=8, typ=kind)
        tiles = Task._fields.index("tiles") - len(Task._fields)
        numbers[tiles] = builder.select(missing, builder.mul(numbers[tiles], rows), numbers[tiles])
        builder.call(builder.select(missing, of_one, there), numbers)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.intp, types.intp, task), codegen

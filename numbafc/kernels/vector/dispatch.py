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
from ..target import target_features, tiles_for
from .function import i64
from .microkernel import Task, TileFunction
from .pointers import numbers_of
from .table import ADDRESSES, ASKED, FIRST, FUNCTIONS, TABLES, bring, table_for, word_of

ROW = 32  # places for one width: more than any tile has rows


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


def first_functions(dtype: np.dtype) -> None:
    """Bring what every product may need: the tiles of one row, which can stand for all, and the functions of the table."""
    tiles, bits = tiles_for(dtype, target_features()), 8 * dtype.itemsize
    ones = [place for place in places(dtype) if place % ROW == 1]
    builds = dict(_tile(dtype, place) for place in ones)
    words = [ADDRESSES + place for place in ones]
    for n, (name, make) in enumerate(FUNCTIONS.items()):
        builds[f"numbafc_{name}_{make(None, tiles, bits).kind}"] = lambda module, make=make: make(
            module, tiles, bits
        ).build()
        words.append(FIRST + n)
    found = addresses_of(f"numbafc_first_f{bits}", builds)
    for word, address in zip(words, found.values(), strict=True):
        bring(dtype, word, address)


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
            for place in np.flatnonzero(table[ASKED:FIRST]).tolist():
                _bring_tile(dtype, place)
                table[ASKED + place] = 0


@intrinsic
def dispatch_for(typingctx: Any, A: Any) -> Any:
    """The dispatch for A's dtype. The functions between a kernel and `microkernel` hand it on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(table_for(builder, signature.args[0]), context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def tiles_asked_for(typingctx: Any, dispatch: Any) -> Any:
    """Whether any tile is asked for: 0 or 1."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(word_of(builder, args[0], i64(0)), align=8)

    return types.intp(types.voidptr), codegen


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

        def word(number: Any, first: int) -> Any:
            return word_of(builder, dispatch, number, first)

        there = builder.load(word(place, ADDRESSES), align=8, typ=kind)
        of_one = builder.load(word(builder.add(row, i64(1)), ADDRESSES), align=8, typ=kind)
        missing = builder.icmp_unsigned("==", there, ir.Constant(kind, None))
        with builder.if_then(missing, likely=False):
            builder.store(i64(1), word(place, ASKED), align=8)
            builder.store(i64(1), word(i64(0), 0), align=8)
        tiles = Task._fields.index("tiles") - len(Task._fields)
        numbers[tiles] = builder.select(missing, builder.mul(numbers[tiles], rows), numbers[tiles])
        builder.call(builder.select(missing, of_one, there), numbers)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.intp, types.intp, task), codegen

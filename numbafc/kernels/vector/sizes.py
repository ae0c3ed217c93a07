"""What compiled code asks about the tiles of a dtype: constants of the processor that Numba compiles for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..._numba import l2_bytes
from ..target import GEMV_BITS, Tiles, group_for, target_features, tiles_for
from .function import i64


def tiles_of(array: Any) -> tuple[Tiles, int]:
    """The tiles for a Numba type with a dtype, and the bits of one number."""
    bits = array.dtype.bitwidth
    return tiles_for(np.dtype(f"f{bits // 8}"), target_features()), bits


def _constant(value: Callable[[Tiles, int], int]) -> Any:
    """An intrinsic f(A) that is a number of the tiles for A's dtype, or for A where it is a dtype itself."""

    @intrinsic
    def constant(typingctx: Any, A: Any) -> Any:
        return types.intp(A), lambda context, builder, signature, args: i64(value(*tiles_of(signature.args[0])))

    return constant


lanes_in = _constant(lambda tiles, bits: tiles.lanes)
gemv_lanes = _constant(lambda tiles, bits: min(tiles.lanes, GEMV_BITS // bits))
vector_bytes = _constant(lambda tiles, bits: tiles.lanes * bits // 8)
most_vectors = _constant(lambda tiles, bits: tiles.most_vectors)
keeps_a = _constant(lambda tiles, bits: int(tiles.keeps_a))
group_vectors = _constant(lambda tiles, bits: group_for(tiles.lanes * bits // 8, l2_bytes()))
cache_bytes = _constant(lambda tiles, bits: l2_bytes())
half_vectors = _constant(lambda tiles, bits: int(tiles.half_vectors))
masked_loads = _constant(lambda tiles, bits: int(tiles.masked_loads))


@intrinsic
def most_rows(typingctx: Any, A: Any, vectors: Any) -> Any:
    """The most rows a tile of so many vectors may have."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows: Any = i64(1)
        for width, heights in tiles_of(signature.args[0])[0].heights().items():
            rows = builder.select(builder.icmp_signed("==", args[1], i64(width)), i64(max(heights)), rows)
        return rows

    return types.intp(A, types.intp), codegen


@intrinsic
def next_height(typingctx: Any, A: Any, vectors: Any, rows: Any) -> Any:
    """The fewest rows of a tile of so many vectors that has at least so many."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result: Any = i64(1)
        for width, heights in tiles_of(signature.args[0])[0].heights().items():
            height: Any = i64(max(heights))
            for candidate in sorted(heights, reverse=True):
                height = builder.select(builder.icmp_signed("<=", args[2], i64(candidate)), i64(candidate), height)
            result = builder.select(builder.icmp_signed("==", args[1], i64(width)), height, result)
        return result

    return types.intp(A, types.intp, types.intp), codegen

"""Sizes of the register tile and of the blocks around it, for the processor that Numba compiles for.

A tile is rows × vectors of accumulators. Each of its steps loads `vectors` vectors of X, broadcasts `rows` numbers of A
and does rows·vectors fma, so a tile should be as square, in registers, as the register file allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._numba import target

# Each tile takes a tenth of a second to compile, so there are not all. Ten rows are common: the classes of digits. As six
# and four they cost no more, but for tiles of one vector, where so few chains of fma wait for themselves.
HEIGHTS = (1, 2, 3, 4, 6, 8, 12, 16)
HEIGHTS_OF_ONE = (1, 2, 3, 4, 6, 8, 10, 16)


@dataclass(frozen=True)
class Tile:
    """The tiles of one dtype on one instruction set.

    lanes: numbers in a vector. most_rows: for each number of vectors, the most rows. masked_loads: a masked load is
    one instruction, so X can be read in place up to its last lane. half_vectors: there are tiles of one vector with half
    the lanes too.
    """

    lanes: int
    most_rows: dict[int, int]
    masked_loads: bool
    half_vectors: bool = False

    @property
    def most_vectors(self) -> int:
        """The width of the widest tile in vectors."""
        return max(self.most_rows)

    def tiles(self) -> dict[int, list[int]]:
        """All tiles there are: for each number of vectors, the numbers of rows; 0 stands for half a vector."""
        rows = {v: HEIGHTS_OF_ONE if v == 1 else HEIGHTS for v in self.most_rows}
        tiles = {v: sorted({most, *(t for t in rows[v] if t < most)}) for v, most in self.most_rows.items()}
        return tiles | ({0: tiles[1]} if self.half_vectors else {})


def tile_for(dtype: np.dtype, features: frozenset[str]) -> Tile:
    """The tiles for a dtype and the processor's features, as LLVM names them."""
    if "avx512f" in features:
        # 32 registers: 24 accumulators, the vectors of X, a broadcast. One vector: 8 chains hide the latency of fma
        # (4 cycles, 2 units); 16 rows are a cache line of Wᵀ, which is then read once.
        # Half a vector: AMD's Zen 4 computes 256 bits in half the time of 512, so 8 samples need not cost what 16 do.
        return Tile(64 // dtype.itemsize, {4: 6, 3: 8, 2: 12, 1: 16}, masked_loads=True, half_vectors=True)
    if "avx2" in features and "fma" in features:
        # 16 registers: 12 accumulators, 2 vectors of X, a broadcast, and the mask of the last vector.
        return Tile(32 // dtype.itemsize, {2: 6, 1: 8}, masked_loads=True)
    if "neon" in features or "fp-armv8" in features:
        # 32 registers of 128 bits; a masked load would be one branch per lane.
        return Tile(16 // dtype.itemsize, {4: 6, 3: 8, 2: 12, 1: 12}, masked_loads=False)
    # 128-bit vectors and 16 registers are everywhere.
    return Tile(16 // dtype.itemsize, {2: 4, 1: 8}, masked_loads=False)


def target_features() -> frozenset[str]:
    """The features Numba compiles for: the host's, or what NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say."""
    return target()[1]

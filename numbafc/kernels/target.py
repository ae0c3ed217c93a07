"""Every tuning number, with its reason. None of them changes a bit: they say which code is made, and who computes what.

First the registers of the processor that Numba compiles for, then the blocks around them, the distances of prefetches,
and from when something is worth its start. Symbols are those of BLIS (F. Van Zee, R. van de Geijn, ACM TOMS 41, 2015):
MR rows and NR numbers of a tile, KC summands, MC rows and NC vectors (BLIS counts columns) of what is packed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._numba import target
from ..formulas import SUM_BLOCK

# ---- registers: the tiles of the microkernel ------------------------------------------------------------------------
#
# A tile is rows × vectors of accumulators. For each k it loads `vectors` vectors of X, broadcasts `rows` numbers of A and
# does rows·vectors fma, so it should be as square, in registers, as the register file allows.

# Each microkernel takes a tenth of a second to compile, so there are not all. Ten rows are common: the classes of digits.
# As six and four they cost no more, but for tiles of one vector, where so few chains of fma wait for themselves.
HEIGHTS = (1, 2, 3, 4, 6, 8, 12, 16)
HEIGHTS_OF_ONE = (1, 2, 3, 4, 6, 8, 10, 16)


@dataclass(frozen=True)
class Tiles:
    """The tiles of one dtype on one instruction set.

    lanes: numbers in a vector. most_rows: MR for each NR, the most rows for so many vectors. masked_loads: a masked load
    is one instruction, so X can be read in place up to its last lane. half_vectors: there are tiles of one vector with
    half the lanes too. keeps_a: a tile over several panels keeps its rows of A where they lie side by side.
    """

    lanes: int
    most_rows: dict[int, int]
    masked_loads: bool
    half_vectors: bool = False
    keeps_a: bool = False

    @property
    def most_vectors(self) -> int:
        """The width of the widest tile in vectors."""
        return max(self.most_rows)

    def heights(self) -> dict[int, list[int]]:
        """All tiles there are: for each number of vectors, the numbers of rows; 0 stands for half a vector."""
        rows = {v: HEIGHTS_OF_ONE if v == 1 else HEIGHTS for v in self.most_rows}
        heights = {v: sorted({most, *(t for t in rows[v] if t < most)}) for v, most in self.most_rows.items()}
        return heights | ({0: heights[1]} if self.half_vectors else {})


def tiles_for(dtype: np.dtype, features: frozenset[str]) -> Tiles:
    """The tiles for a dtype and the processor's features, as LLVM names them."""
    if "avx512f" in features:
        # 32 registers: 24 accumulators, the vectors of X, a broadcast. One vector: 8 chains hide the latency of fma
        # (4 cycles, 2 units); 16 rows are a cache line of Wᵀ, which is then read once.
        # Half a vector: AMD's Zen 4 computes 256 bits in half the time of 512, so 8 samples need not cost what 16 do.
        return Tiles(64 // dtype.itemsize, {4: 6, 3: 8, 2: 12, 1: 16}, masked_loads=True, half_vectors=True)
    if "avx2" in features and "fma" in features:
        # 16 registers: 12 accumulators, 2 vectors of X, a broadcast, and the mask of the last vector.
        # Six rows of Wᵀ are six numbers of a line for each k, and there are but six cycles in which to fetch the next one:
        # 67 to 78 GFLOP/s at (1024, 1024, 256), of a peak of 89, where they are kept. AVX-512 has twelve cycles, and gains
        # nothing.
        return Tiles(32 // dtype.itemsize, {2: 6, 1: 8}, masked_loads=True, keeps_a=True)
    if "neon" in features or "fp-armv8" in features:
        # 32 registers of 128 bits; a masked load would be one branch per lane.
        return Tiles(16 // dtype.itemsize, {4: 6, 3: 8, 2: 12, 1: 12}, masked_loads=False)
    # 128-bit vectors and 16 registers are everywhere.
    return Tiles(16 // dtype.itemsize, {2: 4, 1: 8}, masked_loads=False)


def target_features() -> frozenset[str]:
    """The features Numba compiles for: the host's, or what NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say."""
    return target()[1]


# Rows of A that share a pointer: their offsets, 0, 1 and 2 rows, are addressing modes. One pointer for all is a chain of
# additions, one for each runs out of registers.
ROWS_AT_A_POINTER = 3
GEMV_BITS = 256  # of gemv's vectors: Intel exchanges numbers in 256 bits on two ports, in 512 on one
UNROLL = 2  # steps of k per round of the loop: one leaves loop overhead, four make LLVM run out of registers

# ---- caches: the blocks around the microkernel ----------------------------------------------------------------------

KC = 4 * SUM_BLOCK  # summands in a packed panel of X: 64 float32 lanes of so many are 256 KiB
NC = 16  # vectors of X packed at a time, at most: see group_for
MC = 96  # rows of A packed at a time: six cache lines of float32, and whole tiles of 6, 8 and 12 rows
SMALL = 384  # vectors of X that stay in the L1 cache where they are, half of it
# Bytes of a group of vectors of X, over all k, that packing would only copy; unless its rows are a multiple of so many
# bytes apart, which leaves them a quarter of the sets, or fewer.
SMALL_GROUP, L1_CROWDED = 65536, 1024
L1_WAYS, L1_PERIOD = 8, 4096  # rows of A so many bytes apart are in one set of the L1 cache, which has room for eight
# Bytes from k to k of Wᵀ for which the L2 cache has too few places: of 16 in each set and 128 KiB from set to the same
# set, 256 summands 8 KiB apart need all, until a second group of vectors comes by.
L2_PERIOD, L2_PERIOD_OF_GROUPS = 16384, 8192
LINE = 64  # bytes of a cache line
STRIP = 256  # kernel="loops": outputs side by side. A block of their inputs is 256 KiB in float32, which stays in L2


def group_for(vector_bytes: int, l2: int) -> int:
    """How many vectors of X are packed at a time: as many as take half of the L2 cache with KC summands.

    16 of AVX-512 take 1 MiB, and of AVX2 half of that. All kernels of a process must agree on it, so the size of the cache
    is part of what an entry of the cache of kernels is for.
    """
    return next((n for n in (NC, NC // 2) if KC * n * vector_bytes <= l2 // 2), NC // 4)


# ---- distances of prefetches ----------------------------------------------------------------------------------------

A_AHEAD = 6  # summands of A that a tile asks for before it needs them
A_AHEAD_KEPT = 12  # likewise while a tile keeps them, which is when they come from furthest
A_FAR = 64  # bytes: where rows of A lie side by side, a tile brings the next ones' line into the L2 cache
X_AHEAD = 16  # summands of X that a tile asks for before it needs them
SHORT_SUM = 48  # so few summands end before Y's lines would come by themselves
# Bytes of a row that gemv asks for where the matrix has so many bytes that it comes from no cache: rows on many pages at
# once are more than the prefetchers follow. From the L3 cache they keep up, and what is asked for besides is in the way.
GEMV_AHEAD, GEMV_FAR = 512, 100_000_000
AXPYF_NEAR = 16384  # bytes of rows of X that axpyf asks for while it is at those before: in L1 is room, beside these and Y
COPY_AHEAD = 24  # rows that a copy asks for: no prefetcher follows steps across pages
GATHER_ROWS, GATHER_BYTES = 2, 2048  # what a gathering of samples asks for: so many rows, and at least so many bytes

# ---- from when something is worth its start -------------------------------------------------------------------------

FEW_ROWS = 4  # so few rows of A read X once: packing would cost as much
MOST_COLUMNS = 4  # so few columns of X are products with vectors of A, transposed on their way: more are tiles sooner
FEW_SUMMANDS = 2  # so few write Y as fast as memory takes it, if it is written in its order
PASSES = 8  # so often X is read in place from L2, in tiles of two vectors, which have the most rows, before packing pays
PACKING_ROWS = 8  # packing a vector of X costs about what this many rows of A do
READING = 1  # vectors whose fma take as long as reading a number of A, which each part does for all its rows
PARALLEL = 1_500_000  # multiply-adds from which a second thread is worth its start (1.5 µs, and a cold cache)
BEFORE_THREADS = 300_000_000  # multiply-adds on one thread, a few hundredths of a second, before more are compiled for
# Numbers of a matrix, each read once, from which a second thread is worth its start for one column or one row. That is
# where they leave the L2 cache: below, a thread that waits for a processor costs milliseconds, and gains microseconds.
PARALLEL_READING = 1_000_000
PARALLEL_LOOPS = 250_000  # likewise in kernel="loops", which is slower
PARALLEL_GATHER = 16_384  # numbers of a batch from which threads gather a part each
PART = 12  # rows of a layer that threads split no further: a whole tile
FROM_MEMORY = 6  # what a multiply-add counts for where each takes a number of its own from memory
EXPONENTIALS = 2048  # of a loss in one loop, which is faster than many; as many numbers wait in L1 for the next loop
FEW_SAMPLES = 32  # rows whose way through all layers is one compiled call
CALL = 5e8  # flops of one call of the engine, about: between calls Python sees Ctrl-C

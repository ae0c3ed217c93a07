"""kernel="tiled": the products as Python calls them, by the microkernel (see the map, __init__.py).

Most calls are one compiled call with the workspace of the last one; what it answers decides whether there is another.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from .._numba import DTYPES, get_num_threads, interpreted
from . import loops
from .level2 import bring_level2
from .packing import aligned
from .product import (
    ANY_SIZE,
    CHECK_OVERLAP,
    EPILOGUE,
    LARGE,
    OVERLAP,
    ROW_SUMS,
    SCATTERED,
    TILES,
    TRANSPOSE_P,
    TRANSPOSE_Q,
    TRANSPOSE_R,
    UNFIT,
    WITH_BIAS,
    WITHOUT_LEVEL2,
    on_one_thread,
)
from .threads import is_worth, on_threads
from .vector import bring_tiles


class Workspaces(threading.local):
    """What a Python thread's calls need, by itemsize: the compiled function, the workspace for packed panels, which is kept
    from call to call, and what stands for no bias and no row sums. One look-up for all: small products take no longer.
    """

    def __init__(self) -> None:
        self.by_itemsize: dict[int, tuple[Any, np.ndarray, np.ndarray, np.ndarray]] = {}

    def add(self, dtype: np.dtype, workspace: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """With this workspace from now on."""
        no_bias = np.broadcast_to(dtype.type(0), (2,))  # may be read for any row
        self.by_itemsize[dtype.itemsize] = on_one_thread.compile(dtype), workspace, no_bias, np.empty(0, dtype)
        return self.by_itemsize[dtype.itemsize]

    def of(self, dtype: np.dtype) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """What the next call takes."""
        return self.by_itemsize.get(dtype.itemsize) or self.add(dtype, np.empty(0, dtype))


workspaces = Workspaces()


def into(flags: int, P: Any, Q: Any, b: Any, R: Any) -> bool:
    """Whether R = P Q + b was done, as product has it. All are plain arrays, R of the result's axes, or None.

    A few lines of product stand here again, and nothing is asked that compiled code asks: small products take no longer
    than the call of a function.
    """
    try:
        entry, workspace, no_bias, no_sums = workspaces.by_itemsize[R.itemsize]
    except (KeyError, AttributeError):  # compiled code itself refuses what nobody may write
        return R is not None and bool(R.flags.writeable) and product(flags, P, Q, b, R)
    if b is None:
        b = no_bias
    else:
        flags |= WITH_BIAS
    try:
        answer = entry(P, Q, b, R, no_sums, workspace, flags, 0)
    except TypeError:
        return False
    return answer == 0 or _again(answer, (P, Q, b, R, no_sums), flags)


def product(flags: int, P: Any, Q: Any, b: Any, R: Any, sums: Any = None) -> bool:
    """R = P Q + b, each transposed as the flags say; with sums also sums[t] = Σ_k A[t,k].

    Returns whether this was done: it is not where shapes do not fit, an array is no aligned one of R's dtype, or R, with
    CHECK_OVERLAP, may overlap. Then nothing was written.
    """
    if R.dtype not in DTYPES:
        return False
    if interpreted():
        return _without_compiler(flags, P, Q, b, R, sums)
    entry, workspace, no_bias, no_sums = workspaces.of(R.dtype)
    flags |= (0 if b is None else WITH_BIAS) | (0 if sums is None else ROW_SUMS)
    arrays = P, Q, no_bias if b is None else b, R, no_sums if sums is None else sums
    try:
        answer = entry(*arrays, workspace, flags, 0)
    except TypeError:
        return False
    done = answer == 0 or _again(answer, arrays, flags)
    bring_tiles(R.dtype)
    return done


def _again(answer: int, arrays: tuple[Any, ...], flags: int) -> bool:
    """The product again, with what the answer asks for. arrays: P, Q, b, R and sums."""
    P, Q, b, R, sums = arrays
    if answer in (UNFIT, OVERLAP):
        return False
    if answer == TILES:
        bring_tiles(R.dtype)
        return True
    if answer == WITHOUT_LEVEL2:
        bring_level2(R.dtype)
        entry, workspace, _, _ = workspaces.of(R.dtype)
        answer = entry(*arrays, workspace, flags, 0)
        return answer == 0 or _again(answer, arrays, flags)
    if answer == SCATTERED:
        transposed = _transposed(arrays, flags)
        if transposed is not None:
            return product(*transposed)
        dense = np.empty_like(R, order="F" if flags & TRANSPOSE_R else "C")
        entry, workspace, _, _ = workspaces.of(R.dtype)
        arrays = P, Q, b, dense, sums
        answer = entry(*arrays, workspace, flags, 0)
        done = answer == 0 or _again(answer, arrays, flags)
        if done:
            R[...] = dense
        return done
    threads = get_num_threads() if answer == LARGE else 1
    if threads > 1 and is_worth(R.dtype, R.size * max(P.shape)):
        return _with_workspace(on_threads, arrays, flags, threads)
    return _with_workspace(on_one_thread.unchecked, arrays, flags | ANY_SIZE, 0)


def _transposed(arrays: tuple[Any, ...], flags: int) -> tuple[Any, ...] | None:
    """Yᵀ = Xᵀ Aᵀ, the same product, where that is stored side by side, as samples in rows are; None where it is not.

    A bias and row sums belong to rows of Y, so there must be none.
    """
    P, Q, _, R, sums = arrays
    side_by_side = R.ndim == 2 and R.strides[1 if flags & TRANSPOSE_R else 0] == R.itemsize
    if not side_by_side or sums.size or flags >> EPILOGUE:
        return None
    swapped = (TRANSPOSE_P if not flags & TRANSPOSE_Q else 0) | (TRANSPOSE_Q if not flags & TRANSPOSE_P else 0)
    rest = flags & ~(TRANSPOSE_P | TRANSPOSE_Q | TRANSPOSE_R)
    return rest | swapped | (flags & TRANSPOSE_R ^ TRANSPOSE_R), Q, P, None, R


def _with_workspace(call: Any, arrays: tuple[Any, ...], *numbers: Any) -> bool:
    """Whether the call was done, with as much workspace as it asks for."""
    dtype = arrays[3].dtype
    workspace = workspaces.of(dtype)[1]
    while (answer := call(*arrays, workspace, *numbers)) > 0 or answer == WITHOUT_LEVEL2:
        if answer == WITHOUT_LEVEL2:
            bring_level2(dtype)
        else:
            workspace = workspaces.add(dtype, aligned(answer, dtype))[1]
    bring_tiles(dtype)
    return answer in (0, TILES)


def _without_compiler(flags: int, P: Any, Q: Any, b: Any, R: Any, sums: Any) -> bool:
    """The product in plain Python, where intrinsics are nothing; overlaps are for others to find out."""
    if flags & CHECK_OVERLAP:
        return False
    P, Q, R = (M if M.ndim == 2 else M[:, np.newaxis] for M in (P, Q, R))
    transposes = (P, TRANSPOSE_P), (Q, TRANSPOSE_Q), (R, TRANSPOSE_R)
    A, X, Y = (M.T if flags & transposed else M for M, transposed in transposes)
    loops.product(A, X, b, Y)
    if sums is not None:
        loops.grad_b(A, sums)
    return True


def forward(W, X, b, Y):
    """Y = W X + b."""
    return product(0, W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    return product(TRANSPOSE_Q, dY, X, None, dW)


@functools.lru_cache(maxsize=256)
def ones(dtype: np.dtype, B: int) -> np.ndarray:
    """(1, B) ones, which take the memory of one."""
    return np.broadcast_to(np.ones((), dtype if dtype in DTYPES else None), (1, B))


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    return product(TRANSPOSE_Q | TRANSPOSE_R, ones(dY.dtype, dY.shape[1]), dY, None, db)


def grad_w_and_b(dY, X, dW, db, flags=0):
    """Both gradients in one pass over dY: the bias is the weight of a constant input 1."""
    return product(flags | TRANSPOSE_Q, dY, X, None, dW, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY; for one sample dxᵀ = dyᵀ W, whose lanes run along the rows of W."""
    if dY.ndim == 1 or dY.shape[1] == 1:
        return product(TRANSPOSE_P | TRANSPOSE_R, dY, W, None, dX)
    return product(TRANSPOSE_P, W, dY, None, dX)

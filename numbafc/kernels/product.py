"""One product on one thread, compiled: R = P Q, each transposed as the flags say, with an epilogue.

All products of the layer are one, Y = A X over strides, as in loops.py:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

What is where in memory, and which way it is computed, changes no bit: the chain of fma of an element is always the same.
"""

from __future__ import annotations

from numba.types import intp

from .._numba import array_in, array_out, flat, inner, kernel
from ..formulas import SUM_BLOCK
from .epilogue import ALL, FORMS, Epilogue, fits, is_of_elements, is_step
from .few_columns import by_columns, by_turning
from .gemm import divide, gemm
from .level2 import COLUMN, ROW, ROWS, SUMS, bring_level2, level2_types
from .overlaps import overlaps
from .packing import (
    is_axpyf,
    is_few_columns,
    is_gemv,
    is_gemv_transposed,
    is_turned,
    sums_by_gemv,
    vectors_of,
    workspace_for,
)
from .target import FROM_MEMORY, PARALLEL, PARALLEL_READING
from .vector import (
    LEVEL2,
    call_pointer,
    dispatch_for,
    first_functions,
    level2_is_there,
    span,
    tiles_asked_for,
    transposed_if,
)

# Flags: which of P, Q and R are the transposes of A, X and Y, and what is done besides. The epilogue is in the bits from
# EPILOGUE on: a call from Python that reads one number more takes some 20 ns longer.
TRANSPOSE_P, TRANSPOSE_Q, TRANSPOSE_R = 1, 2, 4
ROW_SUMS = 8  # sums[t] = Σ_k A[t,k] too: the gradient of the bias beside that of the weights
CHECK_OVERLAP = 16  # R may be a caller's own array: nothing is done where it may overlap itself or an input
MEAN = 32  # the sums, those of rows too, divided by how many products they are of
ANY_SIZE = 64  # on one thread, however much work there is
EPILOGUE = 7
WITH_BIAS = int(Epilogue.BIAS) << EPILOGUE

# Answers: 0, or how many elements of workspace are needed, or one of these.
UNFIT = -1  # shapes do not fit, or the epilogue does not fit the product
SCATTERED = -2  # rows of Y are not contiguous
LARGE = -3  # there is work for several threads: from target.PARALLEL multiply-adds on
OVERLAP = -4  # R may overlap
TILES = -5  # it was done, and tiles that are not there yet are asked for: only with CHECK_OVERLAP
WITHOUT_LEVEL2 = -6  # it needs the kernel level2, which is not there yet (bring_level2)


def product_types(real):
    """The types of a product's arguments: P, Q, b, R, sums, workspace, flags and state."""
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1)
    return *inputs, array_out(real, 2), array_out(real, 1), flat(real), intp, intp


@inner
def operands(flags, P, Q, R):
    """A, X and Y."""
    return (
        transposed_if(flags & TRANSPOSE_P, P),
        transposed_if(flags & TRANSPOSE_Q, Q),
        transposed_if(flags & TRANSPOSE_R, R),
    )


@inner
def _refusal(A, X, b, epilogue, Y, sums, with_sums):
    """0, UNFIT or SCATTERED."""
    (T, K), S = A.shape, X.shape[1]
    if X.shape[0] != K or Y.shape != (T, S) or (with_sums == 1 and sums.shape[0] != T):
        return UNFIT
    if not 0 <= epilogue < ALL or not fits(epilogue, b.shape[0], T, S):
        return UNFIT
    if is_of_elements(epilogue) and (Y.strides[0] != S * Y.itemsize or b.strides[0] != Y.itemsize):
        return UNFIT  # b's rows are read as Y's are
    return SCATTERED if S > 1 and T > 0 and Y.strides[1] != Y.itemsize else 0  # vectors are stored side by side


_level2 = call_pointer(level2_types)


@inner
def _is_large(T, S, K):
    """Whether there is work for several threads."""
    if min(T, S) == 1:
        return T * S * K >= PARALLEL_READING
    return T * S * K * (FROM_MEMORY if K == 1 else 1) >= PARALLEL


def _check(P, Q, b, R, sums, workspace, flags, state):
    epilogue = flags >> EPILOGUE
    if 0 <= epilogue < ALL and FORMS[Epilogue(epilogue)].state:
        raise ValueError(
            f"the epilogue {Epilogue(epilogue).name} is told by `state` where memory is that nobody can check; that is for "
            "the engine alone"
        )


@kernel(product_types, parallel=False, check=_check, before=first_functions)
def on_one_thread(P, Q, b, R, sums, workspace, flags, state):
    """R = epilogue(P Q), each transposed as the flags say; with ROW_SUMS also sums[t] = Σ_k A[t,k].

    P, Q, R: A, X and Y or their transposes. b: as the epilogue wants it (epilogue.py). state: bytes from R to the state of
    a step. Returns 0 or TILES where it was done, else an answer; nothing was written then. Epilogues beyond BIAS are the
    microkernel's own, and BIAS_RELU gemv's too: UNFIT where the product takes another way, and for a step whose sums are
    more than one block.
    """
    dispatch, epilogue = dispatch_for(R), flags >> EPILOGUE
    A, X, Y = operands(flags, P, Q, R)
    with_sums, biased = int(flags & ROW_SUMS > 0), int(epilogue == Epilogue.BIAS)
    refusal = _refusal(A, X, b, epilogue, Y, sums, with_sums)
    if flags & CHECK_OVERLAP and refusal != UNFIT and overlaps(A, X, b, epilogue != Epilogue.NONE, Y):
        return OVERLAP
    if refusal != 0:
        return refusal
    (T, S), K = Y.shape, X.shape[0]
    if T == 0 or (S == 0 and with_sums == 0):
        return 0  # whatever there is to pack
    if not flags & ANY_SIZE and _is_large(T, S, K):
        return LARGE
    needed, sums_apart = workspace_for(A, X, Y, with_sums, T, S), sums_by_gemv(A, X, Y, with_sums, T, S)
    if needed > workspace.size:
        return needed
    in_tiles = with_sums - sums_apart
    vectors = vectors_of(Y, in_tiles, S)
    column, row = is_gemv(A, X, Y, in_tiles), is_gemv_transposed(A, X, Y, in_tiles)
    few = is_axpyf(A, X, Y, in_tiles, T, vectors)
    turned = epilogue <= Epilogue.BIAS and is_turned(A, Y, in_tiles, T, S)
    columns = epilogue <= Epilogue.BIAS_RELU and is_few_columns(A, Y, b, epilogue != Epilogue.NONE, in_tiles)
    by_tiles = not (column or row or few)
    if epilogue > Epilogue.BIAS and not by_tiles and (few or epilogue != Epilogue.BIAS_RELU):
        return UNFIT
    if epilogue > Epilogue.BIAS and by_tiles and (K == 0 or (is_step(epilogue) and K > SUM_BLOCK)):
        return UNFIT
    plain = span(workspace, 0, len(workspace))  # as arrays are that were not borrowed
    ways = (SUMS if sums_apart == 1 else 0) | (COLUMN if column else 0) | (ROW if row else 0) | (ROWS if few else 0)
    if ways != 0:
        if level2_is_there(dispatch) == 0:
            return WITHOUT_LEVEL2
        _level2(dispatch, LEVEL2, (A, X, b, Y, sums, plain, ways, epilogue))
    if few or column or row:
        pass
    elif turned:
        by_turning(dispatch, A, X, b, biased, Y, sums, plain)
    elif columns and by_columns(dispatch, A, X, b, epilogue, Y) != 0:
        pass
    else:
        gemm(dispatch, A, X, b, epilogue, Y, sums, in_tiles, state, vectors, plain)
    if flags & MEAN and K != 1:
        divide(Y, sums, with_sums, K)
    return TILES if flags & CHECK_OVERLAP and tiles_asked_for(dispatch) != 0 else 0


def address(dtype):
    """Where on_one_thread is, for who calls it by address: with all that it may need."""
    found = on_one_thread.address(dtype)
    bring_level2(dtype)
    return found

"""Products of fewer columns than a vector has lanes, where neighbouring rows of A lie side by side in memory (Wᵀ).

Tiles would broadcast each number of A for a vector that is mostly empty. fma(a, b, c) = fma(b, a, c), so lanes may run
along the rows of A instead: Yᵀ = Xᵀ Aᵀ, to the same bits, in the workspace, from where it is turned into Y.
"""

from __future__ import annotations

from .._numba import inner
from .epilogue import Epilogue
from .gemm import gemm
from .packing import turned_row, vectors_of
from .vector import (
    ColumnsTask,
    CopyTask,
    Strided,
    address,
    few_columns,
    lanes_in,
    matrix,
    row_of,
    span,
    transpose,
    transposed_if,
)


@inner
def by_columns(dispatch, A, X, b, epilogue, Y):
    """All of Y in one go; 0 where what computes so many columns is not there yet."""
    a, x, (T, K) = Strided(address(A, 0), A.strides[0]), Strided(address(X, 0), X.strides[0]), A.shape
    task = ColumnsTask(a, x, X.strides[1], address(Y, 0), address(b, 0), K, epilogue, T)
    return few_columns(dispatch, Y.shape[1], task)


@inner
def by_turning(dispatch, A, X, b, biased, Y, sums, workspace):
    """All of Y. Begins with Yᵀ, whose rows are whole cache lines; what is behind it is for gemm."""
    T, S = Y.shape
    row = turned_row(T)
    turned, rest = matrix(workspace, 0, S, T, row), span(workspace, S * row, len(workspace))
    vectors = vectors_of(Y, 0, T)
    gemm(dispatch, transposed_if(1, X), transposed_if(1, A), b, Epilogue.NONE.value, turned, sums, 0, 0, vectors, rest)
    first = _turn(turned, Y, row) if S > 1 and Y.strides[0] == S * Y.itemsize else 0
    for t in range(first, T):
        for s in range(S):
            Y[t, s] = turned[s, t]
    for t in range(T if biased == 1 else 0):
        line = row_of(Y, t)
        for s in range(S):
            line[s] += b[t]


@inner
def _turn(turned, Y, row):
    """The first rows of Y, one behind the other. Returns how many: each is a whole vector, the next one over it."""
    (T, S), lanes = Y.shape, lanes_in(Y)
    rows = max(T - (lanes - 1) // S, 0)
    to = Strided(address(Y, 0), Y.strides[0])
    transpose(Y, CopyTask(Strided(address(turned, 0), row * Y.itemsize), S, rows, to))
    return rows

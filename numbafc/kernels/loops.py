"""kernel="loops": the formulas' index loops in parallel, ordered so that the compiler vectorises them.

All products are one, Y[t,s] = Σ_k A[t,k]·X[k,s] + b[t], over other operands:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

The order is t, k, s: a vector holds neighbouring outputs s, never products of one sum, so each output's chain of fma is
that of formulas.sum_of_products whatever the width of a register. The order t, s, k of the formula is one scalar chain
and waits for the latency of every fma.

Arguments are plain arrays of one dtype, float32 or float64, of any strides; the last ones are written, and have memory of
their own. TypeError or ValueError for anything else.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.types import intp

from .. import checks
from .._numba import array_in, array_out, fma, get_num_threads, inner, is_array, kernel
from ..formulas import SUM_BLOCK
from . import border
from .target import PARALLEL_LOOPS as PARALLEL
from .target import STRIP


def _types(real):
    return array_in(real, 2), array_in(real, 2), array_in(real, 1), array_out(real, 2), intp


def _check(A, X, b, Y, workers):
    (T, K), (rows, S), shape = (A.shape if A.ndim == 2 else (*A.shape, 1) for A in (A, X, Y))
    checks.same_size(("X has {} rows", rows), ("A has {} columns", K), "A is (T, K), X is (K, S) and Y is (T, S)")
    if shape != (T, S):
        raise ValueError(f"Y has shape {shape} but A·X has {(T, S)}; A is (T, K), X is (K, S) and Y is (T, S)")
    if len(b) not in (0, T):
        raise ValueError(f"b has {len(b)} elements but A has {T} rows; b is (T,), or empty for none")
    if not 1 <= workers <= max(T, 1):
        raise ValueError(f"workers must be from 1 to {max(T, 1)}, each owns some rows of A, got {workers}")
    border.no_shared_memory({"Y": Y}, {"A": A, "X": X, "b": b})
    border.no_overlap("Y", Y)


def _check_norms(X, squares):
    columns = X.shape[1] if X.ndim == 2 else 1
    if len(squares) != columns:
        raise ValueError(f"squares has {len(squares)} elements but X has {columns} columns; give one for each")
    border.no_shared_memory({"squares": squares}, {"X": X})
    border.no_overlap("squares", squares)


@kernel(_types, check=_check)
def _block_product(A, X, b, Y, workers):
    """Y[t,s] = Σ_k A[t,k]·X[k,s] + b[t].  A: (T, K), X: (K, S), b: (T,) or empty for none, Y: (T, S). 2·T·K·S flops.

    Each worker owns a run of rows t, and a row of accumulators for the strip.
    """
    T, K = A.shape
    S = X.shape[1]
    block = np.empty((SUM_BLOCK, STRIP), Y.dtype)
    acc = np.empty((workers, STRIP), Y.dtype)
    for s0 in range(0, S, STRIP):
        width = min(STRIP, S - s0)
        for k0 in range(0, max(K, 1), SUM_BLOCK):  # K = 0 has one block, of no elements: the sum over nothing
            size = min(SUM_BLOCK, K - k0)
            for k in prange(size):
                for s in range(width):
                    block[k, s] = X[k0 + k, s0 + s]
            for worker in prange(workers):
                for t in range(worker * T // workers, (worker + 1) * T // workers):
                    for s in range(width):
                        acc[worker, s] = 0
                    for k in range(size):
                        a = A[t, k0 + k]
                        for s in range(width):
                            acc[worker, s] = fma(a, block[k, s], acc[worker, s])
                    for s in range(width):
                        Y[t, s0 + s] = acc[worker, s] if k0 == 0 else Y[t, s0 + s] + acc[worker, s]
        if len(b) > 0:
            for t in prange(T):
                for s in range(width):
                    Y[t, s0 + s] += b[t]


_block_product_serial = kernel(_types, parallel=False, allocates=True, check=_check)(_block_product.function)


@inner
def squares_of_samples(X, squares, acc):
    """squares[s] = Σ_i X[i,s]², strip by strip of samples.  X: (N, B), squares: (B,), acc: STRIP. 2·N·B flops."""
    N, B = X.shape
    for s0 in range(0, B, STRIP):
        width = min(STRIP, B - s0)
        for i0 in range(0, max(N, 1), SUM_BLOCK):
            for s in range(width):
                acc[s] = 0
            for i in range(i0, min(i0 + SUM_BLOCK, N)):
                for s in range(width):
                    acc[s] = fma(X[i, s0 + s], X[i, s0 + s], acc[s])
            for s in range(width):
                squares[s0 + s] = acc[s] if i0 == 0 else squares[s0 + s] + acc[s]


@kernel(lambda real: (array_in(real, 2), array_out(real, 1)), parallel=False, allocates=True, check=_check_norms)
def _squared_norms(X, squares):
    """squares[s] = Σ_i X[i,s]².  X: (N, B), squares: (B,)."""
    squares_of_samples(X, squares, np.empty(STRIP, squares.dtype))


def _require(**arrays):
    """The arguments are arrays with as many axes as they should have. Raises TypeError."""
    for name, array in arrays.items():
        axes = 1 if name in ("b", "db", "norms") else 2
        if not is_array(array) or array.ndim != axes:
            got = f"{array.ndim} axes" if is_array(array) else f"{type(array).__name__:.60}"
            raise TypeError(f"{name} must be an array of float32 or float64 with {axes} axes, got {got}; see the formula")


def product(A, X, b, Y):
    """Y = A X + b; b may be None."""
    bias = np.empty(0, A.dtype) if b is None else b
    if b is not None and len(b) != A.shape[0]:
        raise ValueError(f"b has {len(b)} elements but A has {A.shape[0]} rows; b is (T,), or None")
    threads = min(A.shape[0], get_num_threads()) if A.shape[0] * X.size >= PARALLEL else 1
    _check(A, X, bias, Y, threads if Y.size else 1)
    if Y.size:
        (_block_product if threads > 1 else _block_product_serial).unchecked(A, X, bias, Y, threads)


def forward(W, X, b, Y):
    """Y = W X + b."""
    _require(W=W, X=X, Y=Y, **({} if b is None else {"b": b}))
    product(W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    _require(dY=dY, X=X, dW=dW)
    product(dY, X.T, None, dW)


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    _require(dY=dY, db=db)
    ones = np.broadcast_to(np.ones(1, dY.dtype), (1, dY.shape[1]))
    product(ones, dY.T, None, db[np.newaxis, :])


def grad_w_and_b(dY, X, dW, db):
    """Both gradients; in a tiled kernel one pass over dY: the bias is the weight of a constant input 1."""
    _require(dY=dY, X=X, dW=dW, db=db)
    checks.output(db, dY.shape[:1], dY.dtype, dY=dY, X=X, dW=dW)  # before dW is written
    grad_w(dY, X, dW)
    grad_b(dY, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY."""
    _require(dY=dY, W=W, dX=dX)
    product(W.T, dY, None, dX)


def per_sample_grad_norms(dY, X, bias, norms):
    """norms[s] = ‖dY[:,s]‖·sqrt(‖X[:,s]‖² + 1), or ‖dY[:,s]‖·‖X[:,s]‖ without the bias."""
    _require(dY=dY, X=X, norms=norms)
    checks.same_size(("dY has {} columns", dY.shape[1]), ("X has {} columns", X.shape[1]), "one for each sample")
    checks.output(norms, X.shape[1:], X.dtype, dY=dY, X=X)
    outputs, inputs = np.empty((2, X.shape[1]), X.dtype)
    _squared_norms.unchecked(dY, outputs)
    _squared_norms.unchecked(X, inputs)
    if bias:
        inputs += 1
    norms[:] = np.sqrt(outputs) * np.sqrt(inputs)

"""kernel="loops": the formulas' index loops in parallel, ordered so that the compiler vectorises them.

All products are one, Y[t,s] = Σ_k A[t,k]·X[k,s] + b[t], over other operands:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

The order is t, k, s: a vector holds neighbouring outputs s, never products of one sum, so each output's chain of fma is
that of formulas.sum_of_products whatever the width of a register. The order t, s, k of the formula is one scalar chain
and waits for the latency of every fma.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numba.types import intp

from .._numba import array_in, array_out, fma, get_num_threads, kernel
from ..formulas import SUM_BLOCK

# Outputs side by side in one strip. A block of a strip's inputs is SUM_BLOCK·LANES elements, 256 KiB in float32: it stays
# in the L2 cache while all rows t pass over it, and it is all the memory a call of any size needs.
LANES = 256
PARALLEL = 250_000  # multiply-adds from which threads are worth their start: below, the same loops run on one


def _types(real):
    return array_in(real, 2), array_in(real, 2), array_in(real, 1), array_out(real, 2), intp


@kernel(_types)
def _block_product(A, X, b, Y, workers):
    """Y[t,s] = Σ_k A[t,k]·X[k,s] + b[t].  A: (T, K), X: (K, S), b: (T,) or empty for none, Y: (T, S). 2·T·K·S flops.

    Each worker owns a run of rows t, and a row of accumulators for the strip.
    """
    T, K = A.shape
    S = X.shape[1]
    block = np.empty((SUM_BLOCK, LANES), Y.dtype)
    acc = np.empty((workers, LANES), Y.dtype)
    for s0 in range(0, S, LANES):
        lanes = min(LANES, S - s0)
        for k0 in range(0, max(K, 1), SUM_BLOCK):  # K = 0 has one block, of no elements: the sum over nothing
            size = min(SUM_BLOCK, K - k0)
            for k in prange(size):
                for s in range(lanes):
                    block[k, s] = X[k0 + k, s0 + s]
            for worker in prange(workers):
                for t in range(worker * T // workers, (worker + 1) * T // workers):
                    for s in range(lanes):
                        acc[worker, s] = 0
                    for k in range(size):
                        a = A[t, k0 + k]
                        for s in range(lanes):
                            acc[worker, s] = fma(a, block[k, s], acc[worker, s])
                    for s in range(lanes):
                        Y[t, s0 + s] = acc[worker, s] if k0 == 0 else Y[t, s0 + s] + acc[worker, s]
        if len(b) > 0:
            for t in prange(T):
                for s in range(lanes):
                    Y[t, s0 + s] += b[t]


_block_product_serial = kernel(_types, parallel=False, allocates=True)(_block_product.function)


@kernel(lambda real: (array_in(real, 2), array_out(real, 1)), parallel=False, allocates=True)
def _squared_norms(X, squares):
    """squares[s] = Σ_i X[i,s]², strip by strip of samples.  X: (N, B), squares: (B,). 2·N·B flops."""
    N, B = X.shape
    strips = (B + LANES - 1) // LANES
    acc = np.empty(LANES, squares.dtype)
    for strip in range(strips):
        s0 = strip * LANES
        lanes = min(LANES, B - s0)
        for i0 in range(0, max(N, 1), SUM_BLOCK):
            for s in range(lanes):
                acc[s] = 0
            for i in range(i0, min(i0 + SUM_BLOCK, N)):
                for s in range(lanes):
                    acc[s] = fma(X[i, s0 + s], X[i, s0 + s], acc[s])
            for s in range(lanes):
                squares[s0 + s] = acc[s] if i0 == 0 else squares[s0 + s] + acc[s]


def _product(A, X, b, Y):
    """Y = A X + b; b may be None."""
    bias = np.empty(0, A.dtype) if b is None else b
    if not Y.size:
        return
    threads = min(A.shape[0], get_num_threads()) if A.shape[0] * X.size >= PARALLEL else 1
    (_block_product if threads > 1 else _block_product_serial)(A, X, bias, Y, threads)


def forward(W, X, b, Y):
    """Y = W X + b."""
    _product(W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    _product(dY, X.T, None, dW)


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    ones = np.broadcast_to(np.ones(1, dY.dtype), (1, dY.shape[1]))
    _product(ones, dY.T, None, db[np.newaxis, :])


def grad_w_and_b(dY, X, dW, db):
    """Both gradients; in a tiled kernel one pass over dY: the bias is the weight of a constant input 1."""
    grad_w(dY, X, dW)
    grad_b(dY, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY."""
    _product(W.T, dY, None, dX)


def per_sample_grad_norms(dY, X, bias, norms):
    """norms[s] = ‖dY[:,s]‖·sqrt(‖X[:,s]‖² + 1), or ‖dY[:,s]‖·‖X[:,s]‖ without the bias."""
    inputs = np.empty_like(norms)
    _squared_norms(dY, norms)
    _squared_norms(X, inputs)
    if bias:
        inputs += 1
    norms[:] = np.sqrt(norms) * np.sqrt(inputs)

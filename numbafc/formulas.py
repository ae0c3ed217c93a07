"""The specification: what each result is, as the index loops of its formula and nothing else.

A fully-connected layer with N inputs and T outputs on a batch of B samples, after Eli Bendersky, "Backpropagation
through a fully-connected layer" (eli.thegreenplace.net):

    W (T, N) weights    b (T,) bias    X (N, B) inputs, one sample per column    Y (T, B) outputs
    dA is the gradient of the scalar loss L with respect to A and has A's shape
    t runs over outputs, i over inputs, s over samples (the letter b is the bias)

The Jacobian of f: R^n -> R^m at a is Df(a), (m, n), with Df(a)[p,q] = ∂f_p/∂a_q. Arrays of a higher rank are taken in
row-major order: W[t,i] is column t·N + i, Y[t,s] is row t·B + s.

Every sum of products has one order (`sum_of_products`), so every result has one right answer in bits. The functions run
as they stand, in plain Python; they fill their last argument. Nothing here serves speed: kernels/ does, and is tested
against this file.
"""

from __future__ import annotations

import numpy as np

from ._numba import fma

# How many products one chain of fma adds before its sum joins the total. Part of the definition of every result, the
# same for every machine, dtype and kernel: changing it changes bits. Why 256: of 256, 320, 384 and 512 it alone was never
# less accurate than OpenBLAS (float32, normal data, sums of 512 to 16 384 products); 512 was 1 to 2 % faster in a tiled
# kernel, and up to 1.8 times less accurate.
SUM_BLOCK = 256


def sum_of_products(a, b):
    """Σ_k a[k]·b[k] in the order that defines every result. a, b: (K,). The sum over no elements is 0.

    Each block of SUM_BLOCK consecutive k is one chain acc = fma(a[k], b[k], acc) from +0; block sums are added in order.
    """
    total = a.dtype.type(0)
    for first in range(0, len(a), SUM_BLOCK):
        acc = a.dtype.type(0)
        for k in range(first, min(first + SUM_BLOCK, len(a))):
            acc = fma(a[k], b[k], acc)
        total = acc if first == 0 else total + acc
    return total


# ---- the layer and its gradients ------------------------------------------------------------------------------------


def forward(W, X, b, Y):
    """Y[t,s] = Σ_i W[t,i]·X[i,s] + b[t].  W: (T, N), X: (N, B), b: (T,) or None, Y: (T, B)."""
    for t in range(W.shape[0]):
        for s in range(X.shape[1]):
            Y[t, s] = sum_of_products(W[t, :], X[:, s])
            if b is not None:
                Y[t, s] += b[t]


def grad_w(dY, X, dW):
    """dW[t,i] = Σ_s dY[t,s]·X[i,s], that is dW = dY Xᵀ.  dY: (T, B), X: (N, B), dW: (T, N).

    The shortcut for DL(Y)·DY(W): for one sample the outer product dy xᵀ, for a batch the sum of the samples' gradients.
    """
    for t in range(dY.shape[0]):
        for i in range(X.shape[0]):
            dW[t, i] = sum_of_products(dY[t, :], X[i, :])


def grad_b(dY, db):
    """db[t] = Σ_s dY[t,s]·1: the bias is the weight of a constant input 1.  dY: (T, B), db: (T,)."""
    ones = np.ones(dY.shape[1], dY.dtype)
    for t in range(dY.shape[0]):
        db[t] = sum_of_products(dY[t, :], ones)


def grad_w_and_b(dY, X, dW, db):
    """Both gradients; in a tiled kernel one pass over dY: the bias is the weight of a constant input 1."""
    grad_w(dY, X, dW)
    grad_b(dY, db)


def grad_x(dY, W, dX):
    """dX[i,s] = Σ_t W[t,i]·dY[t,s], that is dX = Wᵀ dY.  dY: (T, B), W: (T, N), dX: (N, B)."""
    for i in range(W.shape[1]):
        for s in range(dY.shape[1]):
            dX[i, s] = sum_of_products(W[:, i], dY[:, s])


def per_sample_grad_norms(dY, X, bias, norms):
    """norms[s] = ‖dW_s‖_F = ‖dY[:,s]‖·‖X[:,s]‖; with the bias the layer's gradient has ‖dY[:,s]‖·sqrt(‖X[:,s]‖² + 1).

    dY: (T, B), X: (N, B), bias: bool, norms: (B,). Each sample's gradient is an outer product, so it is never formed.
    """
    for s in range(X.shape[1]):
        squares = sum_of_products(X[:, s], X[:, s])
        if bias:
            squares += X.dtype.type(1)
        norms[s] = np.sqrt(sum_of_products(dY[:, s], dY[:, s])) * np.sqrt(squares)


# ---- Jacobians ------------------------------------------------------------------------------------------------------


def linear_index(index, shape):
    """The row-major position of an index of any rank, for (d0, d1): i0·d1 + i1."""
    position = 0
    for axis in range(len(shape)):
        position = position * shape[axis] + index[axis]
    return position


def weight_jacobian(X, T, J):
    """DY(W)[t·B+s, t'·N+i] = X[i,s] if t = t', else 0, that is I_T ⊗ Xᵀ.  X: (N, B), J: (T·B, T·N)."""
    N, B = X.shape
    J[:, :] = 0
    for t in range(T):
        for s in range(B):
            for i in range(N):
                J[t * B + s, t * N + i] = X[i, s]


def bias_jacobian(T, B, J):
    """DY(b)[t·B+s, t'] = 1 if t = t', else 0, that is I_T ⊗ 1_B: B identical rows for each t.  J: (T·B, T)."""
    J[:, :] = 0
    for t in range(T):
        for s in range(B):
            J[t * B + s, t] = 1


def input_jacobian(W, B, J):
    """DY(X)[t·B+s, i·B+s'] = W[t,i] if s = s', else 0, that is W ⊗ I_B.  W: (T, N), J: (T·B, N·B)."""
    T, N = W.shape
    J[:, :] = 0
    for t in range(T):
        for i in range(N):
            for s in range(B):
                J[t * B + s, i * B + s] = W[t, i]


def chain(outer, inner, product):
    """D(f∘g)(a) = Df(g(a))·Dg(a): product[p,q] = Σ_r outer[p,r]·inner[r,q]."""
    for p in range(outer.shape[0]):
        for q in range(inner.shape[1]):
            product[p, q] = sum_of_products(outer[p, :], inner[:, q])


def softmax_jacobian(S, J):
    """DS(y)[i,j] = S_i·(δ_ij − S_j) for S_j = e^{y_j} / Σ_k e^{y_k}.  S: (T,), J: (T, T)."""
    one = S.dtype.type(1)
    for i in range(len(S)):
        for j in range(len(S)):
            J[i, j] = S[i] * (one - S[j]) if i == j else -S[i] * S[j]

"""The layer's Jacobians as arrays: what the formulas say, element by element, mostly zeros."""

from __future__ import annotations

import numpy as np

from .. import checks
from .limits import zeros


def jacobian_w(X: np.ndarray, T: int) -> np.ndarray:
    """DY(W) = I_T ⊗ Xᵀ: element [t·B+s, t'·N+i] is X[i,s] if t = t', else 0.

    X: (N, B), or (N,) for one sample. Returns (T·B, T·N) in X's dtype. Raises MemoryError over jacobian.MAX_BYTES.
    """
    X, T = samples("X", X, "N"), checks.count("T", T)
    N, B = X.shape
    J = zeros((T * B, T * N), X.dtype, "WeightJacobian(X, T), which needs no memory, or the shortcut grad_w(dY, X)")
    if J.size == 0:
        return J  # which may have no such view: its other sides may be too long
    blocks = J.reshape(T, B, T, N)
    for t in range(T):
        blocks[t, :, t, :] = X.T
    return J


def jacobian_b(T: int, B: int = 1, *, dtype: checks.RealDtype = np.float32) -> np.ndarray:
    """DY(b) = I_T ⊗ 1_B: element [t·B+s, t'] is 1 if t = t', else 0; for one sample the identity.

    Returns (T·B, T). Raises MemoryError over jacobian.MAX_BYTES.
    """
    T, B = checks.count("T", T), checks.count("B", B)
    J = zeros((T * B, T), checks.real_dtype(dtype), "BiasJacobian(T, B), which needs no memory, or the shortcut grad_b(dY)")
    if J.size == 0:
        return J
    blocks = J.reshape(T, B, T)
    for t in range(T):
        blocks[t, :, t] = 1
    return J


def jacobian_x(W: np.ndarray, B: int = 1) -> np.ndarray:
    """DY(X) = W ⊗ I_B: element [t·B+s, i·B+s'] is W[t,i] if s = s', else 0; for one sample W itself.

    W: (T, N). Returns (T·B, N·B) in W's dtype, a new array. Raises MemoryError over jacobian.MAX_BYTES.
    """
    W, B = weights(W), checks.count("B", B)
    T, N = W.shape
    J = zeros((T * B, N * B), W.dtype, "InputJacobian(W, B), which needs no memory, or the shortcut grad_x(dY, W)")
    if J.size == 0:
        return J
    blocks = J.reshape(T, B, N, B)
    for s in range(B):
        blocks[:, s, :, s] = W
    return J


def samples(name: str, X: np.ndarray, rows: str) -> np.ndarray:
    """One sample or a batch, checked, as a batch."""
    X = checks.real_array(name, X)
    checks.axes(name, X, f"({rows}, B), one sample per column, or ({rows},) for one sample", 1, 2)
    return X if X.ndim == 2 else X[:, np.newaxis]


def weights(W: np.ndarray) -> np.ndarray:
    """W, checked."""
    W = checks.real_array("W", W)
    checks.axes("W", W, "(T, N), one row per output", 2)
    return W

"""The layer's Jacobians as operators: applied by the layer itself, so that no matrix is ever in memory.

(I_T ⊗ Xᵀ)·vec(V) = vec(V X), and its transpose: the long way DL(Y)·DY(W) becomes the shortcut dY Xᵀ, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks, layer
from . import dense
from .operators import Jacobian, csr


class WeightJacobian(Jacobian):
    """DY(W) = I_T ⊗ Xᵀ, (T·B, T·N), from X: (N, B), or (N,) for one sample. X is kept, not copied.

    J @ vec(V) = vec(V X) for V: (T, N). vec(dY) @ J = vec(dY Xᵀ), the gradient of the weights. nnz = T·B·N.
    """

    def __init__(self, X: np.ndarray, T: int) -> None:
        self._X, self._T = dense.samples("X", X, "N"), checks.count("T", T)
        N, B = self._X.shape
        super().__init__((self._T * B, self._T * N), self._X.dtype)

    @property
    def nnz(self) -> int:
        return self._T * self._X.size

    def _apply(self, v: np.ndarray) -> np.ndarray:
        N = self._X.shape[0]
        return layer.forward(v.reshape(self._T, N), self._X.astype(v.dtype, copy=False)).reshape(-1)

    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        B = self._X.shape[1]
        return layer.grad_w(v.reshape(self._T, B), self._X.astype(v.dtype, copy=False)).reshape(-1)

    def toarray(self) -> np.ndarray:
        return dense.jacobian_w(self._X, self._T)

    def _tosparse(self) -> Any:
        N, B = self._X.shape
        columns = np.arange(self._T * N).reshape(self._T, 1, N).repeat(B, axis=1)  # row t·B+s holds t·N … t·N+N−1
        return csr(np.tile(self._X.T.reshape(-1), self._T), columns, N, self.shape)


class BiasJacobian(Jacobian):
    """DY(b) = I_T ⊗ 1_B, (T·B, T).

    J @ v repeats each v[t] for B samples. vec(dY) @ J sums dY over the samples, the gradient of the bias. nnz = T·B.
    """

    def __init__(self, T: int, B: int = 1, *, dtype: checks.RealDtype = np.float32) -> None:
        self._T, self._B = checks.count("T", T), checks.count("B", B)
        super().__init__((self._T * self._B, self._T), checks.real_dtype(dtype))

    @property
    def nnz(self) -> int:
        return self._T * self._B

    def _apply(self, v: np.ndarray) -> np.ndarray:
        return np.repeat(v, self._B) if self._B else v[:0].copy()

    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        return layer.grad_b(v.reshape(self._T, self._B))

    def toarray(self) -> np.ndarray:
        return dense.jacobian_b(self._T, self._B, dtype=self.dtype)

    def _tosparse(self) -> Any:
        return csr(np.ones(self.nnz, self.dtype), np.arange(self._T).repeat(self._B), 1, self.shape)


class InputJacobian(Jacobian):
    """DY(X) = W ⊗ I_B, (T·B, N·B), from W: (T, N). W is kept, not copied.

    J @ vec(V) = vec(W V) for V: (N, B). vec(dY) @ J = vec(Wᵀ dY), the gradient of the input. nnz = T·B·N.
    """

    def __init__(self, W: np.ndarray, B: int = 1) -> None:
        self._W, self._B = dense.weights(W), checks.count("B", B)
        T, N = self._W.shape
        super().__init__((T * self._B, N * self._B), self._W.dtype)

    @property
    def nnz(self) -> int:
        return self._W.size * self._B

    def _apply(self, v: np.ndarray) -> np.ndarray:
        N = self._W.shape[1]
        return layer.forward(self._W.astype(v.dtype, copy=False), v.reshape(N, self._B)).reshape(-1)

    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        T = self._W.shape[0]
        return layer.grad_x(v.reshape(T, self._B), self._W.astype(v.dtype, copy=False)).reshape(-1)

    def toarray(self) -> np.ndarray:
        return dense.jacobian_x(self._W, self._B)

    def _tosparse(self) -> Any:
        T, N = self._W.shape
        columns = np.arange(N * self._B).reshape(N, self._B).T  # row t·B+s holds i·B+s for every i
        return csr(self._W.repeat(self._B, axis=0).reshape(-1), np.tile(columns, (T, 1)), N, self.shape)

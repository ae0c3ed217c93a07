"""Jacobians as operators: what all of them can do, their transposes and their products. The layer's: layer_operators.py."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks
from .limits import check_size, zeros
from .unlike import Unlike


class Jacobian(Unlike, abc.ABC):
    """A Jacobian that is applied, not stored: J @ v, v @ J, J.T, J.toarray(), J.tosparse().

    v: a vector, or a matrix of columns (J @ v) or of rows (v @ J), float32 or float64; the result has the dtype that holds
    both (where that is not the Jacobian's own, every product converts its array). A product of two operators is an
    operator. NumPy's functions get the dense form, np.asarray(J); SciPy's take J itself, by way of aslinearoperator(J).
    Attributes: shape, dtype, size, nnz, nbytes_dense.
    """

    __array_ufunc__ = None  # NumPy leaves array @ J to J
    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: np.dtype) -> None:
        self._shape, self._dtype = shape, dtype

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64."""
        return self._dtype

    @property
    def size(self) -> int:
        """How many elements the dense form has."""
        return math.prod(self.shape)

    @property
    def nnz(self) -> int:
        """How many elements the sparse form stores: all that the formula does not make 0."""
        return int(self.tosparse().nnz)

    @property
    def nbytes_dense(self) -> int:
        """The size of the dense form in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Jacobian:
        """The transposed operator: J.T @ v is v @ J."""
        return _Transposed(self)

    def __matmul__(self, v: Any) -> Any:
        if isinstance(v, Jacobian):
            return Composition(self, v)
        v = self._operand(v, self.shape[1], 0, "J @ v needs as many rows in v as J has columns")
        return self._apply(v) if v.ndim == 1 else _rows(self._apply, v.T, self.shape[0]).T

    def __rmatmul__(self, v: Any) -> Any:
        v = self._operand(v, self.shape[0], -1, "v @ J needs as many columns in v as J has rows")
        return self._apply_transposed(v) if v.ndim == 1 else _rows(self._apply_transposed, v, self.shape[1])

    def _operand(self, v: Any, length: int, axis: int, rule: str) -> np.ndarray:
        v = checks.real_array("v", v)
        checks.axes("v", v, "a vector, or a matrix of vectors", 1, 2)
        if v.shape[axis] != length:
            raise ValueError(f"v has shape {v.shape} but J has shape {self.shape}; {rule}, {length}")
        return v.astype(np.result_type(v, self.dtype), copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The dense form, for NumPy. Raises MemoryError over jacobian.MAX_BYTES, ValueError where no copy may be made."""
        if copy is False:
            raise ValueError(f"a {type(self).__name__} has no array to share: its dense form is new, pass copy=None")
        return self.toarray().astype(dtype or self.dtype, copy=False)

    def matvec(self, v: np.ndarray) -> np.ndarray:
        """J @ v, under the name that SciPy's linear operators have for it. v: (n,) or (n, 1)."""
        return self.__matmul__(v)

    def rmatvec(self, v: np.ndarray) -> np.ndarray:
        """J.T @ v. v: (m,) or (m, 1)."""
        return self.T.__matmul__(v)

    def matmat(self, V: np.ndarray) -> np.ndarray:
        """J @ V for a matrix of columns."""
        return self.__matmul__(V)

    def rmatmat(self, V: np.ndarray) -> np.ndarray:
        """J.T @ V for a matrix of columns."""
        return self.T.__matmul__(V)

    @abc.abstractmethod
    def toarray(self) -> np.ndarray:
        """The dense form. Raises MemoryError over jacobian.MAX_BYTES."""

    def tosparse(self) -> Any:
        """The form as a scipy.sparse.csr_array. Raises ImportError where SciPy is not installed."""
        if 0 in self.shape:  # there is nothing to repeat or to multiply, however long the other axis is
            return csr(np.empty(0, self.dtype), np.empty(0, np.intp), 0, self.shape)
        return self._tosparse()

    @abc.abstractmethod
    def _tosparse(self) -> Any:
        """The sparse form of a Jacobian that has elements."""

    @abc.abstractmethod
    def _apply(self, v: np.ndarray) -> np.ndarray:
        """J·v for one vector."""

    @abc.abstractmethod
    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        """Jᵀ·v for one vector."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape[0]} x {self.shape[1]}, {self.dtype}>"


class Composition(Jacobian):
    """The chain rule on operators: D(f∘g)(a) = Df(g(a))·Dg(a), applied one after the other."""

    def __init__(self, outer: Jacobian, inner: Jacobian) -> None:
        if outer.shape[1] != inner.shape[0]:
            raise ValueError(
                f"outer has shape {outer.shape} but inner has shape {inner.shape}; the chain rule needs as many columns "
                "in the outer Jacobian as rows in the inner one"
            )
        self._outer, self._inner = outer, inner
        super().__init__((outer.shape[0], inner.shape[1]), np.result_type(outer.dtype, inner.dtype))

    def _apply(self, v: np.ndarray) -> np.ndarray:
        return self._outer._apply(self._inner._apply(v))

    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        return self._inner._apply_transposed(self._outer._apply_transposed(v))

    def toarray(self) -> np.ndarray:
        check_size(self.shape, self.dtype, "the operator itself: J @ v and v @ J")
        outer = self._outer.toarray().astype(self.dtype, copy=False)
        return _rows(self._inner._apply_transposed, outer, self.shape[1])

    def _tosparse(self) -> Any:
        return self._outer.tosparse() @ self._inner.tosparse()


class _Transposed(Jacobian):
    """Jᵀ: the same Jacobian from the other side."""

    def __init__(self, J: Jacobian) -> None:
        self._J = J
        super().__init__(J.shape[::-1], J.dtype)

    @property
    def nnz(self) -> int:
        return self._J.nnz

    @property
    def T(self) -> Jacobian:
        return self._J

    def _apply(self, v: np.ndarray) -> np.ndarray:
        return self._J._apply_transposed(v)

    def _apply_transposed(self, v: np.ndarray) -> np.ndarray:
        return self._J._apply(v)

    def toarray(self) -> np.ndarray:
        return self._J.toarray().T

    def _tosparse(self) -> Any:
        return self._J.tosparse().T.tocsr()


def _rows(apply: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, length: int) -> np.ndarray:
    """apply(row) for each row, as the rows of one matrix."""
    result = zeros((len(rows), length), rows.dtype, "one vector at a time")
    if result.size > 0:
        for row, vector in zip(result, rows, strict=True):
            row[:] = apply(vector)
    return result


def csr(values: np.ndarray, columns: np.ndarray, per_row: int, shape: tuple[int, int]) -> Any:
    """A sparse matrix with per_row elements in every row."""
    try:
        from scipy.sparse import csr_array
    except ImportError:
        raise ImportError("tosparse() needs SciPy, which is not installed: pip install scipy") from None
    return csr_array((values, columns.reshape(-1), np.arange(shape[0] + 1) * per_row), shape=shape)

"""The public layer: Y = W X + b, its gradients, and nothing else. Check, choose a kernel, allocate, run.

Most calls go the short way: the kernel itself compares dtypes and shapes, in nanoseconds, and where it refuses, or
anything is out of the ordinary, `checks` finds out what is wrong and says so.

Letters and formulas are those of formulas.py (after Eli Bendersky, "Backpropagation through a fully-connected layer").
One sample per column; for samples in rows pass the transposed view: forward(W, X.T, b).T copies nothing.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from . import checks, formulas
from .kernels import loops, tiled
from .kernels.gradients import gradients
from .kernels.norms import grad_norms
from .kernels.product import CHECK_OVERLAP, MEAN, TRANSPOSE_P, TRANSPOSE_Q, TRANSPOSE_R
from .kernels.tiled import into, ones

# Every kernel returns the same bits. "tiled" is the fastest, "formula" the specification itself, in plain Python.
KERNELS: dict[str, ModuleType] = {"tiled": tiled, "loops": loops, "formula": formulas}
KernelName = Literal["auto", "tiled", "loops", "formula"]  # KERNELS, and the fastest one
Reduction = Literal["sum", "mean"]
AUTO = "auto"
NAMES, REDUCTIONS = get_args(KernelName), get_args(Reduction)
CHECK_AND_MEAN = CHECK_OVERLAP | MEAN
# dX = Wᵀ dY; for one sample dxᵀ = dyᵀ W
OF_COLUMNS, ONE_ROW = CHECK_OVERLAP | TRANSPOSE_P, CHECK_OVERLAP | TRANSPOSE_P | TRANSPOSE_R
UNFIT = MemoryError, ValueError  # no such array can be, because shapes do not fit, perhaps: checks have a sentence for it
ndarray, empty, new_tuple = np.ndarray, np.empty, tuple.__new__


class Gradients(NamedTuple):
    """The gradients of a loss with respect to the weights (T, N), the bias (T,) and the input (N, B) or (N,)."""

    dW: np.ndarray
    db: np.ndarray
    dX: np.ndarray


def forward(
    W: np.ndarray, X: np.ndarray, b: np.ndarray | None = None, *, out: np.ndarray | None = None, kernel: KernelName = "auto"
) -> np.ndarray:
    """Y[t,s] = Σ_i W[t,i]·X[i,s] + b[t], the layer's output.

    W: (T, N). X: (N, B), one sample per column, or (N,) for one sample. b: (T,) or None. out: where to write Y.
    Returns Y: (T, B), or (T,). All arrays have one dtype, float32 or float64, and any strides.
    Raises TypeError for a dtype, ValueError for a shape or an out that overlaps an input. 2·T·N·B flops.
    """
    if kernel is AUTO and type(W) is type(X) is ndarray and (b is None or type(b) is ndarray) and W.ndim == 2:
        Y: Any
        try:
            Y = empty((len(W), X.shape[1]) if X.ndim == 2 else len(W), W.dtype) if out is None else out
        except UNFIT:
            Y = None
        if (out is None or (type(out) is ndarray and out.ndim == X.ndim)) and into(CHECK_OVERLAP, W, X, b, Y):
            return Y
    if b is None:
        W, X = checks.real_arrays(W=W, X=X)
    else:
        W, X, b = checks.real_arrays(W=W, X=X, b=b)
    if not (W.ndim == 2 and 0 < X.ndim < 3 and X.shape[0] == W.shape[1] and (b is None or b.shape == W.shape[:1])):
        _refuse_forward(W, X, b)
    shape = (W.shape[0], *X.shape[1:])
    Y = checks.output(out, shape, W.dtype, W=W, X=X, b=b)
    _run(kernel, "forward", W, _columns(X), b, _columns(Y))
    return Y


def grad_w(
    dY: np.ndarray,
    X: np.ndarray,
    *,
    reduction: Reduction = "sum",
    out: np.ndarray | None = None,
    kernel: KernelName = "auto",
) -> np.ndarray:
    """dW[t,i] = Σ_s dY[t,s]·X[i,s], the gradient of the loss with respect to the weights: dW = dY Xᵀ.

    dY: (T, B) and X: (N, B), or (T,) and (N,) for one sample. reduction: "sum" over the samples, or "mean", the sum
    divided by B (NaN for B = 0). Returns dW: (T, N). Errors as in forward. 2·T·N·B flops.
    """
    flags = CHECK_OVERLAP if reduction == "sum" else CHECK_AND_MEAN if reduction == "mean" else 0
    if kernel is AUTO and type(dY) is type(X) is ndarray and 0 < dY.ndim == X.ndim and flags:
        dW: Any
        try:
            dW = empty((len(dY), len(X)), dY.dtype) if out is None else out
        except UNFIT:
            dW = None
        if (out is None or (type(out) is ndarray and out.ndim == 2)) and into(flags | TRANSPOSE_Q, dY, X, None, dW):
            return dW
    dY, X = _batch(dY, X)
    _check_reduction(reduction)
    shape = (dY.shape[0], X.shape[0])
    dW = checks.output(out, shape, dY.dtype, dY=dY, X=X)
    _run(kernel, "grad_w", _columns(dY), _columns(X), dW)
    return dW if reduction == "sum" else _mean(dY, dW)[0]


def grad_b(
    dY: np.ndarray, *, reduction: Reduction = "sum", out: np.ndarray | None = None, kernel: KernelName = "auto"
) -> np.ndarray:
    """db[t] = Σ_s dY[t,s], the gradient of the loss with respect to the bias.

    dY: (T, B), or (T,) for one sample. reduction: "sum" over the samples, or "mean" (NaN for B = 0). Returns db: (T,).
    Errors as in forward. T·B flops.
    """
    flags = CHECK_OVERLAP if reduction == "sum" else CHECK_AND_MEAN if reduction == "mean" else 0
    if kernel is AUTO and type(dY) is ndarray and dY.ndim > 0 and flags:
        one = ones(dY.dtype, dY.shape[1] if dY.ndim == 2 else 1)
        db, flags = empty(len(dY), dY.dtype) if out is None else out, flags | TRANSPOSE_Q | TRANSPOSE_R
        if type(db) is ndarray and db.ndim == 1 and into(flags, one, dY, None, db):
            return db
    dY = checks.real_array("dY", dY)
    _check_samples("dY", dY, "T")
    _check_reduction(reduction)
    db = checks.output(out, dY.shape[:1], dY.dtype, dY=dY)
    _run(kernel, "grad_b", _columns(dY), db)
    return db if reduction == "sum" else _mean(dY, db)[0]


def grad_x(dY: np.ndarray, W: np.ndarray, *, out: np.ndarray | None = None, kernel: KernelName = "auto") -> np.ndarray:
    """dX[i,s] = Σ_t W[t,i]·dY[t,s], the gradient of the loss with respect to the input: dX = Wᵀ dY.

    dY: (T, B), or (T,) for one sample. W: (T, N). Returns dX: (N, B), or (N,). Errors as in forward. 2·T·N·B flops.
    """
    if kernel is AUTO and type(dY) is type(W) is ndarray and 0 < dY.ndim < 3 and W.ndim == 2:
        dX: Any
        try:
            dX = empty((W.shape[1], dY.shape[1]) if dY.ndim == 2 else W.shape[1], W.dtype) if out is None else out
        except UNFIT:
            dX = None
        flags, P, Q = (ONE_ROW, dY, W) if dY.size == len(dY) else (OF_COLUMNS, W, dY)
        if (out is None or (type(out) is ndarray and out.ndim == dY.ndim)) and into(flags, P, Q, None, dX):
            return dX
    dY, W = checks.real_arrays(dY=dY, W=W)
    if not (W.ndim == 2 and 0 < dY.ndim < 3 and dY.shape[0] == W.shape[0]):
        _refuse_grad_x(dY, W)
    shape = (W.shape[1], *dY.shape[1:])
    dX = checks.output(out, shape, W.dtype, dY=dY, W=W)
    _run(kernel, "grad_x", _columns(dY), W, _columns(dX))
    return dX


def backward(
    dY: np.ndarray, X: np.ndarray, W: np.ndarray, *, reduction: Reduction = "sum", kernel: KernelName = "auto"
) -> Gradients:
    """All gradients of the layer from that of its output: dW = dY Xᵀ, db = Σ_s dY[:,s], dX = Wᵀ dY.

    dY: (T, B), X: (N, B), W: (T, N); for one sample dY: (T,) and X: (N,). reduction applies to dW and db; dX has one
    column per sample. Returns Gradients(dW, db, dX). Errors as in forward. 4·T·N·B + T·B flops.
    """
    flags = CHECK_OVERLAP if reduction == "sum" else CHECK_AND_MEAN if reduction == "mean" else 0
    plain = kernel is AUTO and type(dY) is type(X) is type(W) is ndarray
    if plain and W.ndim == 2 and 0 < dY.ndim == X.ndim and flags:
        dtype = W.dtype
        try:
            dW, db, dX = empty(W.shape, dtype), empty(len(W), dtype), empty(X.shape, dtype)
        except UNFIT:
            pass
        else:
            if gradients(flags, dY, X, W, dW, db, dX):
                return new_tuple(Gradients, (dW, db, dX))
    dY, X, W = checks.real_arrays(dY=dY, X=X, W=W)
    dY, X = _batch(dY, X)
    if not (W.ndim == 2 and W.shape == (dY.shape[0], X.shape[0])):
        _refuse_grad_x(dY, W)
        _pair_inputs(X, W)
    _check_reduction(reduction)
    dW, db, dX = np.empty_like(W, order="C"), np.empty(W.shape[0], W.dtype), np.empty(X.shape, W.dtype)
    _run(kernel, "grad_w_and_b", _columns(dY), _columns(X), dW, db)
    _run(kernel, "grad_x", _columns(dY), W, _columns(dX))
    if reduction == "mean":
        _mean(dY, dW, db)
    return Gradients(dW, db, dX)


def per_sample_grad_norms(dY: np.ndarray, X: np.ndarray, *, bias: bool = True) -> np.ndarray:
    """‖dY[:,s]‖·sqrt(‖X[:,s]‖² + 1): the Frobenius norm of each sample's own gradient of weights and bias.

    dY: (T, B) and X: (N, B), or (T,) and (N,) for one sample. bias=False leaves out the bias: ‖dY[:,s]‖·‖X[:,s]‖.
    Returns (B,), or (1,) for one sample. No gradient is formed. Squares are summed in the arrays' dtype: float32
    overflows to infinity for norms above 1.8e19. Errors as in forward. 2·(T + N)·B flops.
    """
    if type(dY) is type(X) is ndarray and 0 < dY.ndim == X.ndim and (bias is True or bias is False):
        norms = grad_norms(dY, X, bias)
        if norms is not None:
            return norms
    dY, X = _batch(dY, X)
    norms = np.empty(_columns(X).shape[1], X.dtype)
    with np.errstate(all="ignore"):
        loops.per_sample_grad_norms(_columns(dY), _columns(X), bool(bias), norms)
    return norms


def _check_samples(name: str, array: np.ndarray, rows: str) -> None:
    if not 0 < array.ndim < 3:
        checks.axes(name, array, f"({rows}, B), one sample per column, or ({rows},) for one sample", 1, 2)


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        checks.choice("reduction", reduction, REDUCTIONS)


def _batch(dY: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """dY and X, checked: they hold the same samples."""
    dY, X = checks.real_arrays(dY=dY, X=X)
    if not (0 < dY.ndim == X.ndim < 3 and dY.shape[1:] == X.shape[1:]):
        _check_samples("dY", dY, "T")
        _check_samples("X", X, "N")
        checks.same_form("dY", dY, "X", X)
        fix = "dY is (T, B) and X is (N, B), one sample per column; for rows pass dY.T and X.T"
        checks.same_size(("dY has {} columns", dY.shape[1]), ("X has {} columns", X.shape[1]), fix)
    return dY, X


def _refuse_forward(W: np.ndarray, X: np.ndarray, b: np.ndarray | None) -> None:
    """The sentence for shapes that do not fit. Raises ValueError."""
    checks.axes("W", W, "(T, N), one row per output", 2)
    _check_samples("X", X, "N")
    _pair_inputs(X, W)
    if b is not None:
        checks.axes("b", b, "(T,), one number per output", 1)
        checks.same_size(("b has {} elements", b.shape[0]), ("W has {} rows", W.shape[0]), "b is (T,) and W is (T, N)")


def _refuse_grad_x(dY: np.ndarray, W: np.ndarray) -> None:
    """The sentence for shapes that do not fit. Raises ValueError, unless they do."""
    checks.axes("W", W, "(T, N), one row per output", 2)
    _check_samples("dY", dY, "T")
    _pair_outputs(dY, W)


def _pair_inputs(X: np.ndarray, W: np.ndarray) -> None:
    fix = "X is (N, B), one sample per column, and W is (T, N); for rows pass X.T"
    checks.same_size(("X has {} rows", X.shape[0]), ("W has {} columns", W.shape[1]), fix)


def _pair_outputs(dY: np.ndarray, W: np.ndarray) -> None:
    fix = "dY is (T, B), one sample per column, and W is (T, N); for rows pass dY.T"
    checks.same_size(("dY has {} rows", dY.shape[0]), ("W has {} rows", W.shape[0]), fix)


def _columns(array: np.ndarray) -> np.ndarray:
    """One sample as a batch of one column: a view."""
    return array if array.ndim == 2 else array[:, np.newaxis]


def _run(kernel: str, operation: str, *arguments: Any) -> None:
    """Run an operation of the kernel with this name, on checked arguments, the last of which is what it fills."""
    module = KERNELS.get(checks.choice("kernel", kernel, NAMES), tiled)
    if arguments[-1].size == 0:
        return  # nothing to fill, however long the other axes are
    with np.errstate(all="ignore"):  # NaN and infinity are results here, in plain Python as in compiled code
        if getattr(module, operation)(*arguments) is False:
            raise RuntimeError(f"{operation} refused arrays that had passed all checks: a defect of numbafc")


def _mean(dY: np.ndarray, *gradients: np.ndarray) -> tuple[np.ndarray, ...]:
    """The finished sums, divided by B in place."""
    with np.errstate(all="ignore"):
        for gradient in gradients:
            np.divide(gradient, _columns(dY).shape[1], out=gradient)
    return gradients

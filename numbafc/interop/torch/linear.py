"""Linear: nn.Linear with numbafc's kernels, for bits that depend on no thread count, batch or processor.

It is not for speed: PyTorch's bookkeeping around a layer takes longer than a small layer itself. fit_module is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import layer

_library = torch.library.Library("numbafc", "DEF")
_library.define("linear(Tensor x, Tensor W, Tensor b) -> Tensor")
_library.define("linear_backward(Tensor dy, Tensor x, Tensor W) -> (Tensor, Tensor, Tensor)")


def _columns(rows: Tensor) -> np.ndarray:
    """Samples as the columns of an array of the same memory."""
    array: np.ndarray = rows.detach().numpy()
    return array.T


def _rows(x: Tensor) -> Tensor:
    """One axis of samples, whatever the axes before the last."""
    return x.reshape(-1, x.shape[-1]) if x.ndim != 2 else x


def _forward(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Y = X Wᵀ + b, one sample per row."""
    rows = _rows(x)
    Y = torch.empty(rows.shape[0], W.shape[0], dtype=x.dtype)
    layer.forward(W.detach().numpy(), _columns(rows), b.detach().numpy(), out=Y.numpy().T)
    return Y.reshape(*x.shape[:-1], W.shape[0])


def _backward(dy: Tensor, x: Tensor, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dX = dY W, dW = dYᵀ X, db = Σ dY over the samples."""
    dY, rows = _rows(dy), _rows(x)
    dX, dW, db = (torch.empty(shape, dtype=x.dtype) for shape in (rows.shape, W.shape, W.shape[:1]))
    layer.grad_x(_columns(dY), W.detach().numpy(), out=dX.numpy().T)
    layer.grad_w(_columns(dY), _columns(rows), out=dW.numpy())
    layer.grad_b(_columns(dY), out=db.numpy())
    return dX.reshape(x.shape), dW, db


def _forward_shapes(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], W.shape[0])


def _backward_shapes(dy: Tensor, x: Tensor, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), W.new_empty(W.shape), W.new_empty(W.shape[0])


def _keep_for_backward(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    x, W, _ = inputs
    ctx.save_for_backward(x, W)


def _gradients(ctx: Any, dy: Tensor) -> tuple[Tensor, ...]:
    x, W = ctx.saved_tensors
    gradients: tuple[Tensor, ...] = torch.ops.numbafc.linear_backward(dy, x, W)
    return gradients


def _keep_for_second(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs)


def _second_gradients(ctx: Any, ddx: Tensor, ddW: Tensor, ddb: Tensor) -> tuple[Tensor, ...]:
    """The gradients of dX = dY W, dW = dYᵀ X, db = Σ dY: products of the same kind."""
    dy, x, W = ctx.saved_tensors
    zero = torch.zeros_like(ddb)
    of_dy = torch.ops.numbafc.linear(ddx, W, zero) + torch.ops.numbafc.linear(x, ddW, ddb)
    of_x, of_W = torch.ops.numbafc.linear_backward(dy, ddx, ddW)[:2]
    return of_dy, of_x, of_W


for _name, _run, _shapes, _chain, _keep in (
    ("linear", _forward, _forward_shapes, _gradients, _keep_for_backward),
    ("linear_backward", _backward, _backward_shapes, _second_gradients, _keep_for_second),
):
    _library.impl(_name, _run, "CPU")
    torch.library.register_fake(f"numbafc::{_name}", _shapes, lib=_library)
    torch.library.register_autograd(f"numbafc::{_name}", _chain, setup_context=_keep, lib=_library)


class Linear(nn.Linear):
    """The layer y = x Wᵀ + b of x: (…, N), W: (T, N), b: (T,), with one right answer in bits; takes the place of nn.Linear.

    The sums are those of numbafc.forward and numbafc.backward, so outputs and gradients have the same bits for every thread
    count, split of the batch (forward and dX) and processor. float32 or float64, in the CPU's memory; autograd of any
    order, torch.compile(fullgraph=True) and state dicts work as for nn.Linear. Raises TypeError or ValueError.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  as nn.Linear has it
        if input.dtype not in (torch.float32, torch.float64) or input.dtype != self.weight.dtype:
            raise TypeError(
                f"input must be {self.weight.dtype}, as the weights, and float32 or float64, got {input.dtype}; convert it"
            )
        T, N = self.weight.shape
        if input.ndim == 0 or input.shape[-1] != N:
            raise ValueError(f"input must have shape (…, {N}), one sample per row, got {tuple(input.shape)}")
        if input.device.type not in ("cpu", "meta"):
            raise ValueError(
                f"input must be in the CPU's memory, got {input.device}; numbafc is for CPUs, use nn.Linear there"
            )
        b = self.bias if self.bias is not None else input.new_zeros(T)
        Y: Tensor = torch.ops.numbafc.linear(input, self.weight, b)
        return Y

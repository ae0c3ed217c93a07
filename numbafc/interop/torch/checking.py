"""check_module: check_layer's oracles for a layer of PyTorch's, its output and the gradients of autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def check_module(module: nn.Module, *, weight: str = "weight", bias: str | None = "bias", **options: Any) -> None:
    """Raise AssertionError with the smallest failing problem if a fully-connected module is wrong anywhere.

    The module's output must be y = x Wᵀ + b of x: (B, N), and its gradients, by autograd, dW = dYᵀ X, db = Σ dY, dX = dY W;
    it is called with other parameters of all sizes in the place of its own (torch.func.functional_call). weight, bias:
    their names in module.named_parameters(), such as "0.weight"; bias None: there is none. options: those of
    check_layer, dtypes, values, layouts, max_examples, …. A module that works for its own sizes alone needs those of
    its layers to come from the shape of its weight. Needs Hypothesis (pip install 'numbafc[testing]'). Raises TypeError
    or ValueError.
    """
    from ...testing import check_layer  # late: it brings Hypothesis with it

    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be an nn.Module, got {type(module).__name__}; numbafc.testing.check_layer takes functions"
        )
    names = [name for name in (weight, bias) if name is not None]
    known = [name for name, _ in module.named_parameters()]
    if sorted(names) != sorted(known):
        raise ValueError(
            f"the module must have the parameters {', '.join(names)} and no others, got {', '.join(known)!s:.200}"
        )

    def run(W: np.ndarray, X: np.ndarray, b: np.ndarray, needs_gradients: bool) -> tuple[Tensor, list[Tensor]]:
        tensors = [_tensor(array).requires_grad_(needs_gradients) for array in (W, b, X)]
        replaced = {weight: tensors[0]} | ({} if bias is None else {bias: tensors[1]})
        Y = torch.func.functional_call(module, replaced, (tensors[2],))
        if not isinstance(Y, Tensor):
            raise TypeError(f"the module must return a tensor, got {type(Y).__name__}")
        return (Y if bias is not None else Y + tensors[1]), tensors

    def forward(W: np.ndarray, X: np.ndarray, b: np.ndarray) -> np.ndarray:
        Y: np.ndarray = run(W, X, b, needs_gradients=False)[0].detach().numpy()
        return Y

    def backward(dY: np.ndarray, X: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, ...]:
        Y, tensors = run(W, X, np.zeros(len(W), W.dtype), needs_gradients=True)
        if not Y.requires_grad:
            raise ValueError("the module's output is detached from its parameters, so there are no gradients of them")
        gradients = torch.autograd.grad(Y, tensors, _tensor(dY), allow_unused=True, materialize_grads=True)
        return tuple(gradient.numpy() for gradient in gradients)

    check_layer(forward, backward, samples="rows", **options)


def _tensor(array: np.ndarray) -> Tensor:
    """A tensor with an array's memory and strides, or a copy where PyTorch has no such."""
    if (
        not array.flags.writeable
        or any(stride < 0 or stride % array.itemsize for stride in array.strides)
        or not array.dtype.isnative
    ):
        array = np.array(array, array.dtype.newbyteorder("="))
    return torch.from_numpy(array)

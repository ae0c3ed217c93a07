"""A module's parameters as one flat array, laid out like a network's: the same memory, seen by PyTorch and by numbafc."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from .structure import Structure

DTYPES: dict[torch.dtype, np.dtype] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def parameters_of(structure: Structure) -> dict[str, nn.Parameter]:
    """The parameters in the order of a network's, with names for people."""
    named: dict[str, Any] = {} if structure.factors is None else {"the factors": structure.factors.weight}
    for n, linear in enumerate(structure.linears):
        named |= {f"the weight of layer {n}": linear.weight, f"the bias of layer {n}": linear.bias}
    return named


def dtype_of(structure: Structure) -> np.dtype:
    """The dtype of all parameters. Raises TypeError."""
    dtypes = {parameter.dtype for parameter in parameters_of(structure).values()}
    if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
        got = ", ".join(sorted(map(str, dtypes)))
        raise TypeError(f"parameters must be all float32 or all float64, got {got:.100}; use module.float() or .double()")
    return DTYPES[dtypes.pop()]


def require_trainable(structure: Structure) -> None:
    """Refuse parameters that cannot be trained in their place, by name. Raises TypeError or ValueError."""
    dtype_of(structure)
    seen: dict[int, str] = {}
    for name, parameter in parameters_of(structure).items():
        if parameter.device.type != "cpu":
            raise ValueError(f"{name} must be in the CPU's memory, got {parameter.device}; call module.cpu() first")
        if type(parameter) is not nn.Parameter or parameter.layout != torch.strided:
            raise TypeError(f"{name} must be a plain nn.Parameter, got {type(parameter).__name__} of {parameter.layout}")
        if not parameter.requires_grad:
            raise ValueError(f"{name} is frozen (requires_grad=False), and all layers are trained; unfreeze it")
        if parameter.is_inference():
            raise ValueError(
                f"{name} was made in torch.inference_mode and cannot be changed; make the module outside of it"
            )
        if parameter.is_shared():
            raise ValueError(f"{name} is in memory shared with other processes, which would no longer see it; train a copy")
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise ValueError(f"{name} has hooks on its gradient, which nothing would call; remove them")
        at = parameter.data_ptr()
        if parameter.numel() and at in seen:
            raise ValueError(f"{name} is tied to {seen[at]}, and layers are trained apart; give each its own")
        seen[at] = name


def flat(structure: Structure) -> np.ndarray | None:
    """The flat array whose views the parameters are already, or None."""
    parameters = list(parameters_of(structure).values())
    at, first = parameters[0].data_ptr(), parameters[0]
    for parameter in parameters:
        if not parameter.is_contiguous() or (parameter.numel() and parameter.data_ptr() != at):
            return None
        at += parameter.numel() * parameter.element_size()
    storage, count = first.untyped_storage(), sum(parameter.numel() for parameter in parameters)
    if any(parameter.untyped_storage().data_ptr() != storage.data_ptr() for parameter in parameters):
        return None  # neighbours by chance
    whole = torch.empty(0, dtype=first.dtype).set_(storage, first.storage_offset(), (count,), (1,))
    return whole.numpy()


def made_flat(structure: Structure) -> np.ndarray:
    """The flat array of which all parameters are views from now on, with their values."""
    already = flat(structure)
    if already is not None:
        return already
    parameters = parameters_of(structure).values()
    with torch.inference_mode(False):  # in which the caller may be, and in which nothing is made for autograd
        whole, first = torch.cat([parameter.detach().reshape(-1) for parameter in parameters]), 0
        for parameter in parameters:
            parameter.data = whole[first : first + parameter.numel()].view(parameter.shape)
            first += parameter.numel()
    return whole.numpy()


def mark_changed(structure: Structure) -> None:
    """Tell autograd that the parameters changed: a graph from before would have wrong gradients, and says so."""
    with torch.inference_mode(False), torch.no_grad():
        for parameter in parameters_of(structure).values():
            parameter.copy_(parameter)

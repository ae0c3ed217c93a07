"""Modules for what a network of numbafc has beside its layers: standardised inputs and targets, factors of the inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """The map x → (x − mean)/scale of the inputs, with buffers of shape (N,), which no training changes."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Any, scale: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean).clone())
        self.register_buffer("scale", torch.as_tensor(scale).clone())

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


class Unstandardise(Standardise):
    """The map y → y·scale + mean of the outputs, from standardised targets to their own units, with buffers (T,)."""

    def forward(self, y: Tensor) -> Tensor:
        return y * self.scale + self.mean


class Factors(nn.Module):
    """The map x → s ⊙ x with a trainable factor for each input, (N,)."""

    def __init__(self, weight: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.as_tensor(weight).clone())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight

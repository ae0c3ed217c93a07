"""Training with PyTorch, eager, with its fused optimizers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .problems import BETA1, BETA2, EPSILON, Problem, Train, Trained, timed


def torch_trainer(given: Problem) -> Train:
    import torch

    X, y = torch.from_numpy(given.X), torch.from_numpy(given.y)
    layers: list[Any] = []
    for N, T in itertools.pairwise(given.sizes):
        layers += [torch.nn.Linear(N, T, dtype=X.dtype), torch.nn.ReLU()]
    model, loss = torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss()

    def optimizer() -> Any:  # fused: the fastest of its three forms
        if given.optimizer == "adam":
            return torch.optim.Adam(model.parameters(), given.rate, (BETA1, BETA2), EPSILON, fused=True)
        return torch.optim.SGD(model.parameters(), given.rate, fused=True)

    def train(epochs: int, shuffle: bool) -> Trained:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(torch.from_numpy(given.start.copy()), model.parameters())
        update = optimizer()

        def epoch(order: np.ndarray) -> float:
            total = 0.0
            for chosen in torch.from_numpy(order).split(given.batch):
                update.zero_grad(set_to_none=True)
                value = loss(model(X.index_select(0, chosen)), y.index_select(0, chosen))
                value.backward()
                update.step()
                total += value.item()
            return total * given.batch / len(order)

        seconds, mean = timed(given, epochs, shuffle, epoch)
        return Trained(seconds, mean, torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy())

    return train

"""Training with LIBXSMM and with oneDNN: an epoch is one call of a C program, perf/c."""

from __future__ import annotations

import numpy as np

from .. import c
from .problems import Problem, Train, Trained, timed


def c_trainer(name: str, given: Problem) -> Train:
    """Raises NotImplementedError for what was not written in C."""
    if given.start.dtype != np.float32 or given.optimizer != "sgd":
        raise NotImplementedError(f"has {c.LIMITS} here")
    net = c.Network(name, given.sizes, given.batch, given.rate, given.X, given.y)

    def train(epochs: int, shuffle: bool) -> Trained:
        net.set(given.start)
        seconds, loss = timed(given, epochs, shuffle, net.epoch)
        parameters = np.empty_like(given.start)
        net.get(parameters)
        return Trained(seconds, loss, parameters)

    return train

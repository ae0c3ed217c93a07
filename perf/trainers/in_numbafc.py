"""Training with numbafc: net.fit."""

from __future__ import annotations

from typing import Any

from .problems import Problem, Train, Trained


def numbafc_trainer(given: Problem) -> Train:
    import numbafc as fc

    net = fc.MLP(given.sizes, dtype=given.start.dtype)
    settings: dict[str, Any] = {"optimizer": given.optimizer, "learning_rate": given.rate, "batch_size": given.batch}

    def train(epochs: int, shuffle: bool) -> Trained:
        net.parameters[:] = given.start
        history = net.fit(given.X, given.y, **settings, epochs=epochs, shuffle=shuffle)
        return Trained(history.seconds, history[-1].loss, net.parameters)

    return train

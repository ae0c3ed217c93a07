"""Data that a network can learn, and how well its parameters do on samples they never saw: for the study `epoch`.

`python -m perf.tasks NAME THREADS` is a process that trains on them, as perf.trainers; a job has the name of a task, too.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from . import trainers
from .peers import serve


class Task(NamedTuple):
    """Samples to train on and others to judge by. X: (samples, N), whole minibatches; X_test, y_test: the others."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@functools.cache
def task(name: str, samples: int) -> Task:
    """A task by its name, "digits" or "mnist-sized". samples: to train on."""
    X, y = digits() if name == "digits" else synthetic(samples + 10_000)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    return Task(X[:samples], y[:samples], X[samples:], y[samples:])


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1797 digits of 8×8 pixels that come with numbafc, from 0 to 1."""
    from numbafc.files import digits

    data = digits()
    return data.X / np.float32(16), data.y


def synthetic(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's shape: 784 inputs, ten classes. A class is eight clouds that overlap those of others: no plane parts them."""
    rng = np.random.default_rng(784)
    centres = rng.standard_normal((10, 8, 784), np.float32)
    y = rng.integers(0, 10, samples)
    X = rng.standard_normal((samples, 784), np.float32)
    X += 0.3 * centres[y, rng.integers(0, 8, samples)]
    return X, y


def problem(
    name: str, sizes: tuple[int, ...], batch: int, steps: int, dtype: str, optimizer: str, rate: float
) -> trainers.Problem:
    """What trainers.problem makes, with the data of a task."""
    start = trainers.problem(sizes, batch, 1, dtype, optimizer, rate)
    given = task(name, steps * batch)
    return start._replace(X=given.X.astype(dtype), y=given.y)


def accuracy(name: str, sizes: tuple[int, ...], samples: int, parameters: np.ndarray) -> float:
    """The share of the other samples that a relu network with these parameters puts into their classes, in float64."""
    given = task(name, samples)
    H = given.X_test.T.astype(np.float64)
    layers = trainers.views(parameters.astype(np.float64), sizes)
    for n, (W, b) in enumerate(layers):
        H = W @ H + b[:, np.newaxis]
        if n < len(layers) - 1:
            np.maximum(H, 0, out=H)
    return float((H.argmax(axis=0) == given.y_test).mean())


if __name__ == "__main__":
    serve(trainers.Trainer(problem, "task"))

"""What everybody trains: the network, its data and start, and how an epoch is timed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, the same for all


class Problem(NamedTuple):
    """What to train on, and how. X: (samples, N), whole minibatches; y: (samples,) classes; start: as MLP.parameters."""

    sizes: tuple[int, ...]
    batch: int
    X: np.ndarray
    y: np.ndarray
    start: np.ndarray
    optimizer: str
    rate: float


class Trained(NamedTuple):
    """What a run did. parameters: flat, as MLP.parameters."""

    seconds: list[float]  # of each epoch
    loss: float  # the mean of the last epoch's minibatches, as they were trained on
    parameters: np.ndarray


Train = Callable[[int, bool], Trained]  # (epochs, shuffle): always from the same start


def problem(sizes: tuple[int, ...], batch: int, steps: int, dtype: str, optimizer: str, rate: float) -> Problem:
    """The same numbers in every process: normal inputs, random classes, weights as in He et al., small biases."""
    rng = np.random.default_rng([*sizes, batch])
    X = rng.standard_normal((steps * batch, sizes[0]), np.float32)
    y = rng.integers(0, sizes[-1], len(X))
    start = np.empty(sum((N + 1) * T for N, T in itertools.pairwise(sizes)), np.float32)
    for W, b in views(start, sizes):
        W[:] = np.sqrt(2 / W.shape[1]) * rng.standard_normal(W.shape)
        b[:] = 0.1 * rng.standard_normal(b.shape)
    return Problem(sizes, batch, X.astype(dtype), y, start.astype(dtype), optimizer, rate)


def views(flat: np.ndarray, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (T, N) and b (T,) of each layer, in a flat array."""
    pairs, at = [], 0
    for N, T in itertools.pairwise(sizes):
        pairs.append((flat[at : at + T * N].reshape(T, N), flat[at + T * N : at + T * N + T]))
        at += T * N + T
    return pairs


def timed(given: Problem, epochs: int, shuffle: bool, epoch: Callable[[np.ndarray], float]) -> tuple[list[float], float]:
    """The seconds of each epoch and the last one's loss. epoch: trains on samples in an order, returns the mean loss."""
    rng, seconds, loss = np.random.default_rng(0), [], np.nan
    for _ in range(epochs):
        start = time.perf_counter()
        loss = epoch(rng.permutation(len(given.X)) if shuffle else np.arange(len(given.X)))
        seconds.append(time.perf_counter() - start)
    return seconds, loss

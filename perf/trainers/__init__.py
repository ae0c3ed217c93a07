"""Training with each peer: the same network on the same data from the same weights, each in the way its library is fast.

Shuffled minibatches, gathered, forward, the mean cross-entropy, backward, an update. `python -m perf.trainers NAME THREADS`
is a process that trains with one peer, started by perf.peers with its environment. A job (sizes, batch, steps, dtype,
optimizer, rate, epochs, shuffle, save) is answered with the seconds of each epoch and the last one's loss; save: a file
for the parameters, or None.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .in_c import c_trainer
from .in_jax import jax_trainer
from .in_numbafc import numbafc_trainer
from .in_numpy import NumpyNetwork, numpy_trainer
from .in_sklearn import sklearn_trainer
from .in_torch import torch_trainer
from .problems import BETA2, EPSILON, Problem, Train, problem, views

__all__ = [
    "BETA2", "EPSILON", "NumpyNetwork", "Problem", "Trainer", "numbafc_trainer", "numpy_trainer", "problem", "views",
]  # fmt: skip

TRAINERS: dict[str, Callable[[Problem], Train]] = {
    "numbafc": numbafc_trainer,
    "numpy": numpy_trainer,
    "sklearn": sklearn_trainer,
    "torch": torch_trainer,
    "jax": jax_trainer,
    "libxsmm": functools.partial(c_trainer, "libxsmm"),
    "onednn": functools.partial(c_trainer, "onednn"),
}


class Trainer:
    """What answers jobs; the network of the job before is kept. make: the Problem; first: what it takes before sizes."""

    def __init__(self, make: Callable[..., Problem] = problem, *first: str) -> None:
        self.make, self.first, self.key = make, first, None

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        names = *self.first, "sizes", "batch", "steps", "dtype", "optimizer", "rate"
        key: Any = tuple(tuple(job[name]) if name == "sizes" else job[name] for name in names)
        if key != self.key:
            self.key, self.train = key, TRAINERS[name](self.make(*key))
        seconds, loss, parameters = self.train(job["epochs"], job["shuffle"])
        if job["save"]:
            np.save(job["save"], parameters)
        return {"seconds": seconds, "loss": loss}

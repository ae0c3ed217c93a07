"""The answers of members for the samples that they were trained on: each sample's by those members that were not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .mapped import taken
from .mlp import MLP
from .pooled import Pooled


class Measured(NamedTuple):
    """How good members are on samples that each of them is asked for only where it was not trained on them."""

    samples: int
    loss: float
    score: float


class OutOfFold(Pooled):
    """Members, asked for samples in the order of their training: those answer for a sample that have held it out.

    held: for each member the indices of the samples that it was not trained on, which together are all samples. Raises
    ValueError where a sample was held out by nobody, or where it is asked for another number of samples.
    """

    def __init__(self, nets: Sequence[MLP], held: Sequence[np.ndarray], samples: int) -> None:
        self.nets = list(nets)
        self.holds = np.zeros((samples, len(self.nets)), bool)
        for m, rows in enumerate(held):
            self.holds[rows, m] = True
        alone = np.flatnonzero(~self.holds.any(axis=1))
        if len(alone):
            raise ValueError(f"every sample must be held out by a member, but {len(alone)} are by none, such as {alone[0]}")

    def of(self, rows: np.ndarray) -> OutOfFold:
        """The same for these of the samples, by their indices."""
        return OutOfFold(self.nets, [np.flatnonzero(one) for one in self.holds[rows].T], len(rows))

    def outputs(self, X: Any) -> np.ndarray:
        return self._by_those_who_hold("outputs", X)

    def predict_proba(self, X: Any) -> np.ndarray:
        return self._by_those_who_hold("predict_proba", X)

    def predict(self, X: Any) -> np.ndarray:
        return self._by_those_who_hold("predict", X)

    def measure(self, X: Any, y: Any) -> Measured:
        """Loss and score on all samples."""
        return Measured(len(self.holds), self.loss(X, y), self.score(X, y))

    def _by_those_who_hold(self, what: str, X: Any) -> np.ndarray:
        """What groups of members say, each of the samples that it has held out."""
        X = self.encoded(X)
        if len(X) != len(self.holds):
            raise ValueError(f"expected the {len(self.holds)} samples of the training, in their order, got {len(X)}")
        groups, group = np.unique(self.holds, axis=0, return_inverse=True)
        found: np.ndarray | None = None
        for n, holds in enumerate(groups):
            rows = np.flatnonzero(group.reshape(-1) == n)
            said = getattr(_Some([self.nets[m] for m in np.flatnonzero(holds)]), what)(taken(X, rows))
            if found is None:
                found = np.empty((len(X), *said.shape[1:]), said.dtype)
            found[rows] = said
        assert found is not None  # there is a sample
        return found


class _Some(Pooled):
    """Some of the members."""

    def __init__(self, nets: list[MLP]) -> None:
        self.nets = nets


def measured(
    nets: Sequence[MLP], X: np.ndarray, y: np.ndarray, rows: Sequence[np.ndarray], held: Sequence[np.ndarray]
) -> Measured | None:
    """How good members are on what they have held out; None where that is not all samples, or where they know some of it.

    rows: the indices of the samples that each was trained on.
    """
    if len(np.unique(np.concatenate(held))) < len(X):
        return None
    if any(len(np.intersect1d(one, other)) for one, other in zip(rows, held, strict=True)):
        return None
    return OutOfFold(nets, held, len(X)).measure(X, y)

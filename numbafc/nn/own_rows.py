"""Rows of samples that lie in several ranks, each of which holds its own: one data set, in the order of the ranks.

Every rank has all targets and weights, which are small. Rows are fetched for each minibatch by whoever computes with them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from .. import checks
from . import samples
from .communication import Group
from .names import RowsOfRanks
from .network import Network
from .samples import ROWS, Samples


class OwnRows:
    """X of all ranks, of which this one holds some. Its length is that of all."""

    def __init__(self, group: Group, rows: np.ndarray) -> None:
        self.group, self.rows = group, np.ascontiguousarray(rows)
        lengths = np.empty(group.size, np.int64)
        group.comm.allgather(np.array([len(rows)], np.int64), lengths)
        self.ends = np.cumsum(lengths)
        self.lengths, self.begin = lengths, int(self.ends[group.rank] - len(rows))

    def __len__(self) -> int:
        return int(self.ends[-1])

    def fetch(self, chosen: np.ndarray, parts: Sequence[tuple[int, int]]) -> np.ndarray:
        """The rows chosen[first:last] of this rank, of whose parts all ranks know, from wherever they are."""
        owners, N, group = np.searchsorted(self.ends, chosen, side="right"), self.rows.shape[1], self.group
        wanted = [chosen[first:last][owners[first:last] == group.rank] for first, last in parts]
        send = self.rows[np.concatenate(wanted) - self.begin]
        first, last = parts[group.rank]
        own = owners[first:last]
        received, found = np.empty((2, last - first, N), self.rows.dtype)
        from_each = np.bincount(own, minlength=group.size) * N
        group.comm.alltoall(send.reshape(-1), [len(one) * N for one in wanted], received.reshape(-1), from_each.tolist())
        found[np.argsort(own, kind="stable")] = received
        return found

    def joined(self, array: np.ndarray) -> np.ndarray:
        """An array with a row for each sample of this rank, and those of all others: the same in every rank."""
        longest = int(self.lengths.max())
        own = np.zeros((longest, *array.shape[1:]), array.dtype)
        own[: len(array)] = array
        everyone = np.empty((self.group.size, *own.shape), array.dtype)
        self.group.comm.allgather(own.reshape(-1), everyone.reshape(-1))
        return np.concatenate([one[:length] for one, length in zip(everyone, self.lengths, strict=True)])

    def crc(self, step: int) -> int:
        """The checksum of every `step`-th row, as of one array: from rank to rank."""
        number = np.zeros(1, np.int64)
        for rank in range(self.group.size):
            if rank == self.group.rank:
                own = self.rows[-self.begin % step :: step]
                for first in range(0, len(own), ROWS):
                    number[0] = zlib.crc32(np.ascontiguousarray(own[first : first + ROWS]).data, int(number[0]))
            self.group.comm.broadcast(number, rank)
        return int(number[0])


class SamplesOfRanks(Samples):
    """Samples whose X is OwnRows. Their digests are those of one array, and are told between ranks once."""

    def __new__(cls, *fields: Any) -> SamplesOfRanks:
        self = super().__new__(cls, *fields)
        self.crcs = {step: self.X.crc(step) for step in (1, max(1, len(self.X) // 1024))}  # type: ignore[attr-defined]
        return self

    crcs: dict[int, int]

    @property
    def digest(self) -> int:
        value = self.crcs[1]
        return self._with_others(value)

    @property
    def old_fingerprint(self) -> int:
        return self._with_others(self.crcs[max(1, len(self.X) // 1024)])

    def _with_others(self, value: int) -> int:
        for array in (self.targets, *(() if self.weight is None else (self.weight,))):
            value = zlib.crc32(np.ascontiguousarray(array).data, value)
        return value


def given(group: Group | None, rows: str, net: Network, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Samples:
    """The samples that fit is given, checked. Raises TypeError or ValueError."""
    if checks.choice("rows", rows, get_args(RowsOfRanks)) == "own" and group is None:
        raise ValueError("rows='own' goes with comm, the communicator of those who have the other rows; leave it out")
    if group is None or rows == "shared" or group.size == 1:
        return samples.of(net, X, y, sample_weight, class_weight)
    return of_ranks(group, net, X, y, sample_weight, class_weight)


def of_ranks(group: Group, net: Network, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Samples:
    """The samples of all ranks, from this one's own, checked. Raises TypeError or ValueError on all ranks."""
    with group.agreed():
        rows = samples.rows(net, X)
        targets, weight = samples.targets(net, y, len(rows)), None
        if sample_weight is not None:
            weight = checks.real_values("sample_weight", sample_weight, np.dtype(np.float64))
            if weight.shape != (len(rows),):
                raise ValueError(f"sample_weight must have shape ({len(rows)},), got {weight.shape}")
    same(group, {"sample_weight": "none" if weight is None else "weights"})
    whole = OwnRows(group, rows)
    targets, weight = whole.joined(targets), None if weight is None else whole.joined(weight)
    with group.agreed():
        weight = samples.weights(weight, len(whole))
        found = samples.of_checked(net, whole, targets, weight, class_weight)
    return SamplesOfRanks(*found)


def same(group: Group, facts: dict[str, Any]) -> None:
    """Require of all ranks that they have the same facts. Raises ValueError that names a rank, and what it has, on all."""
    everyone = [one.split("\0") for one in group.texts("\0".join(f"{value!s:.2000}" for value in facts.values()))]
    for rank, theirs in enumerate(everyone):
        for name, value, first in zip(facts, theirs, everyone[0], strict=True):
            if value != first:
                raise ValueError(
                    f"all ranks must train alike, but rank {rank} has {value:.80} for {name}, and rank 0 has {first:.80}; "
                    "start them with the same data and settings"
                )


Reader = Callable[[np.ndarray, Sequence[tuple[int, int]]], np.ndarray]  # of rows: chosen, and the part of each rank


def reader(X: Any, rank: int) -> Reader:
    """The function that reads a rank's part of a minibatch's rows."""
    if isinstance(X, OwnRows):
        return X.fetch
    return lambda chosen, parts: X[chosen[slice(*parts[rank])]]

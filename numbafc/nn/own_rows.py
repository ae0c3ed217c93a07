"""Rows of samples that lie in several ranks, each of which holds its own: one data set, in the order of the ranks.

Every rank has all targets and weights, which are small. Rows are fetched for each minibatch by whoever computes with them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from .. import checks
from .._version import __version__
from . import samples
from .communication import Group
from .names import RowsOfRanks
from .network import Network
from .samples import ROWS, Samples


class OwnRows:
    """X of all ranks, of which this one holds some. Its length is that of all."""

    def __init__(self, group: Group, rows: np.ndarray) -> None:
        with group.agreed():
            self.group, self.rows = group, np.ascontiguousarray(rows)
        lengths = np.empty(group.size, np.int64)
        group.comm.allgather(np.array([len(rows)], np.int64), lengths)
        self.ends = np.cumsum(lengths)
        self.lengths, self.begin = lengths, int(self.ends[group.rank] - len(rows))

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """That of the rows of all ranks."""
        return len(self), self.rows.shape[1]

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

    def in_order(self, add: Callable[[np.ndarray, np.ndarray], None], totals: np.ndarray) -> None:
        """Add all rows to the totals, from rank to rank: add(rows, totals) goes on with what the ranks before have."""
        for rank in range(self.group.size):
            with self.group.agreed():
                if rank == self.group.rank:
                    add(self.rows, totals)
            self.group.comm.broadcast(totals, rank)

    def max(self, axis: int) -> np.ndarray:
        """The largest number of each column, of all ranks' rows."""
        return self._of_all(self.rows.max(axis=axis, initial=-np.inf)).max(axis=axis)

    def min(self, axis: int) -> np.ndarray:
        """The smallest number of each column, of all ranks' rows."""
        return self._of_all(self.rows.min(axis=axis, initial=np.inf)).min(axis=axis)

    def _of_all(self, row: np.ndarray) -> np.ndarray:
        everyone = np.empty((self.group.size, len(row)), row.dtype)
        self.group.comm.allgather(row, everyone.reshape(-1))
        return everyone

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


def require_alike(group: Group | None, rows: str) -> None:
    """Require of all ranks what all that follows depends on. Raises ValueError on all of them."""
    if checks.choice("rows", rows, get_args(RowsOfRanks)) == "own" and group is None:
        raise ValueError("rows='own' goes with comm, the communicator of those who have the other rows; leave it out")
    if group is not None:
        with group.agreed():  # all have come here
            pass
        same(group, {"the version of numbafc": __version__, "rows": rows})


def given(group: Group | None, rows: str, net: Network, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Samples:
    """The samples that fit is given, checked. Raises TypeError or ValueError."""
    require_alike(group, rows)
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
    require_same_kind(group, X=rows, y=targets, sample_weight=weight)
    whole = OwnRows(group, rows)
    targets, weight = whole.joined(targets), None if weight is None else whole.joined(weight)
    with group.agreed():
        weight = samples.weights(weight, len(whole))
        found = samples.of_checked(net, whole, targets, weight, class_weight)
    return SamplesOfRanks(*found)


def require_same_kind(group: Group, **arrays: Any) -> None:
    """Require that what is to be joined has a length alone that is each rank's own. Raises ValueError on all of them."""
    kinds = {name: None if one is None else f"{one.dtype} of shape {one.shape[1:]}" for name, one in arrays.items()}
    same(group, {f"each row of {name}": "nothing" if kind is None else kind for name, kind in kinds.items()})


def spread(group: Group | None, rows: str, array: np.ndarray | None) -> Any:
    """An array with a row for each sample, as that of all ranks where each has its own rows."""
    return array if array is None or group is None or rows == "shared" or group.size == 1 else OwnRows(group, array)


def same(group: Group, facts: dict[str, Any], fix: str = "start them with the same data and settings") -> None:
    """Require of all ranks that they have the same facts. Raises ValueError that names a rank, and what it has, on all."""
    everyone = [one.split("\0") for one in group.texts("\0".join(f"{value!s:.2000}" for value in facts.values()))]
    for rank, theirs in enumerate(everyone):
        for name, value, first in zip(facts, theirs, everyone[0], strict=True):
            if value != first:
                raise ValueError(
                    f"all ranks must train alike, but rank {rank} has {value:.80} for {name}, and rank 0 has {first:.80}; "
                    f"{fix}"
                )


Reader = Callable[[np.ndarray, Sequence[tuple[int, int]]], np.ndarray]  # of rows: chosen, and the part of each rank


def reader(X: Any, rank: int) -> Reader:
    """The function that reads a rank's part of a minibatch's rows."""
    if isinstance(X, OwnRows):
        return X.fetch
    return lambda chosen, parts: X[chosen[slice(*parts[rank])]]

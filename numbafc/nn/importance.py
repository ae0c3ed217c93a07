"""Permutation importance (L. Breiman 2001): how much worse a network is where a column's values are those of other samples.

All encoded columns of one source column are permuted together, by the same order of samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import evaluation, samples
from .network import Network
from .out_of_fold import OutOfFold
from .pooled import Pooled

FLOPS = 4e9  # that all of it may take, about: a second or less
REPEATS, ROWS, FEWEST = 5, 5000, 200  # permutations, and samples, at most, and at least


class Importance(NamedTuple):
    """What permuting a column takes from the score."""

    name: str
    mean: float  # over the permutations
    deviation: float


def of(net: Any, X: Any, y: Any, groups: Mapping[str, Sequence[int]], seed: int = 0) -> tuple[list[Importance], int, int]:
    """The importance of each group of columns, the largest first; the number of samples and of permutations it is of.

    X, y: samples that the network was not trained on. groups: from a name to the columns that are permuted together. As
    many samples and permutations are taken as there is time for. Raises TypeError or ValueError.
    """
    one = net if isinstance(net, Network) else net.nets[0]  # they are alike in what is asked here
    rows = samples.rows(one, X)
    samples.require("importance", rows)
    targets, rng = samples.targets(one, y, len(rows)), np.random.default_rng([seed, 4])
    flops = 2 * sum(N * T for N, T in zip(net.sizes, net.sizes[1:], strict=False)) * max(len(groups), 1)
    count = int(np.clip(FLOPS / (flops * REPEATS), FEWEST, ROWS))
    repeats = int(np.clip(FLOPS / (flops * min(count, len(rows))), 1, REPEATS))
    if len(rows) > count:
        some = rng.permutation(len(rows))[:count]
        rows, targets = rows[some], targets[some]
        net = net.of(some) if isinstance(net, OutOfFold) else net
    before, found = _score(net, rows, targets), []
    orders = [rng.permutation(len(rows)) for _ in range(repeats)]
    rows = rows[:]  # in memory
    changed = rows.copy()
    for name, group in groups.items():
        columns, falls = list(group), []
        for order in orders:
            changed[:, columns] = rows[order][:, columns]
            falls.append(before - _score(net, changed, targets))
        changed[:, columns] = rows[:, columns]
        found.append(Importance(name, float(np.mean(falls)), float(np.std(falls))))
    return sorted(found, key=lambda one: -one.mean), len(rows), repeats


def _score(net: Network | Pooled, rows: np.ndarray, targets: np.ndarray) -> float:
    return net.score(rows, targets) if isinstance(net, Pooled) else evaluation.score(net, rows, targets)

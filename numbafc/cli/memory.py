"""What a training takes of memory where its rows stay on the disk, said before it begins."""

from __future__ import annotations

from typing import Any

from ..files import datasets
from ..files.opening import sized
from ..nn import mapped
from ..nn.mapped import MappedRows
from ..nn.members import Model
from ..nn.pooled import networks

PARTS = 4  # of the rows that are in memory at a time: taken out of the file, in the network's dtype, as minibatches, beside
NUMBER = 8  # bytes


def needed(net: Model, whole: datasets.Dataset, held_out: datasets.Dataset, weighted: bool) -> int:
    """Bytes of memory that a training takes, about, besides parameters: parts of the rows, and what there is of each row.

    That is its target and its place in the split, its target in its part, its place in the order of each network's epoch
    and in a window, and its weight for each network; and of a row held out all answers, in float64.
    """
    k, of_row = len(networks(net)), NUMBER * max(1, whole.y[:1].size)
    rows = len(whole.X) * (2 * of_row + NUMBER + (3 if weighted else 2) * NUMBER * k)
    return PARTS * mapped.PART + rows + len(held_out.X) * net.sizes[-1] * NUMBER * (k + 2)


def lines(net: Model, whole: datasets.Dataset, held_out: datasets.Dataset, weighted: bool) -> list[str]:
    """A line about it, where rows stay on the disk."""
    X: Any = whole.X
    if not isinstance(X, MappedRows):
        return []
    read, there = f"{sized(mapped.PART)} at a time", sized(X.nbytes)
    takes = sized(needed(net, whole, held_out, weighted))
    return [f"its rows stay on the disk, {there}, and are read {read}; a training takes about {takes} of memory"]

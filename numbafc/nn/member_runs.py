"""What trains an epoch of some members: side by side in compiled code, one by one in Python, or in several ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._numba import interpreted
from ..kernels import border
from . import communication, optimizers, ranks, samples
from .course import Epoch, EpochFunction
from .losses import LOSSES, split_targets
from .mapped import MappedRows, taken
from .member_windows import Windows
from .mlp import MLP
from .progress import Progress
from .run import Data
from .samples import Samples
from .side_by_side import Group
from .training import python_epochs

RunOfEpochs = Callable[[dict[int, Epoch]], None]  # of each of some networks, by their number


class Parts(NamedTuple):
    """The samples of each member: rows of all of them, chosen by their indices, or all."""

    nets: list[MLP]
    everything: Samples  # targets in their own units
    chosen: list[np.ndarray] | list[None]
    class_weight: Any

    def of(self, m: int) -> Samples:
        """Those of member m, as a fit of its own would have them. Raises TypeError or ValueError."""
        one, (X, y, weight) = self.chosen[m], self.everything
        if one is not None:
            X, y, weight = taken(X, one), y[one], None if weight is None else weight[one]
        return samples.of(self.nets[m], X, y, weight, self.class_weight)

    def weights(self) -> np.ndarray | None:
        """The weights of all samples for each member, (k, samples); None where all count alike."""
        if self.everything.weight is None and self.class_weight is None:
            return None
        weights = np.zeros((len(self.nets), len(self.everything.X)))
        for m, one in enumerate(self.chosen):
            weights[m, slice(None) if one is None else one] = self.of(m).relative
        return weights

    def data(self, weights: np.ndarray | None, places: Any = slice(None)) -> Data:
        """The samples at these places as compiled code reads them, with a row of targets, weights and standardisation for
        each member."""
        nets, of_targets = self.nets, []
        X, y = self.everything.X[places], self.everything.targets[places]
        none = np.empty(0) if weights is None else weights[:, places].reshape(-1)
        for net in nets:
            classes, reals = split_targets(LOSSES[net.loss_name], samples.standardised(net, y), net.dtype)
            of_targets.append(reals)
        mean = scale = np.empty(0, nets[0].dtype)
        if any(net.input_mean is not None for net in nets):
            N = nets[0].sizes[:1]  # 0 and 1 change no bit
            mean, scale = (
                np.concatenate([np.broadcast_to(usual if a is None else a, N).astype(nets[0].dtype) for a in arrays])
                for usual, arrays in ((0, [net.input_mean for net in nets]), (1, [net.input_scale for net in nets]))
            )
        return Data(border.in_order(X), classes, np.concatenate(of_targets), none, mean, scale)


class Shared:
    """Epochs of several networks, each of which is trained by one rank, and is all ranks' then. A function of them.

    run: trains an epoch of each of some networks on this rank. Of a rank's error all hear when the others are through with
    their networks, which go on from there; each network's minibatches, its parameters and its optimizer's state are one.
    """

    def __init__(self, group: communication.Group, run: RunOfEpochs, arrays: list[list[np.ndarray]]) -> None:
        self.group, self.run, self.arrays = group, run, arrays

    def __call__(self, begun: dict[int, Epoch]) -> None:
        group, error = self.group, None
        trained_by = {m: place % group.size for place, m in enumerate(begun)}
        own = {m: epoch for m, epoch in begun.items() if trained_by[m] == group.rank}
        try:
            group.hear()
            if own:
                self.run(own)
        except BaseException as raised:
            error = raised
        for m, epoch in begun.items():
            for array in (*self.arrays[m], epoch.results):
                group.comm.broadcast(array, trained_by[m])
        group.tell(error)


def runner(parts: Parts, progress: list[Progress], several: communication.Group | None = None) -> RunOfEpochs:
    """What trains an epoch of each of some members. several: the ranks that train them together, if there are several."""
    nets, first = parts.nets, progress[0].recipe
    for m, one in enumerate(progress):
        if replace(one.recipe, regularization=one.recipe.regularization._replace(seed=0)) != replace(
            first, regularization=first.regularization._replace(seed=0)
        ):
            raise ValueError(f"members are trained by one recipe; that of member {m} is another than that of member 0")
    in_python = type(first.optimizer) not in optimizers.OURS or interpreted()
    if several is not None and (in_python or _parts_of_minibatches_pay(first.batch_size, len(nets), several.size)):
        return _one_by_one([_epochs_of_ranks(parts, m, now, several) for m, now in enumerate(progress)])
    if in_python:
        runs: list[EpochFunction] = []
        for m, net in enumerate(nets):
            X, y, _ = own = parts.of(m)
            runs.append(python_epochs(net, X, y, own.relative, progress[m].recipe, progress[m].state))
        return _one_by_one(runs)
    largest = max(one.samples for one in progress)
    group = _grouped(parts, partial(Group, nets, first, [one.state for one in progress], largest=largest))
    seeds = [one.recipe.regularization.seed for one in progress]

    def side_by_side(begun: dict[int, Epoch]) -> None:
        placed = {}
        for m, epoch in begun.items():
            chosen = parts.chosen[m]
            placed[m] = epoch if chosen is None else epoch._replace(samples=chosen[epoch.samples])
        group.epochs(placed, seeds, *([] if several is None else [several.hear]))

    if several is None:
        return side_by_side
    arrays = [[net.parameters, *one.state.values()] for net, one in zip(nets, progress, strict=True)]
    return Shared(several, side_by_side, arrays)


def _parts_of_minibatches_pay(batch_size: int, members: int, size: int) -> bool:
    """Tell whether more ranks have something to do where all of them train each member than where each trains some."""
    return min(communication.useful(batch_size), size) > min(members, size)


def _epochs_of_ranks(parts: Parts, m: int, progress: Progress, group: communication.Group) -> ranks.RankEpochs:
    """What trains an epoch of a member on all ranks. The samples are there once, for all members."""
    net, chosen, own = parts.nets[m], parts.chosen[m], parts.of(m)
    X: Any = parts.everything.X
    if chosen is not None:
        X = X.take(chosen) if isinstance(X, MappedRows) else MappedRows(X, slice(None), net.dtype, chosen)
    return ranks.RankEpochs(net, own._replace(X=X), progress.recipe, progress.state, group)


def _one_by_one(runs: Sequence[EpochFunction]) -> RunOfEpochs:
    """What trains an epoch of one member after the other."""

    def run(begun: dict[int, Epoch]) -> None:
        for m, epoch in begun.items():
            runs[m](*epoch)

    return run


def _grouped(parts: Parts, group: Callable[[Data], Group]) -> Group | Windows:
    """The group that trains the members, of all their samples; of those in a file some are in memory at a time."""
    X, weights = parts.everything.X, parts.weights()
    if isinstance(X, MappedRows):
        return Windows(partial(parts.data, weights), group, X.part, len(parts.nets))
    return group(parts.data(weights))

"""Training in several processes at once, the ranks of a communicator: the bits of one process, for any number of them.

A sum over a minibatch is defined as that of its blocks of SUM_BLOCK samples, in order (formulas.py). So each rank takes
whole blocks: forward, backward, and of each block the sums dW and db. Nobody adds them until they are together:

    all to all   rank r is sent its share of the parameters, of every block, and adds the blocks in order
    all gather   every rank is sent all shares, and makes the same step

What belongs to a sample, its loss and whether it is a hit, goes to every rank, which adds it up as one process does. A
minibatch of one block is one rank's work; nothing is gained then.

No rank may raise alone, or the others wait for it: errors and signals of a rank are told with the samples' losses, before
anything of a step is sent, and all ranks end there, with as many steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..formulas import SUM_BLOCK
from . import evaluation, interrupts, own_rows, passes
from .communication import Group
from .course import Callback, Course, Epoch, Keep
from .losses import LOSSES, Loss
from .mapped import MappedRows
from .network import Network
from .progress import ENDS, History, Progress
from .recipe import Recipe
from .results import DONE, added
from .samples import HeldOut, Samples
from .stepping import StepFunction, stepper

TROUBLE, HITS, LOSSES_AT = 0, 1, 2  # of what a rank tells of its samples: whether it failed, hits, then a loss for each


class RankCourse(Course):
    """The course of a training in several ranks: clocks and callbacks are those of rank 0, all else is the same."""

    above = 6  # there are calls of its own in between

    def __init__(
        self,
        group: Group,
        net: Network,
        progress: Progress,
        keep: Keep,
        validation: HeldOut | None,
        callbacks: tuple[Callback, ...],
        until: float | None,
    ) -> None:
        first = group.rank == 0
        super().__init__(net, progress, keep, validation, callbacks if first else (), until if first else None)
        self.group = group

    def begin(self) -> Epoch:
        with self.group.agreed():
            return super().begin()

    def end(self) -> None:
        self.progress.seconds = self.group.first_of(self.progress.seconds)
        with self.group.agreed(hears=False):  # before all know whether it has ended
            super().end()
        self.progress.ended = ENDS[int(self.group.first_of(ENDS.index(self.progress.ended)))]

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        group, T, net = self.group, self.net.sizes[-1], self.net
        each = -(-len(rows) // group.size)
        own, everyone = np.zeros((each, T), net.dtype), np.empty((group.size * each, T), net.dtype)
        with group.agreed():
            first, last = (min(rank * each, len(rows)) for rank in (group.rank, group.rank + 1))
            part = rows.take(np.arange(first, last)) if isinstance(rows, MappedRows) else rows[first:last]
            own[: len(part)] = evaluation.outputs(net, part)
        group.comm.allgather(own.reshape(-1), everyone.reshape(-1))
        return everyone[: len(rows)]


class Part(NamedTuple):
    """What a rank has computed of its part of a minibatch."""

    passed: passes.Passed | None  # None where it has no samples of it
    hits: int


class RankEpochs:
    """One pass over the samples in a given order, of which this rank takes its part. A function of an Epoch.

    loss, step: by which the network is trained, if they are not those of the network and of the recipe.
    """

    def __init__(
        self,
        net: Network,
        given: Samples,
        recipe: Recipe,
        state: dict[str, Any],
        group: Group,
        loss: Loss | None = None,
        step: StepFunction | None = None,
    ) -> None:
        self.net, self.recipe, self.group, self.comm = net, recipe, group, group.comm
        self.loss = loss or LOSSES[net.loss_name]
        self.targets, self.weight, self.read = given.targets, given.relative, own_rows.reader(given.X, group.rank)
        self.step = step or stepper(net, recipe, state)
        count, dtype = len(net.parameters), net.dtype
        self.share = -(-count // group.size)  # of the parameters, whose block sums a rank adds
        length, B = self.share * group.size, min(recipe.batch_size, len(given.X))
        blocks = np.diff(self.blocks(B)).max()
        self.sums = np.zeros((blocks, length), dtype)  # of this rank's blocks
        self.received = np.empty((blocks, length), dtype)  # of every rank's first block its share, of their second, …
        self.total, self.gradients = np.empty(self.share, dtype), np.empty(length, dtype)

    def blocks(self, B: int) -> np.ndarray:
        """Where the blocks of each rank begin, and the last one's end: as many for each, or one more."""
        return -(-B // SUM_BLOCK) * np.arange(self.group.size + 1) // self.group.size

    def __call__(self, samples: np.ndarray, rate_of: np.ndarray, steps: int, results: np.ndarray) -> None:
        size, error = self.recipe.batch_size, None
        for batch in range(int(results[DONE]), len(rate_of)):
            chosen = samples[batch * size : (batch + 1) * size]
            weight = None if self.weight is None else self.weight[chosen]
            total, factors = passes.factors_of(self.net, weight, len(chosen), self.recipe.regularization)
            if total == 0:  # nobody in this batch counts
                results[DONE] += 1
                continue
            part, error = self.compute(chosen, factors, steps + batch, error)
            losses, hits = self.tell(part, error, len(chosen))
            with np.errstate(all="ignore"):  # divergence is found by its loss
                loss = passes.loss_of(self.net, losses, factors, total, self.recipe.regularization.l2)
            if not np.isfinite(loss):
                return
            self.exchange(len(chosen))
            try:
                with np.errstate(all="ignore"):
                    passes.end_gradients(self.net, self.parameters_of(self.gradients), self.recipe.regularization)
                    self.step(self.parameters_of(self.gradients), float(rate_of[batch]), total)
                results += added(loss * len(chosen), hits, total, len(chosen))
            except BaseException as raised:  # of somebody's own optimizer; all hear of it with the next minibatch
                error = raised
        with self.group.agreed():
            if error is not None:
                raise error

    def parameters_of(self, flat: np.ndarray) -> np.ndarray:
        """The part of a flat array that parameters have; the rest makes the shares equal."""
        return flat[: len(self.net.parameters)]

    def parts(self, B: int) -> list[tuple[int, int]]:
        """From where to where the samples of each rank go."""
        ends = np.minimum(self.blocks(B) * SUM_BLOCK, B).tolist()
        return list(itertools.pairwise(ends))

    def compute(
        self, chosen: np.ndarray, factors: np.ndarray, step: int, error: BaseException | None
    ) -> tuple[Part | None, BaseException | None]:
        """This rank's part of a minibatch, its block sums in self.sums; or the error that it ended with."""
        parts = self.parts(len(chosen))
        first, last = parts[self.group.rank]
        try:
            rows = self.read(chosen, parts)  # own rows come from all ranks at once
            wanted = self.targets[chosen[first:last]]
            if error is not None:
                raise error
            self.group.hear()
            if first == last:
                return Part(None, 0), None
            with np.errstate(all="ignore"):
                passed = passes.pass_samples(
                    self.net, rows, wanted, factors[first:last], self.recipe.regularization, step, first, self.loss
                )
                for n, begin in enumerate(range(0, last - first, SUM_BLOCK)):
                    block = slice(begin, min(begin + SUM_BLOCK, last - first))
                    passes.sum_gradients(self.net, passed, block, self.parameters_of(self.sums[n]))
            hits = int(np.count_nonzero(passed.Y.argmax(axis=0) == wanted)) if self.loss.classifies else 0
            return Part(passed, hits), None
        except ConnectionError:  # nobody can be told
            raise
        except BaseException as raised:
            return None, raised

    def tell(self, part: Part | None, error: BaseException | None, B: int) -> tuple[np.ndarray, int]:
        """The losses of a minibatch's samples, and its hits. Raises on all ranks where one of them failed."""
        parts = self.parts(B)
        longest = LOSSES_AT + max(last - first for first, last in parts)
        own, everyone = np.zeros(longest), np.empty((self.group.size, longest))
        own[TROUBLE] = error is not None
        if part is not None and part.passed is not None:
            own[HITS], own[LOSSES_AT : LOSSES_AT + len(part.passed.losses)] = part.hits, part.passed.losses
        self.comm.allgather(own, everyone.reshape(-1))
        if everyone[:, TROUBLE].any():
            self.group.tell(error)
        told = [one[LOSSES_AT:][: last - first] for one, (first, last) in zip(everyone, parts, strict=True)]
        return np.concatenate(told), int(everyone[:, HITS].sum())

    def exchange(self, B: int) -> None:
        """From every rank's block sums to the sums over the minibatch, in every rank's self.gradients."""
        size, rank, share = self.group.size, self.group.rank, self.share
        counts = np.diff(self.blocks(B))
        shares: list[list[np.ndarray]] = [[] for _ in range(size)]  # of the blocks of each rank, in order
        for n in range(counts.max()):
            senders = np.flatnonzero(counts > n)
            received = self.received[n, : share * len(senders)]
            send, lengths = (self.sums[n], [share] * size) if counts[rank] > n else (self.sums[n, :0], [0] * size)
            self.comm.alltoall(send, lengths, received, (share * (counts > n)).tolist())
            for place, sender in enumerate(senders):
                shares[sender].append(received[place * share : (place + 1) * share])
        first, *others = [one for of_rank in shares for one in of_rank]
        self.total[:] = first
        with np.errstate(all="ignore"):
            for one in others:
                self.total += one
        self.comm.allgather(self.total, self.gradients)


def train(
    net: Network,
    given: Samples,
    progress: Progress,
    group: Group,
    *,
    keep: Keep,
    validation: HeldOut | None,
    callbacks: tuple[Callback, ...],
    until: float | None,
) -> History:
    """Train net as training.train does, together with the other ranks."""
    with hearing(group):
        with group.agreed():
            epochs = RankEpochs(net, given, progress.recipe, progress.state, group)
        return RankCourse(group, net, progress, keep, validation, callbacks, until).run(epochs)


@contextmanager
def hearing(group: Group | None) -> Iterator[None]:
    """Put signals off inside the block, to where all ranks hear of them; nothing without a group."""
    if group is None:
        yield
        return
    with interrupts.deferred() as hear:
        group.hear = hear
        yield

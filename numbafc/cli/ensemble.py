"""`--members`: several networks trained at once, told of as one training: an epoch of all, its means, what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..nn import MLP, EpochRecord, History, Members, realmlp
from ..nn.course import Callback
from ..nn.mapped import taken
from ..nn.members import Model
from ..nn.pooled import Answering, networks
from ..nn.progress import Progress
from ..nn.results import DONE
from . import endings

MEANS = "loss", "score", "validation_loss", "validation_score"


def averaged(model: Model) -> str:
    """A phrase: how many networks answer together; empty for one network."""
    k = len(networks(model))
    return "" if isinstance(model, MLP) else f"{k} members averaged" if k > 1 else "1 member"


def progress(model: Answering) -> list[Progress]:
    """The progress of each network that has one."""
    return [net.training for net in networks(model) if net.training is not None]


def minibatches(model: Model) -> int:
    """The number of minibatches of a training that are done: of the member that is furthest."""
    return max((now.done * now.batches + int(now.results[DONE]) for now in progress(model)), default=0)


def furthest(model: Model) -> Progress | None:
    """The progress of the network that is furthest, of equal ones the first."""
    return max(progress(model), key=lambda now: now.done * now.batches + int(now.results[DONE]), default=None)


def callbacks(model: Model, told: Sequence[Callback], patient: bool) -> Sequence[Any]:
    """The callbacks of fit: those that are told of an epoch, or of one of all, and what may end each network's training."""
    ends = [_patience(net) if patient else None for net in networks(model)]
    if isinstance(model, MLP):
        return [*told, *([ends[0]] if ends[0] is not None else [])]

    def of_member(m: int, record: EpochRecord) -> bool:
        end = ends[m]
        return end is not None and end(record)

    return [Rounds(model, told), of_member]


def _patience(net: MLP) -> realmlp.Patience:
    return realmlp.Patience([] if net.training is None else net.training.history)


class Rounds:
    """A callback of Members.fit that tells others when an epoch of all members is over: the means of their last records."""

    def __init__(self, members: Members, told: Iterable[Callback]) -> None:
        self.members, self.told = members, tuple(told)
        self.records = {m: net.training.records[net.training.done - 1] for m, net in _begun(members)}

    def __call__(self, m: int, record: EpochRecord) -> None:
        """Take a member's record. Those behind it whose epoch is trained, and not counted yet, are still to come."""
        self.records[m] = record
        if any(net.training is not None and net.training.results[DONE] for net in self.members.nets[m + 1 :]):
            return
        together = mean(list(self.records.values()))
        for callback in self.told:
            callback(together)


def _begun(members: Members) -> list[tuple[int, Any]]:
    return [(m, net) for m, net in enumerate(members) if net.training is not None and net.training.done]


def mean(records: Sequence[EpochRecord]) -> EpochRecord:
    """The means of the members' last records; samples are those of all that were trained in the last epoch."""
    last = max(record.epoch for record in records)
    now = [record for record in records if record.epoch == last]
    means = [float(np.mean([getattr(record, name) for record in records])) for name in MEANS]
    seconds, samples = max(record.seconds for record in now), sum(record.samples for record in now)
    return EpochRecord(last, means[0], means[1], means[2], means[3], seconds, samples, now[0].learning_rate)


def history(model: Answering) -> History:
    """The history of a network, or of members the means of each epoch; one that has ended counts with its last record."""
    each = [now.history for now in progress(model)]
    if isinstance(model, MLP):
        return each[0] if each else History()
    each = [one for one in each if one]
    last = max(map(len, each), default=0)
    means = History(mean([one[min(epoch, len(one)) - 1] for one in each]) for epoch in range(1, last + 1))
    means.ended = endings.ended_by(model.training) if model.training is not None else ""
    return means


def verdict(model: Model) -> list[str]:
    """Lines about what limited a training, and which epoch's parameters were kept."""
    each = progress(model)
    lines = [endings.verdict(now) for now in each]
    if isinstance(model, MLP) or all(one == lines[0] for one in lines):
        return lines[0]
    said = []
    for count, line in _counted([one[0] for one in lines if one]):
        of_all = "all members" if count == len(each) else f"{count} of {len(each)} members"
        said.append(f"{of_all}: {line}" if count > 1 else f"a member: {line}")
    if len(said) > len(MEANS):  # each by itself
        done = [now.done for now in each]
        said = [f"the {len(each)} members ended by themselves, after {min(done)} to {max(done)} epochs"]
    kept = [now.best_at for now in each if now.last is not None]
    if kept:
        said.append(f"kept the parameters of each member's best epoch, {_range(kept)}")
    return said


def _counted(lines: Sequence[str]) -> list[tuple[int, str]]:
    return [(lines.count(line), line) for line in dict.fromkeys(lines)]


def _range(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) <= 8 else f"{min(numbers)} to {max(numbers)}"


def each(
    model: Model, held_out: tuple[Any, Any] | None, folds: Sequence[tuple[Any, Any]] | None = None
) -> list[dict[str, Any]]:
    """What came of each member, for programs. folds: of the samples held out, each member's own."""
    validations = [held_out] * len(networks(model))
    if folds is not None and held_out is not None:
        validations = [(taken(held_out[0], rows), held_out[1][rows]) for _, rows in folds]
    return [
        {
            "seed": net.seed,
            "epochs": now.done,
            "best_epoch": now.best_at if now.best_at else now.done,
            "ended_by": endings.ended_by(now),
            "validation_loss": None if own is None else net.loss(*own),
            "validation_score": None if own is None else net.score(*own),
        }
        for net, now, own in zip(networks(model), progress(model), validations, strict=True)
    ]

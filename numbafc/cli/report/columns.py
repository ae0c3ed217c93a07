"""The layers, the columns of the data and what became of them, and which of them the network looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...nn import MLP, importance, summary
from ...nn.mapped import parts_of
from ...nn.pooled import Answering
from ..sources import score_name
from .pieces import bars, folded, paragraph, table
from .subject import Subject

SHOWN = 20  # columns whose importance is shown, and features that are not folded away


def of_network(net: Answering) -> str:
    """The layers, and what is known of inputs, outputs and training."""
    told = summary.of(net) if isinstance(net, MLP) else summary.of_members(net.nets)
    facts = [row for row in told.facts if row[0] != "table"]
    return table(summary.HEADINGS, told.layers) + table(("", ""), facts, "words")


def of_data(subject: Subject) -> str:
    """The columns of the table that the network knows, or its features."""
    known = getattr(subject.net, "table", None)
    if known is not None:
        rows_ = known.report()
        return table(rows_[0]._fields, [[*map(str, row)] for row in rows_], "words") if rows_ else ""
    net, X = subject.net, subject.X if subject.training is None else subject.training
    numbers = {
        "least": X.min(axis=0),
        "mean": sum(part.sum(axis=0, dtype=float) for part in parts_of(X)) / len(X),
        "most": X.max(axis=0),
    }
    rows = list(zip(_features(net), *(map(float, one) for one in numbers.values()), strict=True))
    of = "the samples that it is measured on" if subject.training is None else "the samples that it was trained on"
    whole = table(("feature", *numbers), rows)
    return paragraph(f"Of {of}:") + (whole if len(rows) <= SHOWN else folded(f"{len(rows)} features", whole))


def _features(net: Answering) -> Sequence[str]:
    return net.features or tuple(map(str, range(net.sizes[0])))


def groups(subject: Subject) -> Mapping[str, Sequence[int]]:
    """The columns of X that are permuted together, by the name of what they come from."""
    if subject.groups is not None:
        return subject.groups
    named: dict[str, list[int]] = {}
    for n, name in enumerate(_features(subject.net)):
        named.setdefault(name, []).append(n)
    return named


def importance_of(subject: Subject) -> tuple[list[importance.Importance], int, int]:
    """The permutation importance of each column."""
    seed = subject.net.seed
    return importance.of(subject.net, subject.X, subject.y, groups(subject), seed)


def importance_table(found: Sequence[importance.Importance]) -> str:
    """The most important columns, with bars."""
    return bars([(one.name, one.mean, f"{one.mean:.4f} ± {one.deviation:.4f}") for one in found[:SHOWN]])


def importance_section(subject: Subject) -> str:
    """What is lost where a column's values are those of other samples."""
    found, samples, repeats = importance_of(subject)
    rest = len(found) - SHOWN
    said = (
        f"Permutation importance: how much {score_name(subject.net)} falls where a column has the values of other samples; "
        f"the mean and the deviation over {repeats} permutation{'' if repeats == 1 else 's'} of {samples} of the samples. "
        "Of columns that say the same, each may look as if it did not matter."
    )
    more = paragraph(f"{rest} more have {found[SHOWN].mean:.4f} or less.") if rest > 0 else ""
    useless = [one.name for one in found if np.isfinite(one.mean) and one.mean <= 0]
    none = f"Without effect here, or worse: {summary.names(useless)}." if useless else ""
    return paragraph(said) + importance_table(found) + more + (paragraph(none) if none else "")

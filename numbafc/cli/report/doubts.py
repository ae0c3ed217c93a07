"""What a model does not know: samples it is wrong or unsure of, values it was not trained on, classes it misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...nn import LOSSES, summary
from ...nn.mapped import parts_of
from ...nn.pooled import networks
from ..aligned import cell
from .pieces import listed, paragraph, table
from .subject import Subject

SHOWN = 10  # samples, and features


def section(subject: Subject, found: Mapping[str, Any], names: Sequence[str]) -> str:
    """All of it."""
    lines = [*subject.unknown, *_beyond(subject), *_classes(found)]
    if len(networks(subject.net)) == 1:
        lines.append(
            "This is one network, not an ensemble: nothing tells how much its answers would differ after another training."
        )
    return listed(lines) + _samples(subject, names)


def _beyond(subject: Subject) -> list[str]:
    """Lines about values outside of the range that the network was trained on."""
    if subject.training is None:
        return ["The ranges of the samples that it was trained on are not in the model's file."]
    features = subject.net.features or tuple(map(str, range(subject.net.sizes[0])))
    low, high = subject.training.min(axis=0), subject.training.max(axis=0)
    counts, whole, lines = np.zeros(len(low), np.intp), 0, []
    for part in parts_of(subject.X):
        outside = (low > part) | (high < part)
        counts, whole = counts + outside.sum(axis=0), whole + int(outside.any(axis=1).sum())
    order = [int(n) for n in np.argsort(-counts, kind="stable")[:SHOWN] if counts[n]]
    if order:
        worst = ", ".join(f"{summary.names([features[n]])} {counts[n]}" for n in order)
        lines.append(
            f"{whole} of {len(subject.X)} samples have a value beyond the range that it was trained on, by feature: "
            f"{worst}."
        )
    else:
        lines.append("No sample has a value beyond the range that it was trained on.")
    constant = [features[int(n)] for n in np.flatnonzero(low == high)]
    if constant:
        lines.append(f"All the same where it was trained, so nothing is known of other values: {summary.names(constant)}.")
    return lines


def _classes(found: Mapping[str, Any]) -> list[str]:
    """Lines about classes that are not found, or of which there is no sample."""
    rows, lines = found.get("classes", []), []
    missed = [row["class"] for row in rows if row["samples"] and row["recall"] == 0]
    absent = [row["class"] for row in rows if not row["samples"]]
    if missed:
        lines.append(f"Never found: {summary.names(missed)}.")
    if absent:
        lines.append(f"Without a sample here, so nothing is known of how good it is on them: {summary.names(absent)}.")
    return lines


def _samples(subject: Subject, names: Sequence[str]) -> str:
    """Tables of the samples that the network is most wrong of, and least sure of."""
    net, places = subject.net, subject.places
    if not LOSSES[net.loss_name].classifies:
        y = subject.y.reshape(len(subject.y), -1).astype(float)
        labels = net.loss_name == "binary_cross_entropy"
        said = (net.predict_proba(subject.X) if labels else net.predict(subject.X)).reshape(len(y), -1).astype(float)
        off = np.abs(y - said) / (1 if labels else np.maximum(y.std(axis=0), 1e-300))
        worst = np.argsort(-off.max(axis=1), kind="stable")[:SHOWN]
        off_by = [(str(places[n]), _numbers(y[n]), _numbers(said[n])) for n in worst]
        return paragraph("The samples that it is farthest off:") + table(("sample, from 0", "target", "prediction"), off_by)
    p = net.predict_proba(subject.X)
    right, said = p[np.arange(len(p)), subject.y], p.argmax(axis=1)
    rows = [
        (str(places[n]), names[int(subject.y[n])], names[int(said[n])], float(right[n]), float(p[n, said[n]]))
        for n in np.argsort(right, kind="stable")[:SHOWN]
    ]
    unsure = [
        (str(places[n]), names[int(subject.y[n])], names[int(said[n])], float(right[n]), float(p[n, said[n]]))
        for n in np.argsort(p.max(axis=1), kind="stable")[:SHOWN]
    ]
    head = "sample, from 0", "is", "said", "probability of what is so", "of what was said"
    worst_ = paragraph("The samples that it is most wrong of, those of the largest loss:") + table(head, rows)
    return worst_ + paragraph("The samples that it is least sure of:") + table(head, unsure)


def _numbers(values: np.ndarray) -> str:
    shown = ", ".join(cell(float(value)) for value in values[:SHOWN])
    return shown + (", …" if len(values) > SHOWN else "")

"""Learning curves, the confusion matrix or the residuals, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...nn import LOSSES
from ...nn.calibration import roc_curve
from ...nn.pooled import Answering
from .. import aligned, ensemble
from ..sources import score_name
from .charts import Series, chart
from .pieces import figures, folded, matrix, paragraph, table
from .subject import Subject

OUTPUTS, BINS, ROWS = 4, 30, 30  # outputs with charts, bars of a histogram, and rows of a table that is not folded away
SQUARE = 0.0, 1.0, 0.0, 1.0
ORANGE = "#c05621"


def curves(net: Answering) -> list[str]:
    """Loss and score over the epochs."""
    history = ensemble.history(net)
    if not history:
        return []
    found = []
    for column, name in (("loss", "loss"), ("score", score_name(net))):
        training, validation = (
            [getattr(record, which) for record in history] for which in (column, f"validation_{column}")
        )
        epochs = [record.epoch for record in history]
        dashed = Series("training", epochs, training, "dashed", ORANGE)
        found.append(chart([dashed, Series("validation", epochs, validation)], "epoch", name))
    return found


def measured(net: Answering, subject: Subject, found: Mapping[str, Any]) -> str:
    """The measures of each output, and what was taken for what or how far off."""
    said = ""
    for kind in ("classes", "labels", "outputs"):
        if kind in found:
            said += records(found[kind])
    if "confusion" in found:
        said += confusion(found)
    if "residuals" in found:
        said += paragraph("Residuals, target − prediction, by quantile:") + records(found["residuals"])
        said += residuals(net, subject)
    return said


def records(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of records, folded away where it is long."""
    headings = [aligned.HEADINGS.get(name, name) for name in rows[0]]
    whole = table(headings, [list(row.values()) for row in rows])
    return whole if len(rows) <= ROWS else folded(f"{len(rows)} rows", whole)


def confusion(found: Mapping[str, Any]) -> str:
    """The confusion matrix, of the classes with the most errors where they are many, and the pairs."""
    whole, names = np.asarray(found["confusion"]), [row["class"] for row in found["classes"]]
    shown = aligned.chosen(whole, 2 * aligned.CLASSES)
    others = ["others"] * (len(shown) < len(names))
    few = f", the {len(shown)} of {len(names)} classes with the most errors" if others else ""
    pairs = "".join(paragraph(line) for line in aligned.pairs(found["confused"][: aligned.PAIRS]))
    square = matrix([names[at] for at in shown] + others, aligned.folded(whole, shown))
    return paragraph(f"Confusion: a row for what is so, a column for what was said{few}.") + square + pairs


def residuals(net: Answering, subject: Subject) -> str:
    """For each output a histogram of the residuals, and targets over predictions."""
    y = subject.y.reshape(len(subject.y), -1).astype(float)
    predicted = net.predict(subject.X).reshape(len(y), -1).astype(float)
    charts: list[str] = []
    for t in range(min(y.shape[1], OUTPUTS)):
        of = "" if y.shape[1] == 1 else f" of output {net.classes[t] if net.classes else t}"
        rest = (y - predicted)[:, t]
        finite = rest[np.isfinite(rest)]
        counts, edges = np.histogram(finite, BINS) if len(finite) else (np.zeros(1), np.array([0.0, 1.0]))
        low, high = min(y[:, t].min(), predicted[:, t].min()), max(y[:, t].max(), predicted[:, t].max())
        charts += [
            chart([Series("", (edges[1:] + edges[:-1]) / 2, counts, "bars", "#2b6cb0")], f"residual{of}", "samples"),
            chart(
                [
                    Series("", predicted[:, t], y[:, t], "dots", "#2b6cb0"),
                    Series("equal", [low, high], [low, high], "dashed"),
                ],
                f"prediction{of}",
                "target",
            ),
        ]
    return figures(*charts)


def calibration(found: Mapping[str, Any], subject: Subject) -> str:
    """Whether probabilities mean what they say."""
    every = found.get("calibrations") or ([found["calibration"]] if "calibration" in found else [])
    return "".join(_calibrated(one, subject, at) for at, one in enumerate(every[:OUTPUTS]))


def _calibrated(one: Mapping[str, Any], subject: Subject, at: int) -> str:
    bins = [row for row in one["bins"] if row["samples"]]
    of = "the class that was said" if one["of"] is None else one["of"]
    ranks = (
        "" if "brier" not in one else f"ROC AUC {aligned.cell(one['roc_auc'])}, Brier score {aligned.cell(one['brier'])}, "
    )
    error = f"{ranks}expected calibration error {aligned.cell(one['calibration_error'])}, of the probability of {of}."
    diagonal, points = Series("as it should be", [0, 1], [0, 1], "dashed", "#888"), [row["said"] for row in bins]
    line = Series("", points, [row["share"] for row in bins])
    dots = Series("", points, [row["share"] for row in bins], "dots", ORANGE)
    curve = chart([diagonal, line, dots], f"probability of {of}"[:60], "share that it is true of", SQUARE)
    rows = [(f"{row['low']:.1f} to {row['high']:.1f}", row["samples"], row["said"], row["share"]) for row in bins]
    numbers = table(("from", "samples", "mean probability", "share"), rows)
    return paragraph(error) + figures(curve, _roc(one, subject, at)) + numbers


def _roc(one: Mapping[str, Any], subject: Subject, at: int) -> str:
    if not np.isfinite(one.get("roc_auc", np.nan)):
        return ""
    net = subject.net
    if LOSSES[net.loss_name].classifies:
        y, at = subject.y == 1, 1
    else:
        y = subject.y.reshape(len(subject.y), -1)[:, at] > 0.5
    false, true = roc_curve(y, net.predict_proba(subject.X)[:, at])
    chance = Series("chance", [0, 1], [0, 1], "dashed", "#888")
    return chart([chance, Series("", false, true)], "share of the others taken for it", "share that is found", SQUARE)

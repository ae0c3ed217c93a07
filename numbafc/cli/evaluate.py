"""`numbafc evaluate`."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.cells import cell_len

from ..files import datasets
from ..files.checkpoint import load
from ..nn import LOSSES, MLP, metrics
from . import options, screen
from .sources import class_names, score_name, source_for

EXAMPLES = """
numbafc evaluate digits.safetensors digits
numbafc evaluate iris.safetensors iris.csv --target species --json
"""


def evaluate(
    model: options.Model,
    data: options.Data,
    target: options.Target = None,
    labels: options.Labels = None,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    na: options.Missing = None,
    as_json: options.Json = False,
) -> None:
    """Print how good a model is on a data set.

    Loss and accuracy, and the precision and recall of each class; of real targets R², and the errors in their own units.
    If these are the samples that the model was trained and validated on, also loss and score of the latter.
    """
    net = load(model)
    written = options.dialect(delimiter, decimal, encoding, header, na)
    dataset = source_for(net, data, target, written, labels).read_for(net)
    whole, others, (kind, table) = _measured(net, dataset), _others(net, dataset), _table(net, dataset)
    if as_json:
        rest = None if others is None else _measured(net, others)
        result = {"model": str(model), "data": str(data), "score_is": score_name(net), **whole, "others": rest}
        screen.print_json({**result, kind: _records(table)})
        return
    lines = [
        dataset.describe(),
        f"loss {screen.decimal(whole['loss'])}",
        f"{score_name(net)} {screen.decimal(whole['score'])}",
    ]
    if others is not None:
        seen, rest = whole["samples"] - len(others.X), _measured(net, others)
        lines.append(
            f"trained on {seen} of these {whole['samples']} samples; on the {rest['samples']} others: "
            f"loss {screen.decimal(rest['loss'])}, {score_name(net)} {screen.decimal(rest['score'])}"
        )
    screen.say(*lines, *_aligned(table))


def _measured(net: MLP, dataset: datasets.Dataset) -> dict[str, Any]:
    loss, score = net.loss(dataset.X, dataset.y), net.score(dataset.X, dataset.y)
    return {"samples": len(dataset.X), "loss": loss, "score": score}


def _others(net: MLP, dataset: datasets.Dataset) -> datasets.Dataset | None:
    """The samples that were held out, if `numbafc train` trained the network on a part of this data set."""
    count = 0 if net.training is None else len(dataset.X) - net.training.samples
    if count <= 0:
        return None
    training, others = dataset.split(count / len(dataset.X), net.seed)
    weights = (
        (None, "balanced") if LOSSES[net.loss_name].classifies else (None,)
    )  # --class-weight, of which a file says nothing
    return others if any(net.was_trained_on(training.X, training.y, class_weight=weight) for weight in weights) else None


def _table(net: MLP, dataset: datasets.Dataset) -> tuple[str, dict[str, Any]]:
    """A word for the outputs, and a table of each one's name and measures: columns by their names."""
    y, predicted, names = dataset.y, net.predict(dataset.X), class_names(net)
    if LOSSES[net.loss_name].classifies:
        return "classes", {"class": names, **metrics.of_classes(y, predicted, len(names))._asdict()}
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    if net.loss_name == "binary_cross_entropy":
        return "labels", {"label": names, **metrics.of_labels(y > 0.5, predicted > 0)._asdict()}
    return "outputs", {"output": names, **metrics.of_reals(y, predicted)._asdict()}


def _records(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _aligned(table: dict[str, Any]) -> list[str]:
    """The table in lines: names to the left, numbers to the right."""
    columns = [[HEADINGS.get(name, name), *map(_cell, column)] for name, column in table.items()]
    widths = [max(map(cell_len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    return ["  ".join([screen.padded(row[0], widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


HEADINGS = {"r2": "R²", "rmse": "RMSE", "mae": "MAE"}


def _cell(value: Any) -> str:
    if isinstance(value, np.floating):
        return "–" if np.isnan(value) else screen.decimal(float(value))
    return screen.label(str(value))

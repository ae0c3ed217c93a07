"""`numbafc evaluate`."""

from __future__ import annotations

from typing import Any

import typer

from ..files import datasets
from ..files.checkpoint import load
from ..nn import LOSSES
from ..nn.members import Model
from ..nn.pooled import networks
from . import aligned, ensemble, measures, options, reports, screen
from .outputs import check_writable
from .sources import class_names, score_name, source_for

EXAMPLES = """
numbafc evaluate digits.safetensors digits
numbafc evaluate iris.safetensors iris.csv --target species --json
numbafc evaluate iris.safetensors iris.csv --report iris.html
"""


def evaluate(
    context: typer.Context,
    model: options.Model,
    data: options.Data,
    target: options.Target = None,
    labels: options.Labels = None,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    na: options.Missing = None,
    report: options.Report = None,
    as_json: options.Json = False,
) -> None:
    """Print how good a model is on a data set.

    Loss and accuracy, precision, recall and F1 of each class, which classes are taken for which, and whether probabilities
    mean what they say; of real targets R², and the errors in their own units with their quantiles. If these are the
    samples that the model was trained and validated on, also loss and score of the latter.
    """
    reports.check(report)
    net = load(model)
    source = source_for(net, data, target, options.dialect(delimiter, decimal, encoding, header, na), labels)
    if report is not None:
        check_writable("--report", report, *source.files, model)
    dataset = source.read_for(net)
    whole, others = _measured(net, dataset), _others(net, dataset)
    found = measures.of(net, dataset.X, dataset.y, class_names(net))
    if report is not None:
        reports.of_evaluation(report, net, source, (dataset, others), context)
    if as_json:
        rest = None if others is None else _measured(net, others)
        members = len(networks(net))
        result = {
            "model": str(model),
            "members": members,
            "data": source.name,
            "score_is": score_name(net),
            **whole,
            "others": rest,
        }
        screen.print_json({**result, **found})
        return
    lines = [
        ", ".join(filter(None, (dataset.describe(), ensemble.averaged(net)))),
        f"loss {screen.decimal(whole['loss'])}",
        f"{score_name(net)} {screen.decimal(whole['score'])}",
    ]
    if others is not None:
        seen, rest = whole["samples"] - len(others.X), _measured(net, others)
        lines.append(
            f"trained on {seen} of these {whole['samples']} samples; on the {rest['samples']} others: "
            f"loss {screen.decimal(rest['loss'])}, {score_name(net)} {screen.decimal(rest['score'])}"
        )
    if report is not None:
        lines.append(f"wrote {report}")
    screen.say(*lines, *aligned.lines(found, aligned.width()))


def _measured(net: Model, dataset: datasets.Dataset) -> dict[str, Any]:
    loss, score = net.loss(dataset.X, dataset.y), net.score(dataset.X, dataset.y)
    return {"samples": len(dataset.X), "loss": loss, "score": score}


def _others(net: Model, dataset: datasets.Dataset) -> datasets.Dataset | None:
    """The samples that were held out, if `numbafc train` trained the network on a part of this data set."""
    count = 0 if net.training is None else len(dataset.X) - net.training.samples
    if count <= 0:
        return None
    training, others = dataset.split(count / len(dataset.X), net.seed)
    weights = (
        (None, "balanced") if LOSSES[net.loss_name].classifies else (None,)
    )  # --class-weight, of which a file says nothing
    return others if any(net.was_trained_on(training.X, training.y, class_weight=weight) for weight in weights) else None

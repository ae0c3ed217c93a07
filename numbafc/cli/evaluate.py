"""`numbafc evaluate`."""

from __future__ import annotations

from typing import Any

import typer

from ..files import datasets
from ..files.checkpoint import load
from ..nn.members import Model
from ..nn.pooled import Answering, networks
from . import aligned, ensemble, measures, options, reports, screen, seen
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
    whole, known = _measured(net, dataset), seen.of(net, dataset)
    others = None if known.others is None else known.others[0]
    found = measures.of(net, dataset.X, dataset.y, class_names(net))
    if report is not None:
        reports.of_evaluation(report, net, source, dataset, known, context)
    if as_json:
        rest = None if others is None else _measured(net, others)
        result = {
            "model": str(model),
            "members": len(networks(net)),
            "data": source.name,
            "score_is": score_name(net),
            **whole,
            "trained_on": known.trained,
            "others": rest,
            "out_of_fold": None if known.out_of_fold is None else _measured(known.out_of_fold, dataset),
        }
        screen.print_json({**result, **found})
        return
    lines = [
        ", ".join(filter(None, (dataset.describe(), ensemble.averaged(net)))),
        f"loss {screen.decimal(whole['loss'])}",
        f"{score_name(net)} {screen.decimal(whole['score'])}",
    ]
    lines += _of_training(net, dataset, known)
    if report is not None:
        lines.append(f"wrote {report}")
    screen.say(*lines, *aligned.lines(found, aligned.width()))


def _of_training(net: Model, dataset: datasets.Dataset, known: seen.Seen) -> list[str]:
    """A line, where the model was trained on some of these samples."""
    count = len(dataset.X)
    if known.out_of_fold is not None:
        found = _measured(known.out_of_fold, dataset)
        return [f"trained on these {count} samples in folds; out of fold: {_in_words(net, found)}"]
    if known.others is not None:
        found = _measured(net, known.others[0])
        on = f"on the {found['samples']} others"
        return [f"trained on {known.trained} of these {count} samples; {on}: {_in_words(net, found)}"]
    return [f"trained on all of these {count} samples: on new ones it is worse"] if known.trained else []


def _in_words(net: Model, found: dict[str, Any]) -> str:
    return f"loss {screen.decimal(found['loss'])}, {score_name(net)} {screen.decimal(found['score'])}"


def _measured(net: Answering, dataset: datasets.Dataset) -> dict[str, Any]:
    loss, score = net.loss(dataset.X, dataset.y), net.score(dataset.X, dataset.y)
    return {"samples": len(dataset.X), "loss": loss, "score": score}

"""`numbafc predict`."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer

from ..files import datasets
from ..files.checkpoint import load
from ..files.replacing import write_whole
from ..nn import LOSSES
from . import options
from .outputs import check_writable
from .screen import encoded, print_data, say
from .sources import class_names, is_digits, require_features, score_name

EXAMPLES = """
numbafc predict iris.safetensors flowers.csv --out species.csv
numbafc predict digits.safetensors digits --probabilities
"""


def predict(
    model: options.Model,
    data: options.Data,
    target: options.Target = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Of each class, a column for each, below a header of their names.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where to write the predictions. [default: the screen]")] = None,
) -> None:
    """Print a model's prediction for each sample.

    One per line. A column with targets may be there; it is not used. In a file or a pipe these are a csv in UTF-8 with the
    labels as they are; on a terminal what cannot be printed in a label is written as \\x1b is.
    """
    net = load(model)
    if probabilities and score_name(net) != "accuracy":
        raise ValueError(f"--probabilities is for classes, but {model} was trained with the loss {net.loss_name!r}")
    if is_digits(data):
        X = datasets.digits(net.dtype).X
        require_features(X, net, data)
    else:
        X = datasets.load_samples(data, net.sizes[0], target=target, dtype=net.dtype, names=net.features)
    if out is not None:
        check_writable("--out", out, data, model)
    rows = net.predict_proba(X) if probabilities else net.predict(X).reshape(len(X), -1)
    names = net.classes if LOSSES[net.loss_name].classifies and not probabilities else None
    table: list[str] = []
    # a label with any end of a line in it is quoted where the writer's own has both letters
    writer = csv.writer(SimpleNamespace(write=lambda row: table.append(f"{row[:-2]}\n")), lineterminator="\r\n")
    if probabilities:
        writer.writerow(class_names(net))
    # a number of the dtype has in str as few digits as tell it from its neighbours
    writer.writerows([str(number) if names is None else names[number] for number in row] for row in rows)
    if out is None:
        print_data(table)
    else:
        write_whole(out, encoded(table))
        say(f"wrote {len(X)} predictions to {out}")

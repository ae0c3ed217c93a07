"""`numbafc predict`."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from ..files import datasets
from ..files.checkpoint import load
from ..files.invalid import InvalidFile
from ..files.replacing import write_whole
from ..nn import LOSSES
from ..nn.mapped import MappedRows
from . import options
from .outputs import check_writable
from .screen import encoded, print_data, say
from .sources import Kept, Source, class_names, is_digits, kept, require_features, score_name, source_for

ROWS = 1 << 14  # that are predicted and written at a time

EXAMPLES = """
numbafc predict iris.safetensors flowers.csv --out species.csv
numbafc predict houses.safetensors new.csv --keep id --out prices.csv
numbafc predict digits.safetensors digits --probabilities
"""


def predict(
    model: options.Model,
    data: options.Data,
    target: options.Target = None,
    keep: Annotated[
        str | None, typer.Option(help="Columns of the table to write beside the predictions, with commas between: id,name.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Of each class, a column for each, below a header of their names.")
    ] = False,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    na: options.Missing = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the predictions. [default: the screen]")] = None,
) -> None:
    """Print a model's prediction for each sample.

    One per line, in real units or as labels; for a table below a header. The target's column may be there; it is not used.
    Columns are found by their names, in any order, and others are left alone. In a file or a pipe this is a csv in UTF-8
    with the labels as they are; on a terminal what cannot be printed in a label is written as \\x1b is.
    """
    net = load(model)
    if probabilities and score_name(net) != "accuracy":
        raise ValueError(f"--probabilities is for classes, but {model} was trained with the loss {net.loss_name!r}")
    source = source_for(net, data, target, options.dialect(delimiter, decimal, encoding, header, na))
    if out is not None:
        check_writable("--out", out, *source.files, model)
    X, beside = _samples(net, source, options.names(keep))
    parts = _predicted(net, X, beside, probabilities)
    if probabilities or net.table is not None:
        names = [*options.names(keep), *(class_names(net) if probabilities else net.table.target_names)]
        parts = itertools.chain([[names]], parts)
    if out is None:
        for part in parts:
            print_data(_csv(part))
    else:
        write_whole(out, (encoded(_csv(part)) for part in parts))
        say(f"wrote {len(X)} predictions to {out}")


def _predicted(net: Any, X: Any, beside: Kept, probabilities: bool) -> Iterator[list[list[str]]]:
    """The lines of the predictions, a cell for each column, some at a time. beside: the cells before them."""
    names = net.classes if LOSSES[net.loss_name].classifies and not probabilities else None
    step = min(ROWS, X.part) if isinstance(X, MappedRows) else ROWS
    for first in range(0, len(X), step):
        part = X[first : first + step]
        rows = net.predict_proba(part) if probabilities else net.predict(part).reshape(len(part), -1)
        # a number of the dtype has in str as few digits as tell it from its neighbours
        cells = [[str(number) if names is None else names[number] for number in row] for row in rows]
        yield [[*before, *row] for before, row in zip(beside(first, first + len(part)), cells, strict=True)]


def _samples(net: Any, source: Source, keep: Sequence[str]) -> tuple[Any, Kept]:
    """The inputs of the network, and the cells of the columns to keep."""
    if net.table is not None:
        return source.inputs_for(net, keep)
    source.refuse_beside_no_table()
    if keep:
        raise InvalidFile(source.first, "--keep is for models of tables, whose columns have names; leave it out")
    if is_digits(source.first):
        X = datasets.digits(net.dtype).X
        require_features(X, net, source.first)
        return X, kept(source.first, None, ())
    X = datasets.load_samples(
        source.first, net.sizes[0], target=source.target, dtype=net.dtype, names=net.features, dialect=source.dialect
    )
    return X, kept(source.first, None, ())


def _csv(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a csv file, each with its end."""
    lines: list[str] = []
    # a label with any end of a line in it is quoted where the writer's own has both letters
    writer = csv.writer(SimpleNamespace(write=lambda row: lines.append(f"{row[:-2]}\n")), lineterminator="\r\n")
    writer.writerows(rows)
    return lines

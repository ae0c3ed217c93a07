"""The arguments and options of the commands: their names, their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..files.dialect import Dialect
from ..nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ..nn.initializers import INITIALIZERS
from ..nn.recipe import SETTINGS
from ..tables import Choices
from ..tables.choices import TASKS
from .curves import SUFFIXES


def _one_of(names: object) -> str:
    return f"one of {', '.join(map(str, names))}."  # type: ignore[call-overload]


USUAL: dict[str, Any] = {name: setting.default for name, setting in SETTINGS.items()}  # fit's own defaults

Data = Annotated[
    list[Path] | None,
    typer.Argument(
        help="A table (csv, tsv, parquet, Excel; also in gzip), or an npy, npz or IDX file; several tables of one kind; - "
        "for standard input; or the word digits: 1797 images.",
        show_default=False,
    ),
]
Model = Annotated[Path, typer.Argument(help="A model that `numbafc train` saved.", show_default=False)]
Target = Annotated[
    str | None,
    typer.Option(help="The target's column, by name or number; several with commas between. [default: last]"),
]
Labels = Annotated[
    Path | None, typer.Option(help="The file of an IDX file's targets. [default: the one beside it, named as MNIST's are]")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]

Delimiter = Annotated[
    str | None, typer.Option(help="Between two cells of a text table: , ; tab or another. [default: found]")
]
Decimal = Annotated[str | None, typer.Option(help="The sign before a number's fraction: . or ,  [default: found]")]
Encoding = Annotated[str | None, typer.Option(help="Of a text table, such as utf-8, utf-16, latin-1. [default: found]")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="The first line has the columns' names. [default: found]")
]
Missing = Annotated[str | None, typer.Option(help="More words that stand for a missing cell, such as 'none,99'.")]
Categorical = Annotated[str | None, typer.Option(help="Columns whose values are categories, whatever they look like.")]
Numeric = Annotated[str | None, typer.Option(help="Columns whose values are numbers.")]
Dates = Annotated[str | None, typer.Option(help="Columns whose values are dates or times.")]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out.")]
Keep = Annotated[str | None, typer.Option(help="Columns to use that would be left out.")]

Task = Annotated[str, typer.Option(help=f"What the target is: {_one_of(TASKS)} Auto: decided from all of it.")]
RecipeName = Annotated[
    str,
    typer.Option(
        help="What the options that are not given stand for: realmlp (three hidden layers of 256 and a schedule, good for "
        "tables without tuning), plain (the defaults shown here), or auto: realmlp for tables, plain for arrays."
    ),
]
Members = Annotated[int, typer.Option(help="Networks that are trained side by side and averaged.")]
Folds = Annotated[
    int | None,
    typer.Option(help="So many members, each of which holds out a fold of its own. [default: none]"),
]
TimeLimit = Annotated[float | None, typer.Option(help="Seconds after which no further epoch begins. [default: none]")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the model's file even by one that is worse than chance, or diverged.")
]
Split = Annotated[float, typer.Option(help="Share of the samples that is held out, to validate on; 0: none.")]
Hidden = Annotated[str, typer.Option(help="Sizes of the hidden layers, separated by commas; '' for none.")]
Activation = Annotated[str, typer.Option(help=f"Of the hidden layers: {_one_of(ACTIVATIONS)}")]
Init = Annotated[str, typer.Option(help=f"Of the weights: {_one_of(INITIALIZERS)}")]
Loss = Annotated[str, typer.Option(help=f"Auto is cross_entropy for classes, mse for real targets; {_one_of(LOSSES)}")]
LabelSmoothing = Annotated[float, typer.Option(help="For cross_entropy: the share of the target that all classes get.")]
ClassWeight = Annotated[
    str | None, typer.Option(help="The word balanced: rare classes count as much as frequent ones. [default: none]")
]
Optimizer = Annotated[str, typer.Option(help=_one_of(OPTIMIZERS).capitalize())]
LearningRate = Annotated[float | None, typer.Option(help="[default: the optimizer's own]")]
Schedule = Annotated[str, typer.Option(help=f"Of the learning rate: {_one_of(SCHEDULES)}")]
BatchSize = Annotated[int, typer.Option(help="Samples in a minibatch.")]
Epochs = Annotated[int, typer.Option(help="Passes over the training samples; with --resume, in all.")]
Dropout = Annotated[float, typer.Option(help="Share of the hidden units that is left out of each step.")]
WeightDecay = Annotated[float | None, typer.Option(help="Of the optimizer. [default: the optimizer's own]")]
ClipNorm = Annotated[float | None, typer.Option(help="The largest length of a minibatch's gradient. [default: any]")]
ClipSampleNorm = Annotated[float | None, typer.Option(help="The largest length of a sample's gradient. [default: any]")]
EarlyStopping = Annotated[
    int | None,
    typer.Option(help="End after so many epochs that were no better, and keep the best. [default: all epochs]"),
]
Seed = Annotated[int, typer.Option(help="Of the split, the initial weights, the order of samples, dropout.")]
Dtype = Annotated[str, typer.Option(help="float32 or float64.")]
Threads = Annotated[int | None, typer.Option(help="[default: all cores]")]
Out = Annotated[Path | None, typer.Option(help="The model's file. [default: NAME.safetensors, here]")]
Resume = Annotated[Path | None, typer.Option(help="Go on with the training in this model's file, on the same data.")]
Plot = Annotated[Path | None, typer.Option(help=f"Draw loss and score over the epochs: {', '.join(SUFFIXES)}.")]
Report = Annotated[Path | None, typer.Option(help="Write a page about the model to this .html file.")]
Mpi = Annotated[bool, typer.Option("--mpi", help="Insist on several processes; under mpiexec they are found without it.")]
FindRate = Annotated[bool, typer.Option("--find-rate", help="Look for a good --learning-rate, and end; --plot draws it.")]


def names(text: str | None) -> tuple[str, ...]:
    """The names in an option, which has commas between them."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def choices(categorical: str | None, numeric: str | None, dates: str | None, drop: str | None, keep: str | None) -> Choices:
    """What is said of a table's columns."""
    return Choices(None, names(categorical), names(numeric), names(dates), names(drop), names(keep))


def dialect(
    delimiter: str | None, decimal: str | None, encoding: str | None, header: bool | None, na: str | None
) -> Dialect:
    """What is said of how a text table is written."""
    return Dialect(delimiter, decimal, encoding, header, names(na))

"""The arguments and options of the commands: their names, their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ..nn.initializers import INITIALIZERS
from ..nn.recipe import SETTINGS
from .curves import SUFFIXES


def _one_of(names: object) -> str:
    return f"one of {', '.join(map(str, names))}."  # type: ignore[call-overload]


USUAL: dict[str, Any] = {name: setting.default for name, setting in SETTINGS.items()}  # fit's own defaults

Data = Annotated[
    Path, typer.Argument(help="A .csv, .npy, .npz or IDX file, or the word digits: 1797 images.", show_default=False)
]
Model = Annotated[Path, typer.Argument(help="A model that `numbafc train` saved.", show_default=False)]
Target = Annotated[
    str | None, typer.Option(help="The target's column in a csv or npy file, by name or number. [default: last]")
]
Labels = Annotated[
    Path | None, typer.Option(help="The file of an IDX file's targets. [default: the one beside it, named as MNIST's are]")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]

Split = Annotated[float, typer.Option(help="Share of the samples that is held out, to validate on.")]
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
FindRate = Annotated[bool, typer.Option("--find-rate", help="Look for a good --learning-rate, and end; --plot draws it.")]

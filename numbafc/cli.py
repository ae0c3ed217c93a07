"""The command `numbafc`: train, evaluate, predict, info.

Exit codes: 0 done, 1 training diverged, 2 bad input (with one sentence), 130 interrupted.
"""

from __future__ import annotations

import csv
import functools
import io
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from . import __version__, _jit
from .checks import choice, count, number
from .files import datasets
from .files.checkpoint import load
from .files.invalid import InvalidFile
from .files.replacing import write_whole
from .nn import ACTIVATIONS, LOSSES, MLP, OPTIMIZERS, SCHEDULES, EpochRecord

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take [default: …] for markup, and hide it
    help="Fully-connected networks on the CPU: fast, and the same bits every time.",
)

DIGITS = Path("digits")  # the word for the embedded data set
for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without "²" loses that sign, not the training
TEXT = Console(soft_wrap=True, highlight=False, markup=False)

Data = Annotated[Path, typer.Argument(help="A .csv, .npy or .npz file, or the word digits.", show_default=False)]
Model = Annotated[Path, typer.Argument(help="A model that `numbafc train` saved.", show_default=False)]
Target = Annotated[
    str | None, typer.Option(help="The target's column in a csv or npy file, by name or number. [default: last]")
]


def _in_one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Bad input ends a command with one sentence and exit code 2, a divergence with 1; never with a traceback."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
            typer.echo(f"numbafc: {_sentence(error)}", err=True)
            raise typer.Exit(1 if isinstance(error, FloatingPointError) else 2) from None

    return wrapped


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


@app.command(
    epilog="Examples:  numbafc train  ·  numbafc train iris.csv --target species --epochs 100  ·  "
    "numbafc train data.npz --epochs 50 --out model.safetensors"
)
@_in_one_sentence
def train(
    data: Annotated[Path, typer.Argument(help="A .csv, .npy or .npz file, or the word digits: 1797 images.")] = DIGITS,
    target: Target = None,
    hidden: Annotated[str, typer.Option(help="Sizes of the hidden layers, separated by commas; '' for none.")] = "128",
    activation: Annotated[str, typer.Option(help=f"One of {', '.join(ACTIVATIONS)}.")] = "relu",
    loss: Annotated[
        str,
        typer.Option(help=f"One of auto, {', '.join(LOSSES)}; auto is cross_entropy for classes, mse for real targets."),
    ] = "auto",
    optimizer: Annotated[str, typer.Option(help=f"One of {', '.join(OPTIMIZERS)}.")] = "adam",
    learning_rate: Annotated[float | None, typer.Option(help="[default: the optimizer's own]")] = None,
    schedule: Annotated[str, typer.Option(help=f"Of the learning rate: {', '.join(SCHEDULES)}.")] = "constant",
    batch_size: Annotated[int, typer.Option(help="Samples in a minibatch.")] = 32,
    epochs: Annotated[int, typer.Option(help="Passes over the training samples.")] = 20,
    test_share: Annotated[float, typer.Option(help="Share of the samples that is held out for the test.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the split, the initial weights and the order of samples.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(help="[default: all cores]")] = None,
    out: Annotated[Path | None, typer.Option(help="The model's file. [default: NAME.safetensors, here]")] = None,
) -> None:
    """Train a network, show how it does on held-out samples, and save it."""
    task = "auto"
    if choice("--loss", loss, ("auto", *LOSSES)) != "auto":
        task = "classification" if LOSSES[loss].classifies else "regression"
    number("--test-share", test_share, 0, exclusive=True, below=1)
    count("--batch-size", batch_size, 1)
    count("--epochs", epochs)
    count("--seed", seed)
    if learning_rate is not None:
        number("--learning-rate", learning_rate, 0, exclusive=True)
    sizes = _sizes(hidden)
    dataset = _read(data, target, task, dtype)
    if len(dataset.X) < 2:
        raise InvalidFile(data, "training needs at least 2 samples, one of them for the test")
    path = out or Path(f"{Path(dataset.name).stem}.safetensors")
    _check_writable(path, data)
    if threads is not None:
        _jit.set_num_threads(threads)
    training, test = dataset.split(test_share, seed)
    net = _network(dataset, sizes, activation, loss, dtype, seed)
    net.standardize(training.X)
    TEXT.print(dataset.describe())
    layers = "-".join(map(str, net.sizes))
    TEXT.print(f"layers {layers}, {net.activation}, {net.loss_name}, {net.parameters.size} parameters")
    TEXT.print(f"{len(training.X)} samples to train on, {len(test.X)} to test")
    options = {
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "batch_size": batch_size,
        "epochs": epochs,
    }
    finished = _fit(net, training, test, options)
    verb = "replaced" if path.exists() else "saved"
    net.save(path)
    TEXT.print(f"{'' if finished else 'interrupted; '}{verb} {path}; use it:")
    arguments = shlex.join([str(path), str(data), *([] if target is None else ["--target", target])])
    for use in (f"numbafc evaluate {arguments}", f"numbafc predict {arguments}", f"numbafc.load({str(path)!r}) in Python"):
        TEXT.print(f"  {use}")
    TEXT.print(f"test {_score_name(net)} {net.score(test.X, test.y):.4f}")
    if not finished:
        raise typer.Exit(130)


def _fit(net: MLP, training: datasets.Dataset, test: datasets.Dataset, options: dict[str, Any]) -> bool:
    """Train with a display; whether it came to its end. Ctrl-C in the first epoch ends the command."""
    with Display(options["epochs"], _score_name(net)) as show:
        try:
            net.fit(training.X, training.y, validation=(test.X, test.y), callbacks=(show,), **options)
            return True
        except KeyboardInterrupt:
            pass
    if show.epoch == 0:
        TEXT.print("interrupted in the first epoch; nothing is saved")
        raise typer.Exit(130)
    return False


@app.command(epilog="Example:  numbafc evaluate iris.safetensors iris.csv --target species")
@_in_one_sentence
def evaluate(model: Model, data: Data, target: Target = None) -> None:
    """Print a model's loss and accuracy (R² for real targets) on a data set."""
    net = load(model)
    dataset = _read(data, target, "classification" if LOSSES[net.loss_name].classifies else "regression", net.dtype)
    TEXT.print(dataset.describe())
    y = dataset.y
    if net.classes is not None and dataset.classes is not None:
        y = datasets.encode(np.array(dataset.classes)[y], net.classes, data)
    TEXT.print(f"loss {net.loss(dataset.X, y):.4f}\n{_score_name(net)} {net.score(dataset.X, y):.4f}")


@app.command(epilog="Example:  numbafc predict iris.safetensors flowers.csv --out species.csv")
@_in_one_sentence
def predict(
    model: Model,
    data: Data,
    target: Target = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the predictions. [default: the screen]")] = None,
) -> None:
    """Print a model's prediction for each sample, one per line. A column with targets may be there; it is not used."""
    net = load(model)
    embedded = data == DIGITS and not data.is_file()
    predictions = net.predict(
        datasets.digits().X if embedded else datasets.load_samples(data, net.sizes[0], target=target, dtype=net.dtype)
    )
    if net.classes is not None:
        rows = [[net.classes[k]] for k in predictions]
    else:
        rows = predictions.reshape(len(predictions), -1).tolist()
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    text = table.getvalue()
    if out is None:
        typer.echo(text, nl=False)
    else:
        _check_writable(out, data, model)
        write_whole(out, text.encode())
        TEXT.print(f"wrote {len(rows)} predictions to {out}")


@app.command()
@_in_one_sentence
def info() -> None:
    """Print what decides how fast this machine trains: versions, threads, CPU features, cache."""
    for name, value in {"numbafc": __version__, **_jit.environment()}.items():
        TEXT.print(f"{name.replace('_', ' '):16}{' '.join(value) if isinstance(value, list) else value}")


def _read(data: Path, target: str | None, task: str, dtype: Any) -> datasets.Dataset:
    """The data set in a file, or the embedded one."""
    if data == DIGITS and not data.is_file():
        if target is not None or task == "regression":
            raise ValueError(
                "the embedded digits are images and their classes: neither --target nor a loss of real targets applies"
            )
        return datasets.digits(dtype)
    return datasets.load(data, target=target, task=task, dtype=dtype)


class Display:
    """The progress of a training: a bar on a terminal, a line per epoch elsewhere. The value is a callback for fit."""

    def __init__(self, epochs: int, score: str) -> None:
        self.epoch, self.epochs, self.score = 0, epochs, score
        self.bar = Progress(
            TextColumn(
                "{task.completed}/{task.total}", table_column=Column(no_wrap=True, min_width=2 * len(str(epochs)) + 1)
            ),
            BarColumn(bar_width=12),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=TEXT,
            disable=not TEXT.is_terminal,
        )
        self.task = self.bar.add_task("compiling", total=epochs)

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def __call__(self, record: EpochRecord) -> None:
        self.epoch = record.epoch
        scores = f"train {record.score:.3f} test" if np.isfinite(record.score) else "test"
        line = f"loss {record.loss:.4f}, {self.score} {scores} {record.validation_score:.3f}"
        self.bar.update(self.task, completed=record.epoch, description=line)
        if not TEXT.is_terminal:
            speed = record.samples / record.seconds
            TEXT.print(f"epoch {record.epoch}/{self.epochs}: {line}, {speed:.0f} samples/s")


def _network(dataset: datasets.Dataset, hidden: list[int], activation: str, loss: str, dtype: str, seed: int) -> MLP:
    outputs = len(dataset.classes) if dataset.classes is not None else dataset.y.reshape(len(dataset.y), -1).shape[1]
    if loss == "auto":
        loss = "mse" if dataset.classes is None else "cross_entropy"
    net = MLP([dataset.X.shape[1], *hidden, outputs], activation, loss, dtype, seed)
    net.classes = dataset.classes
    return net


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",") if size.strip()]
    except ValueError:
        raise ValueError(f"--hidden must be sizes separated by commas, such as 128,64, got {text!r}") from None
    return [count("--hidden", size, 1) for size in sizes]


def _score_name(net: MLP) -> str:
    return "accuracy" if LOSSES[net.loss_name].classifies or net.loss_name == "binary_cross_entropy" else "R²"


def _check_writable(path: Path, *inputs: Path) -> None:
    """Refuse a file that cannot or must not be written before the work, not after it. Raises OSError or ValueError."""
    folder = Path(os.path.realpath(path)).parent
    special = path.exists() and not path.is_file()
    if special or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise OSError(f"{path} cannot be written: expected a file in a folder that exists and is writable")
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise ValueError(f"--out {path} is the file that is read; give the output a name of its own")

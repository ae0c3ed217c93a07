"""The options of `numbafc train` as settings of a network and of its training, checked before any data are read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import typer

from .. import _numba, checks
from ..files import datasets
from ..files.checkpoint import load
from ..files.invalid import InvalidFile
from ..files.opening import require_free
from ..nn import ACTIVATIONS, LOSSES, MLP, OPTIMIZERS, Members, realmlp
from ..nn.initializers import INITIALIZERS
from ..nn.pooled import networks
from ..nn.progress import Progress
from ..nn.recipe import OF_OPTIMIZER, SETTINGS
from ..tables.choices import TASKS
from .recipes import RECIPES

OF_NETWORK = ("hidden", "activation", "init", "loss", "label_smoothing", "dtype", "seed")
# epochs are a run's, the others are set in Python alone
NO_OPTIONS = ("epochs", "shuffle", "drop_last", "best_epoch", "rate_factors", "ntp")
OF_TRAINING = (*(name for name in SETTINGS if name not in NO_OPTIONS), "weight_decay")
OF_DATA: dict[str, Any] = {"validation_split": 0.2, "folds": None, "class_weight": None}  # what no file has, its default
COPIES = 2  # of the parameters: these, and those before the epoch
OF_CLASSES = "label_smoothing", "class_weight"

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **{name: setting.check for name, setting in SETTINGS.items()},
    "batch_size": partial(checks.count, least=1),  # more than there are samples is one batch
    "epochs": partial(checks.int64, least=1),
    "weight_decay": partial(checks.number, least=0),
    "activation": partial(checks.choice, known=ACTIVATIONS),
    "init": partial(checks.choice, known=INITIALIZERS),
    "loss": partial(checks.choice, known=("auto", *LOSSES)),
    "label_smoothing": checks.fraction,
    "dtype": partial(checks.choice, known=get_args(checks.DtypeName)),
    "seed": checks.count,
    "class_weight": partial(checks.choice, known=("balanced",)),
    "validation_split": partial(checks.number, least=0, below=1),
    "task": partial(checks.choice, known=TASKS),
    "recipe": partial(checks.choice, known=RECIPES),
    "members": partial(checks.count, least=1),
    "folds": partial(checks.count, least=2),
    "time_limit": checks.positive,
    "threads": partial(checks.count, least=1),
}


def option(name: str) -> str:
    """A parameter as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def check(given: dict[str, Any]) -> None:
    """Refuse a value that no training can have. None stands for what was not given. Raises ValueError."""
    for name, value in given.items():
        if value is not None and name in CHECKS:
            CHECKS[name](option(name), value)
    hidden_sizes(given["hidden"])
    threads, most = given["threads"], _numba.most_threads()
    if threads is not None and threads > most:
        raise ValueError(f"--threads must be at most {most}, got {threads}; for more, set NUMBA_NUM_THREADS first")


def hidden_sizes(text: str) -> list[int]:
    """The sizes in --hidden. Raises ValueError."""
    try:
        sizes = [int(size) for size in text.split(",") if size.strip()]
    except ValueError:
        raise ValueError(f"--hidden must be sizes separated by commas, such as 128,64, got {text!r}") from None
    return [checks.count("--hidden", size, 1) for size in sizes]


def task(loss: str, said: str = "auto") -> str:
    """The kind of targets that a loss needs, in the words of datasets.load; of --loss auto what --task says."""
    if loss == "auto":
        return said
    found = "classification" if LOSSES[loss].classifies else "regression"
    if said not in ("auto", found):
        raise ValueError(f"--loss {loss} is for {found}, got --task {said}; leave one of them out")
    return found


def network(dataset: datasets.Dataset, given: dict[str, Any]) -> MLP:
    """A new network for a data set."""
    outputs = len(dataset.classes) if dataset.classes is not None else int(np.prod(dataset.y.shape[1:], dtype=int))
    loss = given["loss"]
    if loss == "auto":
        loss = "mse" if dataset.classes is None else "cross_entropy"
    refuse_for_reals(given, loss)
    sizes = [dataset.X.shape[1], *hidden_sizes(given["hidden"]), outputs]
    require_memory(sizes, np.dtype(given["dtype"]).itemsize * given.get("members", 1))
    own = {name: given[name] for name in ("label_smoothing", "init", "scaling") if name in given}
    if not LOSSES[loss].classifies:
        own["label_smoothing"] = 0.0
    net = MLP(sizes, given["activation"], loss, given["dtype"], given["seed"], **own)
    net.classes, net.features, net.table = dataset.classes, dataset.features, dataset.table
    return net


def require_memory(sizes: list[int], itemsize: int) -> None:
    """Refuse more parameters than this machine has memory for. Raises MemoryError before any is taken."""
    parameters = sum(N * T + T for N, T in itertools.pairwise(sizes))
    many = str(parameters) if parameters < 10**15 else "more than 10¹⁵"
    what = f"--hidden makes {many} parameters: a training"
    require_free(COPIES * parameters * itemsize, what, "ask for smaller layers")


def untrained(net: MLP | Members) -> MLP | Members:
    """The network, or each of the members, as it was before its first step."""
    if isinstance(net, Members):
        return Members([_untrained(one) for one in net])
    return _untrained(net)


def _untrained(net: MLP) -> MLP:
    own: dict[str, Any] = {"label_smoothing": net.label_smoothing, "init": net.init, "scaling": net.scaling}
    first = MLP(net.sizes, net.activation, net.loss_name, net.dtype, net.seed, **own)
    first.table = net.table  # with which targets are float64
    first.input_mean, first.input_scale = net.input_mean, net.input_scale
    first.target_mean, first.target_scale = net.target_mean, net.target_scale
    return first


def refuse_for_reals(given: dict[str, Any], loss: str) -> None:
    """Refuse options that are for classes beside a loss that is not. Raises ValueError."""
    for name in OF_CLASSES:
        if given[name] and not LOSSES[loss].classifies:
            raise ValueError(f"{option(name)} goes with the loss cross_entropy, and this is {loss}; leave it out")


def training(given: dict[str, Any]) -> dict[str, Any]:
    """The settings as MLP.fit takes them."""
    own = {name: given[name] for name in OF_OPTIMIZER if given[name] is not None}
    others = [name for name in (*OF_TRAINING, *NO_OPTIONS) if name not in ("epochs", "optimizer", *OF_OPTIMIZER)]
    rest = {name: given[name] for name in others if name in given}
    step = given["optimizer"]
    return {"optimizer": OPTIMIZERS[step](**own) if isinstance(step, str) else step, **rest}


def is_given(context: typer.Context, name: str) -> bool:
    """Tell whether a parameter was on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def resumed(path: Path, epochs: int | None) -> MLP | Members:
    """The model in a file, ready to go on to so many epochs in all. Raises InvalidFile or ValueError."""
    model = load(path)
    for net in networks(model):
        if net.training is None:
            raise InvalidFile(path, "there is no training in it to resume; it was saved without")
        done = net.training.done
        if epochs is not None:
            if epochs < done:
                raise ValueError(
                    f"--epochs is the number in all, of which {path} has done {done}: ask for more, got {epochs}"
                )
            net.training = net.training.to(epochs)
    each = [net.training for net in networks(model) if net.training is not None]
    if all(training.finished or (epochs is None and realmlp.ended(training)) for training in each):
        raise ValueError(f"nothing is left to do: {_all_done(path, each[0])}")
    return model


def _all_done(path: Path, training: Progress) -> str:
    """A sentence: why a finished training cannot go on as it is, and what to do."""
    done, waited = len(training.history), training.waited
    if training.stopped:
        return (
            f"early stopping ended {path} after {done} epochs, {waited} of them no better; train anew, with other settings"
        )
    if realmlp.ended(training):
        best = f"no epoch was better than number {training.best_at}"
        return f"{path} stopped by itself after {done} epochs, for {best}; train anew, with other settings"
    if not training.may_be_of(more_epochs(done)):
        kind = type(training.recipe.schedule).__name__
        return f"{path} has done all of its {done} epochs, with which {kind} ended; train anew, for more epochs"
    return f"{path} has done all of its {done} epochs; give --epochs more, such as {more_epochs(done)}"


def more_epochs(done: int) -> int:
    """The number of epochs in all to propose: as many again."""
    return max(2 * done, 1)

"""The settings of a training in a file, next to those on the command line: a job's command may be given again as it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NoReturn

import typer

from ..files import datasets
from ..nn import MLP, OPTIMIZERS, SCHEDULES, Members, recipe
from ..nn.pooled import networks
from ..nn.progress import Progress
from ..nn.recipe import OF_OPTIMIZER
from .settings import OF_NETWORK, OF_TRAINING, hidden_sizes, is_given, option


def of_network(net: MLP | Members) -> dict[str, Any]:
    """The settings of a network by the names of their options, and its own names."""
    return {
        "hidden": list(net.sizes[1:-1]),
        "activation": net.activation,
        "init": net.init,
        "loss": net.loss_name,
        "label_smoothing": net.label_smoothing,
        "dtype": net.dtype.name,
        "seed": net.seed,
        "classes": net.classes,
        "features": net.features,
    }


def of_training(progress: Progress) -> dict[str, Any]:
    """The settings of a training by the names of their options. None stands for what no option was given for."""
    return {name: progress.recipe.setting(name) for name in OF_TRAINING}


def is_recipe(of_fit: dict[str, Any], net: MLP, progress: Progress | None) -> bool:
    """Tell whether a training has these settings of fit, and as many epochs."""
    if progress is None:
        return False
    asked = {name: value for name, value in of_fit.items() if name not in ("epochs", "class_weight", "time_limit")}
    made = recipe.make(**asked, label_smoothing=net.label_smoothing, seed=net.seed)
    return (made, of_fit["epochs"]) == (progress.recipe, progress.epochs)


def require_equal(context: typer.Context, net: MLP | Members, path: Path) -> None:
    """Refuse options on the command line that are other than in the file to resume. Raises ValueError."""
    progress = net.training
    if progress is None:
        return
    members = len(networks(net))
    if is_given(context, "members") and context.params["members"] != members:
        _refuse("members", context.params["members"], str(members), path)
    theirs = of_network(net) | of_training(progress)
    for name in (*OF_NETWORK, *OF_TRAINING):
        if is_given(context, name) and (name, context.params[name]) != ("loss", "auto"):
            mine, then = _as_in_a_file(name, context.params[name], theirs, progress.samples), theirs[name]
            if name == "batch_size":
                then = min(then, progress.samples)
            if mine != then:
                _refuse(name, context.params[name], _as_given(theirs[name]), path)


def _as_in_a_file(name: str, given: Any, theirs: dict[str, Any], samples: int) -> Any:
    """The value of an option as a training has it."""
    if name == "hidden":
        return hidden_sizes(given)
    if name == "batch_size":  # all samples are one batch
        return min(given, samples)
    if name == "schedule":
        return SCHEDULES[given]()
    if name == "optimizer":  # whose rate and decay are options of their own
        own = {setting: theirs[setting] for setting in OF_OPTIMIZER if theirs[setting] is not None}
        return OPTIMIZERS[given](**own)
    return given


def _as_given(value: Any) -> str:
    """A setting of a training as the option has it."""
    if isinstance(value, list):
        return ",".join(map(str, value)) or "''"
    if value is None:
        return "none"
    if dataclasses.is_dataclass(value):
        return f"{value!r:.80}"
    return str(value)


def require_auto(dataset: datasets.Dataset, net: MLP | Members, path: Path) -> None:
    """Refuse --loss auto on the command line where the file to resume has another loss. Raises ValueError."""
    loss = "mse" if dataset.classes is None else "cross_entropy"
    if loss != net.loss_name:
        _refuse("loss", f"auto, which is {loss} for these data", net.loss_name, path)


def _refuse(name: str, given: Any, theirs: str, path: Path) -> NoReturn:
    raise ValueError(
        f"--resume {path!s:.100}: its training has {option(name)} {theirs:.80}, got {given!s:.80}; give the same, leave it "
        "out, or train anew without --resume"
    )

"""How far a training has come, as tensors and a description that JSON can hold, and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import checks
from ..nn import recipe
from ..nn.engine import no_results
from ..nn.mlp import MLP
from ..nn.optimizers import OPTIMIZERS, OURS
from ..nn.recipe import Recipe, Regularization
from ..nn.schedules import SCHEDULES
from ..nn.training import EpochRecord, History, Progress


def can_be_written(progress: Progress) -> bool:
    """Whether optimizer and schedule are numbafc's own, whose settings are all there is to them."""
    return type(progress.recipe.optimizer) in OURS and type(progress.recipe.schedule) in SCHEDULES.values()


def tensors(progress: Progress) -> dict[str, np.ndarray]:
    """The arrays as large as the parameters, and the few numbers whose every bit counts."""
    held = {f"optimizer.{name}": array for name, array in progress.state.items()} | {"results": progress.results}
    kept = {"best": progress.best, "last": progress.last}
    return held | {name: array for name, array in kept.items() if array is not None}


def describe(progress: Progress) -> dict[str, Any]:
    """All but the tensors."""
    settings = progress.recipe
    return {
        "optimizer": _named(settings.optimizer),
        "schedule": _named(settings.schedule),
        "batch_size": settings.batch_size,
        "shuffle": settings.shuffle,
        "early_stopping": settings.early_stopping,
        "regularization": settings.regularization._asdict(),
        "epochs": progress.epochs,
        "samples": progress.samples,
        "fingerprint": progress.fingerprint,
        "order": progress.order,
        "history": [list(record) for record in progress.history],
        "seconds": progress.seconds,
        "best_loss": progress.best_loss,
        "waited": progress.waited,
    }


def restore(description: dict[str, Any], held: dict[str, np.ndarray], net: MLP) -> Progress:
    """The progress that was described. Raises KeyError, TypeError, ValueError or AttributeError where it cannot be one."""
    regularization = {name: _number(name, value) for name, value in description["regularization"].items()}
    made = recipe.make(
        optimizer=_made(OPTIMIZERS, description["optimizer"]),
        schedule=_made({kind.__name__.lower(): kind for kind in SCHEDULES.values()}, description["schedule"]),
        batch_size=description["batch_size"],
        shuffle=description["shuffle"],
        early_stopping=description["early_stopping"],
    )
    settings = dataclasses.replace(made, regularization=_checked(Regularization(**regularization)))
    samples, epochs = checks.count("samples", description["samples"], 1), checks.count("epochs", description["epochs"])
    history = History(_record(record) for record in description["history"])
    if [record.epoch for record in history] != list(range(1, len(history) + 1)):
        raise ValueError("the history's epochs are not 1, 2, 3, …")
    progress = Progress(
        settings,
        epochs,
        samples,
        checks.count("fingerprint", description["fingerprint"]),
        _state(settings, held, net),
        _order(description["order"]),
        history,
        _matching("results", held["results"], no_results()),
        _number("seconds", description["seconds"]),
        _number("best_loss", description["best_loss"]),
        _matching("best", held["best"], net.parameters) if "best" in held else None,
        checks.count("waited", description["waited"]),
        _matching("last", held["last"], net.parameters) if "last" in held else None,
    )
    if not 0 <= progress.results[4] <= progress.batches or progress.results[4] % 1 or progress.results[5]:
        raise ValueError(f"{progress.results[4]} minibatches are done, of {progress.batches}")
    return progress


def _named(settings: Any) -> dict[str, Any]:
    """A dataclass of settings: its name and its fields."""
    return {"name": type(settings).__name__.lower(), **dataclasses.asdict(settings)}


def _made(kinds: dict[str, Any], described: dict[str, Any]) -> Any:
    fields = dict(described)
    return kinds[fields.pop("name")](**fields)


def _checked(regularization: Regularization) -> Regularization:
    for name, value in regularization._asdict().items():
        checks.number(name, value, 0, below=1 if name in ("dropout", "label_smoothing") else np.inf)
    checks.count("seed", regularization.seed)
    return regularization


def _state(settings: Recipe, held: dict[str, np.ndarray], net: MLP) -> dict[str, Any]:
    """The optimizer's state: what it would begin with, filled."""
    state = settings.optimizer.init(net.parameters)
    return {name: _matching(name, held[f"optimizer.{name}"], array) for name, array in state.items()}


def _matching(name: str, tensor: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A copy of the tensor, which is as another array."""
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise ValueError(f"{name} has shape {tensor.shape}, {tensor.dtype}; expected {like.shape}, {like.dtype}")
    return tensor.copy()


def _order(state: dict[str, Any]) -> Mapping[str, Any]:
    """The state of a generator, tried on one."""
    generator = np.random.default_rng()
    generator.bit_generator.state = state
    return generator.bit_generator.state


def _record(record: list[Any]) -> EpochRecord:
    made = EpochRecord(*[_number("a number of the history", value) for value in record])
    checks.count("epoch", made.epoch, 1)
    checks.count("samples", made.samples, 1)
    return made


def _number(name: str, value: Any) -> Any:
    """An integer or a float, of any size; NaN and infinity too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, int) and abs(value) >= 2**63):
        raise TypeError(f"{name} must be a number, got {value!r:.80}")
    return value if math.isfinite(value) else float(value)

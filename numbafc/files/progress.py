"""The progress of a training as tensors and a description that JSON can hold, and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..checks import INT64_END, choice, int64
from ..nn import MLP, recipe
from ..nn.optimizers import OPTIMIZERS, OURS
from ..nn.progress import ENDS, UNKNOWN, EpochRecord, Progress
from ..nn.recipe import OF_OPTIMIZER, SETTINGS, Recipe, Regularization
from ..nn.results import no_results
from ..nn.schedules import SCHEDULES


def can_be_written(progress: Progress) -> bool:
    """Tell whether optimizer, schedule and generator are numbafc's own, whose settings are all there is to them.

    And whether the results are numbers: with weights whose sum overflows they are not, and no reader would take them.
    """
    settings, order = progress.recipe, np.random.default_rng().bit_generator.state
    ours = type(settings.optimizer) in OURS and type(settings.schedule) in SCHEDULES.values()
    return ours and progress.order["bit_generator"] == order["bit_generator"] and bool(np.isfinite(progress.results).all())


def tensors(progress: Progress) -> dict[str, np.ndarray]:
    """The tensors of a progress: arrays as large as the parameters, and the few numbers whose every bit counts."""
    held = {f"optimizer.{name}": array for name, array in progress.state.items()} | {"results": progress.results}
    kept = {"best": progress.best, "last": progress.last, "begun": progress.begun}
    return held | {name: array for name, array in kept.items() if array is not None}


def describe(progress: Progress) -> dict[str, Any]:
    """The description of a progress: all but the tensors."""
    settings = progress.recipe
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)} | {
        "optimizer": _named(settings.optimizer),
        "schedule": _named(settings.schedule),
        "regularization": settings.regularization.described,
        "epochs": progress.epochs,
        "samples": progress.samples,
        "fingerprint": progress.fingerprint,
        "digest": progress.digest,
        "validation": progress.validation,
        "order": progress.order,
        "history": [list(record) for record in progress.history],
        "seconds": progress.seconds,
        "best_loss": progress.best_loss,
        "waited": progress.waited,
        "best_at": progress.best_at,
        "best_measure": progress.best_measure,
        "ended": progress.ended,
    }


def restore(description: dict[str, Any], held: dict[str, np.ndarray], net: MLP) -> Progress:
    """The progress that was described. Raises KeyError, TypeError, ValueError or AttributeError where it cannot be one."""
    settings = _recipe(description)
    samples, epochs = int64("samples", description["samples"], 1), int64("epochs", description["epochs"])
    history = [_record(record) for record in description["history"]]
    if [record.epoch for record in history] != list(range(1, len(history) + 1)):
        raise ValueError("the history's epochs are not 1, 2, 3, …")
    waited = int64("waited", description["waited"])
    best = _parameters("best", held, net)
    progress = Progress(
        recipe=settings,
        epochs=epochs,
        samples=samples,
        fingerprint=int64("fingerprint", description["fingerprint"]),
        state=_state(settings, held, net),
        order=order_of(description["order"]),
        digest=_digest("digest", description.get("digest")),
        validation=_digest("validation", description.get("validation", _of_older_versions(history))),
        records=history,
        done=len(history),
        results=_matching("results", held["results"], no_results()),
        seconds=_number("seconds", description["seconds"]),
        best_loss=_number("best_loss", description["best_loss"]),
        best=best,
        best_at=int64("best_at", description.get("best_at", 0 if best is None else len(history) - waited)),
        best_measure=_number("best_measure", description.get("best_measure", math.inf)),
        waited=waited,
        last=_parameters("last", held, net),
        begun=_parameters("begun", held, net),
        ended=choice("ended", description.get("ended", ""), ENDS),
    )
    kept = bool(settings.early_stopping or settings.best_epoch), progress.best is not None, progress.last is not None
    if list(kept) != sorted(kept, reverse=True):  # each goes with the one before it
        raise ValueError("there are parameters of a best epoch that nobody asked for, or of the last without the best")
    if progress.best_at > len(history):
        raise ValueError(f"best_at is {progress.best_at}, of {len(history)} epochs")
    _require_results(progress)
    return progress


def _require_results(progress: Progress) -> None:
    """Require results of some minibatches of an epoch. Raises ValueError."""
    loss, hits, total_weight, seen, done, refused = progress.results.tolist()
    counts = 0 <= done <= progress.batches and 0 <= hits <= seen <= min(done * progress.recipe.batch_size, progress.samples)
    whole = counts and done % 1 == hits % 1 == seen % 1 == 0
    if not (whole and math.isfinite(loss) and 0 <= total_weight < math.inf and refused == 0):
        raise ValueError(
            f"results are {progress.results.tolist()}: loss, hits, weight, samples and minibatches of {progress.batches}"
        )


def _named(settings: Any) -> dict[str, Any]:
    """The name and the fields of a dataclass of settings."""
    return {"name": type(settings).__name__.lower(), **dataclasses.asdict(settings)}


def _made(kinds: dict[str, Any], described: dict[str, Any]) -> Any:
    fields = dict(described)
    kind = kinds[fields.pop("name")]
    for name, value in fields.items():
        if isinstance(getattr(kind, name), bool):  # the default
            _flag(name, value)
    return kind(**fields)


def _recipe(description: dict[str, Any]) -> Recipe:
    """The settings that were described, checked as fit checks them; JSON may have 1 for 1.0, but no 1 for true."""
    fields = [f for f in dataclasses.fields(Recipe) if f.default is dataclasses.MISSING or f.name in description]
    claimed = {field.name: description[field.name] for field in fields} | {  # older versions had not all of them
        "optimizer": _made(OPTIMIZERS, description["optimizer"]),
        "schedule": _made({kind.__name__.lower(): kind for kind in SCHEDULES.values()}, description["schedule"]),
        "regularization": Regularization(**description["regularization"]),
    }
    made = Recipe(**claimed)
    own = {"label_smoothing": made.setting("label_smoothing"), "seed": int64("seed", made.setting("seed"))}
    settings = {name: made.setting(name) for name in SETTINGS if name not in ("epochs", *OF_OPTIMIZER)}
    for name, value in settings.items():
        if isinstance(SETTINGS[name].default, bool):
            _flag(name, value)
    return recipe.make(**settings, **own)


def _state(settings: Recipe, held: dict[str, np.ndarray], net: MLP) -> dict[str, Any]:
    """The optimizer's state: what it would begin with, filled."""
    state = settings.optimizer.init(net.parameters)
    return {name: _matching(name, held[f"optimizer.{name}"], array) for name, array in state.items()}


def _matching(name: str, tensor: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A copy of the tensor, which must have another array's shape and dtype."""
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise ValueError(f"{name} has shape {tensor.shape}, {tensor.dtype}; expected {like.shape}, {like.dtype}")
    return tensor.copy()


def _parameters(name: str, held: dict[str, np.ndarray], net: MLP) -> np.ndarray | None:
    """Another set of the network's parameters, if there is one."""
    return _matching(name, held[name], net.parameters) if name in held else None


def order_of(state: dict[str, Any]) -> Mapping[str, Any]:
    """The state of a generator, tried on one: what is read back must be what was given."""
    generator = np.random.default_rng()
    _require_integers(state, generator.bit_generator.state)
    generator.bit_generator.state = state
    if generator.bit_generator.state != state:
        raise ValueError("order is not the state of a generator")
    return state


def _require_integers(state: Any, like: Mapping[str, Any]) -> None:
    """Require names and integers where another state has them: NumPy takes words and lists for some. Raises TypeError."""
    for name, value in like.items():
        if isinstance(value, dict):
            _require_integers(state[name], value)
        elif type(state[name]) is not type(value):
            raise TypeError(f"order's {name} must be {type(value).__name__}, got {state[name]!r:.80}")


def _record(record: list[Any]) -> EpochRecord:
    made = EpochRecord(*[_number("a number of the history", value) for value in record])
    int64("epoch", made.epoch, 1)
    int64("samples", made.samples, 1)
    return made


def _digest(name: str, value: Any) -> int | None:
    """The digest of some data, or None where there are none, or an older version wrote none."""
    return value if value is None else int64(name, value, UNKNOWN)


def _of_older_versions(history: list[EpochRecord]) -> int | None:
    """The validation of older versions, which left a number in each record: UNKNOWN if there was any, or may have been."""
    measured = (r.validation_loss == r.validation_loss or r.validation_score == r.validation_score for r in history)
    return UNKNOWN if not history or any(measured) else None


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, got {value!r:.80}")
    return value


def _number(name: str, value: Any) -> Any:
    """An integer or a float, of any size; NaN and infinity too."""
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < INT64_END
    if not (whole or isinstance(value, float)):
        raise TypeError(f"{name} must be a number, got {value!r:.80}")
    return value if math.isfinite(value) else float(value)

"""A Run made from the options of `numbafc train`: data, network, settings, and a place for the model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ..files import datasets
from ..files.checkpoint import load
from ..files.invalid import InvalidFile
from ..nn import Members, realmlp, splits
from ..nn.attributes import REAL_LOSSES
from ..nn.members import Model
from ..nn.pooled import networks
from ..tables import Choices
from . import folds, recipes, resuming, settings
from .outputs import check_writable
from .places import Place
from .run import Run
from .sources import STANDARD_INPUT, Source, require_targets, source_for


def begin(source: Source, context: typer.Context, out: Path | None) -> Run:
    """A training of a new network."""
    given = context.params
    recipe, share = recipes.named(given["recipe"], source.is_table), given["validation_split"]
    if recipe == "realmlp" and not source.is_table:
        raise ValueError("--recipe realmlp is for tables, whose columns it scales; these are arrays: leave it out")
    share = share if given["folds"] is None else 0.0  # a fold of each member's own: all are trained on
    dataset = source.read(
        settings.task(given["loss"], given["task"]),
        given["dtype"],
        recipes.SCALING[recipe],
        lambda rows: _part(source, rows, share, given["seed"]),
    )
    samples = len(_part(source, len(dataset.X), share, given["seed"]))
    samples = samples if given["folds"] is None else folds.samples_of(samples, given["folds"])
    given = recipes.settled(given, recipe, dataset, samples, partial(settings.is_given, context))
    given = given | ({} if given["folds"] is None else {"members": given["folds"]})
    one = settings.network(dataset, given)
    net: Model = one if given["members"] == 1 else Members.like(one, given["members"])
    require_targets(dataset, net, source.first)
    given = given | {"batch_size": min(given["batch_size"], max(len(dataset.X), 1))}  # which is one batch
    run = _run(source, net, dataset, given, {**settings.training(given), "epochs": given["epochs"]}, out)
    run.patient = recipe == "realmlp" and run.asked["best_epoch"] == "score" and run.asked["early_stopping"] is None
    scaled_targets = run.training.y if net.loss_name in REAL_LOSSES else None
    if dataset.table is None or scaled_targets is not None:
        run.net.standardize(run.training.X if dataset.table is None else None, scaled_targets)
    return run


def go_on(source: Source, context: typer.Context, resume: Path, epochs: int | None, out: Path | None) -> Run:
    """The training in a model's file, to so many epochs in all, or to where it was to go."""
    given = context.params
    net = settings.resumed(resume, epochs)
    own = source_for(net, source.data, source.target, source.dialect, source.labels)
    auto = settings.is_given(context, "loss") and given["loss"] == "auto"
    if STANDARD_INPUT in source.data and (auto or source.choices != Choices() or given["task"] != "auto"):
        raise ValueError("standard input is read once; with --resume leave out --loss auto and what is said of columns")
    _require_table(own._replace(choices=source.choices), net, given, resume)
    source = own
    settings.refuse_for_reals(given, net.loss_name)
    resuming.require_equal(context, net, resume)
    if auto:
        targets = None if net.table is None else net.table.target_names
        resuming.require_auto(source.read("auto", net.dtype, targets=targets), net, resume)
    run = _run(source, net, source.read_for(net), given, {"resume": True}, out or resume)
    if not folds.were_trained_on(net, run.training, run.folds, given["class_weight"]):
        raise ValueError(
            f"--resume {resume} needs the samples and weights its training began with, {run.progress.samples} of them; "
            f"these are others, {len(run.training.X)}; give the same data, and the same "
            "--validation-split or --folds, and --class-weight"
        )
    run.asked["epochs"] = run.progress.epochs
    run.patient = realmlp.is_patient(run.progress.recipe)
    return run


def _require_table(source: Source, net: Model, given: dict[str, Any], resume: Path) -> None:
    """Refuse options about columns, and a recipe, other than those of the training to resume. Raises ValueError."""
    recipe = "realmlp" if net.training is not None and realmlp.is_of(net.training.recipe) else "plain"
    if given["recipe"] not in ("auto", recipe):
        raise ValueError(f"--resume {resume!s:.100}: its recipe is {recipe}, got --recipe {given['recipe']}; leave it out")
    if source.choices == Choices() and given["task"] == "auto":
        return
    share = given["validation_split"] if given["folds"] is None else 0.0
    scaling = "standard" if net.table is None else net.table.scaling
    targets = None if net.table is None else net.table.target_names
    found = source.read(given["task"], net.dtype, scaling, lambda rows: _part(source, rows, share, net.seed), targets)
    if found.table != net.table or found.classes != net.classes:
        raise ValueError(
            f"--resume {resume!s:.100}: with these options its columns become others than in its training; leave out "
            "--categorical, --numeric, --dates, --drop, --keep and --task, or train anew without --resume"
        )


def _run(
    source: Source, net: Model, dataset: datasets.Dataset, given: dict[str, Any], of_fit: dict[str, Any], out: Path | None
) -> Run:
    repeated = {name: given[name] for name, usual in settings.OF_DATA.items() if given[name] != usual}
    words = [word for name, value in repeated.items() for word in (settings.option(name), str(value))]
    found = folds.of_data(source.first, dataset, given, net.seed)
    parts = dataset.split(given["validation_split"], net.seed) if found is None else (dataset, dataset)
    of_fit |= {name: given[name] for name in ("class_weight", "time_limit")}
    if not len(parts[1].X) and of_fit.get("best_epoch"):
        of_fit["best_epoch"] = None
    place = Place(
        out or Path(f"{_stem(dataset.name)}.safetensors"),
        out is not None,
        lambda path: _is_same(path, net, parts[0], found, of_fit),
    )
    path = place.whole()
    check_writable("--out", path, *source.files, model=True)
    run = Run(source, net, dataset, *parts, of_fit, place, ["numbafc", "train", *source.arguments, *words], path)
    run.force, run.folds = given["force"], found
    return run


def _part(source: Source, samples: int, share: float, seed: int) -> np.ndarray:
    """The indices of the samples to train on. Raises InvalidFile where there are too few to hold some out."""
    if samples < 2:
        raise InvalidFile(source.first, f"training needs at least 2 samples, one of them to validate on, got {samples}")
    return splits.held_out(samples, share, seed)[0]


def _stem(name: str) -> str:
    """The name of a data set's file without what says its kind: houses of houses.csv.gz."""
    path = Path(name)
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


PACKED = {".gz", ".bz2", ".xz", ".zst"}


def _is_same(path: Path, net: Model, training: datasets.Dataset, found: folds.Parts | None, of_fit: dict[str, Any]) -> bool:
    """Whether a file has a network of the same training: its data, its settings, as many epochs."""
    try:
        other = load(path)
        if other.training is None or not folds.were_trained_on(other, training, found, of_fit["class_weight"]):
            return False
    except (OSError, ValueError, TypeError, MemoryError):
        return False
    pairs = zip(networks(net), networks(other), strict=False)
    return len(networks(net)) == len(networks(other)) and all(
        resuming.of_network(one) == resuming.of_network(two) and resuming.is_recipe(of_fit, one, two.training)
        for one, two in pairs
    )

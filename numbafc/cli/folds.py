"""`--folds`: members that hold out a fold each. All samples are trained on, by all members but one, and validated on."""

from __future__ import annotations

from typing import Any

import numpy as np
import typer

from ..files import datasets
from ..files.invalid import InvalidFile
from ..nn import Members, splits
from ..nn.members import Model
from ..nn.out_of_fold import OutOfFold
from ..nn.pooled import networks
from . import settings

Parts = list[tuple[np.ndarray, np.ndarray]]  # for each member the indices to train on, and those that it holds out


def check(context: typer.Context) -> None:
    """Refuse what says otherwise how many members there are, or what they hold out. Raises ValueError."""
    given = context.params
    if given["folds"] is None:
        return
    if settings.is_given(context, "members") and given["members"] != given["folds"]:
        raise ValueError(
            f"--folds {given['folds']} makes a member for each fold, got --members {given['members']}; leave --members out"
        )
    if settings.is_given(context, "validation_split"):
        raise ValueError("with --folds each member is validated on the fold it holds out; leave --validation-split out")
    if given["find_rate"]:
        raise ValueError("--find-rate trains no model, so --folds does not go with it; leave one out")


def parts(dataset: datasets.Dataset, k: int, seed: int) -> Parts:
    """The folds of a data set, of classes with as many of each. Raises ValueError where it has fewer samples."""
    return splits.folds(len(dataset.X), k, seed, None if dataset.classes is None else dataset.y)


def of_data(name: Any, dataset: datasets.Dataset, given: dict[str, Any], seed: int) -> Parts | None:
    """The folds that are asked for, or None. Raises InvalidFile, which names the file."""
    if given["folds"] is None:
        return None
    try:
        return parts(dataset, given["folds"], seed)
    except ValueError as error:
        raise InvalidFile(name, str(error)) from None


def samples_of(rows: int, k: int) -> int:
    """How many samples the member with the fewest is trained on."""
    return rows - -(-rows // k)


def were_trained_on(net: Model, dataset: datasets.Dataset, found: Parts | None, class_weight: Any = None) -> bool:
    """Tell whether these are the samples that a model was trained on: all of them, or each member on its part."""
    if found is None:
        return net.was_trained_on(dataset.X, dataset.y, class_weight=class_weight)
    each = networks(net)
    return len(each) == len(found) and all(
        one.was_trained_on(*dataset.take(rows)[1:3], class_weight=class_weight)
        for one, (rows, _) in zip(each, found, strict=True)
    )


def of_training(net: Model, dataset: datasets.Dataset, weights: tuple[Any, ...]) -> OutOfFold | None:
    """Members on what each has held out, if they were trained on the folds of this data set."""
    k, n = len(networks(net)), len(dataset.X)
    trained = [0 if one.training is None else one.training.samples for one in networks(net)]
    if not isinstance(net, Members) or not 2 <= k <= n or sum(trained) != (k - 1) * n:
        return None
    found = parts(dataset, k, net.seed)
    if not any(were_trained_on(net, dataset, found, weight) for weight in weights):
        return None
    return judge(net, found, n)


def judge(net: Model, found: Parts, samples: int) -> OutOfFold:
    """Members on what each has held out."""
    return OutOfFold(networks(net), [held for _, held in found], samples)

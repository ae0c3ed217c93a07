"""Which samples of a data set a model was trained on, found by the fingerprints in its file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..files import datasets
from ..nn import LOSSES
from ..nn.members import Model
from ..nn.out_of_fold import OutOfFold
from . import folds


class Seen(NamedTuple):
    """What a model was trained on among the samples of a data set.

    trained: how many of them. others: those that were held out, and their places in the data set. out_of_fold: its members
    on what each has held out, where they were trained on the folds of it.
    """

    trained: int = 0
    others: tuple[datasets.Dataset, np.ndarray] | None = None
    out_of_fold: OutOfFold | None = None


def of(net: Model, dataset: datasets.Dataset) -> Seen:
    """What `numbafc train` trained a model on, if it was a part of this data set, or all of it."""
    count = len(dataset.X)
    # --class-weight, of which a file says nothing
    weights = (None, "balanced") if LOSSES[net.loss_name].classifies else (None,)
    found = folds.of_training(net, dataset, weights)
    if found is not None:
        return Seen(count, None, found)
    samples = 0 if net.training is None else net.training.samples
    if not 0 < samples <= count:
        return Seen()
    first, second = dataset.places((count - samples) / count, net.seed)
    training = dataset.take(first)
    if not any(net.was_trained_on(training.X, training.y, class_weight=weight) for weight in weights):
        return Seen()
    return Seen(samples, (dataset.take(second), second) if len(second) else None)

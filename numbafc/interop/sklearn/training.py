"""The networks of a tabular estimator: made by RealMLP-TD-S's settings, where the estimator has no others, and trained."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import checks
from ...nn import MLP, EpochRecord, History, realmlp

LINES = 10  # of a training that is watched


class Part(NamedTuple):
    """Encoded samples. targets: classes, or reals (samples, T)."""

    X: np.ndarray
    targets: np.ndarray
    weight: np.ndarray | None


def train(of: Any, seed: int, part: Part, validation: Part | None) -> tuple[list[MLP], list[History], list[int]]:
    """The trained networks of an estimator, their histories, and their best epochs."""
    count = checks.count("members", of.members, 1)
    nets = [network(of, seed + n, part) for n in range(count)]
    asked = settings(of, len(part.X), validation is not None)
    held_out = None if validation is None else tuple(a for a in validation if a is not None)
    histories, best = [], []
    for net in nets:
        watch = [*asked["callbacks"], *([Lines(asked["epochs"])] if of.verbose else [])]
        histories.append(
            net.fit(part.X, part.targets, sample_weight=part.weight, validation=held_out, **asked | {"callbacks": watch})
        )
        best.append((net.training.best_at if net.training else 0) or len(histories[-1]))
        net.training = None  # which nothing goes on from, and a pickle need not hold
    return nets, histories, best


def network(of: Any, seed: int, part: Part) -> MLP:
    """A network that is not trained yet."""
    classifies = of._classifies
    outputs = len(of.table_.classes) if classifies else part.targets.shape[1]
    hidden = [checks.count(f"hidden_layer_sizes[{n}]", size, 1) for n, size in enumerate(_sizes(of.hidden_layer_sizes))]
    made = realmlp.network(classifies)
    if classifies:
        made["label_smoothing"] = of.label_smoothing
    net = MLP([part.X.shape[1], *hidden, outputs], loss="cross_entropy" if classifies else "mse", seed=seed, **made)
    if not classifies:
        realmlp.standardize_targets(net, part.targets)
    net.table = of.table_
    return net


def _sizes(sizes: Any) -> list[Any]:
    """hidden_layer_sizes as a list; scikit-learn takes a single number, too."""
    return list(sizes) if hasattr(sizes, "__iter__") else [sizes]


def settings(of: Any, samples: int, validated: bool) -> dict[str, Any]:
    """The settings of MLP.fit."""
    rate = None if _auto(of.learning_rate) else checks.positive("learning_rate", of.learning_rate)
    asked = realmlp.training(of._classifies, samples, rate)
    if not _auto(of.batch_size):
        asked["batch_size"] = min(checks.count("batch_size", of.batch_size, 1), samples)
        asked["epochs"] = realmlp.epochs(samples, asked["batch_size"])
    if not _auto(of.epochs):
        asked["epochs"] = checks.count("epochs", of.epochs, 1)
    if not validated:
        asked["best_epoch"] = None
    stop = of.early_stopping and validated and _auto(of.epochs)
    return asked | {"time_limit": of.time_limit, "callbacks": [realmlp.Patience()] if stop else []}


def _auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


class Lines:
    """Some lines about a training, however long it is; the value is a callback for fit."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __call__(self, record: EpochRecord) -> None:
        if record.epoch * LINES // self.epochs == (record.epoch - 1) * LINES // self.epochs and record.epoch > 1:
            return
        score = "" if np.isnan(record.validation_score) else f", validation score {record.validation_score:.4f}"
        print(f"epoch {record.epoch} of {self.epochs}: loss {record.loss:.4f}{score}", flush=True)  # noqa: T201

"""The networks of a tabular estimator: made by RealMLP-TD-S's settings, where the estimator has no others, and trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from ... import checks
from ...nn import MLP, EpochRecord, History, communication, realmlp
from ...nn.communication import Group
from ...nn.members import Members

LINES = 10  # of a training that is watched


class Part(NamedTuple):
    """Encoded samples. targets: classes, or reals (samples, T)."""

    X: Any  # an array, or a sparse one
    targets: np.ndarray
    weight: np.ndarray | None

    def of(self, rows: np.ndarray) -> Part:
        """The samples of these rows."""
        return Part(self.X[rows], self.targets[rows], None if self.weight is None else self.weight[rows])

    @property
    def given(self) -> tuple[Any, ...]:
        """Validation data as fit takes them."""
        return tuple(a for a in self if a is not None)


def train(
    of: Any,
    seeds: list[int],
    everything: Part,
    parts: list[tuple[np.ndarray, np.ndarray]],
    outside: Part | None,
    group: Group | None = None,
) -> list[tuple[MLP, History, int]]:
    """The trained networks of an estimator, each with its history and its best epoch.

    seeds: of the networks; parts: for each the rows to train on, and those held out; outside: the validation data that fit
    was given, if it was. group: of ranks that train them together, if there are several.
    """
    with communication.agreed(group):
        nets = [network(of, seed, everything.of(rows)) for seed, (rows, _) in zip(seeds, parts, strict=True)]
        asked = settings(of, len(parts[0][0]), outside is not None or len(parts[0][1]) > 0)
        watching = [watch(of, asked["epochs"]) for _ in nets]
        (rows, held), alone = parts[0], len(nets) == 1
        X, y, weight = everything.of(rows) if alone else everything
        validation = everything.of(held) if alone and outside is None and len(held) else outside
    if alone:
        histories = [
            nets[0].fit(
                X, y, sample_weight=weight, validation=None if validation is None else validation.given,
                callbacks=watching[0], time_limit=of.time_limit, comm=group, **asked,
            )
        ]  # fmt: skip
    else:
        histories = Members(nets).fit(
            everything.X,
            everything.targets,
            rows=[rows for rows, _ in parts],
            validation=None if outside is None else outside.given,
            validation_rows=[held for _, held in parts] if len(parts[0][1]) else None,
            sample_weight=everything.weight,
            callbacks=[lambda m, record: any(function(record) for function in watching[m])],
            time_limit=of.time_limit,
            comm=group,
            **asked,
        )
    best = [net.training.best_at if net.training is not None else 0 for net in nets]
    for net in nets:
        net.training = None  # which nothing goes on from, and a pickle need not hold
    return [(net, history, at or len(history)) for net, history, at in zip(nets, histories, best, strict=True)]


def watch(of: Any, epochs: int) -> list[Callable[[EpochRecord], Any]]:
    """What looks at each epoch of a network."""
    return [*([Lines(epochs)] if of.verbose else []), *([realmlp.Patience()] if of.early_stopping else [])]


def network(of: Any, seed: int, part: Part) -> MLP:
    """A network that is not trained yet."""
    classifies = is_classifier(of)
    outputs = len(of.table_.classes) if classifies else part.targets.shape[1]
    hidden = [checks.count(f"hidden_layer_sizes[{n}]", size, 1) for n, size in enumerate(_sizes(of.hidden_layer_sizes))]
    made = realmlp.network(classifies)
    if classifies:
        made["label_smoothing"] = of.label_smoothing
    net = MLP([part.X.shape[1], *hidden, outputs], loss="cross_entropy" if classifies else "mse", seed=seed, **made)
    net.table = of.table_
    if not classifies:
        net.standardize(None, part.targets)
    return net


def _sizes(sizes: Any) -> list[Any]:
    """hidden_layer_sizes as a list; scikit-learn takes a single number, too."""
    return list(sizes) if hasattr(sizes, "__iter__") else [sizes]


def settings(of: Any, samples: int, validated: bool) -> dict[str, Any]:
    """The settings of MLP.fit."""
    rate = None if _auto(of.learning_rate) else checks.positive("learning_rate", of.learning_rate)
    asked = realmlp.training(is_classifier(of), samples, rate)
    if not _auto(of.batch_size):
        asked["batch_size"] = min(checks.count("batch_size", of.batch_size, 1), samples)
        asked["epochs"] = realmlp.epochs(samples, asked["batch_size"])
    if not _auto(of.epochs):
        asked["epochs"] = checks.count("epochs", of.epochs, 1)
    if not validated:
        asked["best_epoch"] = None
    return asked


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

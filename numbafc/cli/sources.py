"""Sources of samples: the arguments that name them, and the data set they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import datasets
from ..files.invalid import InvalidFile
from ..nn import LOSSES, MLP

DIGITS = Path("digits")  # the word for the embedded data set


class Source(NamedTuple):
    """The arguments that say where samples and their targets are."""

    data: Path
    target: str | None
    labels: Path | None

    @property
    def files(self) -> list[Path]:
        """All files that are read."""
        return [self.data] if self.labels is None else [self.data, self.labels]

    @property
    def arguments(self) -> list[str]:
        """The arguments as they are given to a command."""
        target = [] if self.target is None else ["--target", self.target]
        labels = [] if self.labels is None else ["--labels", file_word(self.labels)]
        return [file_word(self.data), *target, *labels]

    def read(self, task: str, dtype: Any, features: tuple[str, ...] | None = None) -> datasets.Dataset:
        """The data set in a file, or the embedded one. features: a model's names of them."""
        if not is_digits(self.data):
            return datasets.load(
                self.data, target=self.target, labels=self.labels, task=task, dtype=dtype, features=features
            )
        if self.target is not None or self.labels is not None or task == "regression":
            raise ValueError(
                "the embedded digits are images and their classes: neither --target, nor --labels, nor a loss of real "
                "targets applies"
            )
        return datasets.digits(dtype)

    def read_for(self, net: MLP) -> datasets.Dataset:
        """The data set, with a network's features in its order, and targets as it knows them. Raises InvalidFile."""
        task = "classification" if LOSSES[net.loss_name].classifies else "regression"
        dataset = self.read(task, net.dtype, net.features)
        require_features(dataset.X, net, self.data)
        dataset = _encoded(dataset, net, self.data)
        require_targets(dataset, net, self.data)
        return dataset


def file_word(path: Path) -> str:
    """A file's name as it is given to a command, which would take one that begins with - for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def require_features(X: np.ndarray, net: MLP, path: Path) -> None:
    """Require as many features as the network has. Raises InvalidFile."""
    if X.shape[1] != net.sizes[0]:
        raise InvalidFile(path, f"expected {net.sizes[0]} features, as the model has, got {X.shape[1]}")


def require_targets(dataset: datasets.Dataset, net: MLP, path: Path) -> None:
    """Require targets that the network's loss takes. Raises InvalidFile."""
    try:
        LOSSES[net.loss_name].targets(dataset.y, net.sizes[-1], net.dtype)
    except ValueError as error:
        raise InvalidFile(path, f"with the loss {net.loss_name}, {error}") from None


def _encoded(dataset: datasets.Dataset, net: MLP, path: Path) -> datasets.Dataset:
    """The data set with the network's indices for its classes. Raises InvalidFile for a label that it does not know."""
    if dataset.classes is None:
        return dataset
    names = class_names(net)
    if net.classes is None and not set(dataset.classes) <= set(names):
        return dataset  # nobody named the outputs: they are the labels in order
    return dataset._replace(y=datasets.encode(np.array(dataset.classes, object)[dataset.y], names, path))


def is_digits(data: Path) -> bool:
    """Tell whether the word for the embedded data set was given; a file of that name goes first."""
    return data == DIGITS and not data.is_file()


def class_names(net: MLP) -> tuple[str, ...]:
    """The names of the outputs: those of the classes, or numbers."""
    return net.classes or tuple(map(str, range(net.sizes[-1])))


def score_name(net: MLP) -> str:
    """The name of what net.score measures."""
    return "accuracy" if LOSSES[net.loss_name].classifies or net.loss_name == "binary_cross_entropy" else "R²"

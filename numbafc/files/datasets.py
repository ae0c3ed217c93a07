"""Data sets: the digits that come with the package, npz, npy and IDX files, and tables of numbers.

Every reader gives a Dataset, one sample per row. Pickles are never loaded, and nothing is allocated that a file's own
size does not justify.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from ..nn import splits
from ..nn.mapped import taken
from ..tables import Table
from . import plain, readers, values
from .dialect import Dialect, require_taken
from .invalid import InvalidFile
from .naming import in_order
from .opening import enough_memory
from .shown import printable

SHOWN = 20  # classes in a message


class Dataset(NamedTuple):
    """Samples and what to predict of them.

    X: (samples, features), float32 or float64. y: for classes their indices, (samples,); else reals, (samples,) or
    (samples, outputs). classes: the labels in the order of their indices, or None where y is real. features: the names of
    X's columns, or None where the file has none. table: the Table that made X and y of a file's columns; None where these
    are the file's own numbers. said: lines for people about how the file was read and what was decided.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...] | None
    features: tuple[str, ...] | None = None
    table: Table | None = None
    said: tuple[str, ...] = ()

    def describe(self) -> str:
        """A line about what was read."""
        target = _summary(self.classes) if self.classes is not None else "real targets"
        return f"{printable(self.name)}: {len(self.X)} samples, {self.X.shape[1]} features, {target}, {self.X.dtype}"

    def split(self, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Two parts, the second with `share` of the samples, drawn with the seed."""
        first, second = self.places(share, seed)
        return self.take(first), self.take(second)

    def places(self, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of each part of a split."""
        return splits.held_out(len(self.X), share, seed)

    def take(self, rows: np.ndarray) -> Dataset:
        """The part with these rows."""
        return self._replace(X=taken(self.X, rows), y=self.y[rows])


def digits(dtype: Any = "float32") -> Dataset:
    """1797 images of handwritten digits, 8×8 pixels from 0 to 16 (UCI; source and licence in digits.txt)."""
    found = load(Path(__file__).with_name("digits.npz"), name="digits", task="classification", dtype=dtype)
    return found._replace(said=())


def load(
    path: str | PathLike[str],
    *,
    target: str | None = None,
    labels: str | PathLike[str] | None = None,
    task: str = "auto",
    dtype: Any = "float32",
    name: str | None = None,
    features: Sequence[str] | None = None,
    inputs: int | None = None,
    dialect: Dialect | None = None,
) -> Dataset:
    """Read a data set of numbers as they are.

    .npz: arrays X (samples, features) and y. .npy: a matrix, one column of which is the target. A table (csv and its kin,
    parquet, Excel) of numbers, with or without a header, one column of which is the target, numbers or words; for all
    other columns see load_table. IDX: (samples, …), of which X has all axes but the first in one. Kinds are known by their
    first bytes.

    target: that column's name or number from 0 (negative from the end); the last one if not given. labels: the IDX or npy
    file, (samples,), of an IDX file's targets; if not given, the one beside it that MNIST's names pair with it. task:
    "classification", "regression", or "auto": words and few whole numbers are classes. dtype: of X and of real targets,
    float32 or float64. features: a model's names of them, into whose order the columns of a table with a header are put;
    other names are refused. inputs: how many features a model has; others are refused. dialect: how a table of text is
    written, where that is not found. Raises InvalidFile, or OSError where the file cannot be read.
    """
    path, dtype = Path(path), checks.real_dtype(dtype)
    with enough_memory(path):
        reader = readers.find(path)
        if reader is None:
            column = readers.of_table(path, target, labels)
            return _of_table(path, dtype, name or path.name, task, (features, inputs), column, dialect or Dialect())
        require_taken(path, dialect or Dialect(), None)
        return _of_arrays(path, dtype, name or path.name, task, inputs, reader, {"target": target, "labels": labels})


def _of_arrays(
    path: Path, dtype: np.dtype, name: str, task: str, inputs: int | None, reader: readers.Reader, options: dict[str, Any]
) -> Dataset:
    """The data set of arrays."""
    X, y, columns = reader.read(path, **options)
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidFile(path, f"expected X of shape (samples, features), none of them 0, got {X.shape}")
    plain.require_features(path, X.shape[1], inputs, columns is not None)
    if y.ndim == 0 or len(y) != len(X):
        raise InvalidFile(path, f"X has shape {X.shape} but y has {y.shape}; expected one target per row of X")
    numbers = values.finite(path, "X", X, dtype, columns)
    if reader.option == "labels" and y.dtype.kind in "iu" and task == "auto":
        task = "classification"  # what an IDX file of whole numbers is called for: labels
    targets, classes, said = values.targets(path, y, task, dtype, columns)
    return Dataset(name, numbers, targets, classes, said=said)


def _of_table(
    path: Path,
    dtype: np.dtype,
    name: str,
    task: str,
    of_model: tuple[Sequence[str] | None, int | None],
    target: str | None,
    dialect: Dialect,
) -> Dataset:
    """The data set of a table of numbers. of_model: the features' names, and how many they are, where that is known."""
    features, inputs = of_model
    X, y, found, columns = plain.read_table(path, target, task, dtype, dialect, inputs)
    numbers, names = values.finite(path, "X", X, dtype, columns), columns.names(X.shape[1])
    if names is not None and features is not None and len(names) == len(features):
        numbers, names = in_order(path, numbers, names, features), tuple(features)
    return Dataset(name, numbers, y, found.classes, names, said=(found.said,) if found.said else ())


def load_samples(
    path: str | PathLike[str],
    features: int,
    *,
    target: str | None = None,
    dtype: Any = "float32",
    names: Sequence[str] | None = None,
    dialect: Dialect | None = None,
) -> Any:
    """X alone, (samples, features), from a file of load's kinds: an array, or the MappedRows of a large npy file.

    A table or npy file has `features` columns, or one more: the target's, named as in load, which is left out. names: the
    model's, as features is in load; dialect as there.
    """
    path, dialect = Path(path), dialect or Dialect()
    with enough_memory(path):
        reader = readers.find(path)
        columns: plain.Columns | None
        if reader is None:
            X, columns = plain.read_features(path, features, target, dialect)
        else:
            require_taken(path, dialect, None)
            X, columns = reader.samples(path, features, target)
        if X.ndim != 2 or X.shape[1] != features:
            raise InvalidFile(path, f"expected {features} features, as the model has, got shape {X.shape}")
        numbers = values.finite(path, "X", X, checks.real_dtype(dtype), columns)
    return numbers if columns is None else in_order(path, numbers, columns.names(features), names)


def encode(labels: np.ndarray, classes: tuple[str, ...], path: str | PathLike[str]) -> np.ndarray:
    """The index of each label among the classes. Raises InvalidFile for a label that is not one of them."""
    index = {label: position for position, label in enumerate(classes)}
    unknown = sorted({str(label) for label in labels} - index.keys())
    if unknown:
        known = ", ".join(classes[:SHOWN]) + (", …" if len(classes) > SHOWN else "")
        raise InvalidFile(path, f"label {unknown[0]!r:.80} is not one of the model's classes, {known}")
    return np.array([index[str(label)] for label in labels], np.intp)


def _summary(classes: tuple[str, ...]) -> str:
    """A phrase: the number of classes, and the first and the last of them."""
    count = f"{len(classes)} {'class' if len(classes) == 1 else 'classes'}"
    named = [label if len(label) <= 20 else f"{label[:19]}…" for label in classes[:1] + classes[1:][-1:]]
    return printable(f"{count} ({(', ' if len(classes) < 3 else ' … ').join(named)})")

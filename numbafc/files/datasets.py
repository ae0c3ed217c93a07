"""Data sets: the digits that come with the package, and npz, npy and csv files.

Every reader gives a Dataset, one sample per row. Pickles are never loaded, and nothing is allocated that a file's own
size does not justify.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from . import arrays, tables
from .invalid import InvalidFile

MAX_CLASSES = 1000  # more different whole numbers than this are a quantity, not a label


class Dataset(NamedTuple):
    """Samples and what to predict of them.

    X: (samples, features), float32 or float64. y: for classes their indices, (samples,); else reals, (samples,) or
    (samples, outputs). classes: the labels in the order of their indices, or None where y is real.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...] | None

    def describe(self) -> str:
        """One line: what was read."""
        target = f"{len(self.classes)} classes" if self.classes is not None else "real targets"
        return f"{self.name}: {len(self.X)} samples, {self.X.shape[1]} features, {target}, {self.X.dtype}"

    def split(self, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Two parts, the second with `share` of the samples (at least one each), drawn with the seed."""
        order = np.random.default_rng([seed, 2]).permutation(len(self.X))
        held_out = min(max(round(share * len(order)), 1), len(order) - 1)
        return self.take(order[held_out:]), self.take(order[:held_out])

    def take(self, rows: np.ndarray) -> Dataset:
        """The part with these rows."""
        return self._replace(X=self.X[rows], y=self.y[rows])


def digits(dtype: Any = "float32") -> Dataset:
    """1797 images of handwritten digits, 8×8 pixels from 0 to 16 (UCI; source and licence in digits.txt)."""
    return load(Path(__file__).with_name("digits.npz"), name="digits", dtype=dtype)


def load(
    path: str | PathLike[str],
    *,
    target: str | None = None,
    task: str = "auto",
    dtype: Any = "float32",
    name: str | None = None,
) -> Dataset:
    """Read a data set.

    .npz: arrays X (samples, features) and y. .npy: a matrix, one column of which is the target. .csv: numbers, with or
    without a header, one column of which is the target, a number or a word. target: that column's name or number from 0
    (negative from the end); the last one if not given. task: "classification", "regression", or "auto": words and whole
    numbers are classes. dtype: of X and of real targets, float32 or float64. Raises InvalidFile, or OSError where the
    file cannot be read.
    """
    path, dtype = Path(path), checks.real_dtype(dtype)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidFile(path, f"expected a file that ends in {', '.join(READERS)}, got {path.suffix or 'no suffix'!r}")
    if target is not None and path.suffix.lower() == ".npz":
        raise InvalidFile(path, "an npz file names its target, the array y; --target is for csv and npy files")
    features, y = reader(path, target)
    X = _numbers(path, "X", features, dtype)
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidFile(path, f"expected X of shape (samples, features), none of them 0, got {X.shape}")
    if y.ndim == 0 or len(y) != len(X):
        raise InvalidFile(path, f"X has shape {X.shape} but y has {y.shape}; expected one target per row of X")
    targets, classes = _targets(path, y, task, dtype)
    return Dataset(name or path.name, X, targets, classes)


def load_samples(
    path: str | PathLike[str], features: int, *, target: str | None = None, dtype: Any = "float32"
) -> np.ndarray:
    """X alone, (samples, features), from a file of load's kinds.

    A csv or npy file has `features` columns, or one more: the target's, named as in load, which is left out.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        X = arrays.read_npz(path, ("X",))["X"]
    elif path.suffix.lower() == ".npy":
        X = arrays.read_npy(path)
        if X.ndim == 2 and X.shape[1] == features + 1:
            X = np.delete(X, tables.find_column(path, target, None, features + 1), axis=1)
    elif path.suffix.lower() == ".csv":
        X = tables.read_features(path, features, target)
    else:
        raise InvalidFile(path, f"expected a file that ends in {', '.join(READERS)}, got {path.suffix or 'no suffix'!r}")
    if X.ndim != 2 or X.shape[1] != features:
        raise InvalidFile(path, f"expected {features} features, as the model has, got shape {X.shape}")
    return _numbers(path, "X", X, checks.real_dtype(dtype))


def encode(labels: np.ndarray, classes: tuple[str, ...], path: str | PathLike[str]) -> np.ndarray:
    """The index of each label among the classes. Raises InvalidFile for a label that is not one of them."""
    index = {label: position for position, label in enumerate(classes)}
    unknown = sorted({str(label) for label in labels} - index.keys())
    if unknown:
        raise InvalidFile(path, f"label {unknown[0]!r} is not one of the model's classes, {', '.join(classes)}")
    return np.array([index[str(label)] for label in labels], np.intp)


def _read_npz(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    found = arrays.read_npz(path, ("X", "y"))
    return found["X"], found["y"]


def _read_npy(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    matrix = arrays.read_npy(path)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise InvalidFile(path, f"expected a matrix with at least one feature and the target, got shape {matrix.shape}")
    column = tables.find_column(path, target, None, matrix.shape[1])
    return np.delete(matrix, column, axis=1), matrix[:, column]


READERS: dict[str, Callable[[Path, str | None], tuple[np.ndarray, np.ndarray]]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".csv": tables.read_table,
}


def _numbers(path: Path, name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array in that dtype, all finite."""
    if array.dtype.kind not in "fiub":
        raise InvalidFile(path, f"expected {name} to hold real numbers, got dtype {array.dtype}")
    with np.errstate(over="ignore"):  # what the dtype cannot hold is reported as not finite, with its place
        numbers = array.astype(dtype)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        place = ", ".join(f"{axis} {at}" for axis, at in zip(("row", "column"), bad[0], strict=False))
        raise InvalidFile(path, f"{name} must be finite in {dtype}, got {array[tuple(bad[0])]} at {place} (from 0)")
    return numbers


def _targets(path: Path, y: np.ndarray, task: str, dtype: np.dtype) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """y as class indices with their labels, or as reals."""
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    words = y.dtype.kind == "U"
    if not words and y.dtype.kind not in "fiub":
        raise InvalidFile(path, f"expected y to hold numbers or words, got dtype {y.dtype}")
    if words and task == "regression":
        raise InvalidFile(path, "expected real targets for regression, got words")
    if task == "regression" or not (words or _are_whole(y)):
        reals = _numbers(path, "y", y, dtype)
        if task == "classification":
            raise InvalidFile(path, "expected classes, words or whole numbers, as targets, got fractions")
        if y.ndim > 2:
            raise InvalidFile(path, f"expected y of shape (samples,) or (samples, outputs), got {y.shape}")
        return reals, None
    if y.ndim != 1:
        raise InvalidFile(path, f"expected one class per sample, y of shape (samples,), got {y.shape}")
    labels, indices = np.unique(y.astype(np.int64) if y.dtype.kind in "fb" else y, return_inverse=True)
    if len(labels) > MAX_CLASSES:
        raise InvalidFile(path, f"the target has {len(labels)} different values, too many for classes; pass --loss mse")
    names = tuple(str(label) for label in labels)
    if "" in names:
        raise InvalidFile(path, f"the target of row {int(np.argmax(y == ''))} (from 0) is empty; remove or fill such rows")
    return indices.astype(np.intp), names


def _are_whole(y: np.ndarray) -> bool:
    """Whether all numbers are whole, and small enough for a float to tell them from their neighbours."""
    if y.dtype.kind in "iub":
        return True
    exact = 2.0 ** (np.finfo(y.dtype).nmant + 1)
    return bool((np.isfinite(y) & (y == np.round(y)) & (np.abs(y) < exact)).all())

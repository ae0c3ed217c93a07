"""The reader of a file of arrays: by its suffix, or its first bytes; any other file is a table, or refused as none."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..nn.mapped import MappedRows
from . import arrays, idx, plain
from .invalid import InvalidFile
from .opening import NOT_REGULAR, regular, require_memory
from .plain import Columns


class Reader(NamedTuple):
    """A way to read files of a kind. Where X and y are columns of one table, these are told for messages, else None."""

    with_targets: Callable[[Path, Any], tuple[np.ndarray, np.ndarray, Columns | None]]  # path, the option's value
    samples: Callable[[Path, int, str | None], tuple[np.ndarray, Columns | None]]  # path, number of features, target
    option: str | None  # that says where the targets are
    targets: str  # where they are: the answer to any other option

    def read(self, path: Path, **options: Any) -> tuple[np.ndarray, np.ndarray, Columns | None]:
        """X, y and their columns."""
        for option, value in options.items():
            if value is not None and option != self.option:
                raise InvalidFile(path, f"{self.targets}; --{option} is for {OPTIONS[option]} files")
        return self.with_targets(path, options[self.option] if self.option else None)


def find(path: Path) -> Reader | None:
    """The reader of a file of arrays, or None where it is a table, if anything. Raises InvalidFile."""
    kind: str | None = path.suffix.lower()
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InvalidFile(path, NOT_REGULAR)
    if kind not in READERS and idx.is_idx(path):
        kind = "IDX"
    if kind not in READERS and path.is_file():
        kind = _by_content(path)
    return READERS.get(kind or "")


def _by_content(path: Path) -> str | None:
    """The kind of arrays that a file has, whatever it is called."""
    with regular(path) as file:
        start = file.read(len(NPY))
        if start == NPY:
            return ".npy"
        if start[:4] != b"PK\3\4":
            return None
        try:
            names = zipfile.ZipFile(file).namelist()
        except Exception:  # there is no end to what a damaged archive raises; the reader of tables says what it is
            return None
    return ".npz" if names and all(name.endswith(".npy") for name in names) else None


def of_table(path: Path, target: str | None, labels: str | PathLike[str] | None) -> str | None:
    """The option that says where the targets of a table are. Raises InvalidFile for the other one."""
    if labels is not None:
        raise InvalidFile(path, f"the target of a table is one of its columns; --labels is for {OPTIONS['labels']} files")
    return target


NPY = b"\x93NUMPY"
OPTIONS = {"target": "tables and .npy", "labels": "IDX"}


def _npz(path: Path, _: None) -> tuple[np.ndarray, np.ndarray, None]:
    found = arrays.read_npz(path, ("X", "y"))
    return found["X"], found["y"], None


def _npz_samples(path: Path, features: int, target: str | None) -> tuple[np.ndarray, None]:
    return arrays.read_npz(path, ("X",))["X"], None


def _npy(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray, Columns]:
    matrix = arrays.read_npy(path, mapped=True)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise InvalidFile(path, f"expected a matrix with at least one feature and the target, got shape {matrix.shape}")
    columns = plain.features_first(matrix.shape[1], plain.find_column(path, target, None, matrix.shape[1]))
    X = _in_file(matrix, columns.numbers[:-1]) if isinstance(matrix, np.memmap) else matrix[:, columns.numbers[:-1]]
    require_memory(path, len(matrix) * matrix.itemsize, f"the target of shape ({len(matrix)},)")
    return X, np.array(matrix[:, columns.numbers[-1]]), columns


def _in_file(matrix: np.ndarray, numbers: Any) -> Any:
    """These columns, as rows that stay in the file."""
    first, last = numbers[0], numbers[-1] + 1
    return MappedRows(matrix, slice(first, last) if last - first == len(numbers) else list(numbers), matrix.dtype)


def _npy_samples(path: Path, features: int, target: str | None) -> tuple[np.ndarray, Columns | None]:
    matrix, columns = arrays.read_npy(path, mapped=True), None
    if matrix.ndim == 2 and matrix.shape[1] == features + 1:
        columns = plain.features_first(features + 1, plain.find_column(path, target, None, features + 1))
    if isinstance(matrix, np.memmap):
        return _in_file(matrix, range(matrix.shape[1]) if columns is None else columns.numbers[:-1]), columns
    return matrix if columns is None else matrix[:, columns.numbers[:-1]], columns


def _idx(path: Path, labels: str | PathLike[str] | None) -> tuple[np.ndarray, np.ndarray, None]:
    names = idx.names_of_labels(path.name)
    beside = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    if labels is None and not beside:
        missing = f"; there is no {names[0]} beside it" if names else ""
        raise InvalidFile(path, f"an IDX file has no targets of its own: name the file of them with --labels{missing}")
    X, file = _images(path), beside[0] if labels is None else Path(labels)
    y = arrays.read_npy(file) if file.suffix.lower() == ".npy" else idx.read(file)
    if y.shape != X.shape[:1]:
        raise InvalidFile(file, f"expected labels of shape ({len(X)},), one per sample of {path.name}, got {y.shape}")
    return X, y, None


def _idx_samples(path: Path, features: int, target: str | None) -> tuple[np.ndarray, None]:
    return _images(path), None


def _images(path: Path) -> np.ndarray:
    """(samples, the product of the other sizes)."""
    array = idx.read(path)
    if array.ndim < 2:
        raise InvalidFile(path, f"expected samples, of 2 axes or more, got shape {array.shape}, which labels have")
    return array.reshape(len(array), -1)


READERS = {
    ".npz": Reader(_npz, _npz_samples, None, "an npz file names its target, the array y"),
    ".npy": Reader(_npy, _npy_samples, "target", "the target of an npy file is one of its columns"),
    "IDX": Reader(_idx, _idx_samples, "labels", "the targets of an IDX file are in a file of their own"),
}

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
from ..nn.mapped import MappedRows
from ..tables import Table, decide
from ..tables.kinds import LONGEST
from ..tables.spelling import number
from . import plain, readers
from .invalid import InvalidFile
from .naming import in_order
from .opening import enough_memory, require_memory
from .plain import Columns
from .shown import printable

MAX_CLASSES = 1000  # more different words than this are no labels
SHOWN = 20  # classes in a message
ROWS = 4096  # that are looked at in one go


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
        first, second = splits.held_out(len(self.X), share, seed)
        return self.take(first), self.take(second)

    def take(self, rows: np.ndarray) -> Dataset:
        """The part with these rows."""
        X = self.X.take(rows) if isinstance(self.X, MappedRows) else self.X[rows]
        return self._replace(X=X, y=self.y[rows])


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
    other names are refused. Raises InvalidFile, or OSError where the file cannot be read.
    """
    path, dtype = Path(path), checks.real_dtype(dtype)
    with enough_memory(path):
        return _load(path, dtype, name or path.name, task, features, {"target": target, "labels": labels})


def _load(
    path: Path, dtype: np.dtype, name: str, task: str, features: Sequence[str] | None, options: dict[str, Any]
) -> Dataset:
    reader = readers.find(path)
    if reader is None:
        return _of_table(path, dtype, name, task, features, readers.of_table(path, **options))
    X, y, columns = reader.read(path, **options)
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidFile(path, f"expected X of shape (samples, features), none of them 0, got {X.shape}")
    if y.ndim == 0 or len(y) != len(X):
        raise InvalidFile(path, f"X has shape {X.shape} but y has {y.shape}; expected one target per row of X")
    numbers = _numbers(path, "X", X, dtype, columns)
    if reader.option == "labels" and y.dtype.kind in "iu" and task == "auto":
        task = "classification"  # what an IDX file of whole numbers is called for: labels
    targets, classes, said = _targets(path, y, task, dtype, columns)
    return Dataset(name, numbers, targets, classes, said=said)


def _of_table(
    path: Path, dtype: np.dtype, name: str, task: str, features: Sequence[str] | None, target: str | None
) -> Dataset:
    """The data set of a table of numbers."""
    X, y, found, columns = plain.read_table(path, target, task, dtype)
    numbers, names = _numbers(path, "X", X, dtype, columns), columns.names(X.shape[1])
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
) -> np.ndarray:
    """X alone, (samples, features), from a file of load's kinds.

    A table or npy file has `features` columns, or one more: the target's, named as in load, which is left out. names: the
    model's, as features is in load.
    """
    path = Path(path)
    with enough_memory(path):
        reader = readers.find(path)
        X, columns = (
            plain.read_features(path, features, target) if reader is None else reader.samples(path, features, target)
        )
        if X.ndim != 2 or X.shape[1] != features:
            raise InvalidFile(path, f"expected {features} features, as the model has, got shape {X.shape}")
        numbers = _numbers(path, "X", X, checks.real_dtype(dtype), columns)
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


def _numbers(path: Path, name: str, array: np.ndarray, dtype: np.dtype, columns: Columns | None) -> np.ndarray:
    """The array in that dtype, all finite."""
    if array.dtype.kind not in "fiub":
        raise InvalidFile(path, f"expected {name} to hold real numbers, got dtype {array.dtype}")
    in_file = isinstance(array, MappedRows)
    if not in_file:
        require_memory(path, array.size * dtype.itemsize, f"{name} of shape {array.shape} in {dtype}")
    with np.errstate(over="ignore"):  # what the dtype cannot hold is reported as not finite, with its place
        numbers = array.astype(dtype)
    for first in range(0, len(numbers) if array.dtype.kind == "f" else 0, ROWS):
        bad = np.argwhere(~np.isfinite(numbers[first : first + ROWS]))
        if len(bad):
            at = first + bad[0][0], *bad[0][1:]
            got = array[at[0] : at[0] + 1][(0, *at[1:])]
            raise InvalidFile(path, f"{name} must be finite in {dtype}, got {got} at {_place(columns, *at)}")
    return numbers


def _place(columns: Columns | None, *indices: int) -> str:
    """The place of an element of X or y: in its table, else in its array."""
    if columns is not None:
        return columns.place(*indices)
    return ", ".join(f"{axis} {at}" for axis, at in zip(("row", "column"), indices, strict=False)) + " (from 0)"


def _targets(
    path: Path, y: np.ndarray, task: str, dtype: np.dtype, columns: Columns | None
) -> tuple[np.ndarray, tuple[str, ...] | None, tuple[str, ...]]:
    """y as class indices with their labels, or as reals; and what there is to say about the decision."""
    words = y.dtype.kind in "SU"
    if words:
        y = _words(path, y, task, columns)
    elif y.dtype.kind not in "fiub":
        raise InvalidFile(path, f"expected y to hold numbers or words, got dtype {y.dtype}")
    classes, said = words or (task != "regression" and _are_whole(y)), ""
    if classes and not words and (task == "auto" or y.ndim == 1):
        classes, said = _decided(path, y, task)
    if not classes:
        if y.ndim > 2:
            raise InvalidFile(path, f"expected y of shape (samples,) or (samples, outputs), got {y.shape}")
        reals = _numbers(path, "y", y, dtype, columns)
        if task == "classification":
            raise InvalidFile(path, "expected classes, words or whole numbers, as targets, got fractions")
        return reals, None, (said,) if said else ()
    if y.ndim != 1:
        raise InvalidFile(path, f"expected one class per sample, y of shape (samples,), got {y.shape}")
    found, indices = _distinct(y.astype(np.int64) if y.dtype.kind in "fb" else y)
    if len(found) > MAX_CLASSES:
        got = f"{len(found)} different words, such as {_first_word(y, columns)}"
        raise InvalidFile(path, f"expected a target of at most {MAX_CLASSES} classes, got {got}")
    return indices.astype(np.intp), tuple(str(label) for label in found), (said,) if said else ()


def _decided(path: Path, y: np.ndarray, task: str) -> tuple[bool, str]:
    """Whether whole numbers are classes, and what there is to say about it, decided as for the columns of tables."""
    try:
        return decide(y.astype(np.uint8) if y.dtype.kind == "b" else y.reshape(-1), task)
    except ValueError as error:
        raise InvalidFile(path, str(error)) from None


def _distinct(y: np.ndarray) -> tuple[Sequence[Any], np.ndarray]:
    """The different elements in order, and the index of each."""
    if y.dtype.kind != "O":
        numbers, indices = np.unique(y, return_inverse=True)
        return numbers.tolist(), indices
    words = sorted(set(y.tolist()))
    index = {word: position for position, word in enumerate(words)}
    return words, np.array([index[word] for word in y.tolist()])


def _words(path: Path, y: np.ndarray, task: str, columns: Columns | None) -> np.ndarray:
    """y as Python's text, none of it empty; refused for regression."""
    text = y if y.dtype.kind == "O" else _text(path, y, columns)
    empty = np.argwhere(text == "")
    if len(empty):
        place = _place(columns, *empty[0])
        raise InvalidFile(path, f"expected a target at {place}, got an empty one; fill it or remove the row")
    if task == "regression":
        raise InvalidFile(path, f"expected real targets for regression, got the word {_first_word(text, columns)}")
    return text


def _text(path: Path, y: np.ndarray, columns: Columns | None) -> np.ndarray:
    """NumPy's text as Python's. What is no text is refused: NumPy's holds any numbers, and Python breaks at some."""
    if y.dtype.kind == "U":
        numbers = np.dtype("u4").newbyteorder(y.dtype.byteorder)
        codes = np.ascontiguousarray(y).view(numbers).reshape(*y.shape, -1)
        wrong = np.argwhere(((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any(axis=-1))
        if len(wrong):
            raise InvalidFile(path, f"expected y to hold text at {_place(columns, *wrong[0])}, got what is no character")
    text = np.empty(y.shape, object)
    try:
        text.flat[:] = [word.decode() if isinstance(word, bytes) else word for word in y.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidFile(path, f"expected y to hold text in UTF-8 ({error})") from None
    for at, word in np.ndenumerate(text):
        if len(word) > LONGEST:
            got = f"at {_place(columns, *at)}, got {len(word)}"
            raise InvalidFile(path, f"expected a target of at most {LONGEST} characters {got}")
    return text


def _first_word(text: np.ndarray, columns: Columns | None) -> str:
    """The first element that is no number, if one is none, and its place."""
    at = next((at for at, word in np.ndenumerate(text) if number(word) is None), (0,) * text.ndim)
    return f"{str(text[at])!r:.40} at {_place(columns, *at)}"


def _are_whole(y: np.ndarray) -> bool:
    """Tell whether all numbers are whole, and small enough for a float to tell them from their neighbours."""
    if y.dtype.kind in "iub":
        return True
    exact = 2.0 ** (np.finfo(y.dtype).nmant + 1)
    return bool((np.isfinite(y) & (y == np.round(y)) & (np.abs(y) < exact)).all())

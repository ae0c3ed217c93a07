"""Values of arrays and of tables of plain numbers, as a data set has them: finite numbers, targets as classes or reals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..nn.mapped import MappedRows
from ..tables import decide
from ..tables.kinds import LONGEST
from ..tables.spelling import number
from .invalid import InvalidFile
from .opening import require_memory
from .plain import Columns

MAX_CLASSES = 1000  # more different words than this are no labels
ROWS = 4096  # that are looked at in one go


def finite(path: Path, name: str, array: np.ndarray, dtype: np.dtype, columns: Columns | None) -> np.ndarray:
    """The array in that dtype, all finite. Raises InvalidFile."""
    if array.dtype.kind not in "fiub":
        raise InvalidFile(path, f"expected {name} to hold real numbers, got dtype {array.dtype}")
    if not isinstance(array, MappedRows):  # those stay in their file
        require_memory(path, array.size * dtype.itemsize, f"{name} of shape {array.shape} in {dtype}")
    with np.errstate(over="ignore"):  # what the dtype cannot hold is reported as not finite, with its place
        numbers = array.astype(dtype)
    for first in range(0, len(numbers) if array.dtype.kind == "f" else 0, ROWS):
        bad = np.argwhere(~np.isfinite(numbers[first : first + ROWS]))
        if len(bad):
            at = first + bad[0][0], *bad[0][1:]
            got = array[at[0] : at[0] + 1][(0, *at[1:])]
            raise InvalidFile(path, f"{name} must be finite in {dtype}, got {got} at {place_of(columns, *at)}")
    return numbers


def place_of(columns: Columns | None, *indices: int) -> str:
    """The place of an element of X or y: in its table, else in its array."""
    if columns is not None:
        return columns.place(*indices)
    return ", ".join(f"{axis} {at}" for axis, at in zip(("row", "column"), indices, strict=False)) + " (from 0)"


def targets(
    path: Path, y: np.ndarray, task: str, dtype: np.dtype, columns: Columns | None
) -> tuple[np.ndarray, tuple[str, ...] | None, tuple[str, ...]]:
    """y as class indices with their labels, or as reals; and what there is to say about it. Raises InvalidFile."""
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
        reals = finite(path, "y", y, dtype, columns)
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
        place = place_of(columns, *empty[0])
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
            raise InvalidFile(path, f"expected y to hold text at {place_of(columns, *wrong[0])}, got what is no character")
    text = np.empty(y.shape, object)
    try:
        text.flat[:] = [word.decode() if isinstance(word, bytes) else word for word in y.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidFile(path, f"expected y to hold text in UTF-8 ({error})") from None
    for at, word in np.ndenumerate(text):
        if len(word) > LONGEST:
            got = f"at {place_of(columns, *at)}, got {len(word)}"
            raise InvalidFile(path, f"expected a target of at most {LONGEST} characters {got}")
    return text


def _first_word(text: np.ndarray, columns: Columns | None) -> str:
    """The first element that is no number, if one is none, and its place."""
    at = next((at for at, word in np.ndenumerate(text) if number(word) is None), (0,) * text.ndim)
    return f"{str(text[at])!r:.40} at {place_of(columns, *at)}"


def _are_whole(y: np.ndarray) -> bool:
    """Tell whether all numbers are whole, and small enough for a float to tell them from their neighbours."""
    if y.dtype.kind in "iub":
        return True
    exact = 2.0 ** (np.finfo(y.dtype).nmant + 1)
    return bool((np.isfinite(y) & (y == np.round(y)) & (np.abs(y) < exact)).all())

"""Targets as a loss needs them; a refusal proposes what is right for the values that came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks

OF_WORDS = "classes, y = np.unique(y, return_inverse=True)"


def class_indices(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
    """Class indices, (samples,), from 0 to T − 1; (samples, 1) is taken as (samples,). Raises TypeError or ValueError."""
    y = _array(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y must have shape (samples,), one class index per sample, got shape {y.shape}{_of_rows(y)}")
    if y.dtype.kind not in "iub":
        raise TypeError(f"y must be class indices, integers from 0 to {T - 1}, got {_of_values(y)}")
    wrong = np.flatnonzero((y < 0) | (y >= T))
    if len(wrong):
        raise ValueError(
            f"y must be from 0 to {T - 1}, for the network has {T} outputs, got {y[wrong[0]]} at sample {wrong[0]}; "
            f"{OF_WORDS} numbers the classes from 0"
        )
    return y.astype(np.intp)


def reals(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
    """Real targets, (samples, T); (samples,) where T = 1. Raises TypeError or ValueError."""
    checks.not_masked("y", y)
    if not hasattr(y, "toarray") and _are_words(array := _array(y)):
        fix = "y.astype(float)" if _are_numbers(array) else f"for classes use the loss 'cross_entropy', and {OF_WORDS}"
        raise TypeError(f"y must be real numbers, got words such as {_first_word(array)}; {fix}")
    y = checks.real_values("y", y, dtype)
    if y.ndim == 1 and T == 1:
        y = y[:, np.newaxis]
    if y.ndim != 2 or y.shape[1] != T:
        fix = "; for one class index per sample use the loss 'cross_entropy'" if y.ndim == 1 and _are_whole(y) else ""
        raise ValueError(f"y must have shape (samples, {T}), one column per output of the network, got {y.shape}{fix}")
    return y


def reals_between(low: float, high: float, words: str, fix: str) -> Callable[[Any, int, np.dtype], np.ndarray]:
    """Real targets from low to high. words: what they are. fix: what to do about others."""

    def targets(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
        y = reals(y, T, dtype)
        if y.size and not (y.min() >= low and y.max() <= high):
            sample, output = np.argwhere((y < low) | (y > high))[0]
            raise ValueError(f"y must be {words}, got {y[sample, output]} at sample {sample}, output {output}; {fix}")
        return y

    return targets


def _array(y: Any) -> np.ndarray:
    checks.not_masked("y", y)
    try:
        return np.asarray(y)
    except ValueError:  # rows of different lengths
        raise ValueError("y must be one array, got rows of several lengths; give as many targets for each sample") from None


def _of_rows(y: np.ndarray) -> str:
    """Advice about rows where one class index was expected."""
    if y.ndim != 2 or y.dtype.kind not in "fiub":
        return ""
    sums = y.sum(axis=1, dtype=np.float64)
    if len(y) and (y >= 0).all() and (np.abs(sums - 1) < 1e-3).all():  # NaN is none
        return "; for one column per class pass y.argmax(axis=1)"
    fitting = "'binary_cross_entropy' for independent labels" if ((y == 0) | (y == 1)).all() else "'mse' for real targets"
    return f", whose rows are no probabilities of classes; use the loss {fitting}"


def _of_values(y: np.ndarray) -> str:
    """A phrase about what came where integers were expected, and what to do."""
    if _are_words(y):
        return f"words such as {_first_word(y)}; {OF_WORDS}"
    if y.dtype.kind == "O" and all(isinstance(value, int | np.integer) for value in y):
        return f"dtype {y.dtype}; use y.astype(int)"
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            n = int(np.flatnonzero(~np.isfinite(y))[0])
            return f"{y[n]} at sample {n}; remove or fill such values first"
        if _are_whole(y):
            return f"dtype {y.dtype}; use y.astype(int)"
        first = y[np.flatnonzero(y != np.rint(y))[0]]
        return f"reals such as {first:.6g}; for real targets use the loss 'mse', for probabilities 'binary_cross_entropy'"
    return f"dtype {y.dtype}; give each sample the number of its class"


def _are_words(y: np.ndarray) -> bool:
    return y.dtype.kind in "UST" or (y.dtype.kind == "O" and any(isinstance(value, str | bytes) for value in y.flat))


def _first_word(y: np.ndarray) -> str:
    word = next(value for value in y.flat if y.dtype.kind != "O" or isinstance(value, str | bytes))
    return f"{str(word)[:40]!r}"


def _are_numbers(y: np.ndarray) -> bool:
    try:
        return bool(np.isfinite(y.astype(np.float64)).all())
    except (TypeError, ValueError):
        return False


def _are_whole(y: np.ndarray) -> bool:
    return bool((y == np.rint(y)).all())

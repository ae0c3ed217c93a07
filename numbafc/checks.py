"""Checks of arguments. Every refusal says what was expected, what came, and how to mend it; nothing is written before.

Read in place: float32 and float64 arrays of any strides, read-only ones and memory maps. Copied, since no processor
computes on them: byte-swapped and unaligned ones. Refused: everything whose meaning would change on the way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np

DtypeName = Literal["float32", "float64"]
RealDtype = DtypeName | type[np.float32] | type[np.float64] | np.dtype[Any]
SINGLE, DOUBLE = map(np.dtype, get_args(DtypeName))
PART = 1 << 22  # numbers that are looked at in one go
INT64_END = 2**63  # what is counted is below it, so that compiled code and files hold it


def real_arrays(**arrays: Any) -> list[np.ndarray]:
    """The arrays of one dtype, float32 or float64, that the values are. Raises TypeError."""
    converted = [real_array(name, value) for name, value in arrays.items()]
    same_dtype(**dict(zip(arrays, converted, strict=True)))
    return converted


def real_array(name: str, value: Any) -> np.ndarray:
    """The float32 or float64 array that `value` is, in place where its memory allows it. Raises TypeError."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array of float32 or float64, got {type(value).__name__}; "
            f"convert it with np.asarray({name}, dtype=np.float32)"
        )
    not_masked(name, value)
    if value.dtype.kind != "f" or value.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}; convert it with {name}.astype(np.float32)")
    return np.require(np.asarray(value), dtype=value.dtype.newbyteorder("="), requirements="A")


def _is_masked(value: Any) -> bool:
    return type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray)  # np.ma takes 20 ms to import


def not_masked(name: str, value: Any) -> None:
    """Refuse a masked array. Raises TypeError."""
    if _is_masked(value):
        raise TypeError(
            f"{name} must be a plain array, got a masked one, whose mask would be ignored; "
            f"decide what the masked elements are with {name}.filled(value)"
        )


def real_dtype(dtype: Any) -> np.dtype:
    """The dtype, float32 or float64, that a name or a type stands for. Raises TypeError."""
    for real in (SINGLE, DOUBLE):
        try:
            if dtype is not None and real == dtype:
                return real
        except TypeError:  # a name that no dtype has
            break
    raise TypeError(f"dtype must be float32 or float64, got {dtype!r}")


def same_dtype(**arrays: np.ndarray) -> None:
    """Require one dtype of all arrays: a mixed call would round where nobody asked for it. Raises TypeError."""
    first, reference = next(iter(arrays.items()))
    for name, array in arrays.items():
        if array.dtype != reference.dtype:
            raise TypeError(
                f"{name} is {array.dtype} but {first} is {reference.dtype}; all arrays of a call must have one dtype; "
                f"convert with {name}.astype({first}.dtype)"
            )


def axes(name: str, array: np.ndarray, form: str, *allowed: int) -> None:
    """Require an allowed number of axes. form: its shape in letters. Raises ValueError."""
    if array.ndim not in allowed:
        raise ValueError(
            f"{name} has {array.ndim} axes (shape {array.shape}) but must have {' or '.join(map(str, allowed))}: {form}"
        )


def same_size(got: tuple[str, int], expected: tuple[str, int], fix: str) -> None:
    """Require one length of two axes that a formula pairs. Raises ValueError: "X has 3 rows but W has 4 columns; …"."""
    if got[1] != expected[1]:
        raise ValueError(f"{got[0].format(got[1])} but {expected[0].format(expected[1])}; {fix}")


def same_form(first: str, one: np.ndarray, second: str, other: np.ndarray) -> None:
    """Require one sample without a sample axis in both arrays, or a batch in both. Raises ValueError."""
    if one.ndim != other.ndim:
        raise ValueError(
            f"{first} has shape {one.shape} but {second} has shape {other.shape}; give one sample as two vectors, or "
            "both arrays with one sample per column"
        )


def choice(name: str, value: Any, known: Iterable[str]) -> str:
    """The value, which must be one of the known names. Raises ValueError that lists them."""
    names = list(known)
    if not (isinstance(value, str) and value in names):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, names))}, got {value!r}")
    return value


def count(name: str, value: Any, least: int = 0) -> int:
    """The value, which must be an integer ≥ least, of any size. Raises TypeError or ValueError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__} ({shown(value)})")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {shown(int(value))}")
    return int(value)


def int64(name: str, value: Any, least: int = 0) -> int:
    """The value, which must be an integer ≥ least that 64 bits hold. Raises TypeError or ValueError."""
    if count(name, value, least) >= INT64_END:
        raise ValueError(f"{name} must be below 2⁶³, got {shown(int(value))}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """The value, which must be True or False, or 1 or 0: every word is true, "no" as well. Raises TypeError."""
    if not isinstance(value, bool | np.bool_ | int | np.integer) or value not in (0, 1):
        raise TypeError(f"{name} must be True or False, got {type(value).__name__} ({shown(value)})")
    return bool(value)


def shown(value: Any) -> str:
    """A value in a message, in at most 80 characters; Python writes no integer of more than 4300 digits."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return f"{value!r:.80}"


def number(name: str, value: Any, least: float, *, exclusive: bool = False, below: float = np.inf) -> float:
    """The value, which must be finite, ≥ least (> least if exclusive) and < below. Raises TypeError or ValueError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {type(value).__name__} ({shown(value)})")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer that no float is
        finite = False
    if not (finite and (value > least if exclusive else value >= least) and value < below):
        limits = f"{'above' if exclusive else 'at least'} {least:g}" + (f" and below {below:g}" if below < np.inf else "")
        raise ValueError(f"{name} must be a finite number {limits}, got {shown(value)}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """The value, which must be a number from 0 to below 1. Raises TypeError or ValueError."""
    return number(name, value, 0, below=1)


def positive(name: str, value: Any) -> float:
    """The value, which must be a finite number above 0. Raises TypeError or ValueError."""
    return number(name, value, 0, exclusive=True)


def output(out: Any, shape: tuple[int, ...], dtype: np.dtype, **inputs: np.ndarray | None) -> np.ndarray:
    """The array to write: `out` if it is given and fits, else a new one. Raises TypeError or ValueError."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or _is_masked(out):
        raise TypeError(f"out must be a NumPy array of {dtype}, got {type(out).__name__}; pass np.empty({shape}, {dtype})")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out must have dtype {dtype}, the inputs' own, got {out.dtype}; pass np.empty({shape}, {dtype})")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape} but the result has shape {shape}; pass np.empty({shape}, {dtype})")
    if not out.flags.writeable or not out.flags.aligned:
        raise ValueError(f"out must be writeable and aligned, got flags {_flags(out)}; pass np.empty({shape}, {dtype})")
    if overlaps_itself(out):
        raise ValueError(
            f"out has strides {out.strides}, so its elements overlap one another; pass np.empty({shape}, {dtype})"
        )
    for name, array in inputs.items():
        if array is not None and shares_memory(out, array):
            raise ValueError(f"out shares memory with {name}, which is read while out is written; pass an array of its own")
    return out


def shares_memory(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two arrays have an element in common; yes where that is too hard to tell."""
    if not np.may_share_memory(one, other):
        return False
    try:
        return np.shares_memory(one, other, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def overlaps_itself(array: np.ndarray) -> bool:
    """Tell whether two indices may name one address: in order of stride, each step must leave the smaller axes behind."""
    if array.size < 2:
        return False
    reach = array.itemsize
    for stride, length in sorted((abs(stride), length) for stride, length in zip(array.strides, array.shape, strict=True)):
        if length > 1:
            if stride < reach:
                return True
            reach += stride * (length - 1)
    return False


def _flags(array: np.ndarray) -> str:
    return f"writeable={array.flags.writeable}, aligned={array.flags.aligned}"


def finite(name: str, array: np.ndarray) -> None:
    """Refuse NaN and infinity. Raises ValueError with the first bad place, counted from 0."""
    at = _not_finite(array)
    if at is not None:
        place = tuple(int(axis) for axis in at)
        words = ("row", "column")[: len(place)] if len(place) <= 2 else [f"axis {axis}" for axis in range(len(place))]
        where = ", ".join(f"{word} {position}" for word, position in zip(words, place, strict=True))
        raise ValueError(f"{name} must be finite, got {array[place]} at {where}; remove or fill such values first")


def _not_finite(array: np.ndarray) -> Any:
    """The first place of what is no number, or None; part by part, for as many flags as numbers may not fit in memory."""
    rows = max(1, PART // max(1, math.prod(array.shape[1:]))) if array.ndim else 1
    for first in range(0, len(array) if array.ndim else 1, rows):
        part = array[first : first + rows] if array.ndim else array
        if not np.isfinite(part).all():
            at = np.argwhere(~np.isfinite(part))[0]
            at[:1] += first
            return at
    return None


def shape_of(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """The shape as a tuple of integers ≥ 0. Raises TypeError or ValueError."""
    lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return tuple(count(f"{name}[{axis}]", length) for axis, length in enumerate(lengths))


def real_values(name: str, values: Any, dtype: np.dtype) -> np.ndarray:
    """Data for a network, in its dtype: real numbers of any kind, all finite. Raises TypeError or ValueError."""
    not_masked(name, values)
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} must be dense, got a sparse {type(values).__name__}; convert it with {name}.toarray()")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}; convert it with np.asarray({name}, float)")
    if array.dtype != dtype:
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    finite(name, array)
    return array

"""The arguments of kernels: their types in a signature, and the sentence for a value that is none of that type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from .arrays import wanted


def array_in(real: Any, axes: int) -> Any:
    """The type of an input: any strides, read-only. Every aligned array of the dtype is taken as it is."""
    return types.Array(real, axes, "A", readonly=True)


def array_out(real: Any, axes: int) -> Any:
    """The type of an output: any strides."""
    return types.Array(real, axes, "A")


def flat(of: Any) -> Any:
    """The type of a contiguous array with one axis, to read and write. of: Numba's type of its numbers."""
    return types.Array(of, 1, "C")


def flat_in(of: Any) -> Any:
    """The type of a contiguous array with one axis, only to read."""
    return types.Array(of, 1, "C", readonly=True)


def refuse_argument(takes: str, argument: str, kind: Any, value: Any) -> None:
    """Raises TypeError or ValueError unless the value is what a kernel can take for an argument of this type."""
    if isinstance(kind, types.NamedTuple | types.NamedUniTuple):
        if type(value) is not kind.instance_class:
            raise TypeError(f"{takes} {kind.instance_class.__name__} for {argument}, got {type(value).__name__:.60}")
        for field, one, part in zip(kind.fields, kind.types, value, strict=True):
            refuse_argument(takes, f"{argument}.{field}", one, part)
    elif isinstance(kind, types.Array):
        expected = wanted(kind)
        if not expected.fits(value):
            raise TypeError(f"{takes} {expected} for {argument}, got {expected.got(value)}")
    else:
        _refuse_number(takes, argument, kind, value)


def _refuse_number(takes: str, argument: str, kind: Any, value: Any) -> None:
    """Raises TypeError or ValueError unless the value is a number that a kernel can take for one of this type."""
    whole = isinstance(kind, types.Integer)
    reals = (int, np.integer) if whole else (int, np.integer, float, np.floating)
    if isinstance(value, bool) or not isinstance(value, reals):
        raise TypeError(
            f"{takes} {'an integer' if whole else 'a real number'} for {argument}, got {type(value).__name__:.60}"
        )
    if isinstance(value, int | np.integer) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{takes} integers of 64 bits for {argument}, got one of {int(value).bit_length()} bits")

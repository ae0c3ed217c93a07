"""What operators are given, looked at before anything is made of it: every refusal names the node."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .messages import Node, Tensor
from .values import Layer, Rows, Value

REALS = "<f4", "<f8"


class Walk(Protocol):
    """The state of reading: the layers so far, and the arrays that were made."""

    layers: list[Layer]

    def array(self, tensor: Tensor) -> np.ndarray:
        """A tensor's array."""
        ...

    def keep(self, array: np.ndarray) -> np.ndarray:
        """The array, counted: ValueError where all that were made are more than the file justifies."""
        ...


def refused(node: Node, why: str) -> ValueError:
    """The refusal of a node."""
    return ValueError(f"{node}: {why}")


def rows_of(node: Node, value: Value) -> Rows:
    """The outputs of a layer that a value must be."""
    if not isinstance(value, Rows):
        raise refused(node, "it takes what is no output of a layer, or constants alone")
    return value


def constant(node: Node, value: Value, what: str) -> np.ndarray:
    """The constant that a value must be."""
    if not isinstance(value, np.ndarray):
        raise refused(node, f"{what} must be a constant")
    return value


def settings(node: Node, **usual: float) -> tuple[float, ...]:
    """The attributes that are numbers, or what they usually are."""
    return tuple(float(node.attributes.get(name, value)) for name, value in usual.items())


def terms(node: Node, value: Value, width: int, turned: bool) -> np.ndarray:
    """A constant that is a number for each output, (width,)."""
    return np.broadcast_to(each(node, value, width, turned), (width,))


def each(node: Node, value: Value, width: int | None, turned: bool) -> np.ndarray:
    """A constant that is one number for all outputs, (), or one for each, (width,)."""
    array = constant(node, value, "what is added or multiplied")
    if array.dtype.str not in REALS:
        raise refused(node, f"its constant is of {array.dtype}; expected float32 or float64")
    shape = array.shape
    fits = shape[1:] == (1,) * (array.ndim - 1) and array.ndim == 2 if turned else all(size == 1 for size in shape[:-1])
    if not (array.size == 1 or (fits and 0 < array.ndim < 3 and 0 < array.size == (width or array.size))):
        raise refused(node, f"its constant has shape {shape}; expected one number for each of {width} outputs")
    return array.reshape(-1) if array.ndim else array

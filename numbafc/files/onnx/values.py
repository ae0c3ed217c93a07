"""What names stand for while a model is read: constants are arrays; all else depends on the samples, by its layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .expressions import Y
from .messages import Node

COMPARISONS = "Greater", "Less", "GreaterOrEqual", "LessOrEqual"


class Rows(NamedTuple):
    """A number for each output of a layer, and sample.

    layer: its place; 0 is the input. made: what was made of the layer's outputs: Y, or an operator, a node and what it
    takes, again such or arrays. size: of that. turned: whether samples are in columns.
    """

    layer: int
    made: Any = Y
    size: int = 1
    turned: bool = False


class Made(NamedTuple):
    """What an operator makes of others. name: the operator's, with its settings (expressions.named)."""

    name: str
    node: Node
    parts: tuple[Any, ...]


class Layer(NamedTuple):
    """W (T, N) and b (T,), None without one, of what rows have; the input has neither, and may not know its width."""

    width: int | None
    rows: Rows | None = None
    W: np.ndarray | None = None
    b: np.ndarray | None = None
    node: Node | None = None


class Answer(NamedTuple):
    """Probabilities of classes. pair: whether they are 1 − σ(y) and σ(y) of one output."""

    rows: Rows
    classes: tuple[str, ...] | None = None
    pair: bool = False


class Label(NamedTuple):
    """A class, or labels of 0 and 1, of what was made of these rows."""

    layer: int
    classes: tuple[str, ...] | None = None


Value = np.ndarray | Rows | Answer | Label


def expression(made: Any, width: int | None) -> Any:
    """What was made as an expression of y (expressions.py); None where a part is no number for all outputs alike."""
    if isinstance(made, np.ndarray):
        return float(made.reshape(-1)[0]) if made.size == 1 else None
    if not isinstance(made, Made):
        return made
    parts = [expression(part, width) for part in made.parts]
    return None if None in parts else (made.name, *parts)


def steps(made: Any) -> list[tuple[str, np.ndarray]] | None:
    """What was made as additions to and products with constants, one after the other; None where it is more."""
    found: list[tuple[str, np.ndarray]] = []
    while isinstance(made, Made):
        if made.name not in ("Add", "Sub", "Mul", "Div") or len(made.parts) != 2:
            return None
        first, second = made.parts
        if isinstance(first, np.ndarray) and made.name in ("Add", "Mul"):
            first, second = second, first
        if isinstance(first, np.ndarray) or not isinstance(second, np.ndarray):
            return None
        found.append((made.name, second))
        made = first
    return found[::-1]


def composed(taken: list[tuple[str, np.ndarray]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """The factors a and the terms c, in float64, with which steps make a·y + c of y."""
    a, c = np.ones(width), np.zeros(width)
    with np.errstate(all="ignore"):
        for name, array in taken:
            by = array.astype(np.float64)
            if name in ("Add", "Sub"):
                c = c + by if name == "Add" else c - by
            else:
                a, c = (a * by, c * by) if name == "Mul" else (a / by, c / by)
    return a, c

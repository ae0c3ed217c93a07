"""Nodes that change nothing of a network: casts, shapes, dropout, constants."""

from __future__ import annotations

import numpy as np

from .given import Walk, constant, refused, rows_of
from .messages import Node, Tensor
from .tensors import DOUBLE, DTYPES, FLOAT
from .values import COMPARISONS, Label, Made, Rows, Value


def through(walk: Walk, node: Node, given: list[Value]) -> Value:
    return given[0]


def dropout(walk: Walk, node: Node, given: list[Value]) -> Value:
    if len(given) > 2 and np.any(constant(node, given[2], "training_mode")):
        raise refused(node, "it is in training mode; export the model for inference")
    return given[0]


def cast(walk: Walk, node: Node, given: list[Value]) -> Value:
    to, value = node.attributes.get("to", 0), given[0]
    if isinstance(value, np.ndarray):
        if to not in (FLOAT, DOUBLE) or value.dtype.kind not in "fiub":
            return value
        return walk.keep(value.astype(DTYPES[to]))
    if isinstance(value, Rows) and to not in (FLOAT, DOUBLE):
        if not (isinstance(value.made, Made) and value.made.name in COMPARISONS):
            raise refused(node, "it makes other numbers than float32 or float64 of a layer's outputs")
        return Label(value.layer)
    return value


def flatten(walk: Walk, node: Node, given: list[Value]) -> Value:
    if isinstance(given[0], Rows) and (node.attributes.get("axis", 1) not in (1, -1) or given[0].turned):
        raise refused(node, "it puts several samples into one; expected the axis 1")
    return given[0]


def reshape(walk: Walk, node: Node, given: list[Value]) -> Value:
    shape = constant(node, given[1], "the shape")
    sizes = [int(size) for size in shape.reshape(-1)[:9]] if shape.dtype.kind == "i" else []
    value = given[0]
    if isinstance(value, np.ndarray):
        return walk.keep(value.reshape([value.shape[n] if size == 0 else size for n, size in enumerate(sizes)]))
    width = walk.layers[value.layer].width if isinstance(value, Rows) else None
    if isinstance(value, Rows) and not (
        (len(sizes) == 2 and not value.turned and sizes[1] in (-1, width or sizes[1])) or (sizes == [-1] and width == 1)
    ):
        raise refused(node, f"it puts samples of {width} numbers into the shape {tuple(sizes)}; expected (-1, {width})")
    return value


def transpose(walk: Walk, node: Node, given: list[Value]) -> Value:
    value, order = given[0], node.attributes.get("perm")
    if isinstance(value, np.ndarray):
        return value.transpose(order)
    if order not in (None, [1, 0]):
        raise refused(node, "it changes the order of other axes than samples and features")
    rows = rows_of(node, value)
    return rows._replace(turned=not rows.turned)


def value(walk: Walk, node: Node, given: list[Value]) -> Value:
    """A constant."""
    for name, one in node.attributes.items():
        if name == "value" and isinstance(one, Tensor):
            return walk.array(one)
        if name in ("value_float", "value_floats"):
            return np.asarray(one, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(one, np.int64)
    raise refused(node, "its value is no tensor of numbers")

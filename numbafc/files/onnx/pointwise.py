"""What is done to each element of a layer's outputs, be it an activation or standardisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .expressions import MOST, Y, named
from .given import Walk, each, refused, rows_of, settings
from .messages import Node
from .values import Made, Rows, Value


def elementwise(walk: Walk, node: Node, given: list[Value], name: str = "") -> Value:
    """What an operator makes of each element of the outputs of one layer, and constants."""
    rows = [value for value in given if isinstance(value, Rows)]
    if not rows or any(not isinstance(value, Rows | np.ndarray) for value in given):
        return _of_probabilities(node, given)
    if len({(one.layer, one.turned) for one in rows}) > 1:
        raise refused(node, "it brings several layers together; a network is one chain of them")
    first = rows[0]
    width = walk.layers[first.layer].width
    parts = [value.made if isinstance(value, Rows) else each(node, value, width, first.turned) for value in given]
    if node.operator == "Add" and len(parts) == 2 and all(one.made == Y for one in rows) and len(rows) == 1:
        with_bias = _with_bias(walk, node, first, next(one for one in parts if isinstance(one, np.ndarray)))
        if with_bias is not None:
            return with_bias
    size = 1 + sum(one.size for one in rows) + len(given) - len(rows)
    if size > MOST:
        raise refused(node, "what it is part of is no activation that numbafc has")
    return first._replace(made=Made(name or node.operator, node, tuple(parts)), size=size)


def _with_bias(walk: Walk, node: Node, rows: Rows, b: np.ndarray) -> Rows | None:
    """The layer with b, if it has none yet."""
    layer = walk.layers[rows.layer]
    if layer.W is None or layer.b is not None:
        return None
    b = walk.keep(np.broadcast_to(b, layer.W.shape[:1]).astype(layer.W.dtype))
    walk.layers.append(layer._replace(b=b))
    return rows._replace(layer=len(walk.layers) - 1)


def _of_probabilities(node: Node, given: list[Value]) -> Value:
    raise refused(node, "it takes probabilities or labels, behind which a network has nothing more")


def with_settings(**usual: float) -> Callable[[Walk, Node, list[Value]], Value]:
    def of(walk: Walk, node: Node, given: list[Value]) -> Value:
        return elementwise(walk, node, given[:1], named(node.operator, *settings(node, **usual)))

    return of


def gelu(walk: Walk, node: Node, given: list[Value]) -> Value:
    how = node.attributes.get("approximate", b"none")
    if how != b"none":
        raise refused(
            node, f"gelu by {bytes(how).decode(errors='replace')!r:.20} is another function than numbafc's, by erf"
        )
    return elementwise(walk, node, given)


def scaler(walk: Walk, node: Node, given: list[Value]) -> Value:
    """(x − offset)·scale."""
    rows, width = rows_of(node, given[0]), walk.layers[rows_of(node, given[0]).layer].width
    pairs = ("Sub", "offset"), ("Mul", "scale")
    for name, which in pairs:
        numbers = node.attributes.get(which)
        if not isinstance(numbers, np.ndarray) or len(numbers) not in (1, width or len(numbers)):
            raise refused(node, f"its {which} must be one number for each of {width} features")
        rows = rows._replace(made=Made(name, node, (rows.made, numbers)), size=rows.size + 2)
    return rows

"""What a network's outputs become: probabilities, labels, the names of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .given import Walk, refused, rows_of
from .messages import Node
from .values import Answer, Label, Rows, Value, expression


def softmax(walk: Walk, node: Node, given: list[Value]) -> Value:
    rows = rows_of(node, given[0])
    if node.attributes.get("axis", 1) not in (1, -1) or rows.turned:
        raise refused(node, "it is not over the classes of each sample; expected the axis 1")
    return Answer(rows)


def concat(walk: Walk, node: Node, given: list[Value]) -> Value:
    """1 − σ(y) and σ(y) side by side: the probabilities of two classes; of several labels σ(y) says all."""
    if len(given) == 2 and all(isinstance(one, Rows) for one in given) and node.attributes.get("axis") in (1, -1):
        no, yes = (rows_of(node, one) for one in given)
        width = walk.layers[yes.layer].width
        sigmoid = ("Sigmoid", "y")
        of_no, of_yes = expression(no.made, width), expression(yes.made, width)
        if no.layer == yes.layer and of_yes == sigmoid and of_no == ("Sub", 1.0, sigmoid) and not yes.turned:
            return Answer(yes, pair=True) if width == 1 else yes
    raise refused(node, "it puts values side by side that are not the probabilities of two classes")


def argmax(walk: Walk, node: Node, given: list[Value]) -> Value:
    value = given[0]
    rows = value.rows if isinstance(value, Answer) else rows_of(node, value)
    if node.attributes.get("axis", 0) not in (1, -1) or rows.turned or node.attributes.get("select_last_index", 0):
        raise refused(node, "it is not the first of each sample's largest numbers; expected the axis 1")
    return Label(rows.layer)


def gather(walk: Walk, node: Node, given: list[Value]) -> Value:
    """The labels of classes."""
    if not (isinstance(given[0], np.ndarray) and isinstance(given[1], Label)):
        raise refused(node, "it chooses among what are no labels of classes")
    return given[1]._replace(classes=_words(given[0].reshape(-1).tolist()))


def zipmap(walk: Walk, node: Node, given: list[Value]) -> Value:
    labels = node.attributes.get("classlabels_strings") or node.attributes.get("classlabels_int64s") or []
    value = given[0]
    return value._replace(classes=_words(labels)) if isinstance(value, Answer) else rows_of(node, value)


def _words(labels: list[Any]) -> tuple[str, ...]:
    return tuple(one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in labels)


def binarizer(walk: Walk, node: Node, given: list[Value]) -> Value:
    return Label(rows_of(node, given[0]).layer)

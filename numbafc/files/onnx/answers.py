"""Answers as nodes: what a network's outputs mean, as predict and predict_proba have it; of several networks the mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...nn import MLP
from ...nn.losses import LOSSES
from .graph import DOUBLE, Graph

LABEL, PROBABILITIES, PREDICTION = OUTPUTS = "label", "probabilities", "prediction"
INT64 = np.iinfo(np.int64)


def add(graph: Graph, nets: Sequence[MLP], outputs: Sequence[str]) -> None:
    """Make the answers of the networks, whose outputs these are, the graph's own."""
    net = nets[0]
    if LOSSES[net.loss_name].classifies:
        each = [graph.node("Softmax", Y, axis=1) for Y in outputs]
        shares = mean(graph, each, graph.dtype)
        first = graph.node("ArgMax", shares if len(nets) > 1 else outputs[0], axis=1, keepdims=0)
        labels, kind = add_classes(graph, net.classes)
        graph.output(first if labels is None else graph.node("Gather", labels, first, axis=0), LABEL, kind)
        graph.output(shares, PROBABILITIES, graph.dtype, net.sizes[-1])
    elif net.loss_name == "binary_cross_entropy":
        shares = mean(graph, [graph.node("Sigmoid", Y) for Y in outputs], graph.dtype)
        limit = graph.constant(0.5) if len(nets) > 1 else graph.constant(0.0)
        positive = graph.node("Greater", shares if len(nets) > 1 else outputs[0], limit)
        graph.output(graph.cast(positive, np.int64), LABEL, np.int64, net.sizes[-1])
        graph.output(shares, PROBABILITIES, graph.dtype, net.sizes[-1])
    else:
        predicted = [in_own_units(graph, one, Y) for one, Y in zip(nets, outputs, strict=True)]
        dtype = dtype_of(net)
        graph.output(mean(graph, predicted, dtype), PREDICTION, dtype, net.sizes[-1])


def has_labels(net: MLP) -> bool:
    """Tell whether a network's answers are labels with their probabilities."""
    return LOSSES[net.loss_name].classifies or net.loss_name == "binary_cross_entropy"


def dtype_of(net: MLP) -> np.dtype:
    """The dtype of predictions: the targets' own."""
    return net.dtype if net.target_mean is None else net.target_mean.dtype


def in_own_units(graph: Graph, net: MLP, Y: str) -> str:
    """Counts, or reals that are not standardised."""
    if net.loss_name == "poisson":
        return graph.node("Exp", Y)
    if net.target_mean is None or net.target_scale is None:
        return Y
    if dtype_of(net) != graph.dtype:  # targets of a table are in float64
        Y = graph.cast(Y, DOUBLE)
    Y = graph.node("Mul", Y, graph.parameter(net.target_scale, "target.scale"))
    return graph.node("Add", Y, graph.parameter(net.target_mean, "target.mean"))


def mean(graph: Graph, each: Sequence[str], dtype: np.dtype) -> str:
    """The mean of values, in float64 and in their order, in their own dtype."""
    if len(each) == 1:
        return each[0]
    total, *others = [one if dtype == DOUBLE else graph.cast(one, DOUBLE) for one in each]
    for one in others:
        total = graph.node("Add", total, one)
    total = graph.node("Div", total, graph.constant(float(len(each)), DOUBLE))
    return total if dtype == DOUBLE else graph.cast(total, dtype)


def add_classes(graph: Graph, classes: Sequence[str] | None) -> tuple[str | None, type]:
    """The name of the labels, if there are any, and their type: integers where all are spelt as such, else words."""
    if classes is None:
        return None, np.int64
    integers = integers_of(classes)
    if integers is None:
        return graph.words(classes, "classes"), str
    return graph.parameter(np.array(integers, np.int64), "classes"), np.int64


def integers_of(classes: Sequence[str] | None) -> list[int] | None:
    """The labels as integers of 64 bits, or the places of none; None where one is spelt otherwise: 007, 1.0, a word."""
    found = [_integer(label) for label in classes or ()]
    return None if None in found else [number for number in found if number is not None]


def _integer(label: str) -> int | None:
    digits = label.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return None
    number = int(label)
    return number if str(number) == label and INT64.min <= number <= INT64.max else None

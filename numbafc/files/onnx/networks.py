"""A network of what a model's outputs were found to be: its layers, what is before them and what behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import checks
from ...nn import ACTIVATIONS, LOSSES, MLP
from ...nn.attributes import REAL_LOSSES
from ..weights import of_layers
from .expressions import Y, activation_of
from .given import refused
from .messages import Model
from .values import COMPARISONS, Answer, Label, Layer, Made, Rows, Value, composed, expression, steps

Steps = list[tuple[str, np.ndarray]]


class Found(NamedTuple):
    """The end of a network: its last layer's outputs, the loss they go with, None where any will do, and what is behind."""

    rows: Rows
    loss: str | None
    behind: Steps
    classes: tuple[str, ...] | None = None
    pair: bool = False


def network(model: Model, layers: Sequence[Layer], outputs: Sequence[Value], loss: str | None) -> MLP:
    """The network. loss: what the model leaves open. Raises ValueError for what is none."""
    found = _end(outputs, layers)
    chain, front, activation = _chain(layers, found.rows.layer)
    activation = activation or _said(model, "activation", ACTIVATIONS) or "relu"
    dtype = np.dtype(np.result_type(*(layer.W for layer in chain if layer.W is not None)))
    pairs = _pairs(chain, found.pair)
    mean, scale, factors = _before(front, pairs[0][0].shape[1])
    net = of_layers(pairs, activation, _loss(model, found, loss), dtype, factors)
    if not np.isfinite(net.parameters).all():
        raise ValueError("its parameters are not all finite; a network with such predicts nothing")
    if mean is not None:
        net.input_mean, net.input_scale = mean, scale
    if found.behind:
        net.target_scale, net.target_mean = _behind(found.behind, net.sizes[-1])
    net.classes = found.classes or _names(model, "classes", net.sizes[-1])
    net.features = _names(model, "features", net.sizes[0])
    return net


# ---- the end ----------------------------------------------------------------------------------------------------------


def _end(outputs: Sequence[Value], layers: Sequence[Layer]) -> Found:
    """What the outputs mean, all of them together. Raises ValueError."""
    labels: list[Any] = [value for value in outputs if isinstance(value, Label) or _compares(value)]
    answers = [value for value in outputs if isinstance(value, Answer | Rows) and not _compares(value)]
    if not answers:
        raise ValueError("it has no output of numbers; expected probabilities or predictions")
    first = answers[0]
    rows = first.rows if isinstance(first, Answer) else first
    for other in answers[1:]:
        same = other.rows if isinstance(other, Answer) else other
        if type(other) is not type(first) or same.layer != rows.layer or same.made is not rows.made:
            raise ValueError(f"it has {len(answers)} outputs of numbers that differ; a network has one")
    if rows.turned:
        raise ValueError("its output has samples in columns; a network's are in rows")
    classes = first.classes if isinstance(first, Answer) else None
    for label in labels:
        if label.layer != rows.layer:
            raise ValueError("its labels are of another layer than its probabilities")
        classes = classes or (label.classes if isinstance(label, Label) else None)
    if isinstance(first, Answer):
        if not first.pair and rows.made != Y:
            raise refused(rows.made.node, "probabilities are of the last layer's outputs as they are")
        return Found(rows, "cross_entropy", [], classes, first.pair)
    behind = steps(rows.made)
    if behind is not None:
        return Found(rows, None, behind, None)
    losses = {("Sigmoid", Y): "binary_cross_entropy", ("Exp", Y): "poisson"}
    loss = losses.get(expression(rows.made, layers[rows.layer].width))
    if loss is None:
        raise refused(rows.made.node, "behind the last layer there may be Softmax, Sigmoid, Exp, or factors and terms")
    return Found(rows, loss, [], None)


def _compares(value: Any) -> bool:
    return isinstance(value, Rows) and isinstance(value.made, Made) and value.made.name in COMPARISONS


def _loss(model: Model, found: Found, asked: str | None) -> str:
    """The loss: what the end says, else what was asked for, else what numbafc wrote, else mse."""
    if asked is not None:
        checks.choice("loss", asked, LOSSES)
        if found.loss not in (None, asked) or (found.behind and asked not in REAL_LOSSES):
            ends = f"of {found.loss!r}" if found.loss else "of real targets in their own units"
            raise ValueError(f"its outputs are those {ends}, not of the loss {asked!r}; leave loss out")
        return asked
    return found.loss or _said(model, "loss", REAL_LOSSES) or "mse"


def _behind(behind: Steps, T: int) -> tuple[Any, Any]:
    """The scale and the mean of the targets."""
    names, arrays = [name for name, _ in behind], [array for _, array in behind]
    if names == ["Mul", "Add"]:
        return arrays[0], arrays[1]
    return composed(behind, T)


# ---- layers -----------------------------------------------------------------------------------------------------------


def _chain(layers: Sequence[Layer], last: int) -> tuple[list[Layer], Steps, str | None]:
    """The layers in order, what is done to the inputs, and the activation between them, None where nothing is."""
    chain: list[Layer] = []
    found: tuple[str, str] | None = None
    place = last
    while layers[place].rows is not None:
        layer = layers[place]
        chain.insert(0, layer)
        rows = layer.rows
        assert rows is not None
        place = rows.layer
        if place == 0:
            front = steps(rows.made)
            if front is None:
                raise refused(rows.made.node, "before the first layer there may be factors and terms of the inputs alone")
            return chain, front, None if found is None else found[0]
        name = activation_of(expression(rows.made, layers[place].width))
        if name is None:
            what = f"{rows.made.name:.60} is no activation of numbafc's, which are"
            raise refused(rows.made.node, f"{what} {', '.join(ACTIVATIONS)}")
        where = str(rows.made.node if isinstance(rows.made, Made) else layer.node)
        if found is not None and found[0] != name:
            raise ValueError(
                f"{where} makes {name} of a hidden layer, and {found[1]} {found[0]}; a network has one for all"
            )
        found = found or (name, where)
    raise ValueError("its outputs are its inputs; there is no layer")


def _pairs(chain: Sequence[Layer], pair: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """W and b of each layer. pair: the last layer's output is the second of two logits, of which the first is 0."""
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for layer in chain:
        assert layer.W is not None
        T = len(layer.W)
        pairs.append((layer.W, np.zeros(T, layer.W.dtype) if layer.b is None else layer.b))
    if pair:  # softmax of 0 and y is 1 − σ(y) and σ(y)
        W, b = pairs.pop()
        pairs.append((np.concatenate([np.zeros_like(W), W]), np.concatenate([np.zeros_like(b), b])))
    return pairs


def _before(front: Steps, N: int) -> tuple[Any, Any, np.ndarray | None]:
    """The mean and the scale of the inputs, and their factors, each None where there are none."""
    for _, array in front:
        if array.ndim and len(array) not in (1, N):
            raise ValueError(f"its inputs are standardised with {len(array)} numbers, and there are {N} of them")
    names, arrays = [name for name, _ in front], [array for _, array in front]
    if names == ["Mul"] and arrays[0].ndim:
        return None, None, np.broadcast_to(arrays[0], (N,))
    if names[:2] == ["Sub", "Div"] and (len(names) == 2 or (names[2:] == ["Mul"] and arrays[2].ndim)):
        return arrays[0], arrays[1], np.broadcast_to(arrays[2], (N,)) if len(names) == 3 else None
    if not front:
        return None, None, None
    a, c = composed(front, N)
    with np.errstate(all="ignore"):
        mean, scale = -c / a, 1 / a
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and scale.all()):
        raise ValueError("its inputs are multiplied by 0, or by what is no number; leave such features out")
    return mean, scale, None


# ---- metadata ---------------------------------------------------------------------------------------------------------


def _stored(model: Model, key: str) -> Any:
    """What numbafc wrote about a network, None where there is nothing, or another's."""
    try:
        return json.loads(model.metadata.get(key, "null"))
    except (ValueError, RecursionError):
        return None


def _said(model: Model, key: str, known: Any) -> str | None:
    value = _stored(model, key)
    return value if isinstance(value, str) and value in known else None


def _names(model: Model, key: str, count: int) -> tuple[str, ...] | None:
    value = _stored(model, key)
    fits = isinstance(value, list) and len(value) == count and all(isinstance(one, str) for one in value)
    return tuple(value) if fits else None

"""Networks as scikit-learn begins them: weights and biases layer by layer, uniform, from its own generator."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....nn import MLP
from ....nn.network import count_parameters, set_layers

OURS = {"logistic": "sigmoid"}  # what an activation is called in numbafc, where it is called otherwise


def network(sizes: Sequence[int], activation: str, loss: Any, dtype: np.dtype, rs: np.random.RandomState) -> MLP:
    """A network that is not trained yet: ±√(6/(N + T)), or √2 for the logistic function (X. Glorot, Y. Bengio, 2010)."""
    name: Any = OURS.get(activation, activation)
    net = MLP([1, 1], name, loss, dtype)
    set_layers(net, tuple(int(size) for size in sizes), np.empty(count_parameters(sizes, False), dtype))
    factor = 2.0 if name == "sigmoid" else 6.0
    for W, b in net.layers(net.parameters):
        T, N = W.shape
        bound = np.sqrt(factor / (N + T))
        W[:] = rs.uniform(-bound, bound, (N, T)).T
        b[:] = rs.uniform(-bound, bound, T)
    return net


def going_on(net: MLP, activation: str, loss: Any, dtype: np.dtype | None) -> MLP:
    """The network with parameters that may be written, of another dtype if there is one, and with what is set now."""
    name: Any = OURS.get(activation, activation)
    if dtype is not None and dtype != net.dtype:
        other = MLP([1, 1], name, loss, dtype)
        set_layers(other, net.sizes, net.parameters.astype(dtype))
        return other
    net = copy.copy(net)  # a fit that is refused later leaves the network as it was
    if not net.parameters.flags.writeable:  # from a memory map
        set_layers(net, net.sizes, net.parameters.copy())
    net.activation, net.loss_name = name, loss
    return net


def copied(net: MLP) -> MLP:
    """A network of the same layers with parameters of its own."""
    other = MLP([1, 1], net.activation, net.loss_name, net.dtype)
    set_layers(other, net.sizes, net.parameters.copy())
    return other


def with_second_logit(net: MLP) -> MLP:
    """The network of one logit y as one of two classes, whose logits are 0 and y: softmax of them is 1 − σ(y) and σ(y)."""
    *below, _ = net.sizes
    other = MLP([1, 1], net.activation, "cross_entropy", net.dtype)
    flat = np.concatenate([np.zeros(below[-1] + 1, net.dtype), net.parameters])
    set_layers(other, (*below, 2), flat)
    for ours, theirs in zip([*other.weights, *other.biases], [*net.weights, *net.biases], strict=True):
        ours[-len(theirs) :] = theirs
    other.weights[-1][0], other.biases[-1][0] = 0, 0
    return other


def require_whole(of: Any) -> None:
    """Require of what came out of a pickle that it can predict and go on. Raises ValueError."""
    net = vars(of).get("net_")
    if net is None:
        return
    solver = vars(of).get("_optimizer")
    held = [] if solver is None else [array for name, array in solver.state.items() if name != "powers"]
    if not isinstance(net, MLP) or any(
        array.shape != (count_parameters(net.sizes, False),) for array in (net.parameters, *held)
    ):
        raise ValueError(
            f"this pickle of a {type(of).__name__} is not whole: its parameters, or its optimizer's state, do not fit its "
            "layers; it was changed, or made by a version of another form. Fit again, or load what save() wrote"
        )

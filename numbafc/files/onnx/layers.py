"""Layers as nodes: standardisation, factors of the inputs, then Gemm and an activation, the last without."""

from __future__ import annotations

from ...nn.network import Network
from .activations import activated
from .graph import Graph


def outputs(graph: Graph, net: Network, X: str, prefix: str = "") -> str:
    """The last layer's outputs, of inputs (samples, N). prefix: of the parameters' names, where there are several networks.

    Sub and Div are the network's own operations; the operator Scaler multiplies, which has other bits.
    """
    if net.input_mean is not None and net.input_scale is not None:
        X = graph.node("Sub", X, graph.parameter(net.input_mean, f"{prefix}input.mean"))
        X = graph.node("Div", X, graph.parameter(net.input_scale, f"{prefix}input.scale"))
    if net.scaling:
        X = graph.node("Mul", X, graph.parameter(net.scales, f"{prefix}scales"))
    last = len(net.sizes) - 2
    for layer, (W, b) in enumerate(net.layers(net.parameters)):
        own = f"{prefix}layers.{layer}"
        pair = graph.parameter(W, f"{own}.weight"), graph.parameter(b, f"{own}.bias")
        X = graph.node("Gemm", X, *pair, name=own, transB=1)
        if layer < last:
            X = activated(graph, net.activation, X)
    return X

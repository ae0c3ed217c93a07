"""Activations as nodes: an operator where the opset and the runtimes have one, else put together: nothing overflows.

ONNX Runtime computes Elu, Selu, LeakyRelu, Softplus, Mish and Erf in float32 alone. For float64 they are put together, but
Erf, which is taken of float32 and leaves gelu an error of 6e-8·|y|.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...nn.activations import LEAK, SELU_ALPHA, SELU_SCALE
from . import opsets
from .graph import DOUBLE, Graph

# Above it (e^y)² + 2·e^y is 2⁵⁷ and more, to which 2 adds nothing in float64: mish is y.
MISH_ALL = 20.0


def activated(graph: Graph, name: str, y: str) -> str:
    """φ(y)."""
    return ACTIVATIONS[name](graph, y)


def _operator(operator: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, y: graph.node(operator, y, **attributes)


def _below(graph: Graph, y: str, otherwise: str) -> str:
    """y for y > 0, else another value."""
    return graph.node("Where", graph.node("Greater", y, graph.constant(0.0)), y, otherwise)


def _expm1_below(graph: Graph, y: str) -> str:
    """e^y − 1 for y ≤ 0, which does not overflow above."""
    return graph.node("Sub", graph.node("Exp", graph.node("Min", y, graph.constant(0.0))), graph.constant(1.0))


def _leaky_relu(graph: Graph, y: str) -> str:
    if graph.dtype != DOUBLE:
        return graph.node("LeakyRelu", y, alpha=LEAK)
    return _below(graph, y, graph.node("Mul", y, graph.constant(LEAK)))


def _elu(graph: Graph, y: str) -> str:
    return graph.node("Elu", y, alpha=1.0) if graph.dtype != DOUBLE else _below(graph, y, _expm1_below(graph, y))


def _selu(graph: Graph, y: str) -> str:
    if graph.dtype != DOUBLE:
        return graph.node("Selu", y, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    below = graph.node("Mul", graph.constant(SELU_ALPHA), _expm1_below(graph, y))
    return graph.node("Mul", graph.constant(SELU_SCALE), _below(graph, y, below))


def _softplus(graph: Graph, y: str) -> str:
    """max(y, 0) + log(1 + e^−|y|): the operator itself is log(1 + e^y) in places, which overflows."""
    e = graph.node("Exp", graph.node("Neg", graph.node("Abs", y)))
    log = graph.node("Log", graph.node("Add", e, graph.constant(1.0)))
    return graph.node("Add", graph.node("Relu", y), log)


def _gelu(graph: Graph, y: str) -> str:
    """y·(1 + erf(y/√2))/2."""
    if graph.opset >= opsets.GELU and graph.dtype != DOUBLE:
        return graph.node("Gelu", y)
    z = graph.node("Mul", y, graph.constant(np.sqrt(0.5)))
    erf = (
        graph.node("Erf", z) if graph.dtype != DOUBLE else graph.cast(graph.node("Erf", graph.cast(z, np.float32)), DOUBLE)
    )
    share = graph.node("Mul", graph.node("Add", erf, graph.constant(1.0)), graph.constant(0.5))
    return graph.node("Mul", y, share)


def _silu(graph: Graph, y: str) -> str:
    return graph.node("Swish", y) if graph.opset >= opsets.SWISH else graph.node("Mul", y, graph.node("Sigmoid", y))


def _mish(graph: Graph, y: str) -> str:
    """y·w/(w + 2), w = u² + 2u, u = e^y (kernels/mish.py)."""
    if graph.opset >= opsets.MISH and graph.dtype != DOUBLE:
        return graph.node("Mish", y)
    two = graph.constant(2.0)
    u = graph.node("Exp", graph.node("Min", y, graph.constant(MISH_ALL)))
    w = graph.node("Mul", u, graph.node("Add", u, two))
    return graph.node("Mul", y, graph.node("Div", w, graph.node("Add", w, two)))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda graph, y: y,
    "relu": _operator("Relu"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
}

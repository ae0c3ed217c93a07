"""Layers written as objects, as check_layer asks them: two functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

# The names of a layer's arrays that people use.
WEIGHTS, BIASES = ("W", "weight", "weights", "w"), ("b", "bias", "biases")
OF_WEIGHTS = "dW", "grad_W", "grad_w", "dweight", "dweights", "grad_weight", "weight_grad", "dw"
OF_BIASES = "db", "grad_b", "dbias", "dbiases", "grad_bias", "bias_grad"

_Function = Callable[..., Any]


def functions_of(forward: Any, backward: _Function | None) -> tuple[_Function | None, _Function | None]:
    """The functions forward(W, X, b) and backward(dY, X, W) of a layer: those two, or an object's.

    An object has both as methods of these arguments; or it keeps its own weights and bias, and has forward(X) and
    backward(dY), which returns dX and leaves dW and db as attributes, or returns (dW, db, dX). Raises TypeError.
    """
    if backward is not None or forward is None or not (hasattr(forward, "forward") and hasattr(forward, "backward")):
        if forward is not None and not callable(forward):
            raise TypeError(
                f"forward must be a function, or an object with forward and backward, got {type(forward).__name__}"
            )
        return forward, backward
    parameters = inspect.signature(forward.forward).parameters.values()
    needed = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    if len(needed) != 1:
        return forward.forward, forward.backward
    kept = _Kept(forward)
    return kept.forward, kept.backward


class _Kept:
    """A layer that keeps its own weights and bias, as functions."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.weight, self.bias = self._name(WEIGHTS, "weights"), self._name(BIASES, "bias")

    def _name(self, names: tuple[str, ...], what: str) -> str:
        for name in names:
            if hasattr(self.layer, name):
                return name
        raise TypeError(
            f"a layer with forward(X) must keep its {what} as one of {', '.join(names)}, and {type(self.layer).__name__} "
            "has none of them; pass functions forward(W, X, b) and backward(dY, X, W)"
        )

    def forward(self, W: np.ndarray, X: np.ndarray, b: np.ndarray) -> Any:
        setattr(self.layer, self.weight, W)
        setattr(self.layer, self.bias, b)
        return self.layer.forward(X)

    def backward(self, dY: np.ndarray, X: np.ndarray, W: np.ndarray) -> Any:
        self.forward(W, X, np.zeros(len(W), W.dtype))
        for names, zeros in ((OF_WEIGHTS, np.zeros_like(W)), (OF_BIASES, np.zeros(len(W), W.dtype))):
            for name in names:
                if hasattr(self.layer, name):  # an earlier call's, or what it begins with, to which gradients may be added
                    setattr(self.layer, name, zeros.copy())
        returned = self.layer.backward(dY)
        if isinstance(returned, tuple | list):
            return returned
        own = [getattr(self.layer, self._name(names, what)) for names, what in ((OF_WEIGHTS, "dW"), (OF_BIASES, "db"))]
        return *(np.array(gradient) for gradient in own), returned

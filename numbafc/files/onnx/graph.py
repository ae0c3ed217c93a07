"""Graph: the nodes, constants, inputs and outputs of an ONNX model that is being made, and their names.

A node is an operator and the names of what it takes; what it gives has a name of its own. Each constant is there once,
whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import opsets

DOUBLE = np.dtype(np.float64)


class Graph:
    """A graph of operators of one opset. dtype: of the network in it."""

    def __init__(self, opset: int, dtype: np.dtype) -> None:
        self.onnx = opsets.library(opset)
        self.opset, self.dtype = opset, dtype
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._taken: dict[str, int] = {}
        self._constants: dict[tuple[Any, ...], str] = {}

    def name(self, wanted: str) -> str:
        """A name that nothing has yet: the wanted one, or with a number."""
        name = wanted
        while name in self._taken or not name:
            self._taken[wanted] = count = self._taken.get(wanted, 1) + 1
            name = f"{wanted}_{count}"
        self._taken[name] = 1
        return name

    def node(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; the name of what it gives."""
        output = self.name(name or operator.lower())
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, values: Any, dtype: Any = None, name: str = "constant") -> str:
        """The name of a constant: numbers of the network's dtype, if of no other, or words."""
        array = np.ascontiguousarray(np.asarray(values, self.dtype if dtype is None else dtype).reshape(np.shape(values)))
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = self._add(array, name)
        return self._constants[key]

    def parameter(self, values: np.ndarray, name: str) -> str:
        """The name of a constant that is the network's own, by its name where that is free."""
        return self._add(np.ascontiguousarray(values), name)

    def words(self, texts: Sequence[str], name: str) -> str:
        """The name of a constant of words."""
        own, make = self.name(name), self.onnx.helper.make_tensor
        encoded = [text.encode() for text in texts]
        self.initializers.append(make(own, self.onnx.TensorProto.STRING, [len(encoded)], encoded))
        return own

    def _add(self, array: np.ndarray, name: str) -> str:
        own = self.name(name)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self.initializers.append(self.onnx.numpy_helper.from_array(little, own))
        return own

    def cast(self, value: str, dtype: Any) -> str:
        """The value in another dtype."""
        return self.node("Cast", value, to=self._element(dtype))

    def input(self, name: str, dtype: Any, width: int) -> str:
        """Add an input, (samples, width); its name. dtype: str for words."""
        own = self.name(name)
        self.inputs.append(self._described(own, dtype, ["samples", width]))
        return own

    def output(self, value: str, name: str, dtype: Any, *shape: int) -> None:
        """Make a value an output of that name, which nothing else has."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=name))
        self.outputs.append(self._described(name, dtype, ["samples", *shape]))

    def reserve(self, *names: str) -> None:
        """Keep names for the outputs."""
        self._taken.update(dict.fromkeys(names, 1))

    def _described(self, name: str, dtype: Any, shape: list[Any]) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self._element(dtype), shape)

    def _element(self, dtype: Any) -> int:
        if dtype is str:
            return int(self.onnx.TensorProto.STRING)
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

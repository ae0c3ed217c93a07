"""Networks out of ONNX models: what PyTorch, scikit-learn by skl2onnx, Keras by tf2onnx and numbafc write for them.

A model is walked through once, node after node (operators.py); what its outputs are then known to be is a network
(networks.py). A file is read field by field (wire.py), without the library onnx, and costs no more than it holds.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from ...nn import MLP
from ..container import words
from ..invalid import InvalidFile
from ..opening import enough_memory, regular, require_memory, size_of
from . import messages, networks, wire
from .given import refused
from .messages import Model, Node, Tensor
from .operators import OPERATORS
from .tensors import DTYPES, Tensors
from .values import Layer, Rows, Value

WRONG = KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError
MADE = 4  # times the file's bytes, of arrays that are made of them
SPARE = 1 << 20  # bytes


def from_onnx(path: str | PathLike[str], loss: str | None = None) -> MLP:
    """The network in an ONNX model: one chain of layers, with one activation, and what is before and behind them.

    loss: of outputs that the model leaves open, "cross_entropy" for logits without Softmax; if left out, "mse". Softmax,
    Sigmoid and Exp at the end say it themselves. Weights that the model keeps in a file beside it are read there. Raises
    InvalidFile that names the node where a model is another thing, and for a damaged file; OSError where it cannot be read.
    """
    with enough_memory(path):
        data, place = _read(Path(path)), Path(path)
        try:
            fields = wire.Fields()
            model = messages.model(fields, memoryview(data))
            with np.errstate(all="ignore"):  # what is not finite is refused in the end
                walk = Walk(model, Tensors(place, len(data), fields))
                return networks.network(model, walk.layers, walk.outputs(), loss)
        except InvalidFile:
            raise
        except WRONG as error:
            raise InvalidFile(path, f"not a network that can be read from ONNX ({words(error)})") from None


def _read(path: Path) -> bytes:
    with regular(path) as file:
        size = size_of(file)
        require_memory(path, 3 * size, "reading this model")  # its bytes, what is made of them, and the network
        return file.read(size)


class Walk:
    """A model, walked through: its layers, and what each name stands for."""

    def __init__(self, model: Model, tensors: Tensors) -> None:
        self.model, self.tensors = model, tensors
        self.layers = [Layer(_width(model))]
        self._values: dict[str, Value] = {model.inputs[0].name: Rows(0)}
        self._made = 0
        self._arrays: dict[str, np.ndarray] = {}
        for node in _needed(model):
            self._visit(node)

    def _visit(self, node: Node) -> None:
        make = OPERATORS.get((node.domain, node.operator))
        if make is None:
            raise refused(node, "not an operator of a fully-connected network that numbafc reads")
        given = [self._value(name, node) for name in node.inputs if name]
        if not given and node.operator != "Constant":
            raise refused(node, "it takes nothing")
        for name in node.outputs:
            if name in self._values or name in self.model.tensors:
                raise refused(node, f"it makes {name!r:.60}, which is there already")
        if not node.outputs:
            raise refused(node, "it makes nothing")
        try:
            self._values[node.outputs[0]] = make(self, node, given)
        except IndexError:
            raise refused(node, f"it takes more than {len(given)} values") from None

    def _value(self, name: str, node: Node | None) -> Value:
        if name in self._values:
            return self._values[name]
        if name in self.model.tensors:
            if name not in self._arrays:
                self._arrays[name] = self.array(self.model.tensors[name])
            return self._arrays[name]
        raise ValueError(f"{node or 'an output'} takes {name!r:.60}, which nothing before it makes")

    def outputs(self) -> list[Value]:
        """What the model's outputs stand for."""
        return [self._value(name, None) for name in self.model.outputs]

    def array(self, tensor: Tensor) -> np.ndarray:
        """A tensor's array."""
        return self.tensors.array(tensor)

    def keep(self, array: np.ndarray) -> np.ndarray:
        """The array, counted. Raises ValueError where all that were made are more than the file justifies."""
        self._made += array.nbytes
        if self._made > MADE * self.tensors.taken + SPARE:
            raise ValueError("its nodes make more numbers than its file holds, such as of weights that many layers share")
        return array


def _width(model: Model) -> int | None:
    """The number of features, None where the model does not say. Raises ValueError for inputs that no network has."""
    if len(model.inputs) != 1:
        names = ", ".join(f"{one.name!r:.20}" for one in model.inputs[:5])
        fix = "; a table's network is loaded from its .safetensors file" if len(model.inputs) > 1 else ""
        raise ValueError(f"expected one input, samples in rows, got {len(model.inputs)} ({names}){fix}")
    (given,) = model.inputs
    if DTYPES.get(given.element) not in ("<f4", "<f8"):
        raise ValueError(f"its input {given.name!r:.60} is of type {given.element}; expected float32 or float64")
    if given.shape is None or len(given.shape) < 2 or None in given.shape[1:]:
        return None
    width = 1
    for size in given.shape[1:]:
        width *= size or 1
    return width


def _needed(model: Model) -> list[Node]:
    """The nodes that the outputs come from, in the file's order, in which each is before those that take it."""
    makers: dict[str, int] = {}
    for place, node in enumerate(model.nodes):
        for name in node.outputs:
            if name and makers.setdefault(name, place) != place:
                raise ValueError(f"two nodes make {name!r:.60}; the first is {model.nodes[makers[name]]}")
    wanted, needed = list(model.outputs), set()
    while wanted:
        place = makers.get(wanted.pop(), -1)
        if place >= 0 and place not in needed:
            needed.add(place)
            wanted += model.nodes[place].inputs
    return [model.nodes[place] for place in sorted(needed)]

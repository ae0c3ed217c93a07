"""What a model's file says, as far as a network needs it: nodes, tensors, inputs, outputs, metadata.

The numbers of fields are those of onnx.proto. Tensors stay views of the file until a node asks for them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from . import wire
from .wire import Fields, signed, text, view

MOST_NODES = 10_000  # 3 000 layers
MOST_WORDS = 100_000  # of an attribute or a tensor
OPSETS = 7, 26  # of ONNX's own operators: those that broadcast as NumPy does, up to the last that was read
OWN_DOMAIN = "", "ai.onnx"


class Tensor(NamedTuple):
    """A tensor: its name, and its message."""

    name: str
    data: memoryview


class Node(NamedTuple):
    """A node of the graph. attributes: by their names, numbers, bytes, tensors and lists of them."""

    name: str
    operator: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        name = self.name or next(iter(self.outputs), "")
        return f"node {name!r:.60} ({self.domain + '.' if self.domain else ''}{self.operator:.40})"


class Input(NamedTuple):
    """An input of the graph. shape: None for a size that is not known; None where nothing is."""

    name: str
    element: int
    shape: list[int | None] | None


class Model(NamedTuple):
    """A model."""

    nodes: list[Node]
    tensors: dict[str, Tensor]
    inputs: list[Input]
    outputs: list[str]
    metadata: dict[str, str]
    opsets: dict[str, int]


def model(fields: Fields, data: memoryview) -> Model:
    """The model in a file's bytes. Raises ValueError for what is none."""
    graphs, opsets, metadata = [], {}, {}
    for number, _, value in fields(data):
        if number == 7:
            graphs.append(view(value))
        elif number == 8:
            domain, version = _pair(fields, value)
            opsets["" if domain in OWN_DOMAIN else domain] = version
        elif number == 14:
            key, said = _entry(fields, value)
            metadata[key] = said
        _require_few(len(opsets) + len(metadata), "operator sets and metadata")
    if len(graphs) != 1:
        raise ValueError(f"expected one graph, got {len(graphs)}; this is no ONNX model")
    if not OPSETS[0] <= opsets.get("", 0) <= OPSETS[1]:
        raise ValueError(f"expected operators of an opset from {OPSETS[0]} to {OPSETS[1]}, got {opsets.get('', 0)}")
    return _graph(fields, graphs[0], metadata, opsets)


def _graph(fields: Fields, data: memoryview, metadata: dict[str, str], opsets: dict[str, int]) -> Model:
    nodes: list[Node] = []
    tensors: dict[str, Tensor] = {}
    inputs: list[Input] = []
    outputs: list[str] = []
    for number, _, value in fields(data):
        if number == 1:
            nodes.append(_node(fields, view(value)))
        elif number == 5:
            tensor = _tensor(fields, view(value))
            if tensor.name in tensors:
                raise ValueError(f"two tensors are called {tensor.name!r:.60}")
            tensors[tensor.name] = tensor
        elif number == 11:
            inputs.append(_input(fields, view(value)))
        elif number == 12:
            outputs.append(_input(fields, view(value)).name)
        elif number == 15:
            raise ValueError("it has sparse tensors, which are not read; save it with dense ones")
        _require_few(len(nodes) + len(tensors) + len(inputs) + len(outputs), "nodes, tensors, inputs and outputs")
    own = [one for one in inputs if one.name not in tensors]  # old files name each tensor as an input, too
    return Model(nodes, tensors, own, outputs, metadata, opsets)


def _require_few(count: int, what: str) -> None:
    if count > MOST_NODES:
        raise ValueError(f"expected at most {MOST_NODES} {what}, got more")


def _pair(fields: Fields, value: Any) -> tuple[str, int]:
    domain, version = "", 0
    for number, _, one in fields(view(value)):
        domain = text(one) if number == 1 else domain
        version = signed(one) if number == 2 else version
    return domain, version


def _entry(fields: Fields, value: Any) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for number, _, one in fields(view(value)):
        if number in found:
            found[number] = text(one)
    return found[1], found[2]


def _node(fields: Fields, data: memoryview) -> Node:
    names: dict[int, list[str]] = {1: [], 2: []}
    words = {3: "", 4: "", 7: ""}
    attributes: dict[str, Any] = {}
    for number, _, value in fields(data):
        if number in names:
            names[number].append(text(value))
        elif number in words:
            words[number] = text(value)
        elif number == 5:
            name, one = _attribute(fields, view(value))
            attributes[name] = one
        _require_few(len(names[1]) + len(names[2]) + len(attributes), "inputs, outputs and attributes of a node")
    domain = "" if words[7] in OWN_DOMAIN else words[7]
    return Node(words[3], words[4], domain, names[1], names[2], attributes)


# The types of attributes, and the field that each is in. Graphs, 5 and 10, and sparse tensors are none of a network's.
FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8
PLACES = {FLOAT: 2, INT: 3, STRING: 4, TENSOR: 5, FLOATS: 7, INTS: 8, STRINGS: 9}


def _attribute(fields: Fields, data: memoryview) -> tuple[str, Any]:
    """The name and the value of an attribute; None for a graph, which no network needs."""
    found: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    name, kind = "", 0
    for number, how, value in fields(data):
        if number == 1:
            name = text(value)
        elif number == 20:
            kind = signed(value)
        else:
            found[number].append((how, value))
    if kind not in PLACES:
        return name, None
    pieces = found[PLACES[kind]]
    if kind == FLOATS:
        return name, wire.reals(pieces, "<f4")
    if kind == INTS:
        return name, wire.integers(pieces, MOST_WORDS)
    if kind == STRINGS:
        return name, [bytes(view(value)) for _, value in pieces]
    if not pieces:  # a number that is 0 need not be there
        return name, {FLOAT: 0.0, INT: 0, STRING: b""}.get(kind)
    last = pieces[-1][1]
    if kind == TENSOR:
        return name, _tensor(fields, last)
    return name, {FLOAT: wire.real, INT: signed, STRING: lambda one: bytes(view(one))}[kind](last)


def _tensor(fields: Fields, data: Any) -> Tensor:
    names = [text(value) for number, _, value in fields(data) if number == 8]
    return Tensor(names[-1] if names else "", view(data))


def _input(fields: Fields, data: memoryview) -> Input:
    name, element, shape = "", 0, None
    for number, _, value in fields(data):
        name = text(value) if number == 1 else name
        for of_type, _, tensor in fields(view(value)) if number == 2 else ():
            for part, _, one in fields(view(tensor)) if of_type == 1 else ():
                element = signed(one) if part == 1 else element
                shape = _shape(fields, view(one)) if part == 2 else shape
    return Input(name, element, shape)


def _shape(fields: Fields, data: memoryview) -> list[int | None]:
    found: list[int | None] = []
    for number, _, value in fields(data):
        if number == 1:
            sizes = [signed(one) for part, _, one in fields(view(value)) if part == 1]
            found.append(sizes[-1] if sizes and sizes[-1] > 0 else None)
        _require_few(len(found), "axes")
    return found

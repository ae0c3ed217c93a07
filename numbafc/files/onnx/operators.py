"""What each operator makes of what it takes; an operator that is not here is refused by its name and the node's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .expressions import MOST, named
from .messages import Node, Tensor
from .tensors import DOUBLE, DTYPES, FLOAT
from .values import Answer, Label, Layer, Made, Rows, Value, expression

ML = "ai.onnx.ml"
REALS = "<f4", "<f8"
COMPARISONS = "Greater", "Less", "GreaterOrEqual", "LessOrEqual"


class Walk(Protocol):
    """The state of reading: the layers so far, and the arrays that were made."""

    layers: list[Layer]

    def array(self, tensor: Tensor) -> np.ndarray:
        """A tensor's array."""
        ...

    def keep(self, array: np.ndarray) -> np.ndarray:
        """The array, counted: ValueError where all that were made are more than the file justifies."""
        ...


def refused(node: Node, why: str) -> ValueError:
    """The refusal of a node."""
    return ValueError(f"{node}: {why}")


def _rows(node: Node, value: Value) -> Rows:
    if not isinstance(value, Rows):
        raise refused(node, "it takes what is no output of a layer, or constants alone")
    return value


def _constant(node: Node, value: Value, what: str) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise refused(node, f"{what} must be a constant")
    return value


def _settings(node: Node, **usual: float) -> tuple[float, ...]:
    return tuple(float(node.attributes.get(name, value)) for name, value in usual.items())


# ---- layers -----------------------------------------------------------------------------------------------------------


def _gemm(walk: Walk, node: Node, given: list[Value]) -> Value:
    """Y = α·A'·B' + β·C: samples in the rows of A', or in the columns of B'."""
    alpha, beta = _settings(node, alpha=1.0, beta=1.0)
    turned = [bool(node.attributes.get(name, 0)) for name in ("transA", "transB")]
    return _product(walk, node, given, turned, (alpha, beta))


def _matmul(walk: Walk, node: Node, given: list[Value]) -> Value:
    return _product(walk, node, given[:2], [False, False], (1.0, 1.0))


def _product(walk: Walk, node: Node, given: list[Value], turned: list[bool], factors: tuple[float, float]) -> Value:
    first = isinstance(given[0], Rows)
    rows, W = (given[0], given[1]) if first else (given[1], given[0])
    rows, W = _rows(node, rows), _constant(node, W, "one of its two matrices")
    if rows.turned != (turned[0] if first else not turned[1]):
        raise refused(node, "it adds over the samples, not over the features")
    if W.ndim != 2 or W.dtype.str not in REALS:
        raise refused(node, f"its matrix has shape {W.shape}, {W.dtype}; expected two axes of float32 or float64")
    W = W.T if (first and not turned[1]) or (not first and turned[0]) else W  # (T, N)
    width = walk.layers[rows.layer].width
    if (width is not None and W.shape[1] != width) or 0 in W.shape:
        raise refused(node, f"its matrix is for {W.shape[1]} inputs, and there are {width}")
    if width is None:
        walk.layers[rows.layer] = walk.layers[rows.layer]._replace(width=W.shape[1])
    W = W if factors[0] == 1 else walk.keep(W * W.dtype.type(factors[0]))
    b = None
    if len(given) > 2:
        b = walk.keep(_terms(node, given[2], W.shape[0], not first).astype(W.dtype) * W.dtype.type(factors[1]))
    walk.layers.append(Layer(W.shape[0], rows, walk.keep(W), b, node))
    return Rows(len(walk.layers) - 1, turned=not first)


def _terms(node: Node, value: Value, width: int, turned: bool) -> np.ndarray:
    """A constant that is a number for each output, (width,)."""
    return np.broadcast_to(_each(node, value, width, turned), (width,))


def _each(node: Node, value: Value, width: int | None, turned: bool) -> np.ndarray:
    """A constant that is one number for all outputs, (), or one for each, (width,)."""
    array = _constant(node, value, "what is added or multiplied")
    if array.dtype.str not in REALS:
        raise refused(node, f"its constant is of {array.dtype}; expected float32 or float64")
    shape = array.shape
    fits = shape[1:] == (1,) * (array.ndim - 1) and array.ndim == 2 if turned else all(size == 1 for size in shape[:-1])
    if not (array.size == 1 or (fits and 0 < array.ndim < 3 and 0 < array.size == (width or array.size))):
        raise refused(node, f"its constant has shape {shape}; expected one number for each of {width} outputs")
    return array.reshape(-1) if array.ndim else array


# ---- element by element -----------------------------------------------------------------------------------------------


def _elementwise(walk: Walk, node: Node, given: list[Value], name: str = "") -> Value:
    """What an operator makes of each element of the outputs of one layer, and constants."""
    rows = [value for value in given if isinstance(value, Rows)]
    if not rows or any(not isinstance(value, Rows | np.ndarray) for value in given):
        return _of_probabilities(node, given)
    if len({(one.layer, one.turned) for one in rows}) > 1:
        raise refused(node, "it brings several layers together; a network is one chain of them")
    first = rows[0]
    width = walk.layers[first.layer].width
    parts = [value.made if isinstance(value, Rows) else _each(node, value, width, first.turned) for value in given]
    if node.operator == "Add" and len(parts) == 2 and all(one.made == "y" for one in rows) and len(rows) == 1:
        with_bias = _with_bias(walk, node, first, next(one for one in parts if isinstance(one, np.ndarray)))
        if with_bias is not None:
            return with_bias
    size = 1 + sum(one.size for one in rows) + len(given) - len(rows)
    if size > MOST:
        raise refused(node, "what it is part of is no activation that numbafc has")
    return first._replace(made=Made(name or node.operator, node, tuple(parts)), size=size)


def _with_bias(walk: Walk, node: Node, rows: Rows, b: np.ndarray) -> Rows | None:
    """The layer with b, if it has none yet."""
    layer = walk.layers[rows.layer]
    if layer.W is None or layer.b is not None:
        return None
    b = walk.keep(np.broadcast_to(b, layer.W.shape[:1]).astype(layer.W.dtype))
    walk.layers.append(layer._replace(b=b))
    return rows._replace(layer=len(walk.layers) - 1)


def _of_probabilities(node: Node, given: list[Value]) -> Value:
    raise refused(node, "it takes probabilities or labels, behind which a network has nothing more")


def _with_settings(**usual: float) -> Callable[[Walk, Node, list[Value]], Value]:
    def of(walk: Walk, node: Node, given: list[Value]) -> Value:
        return _elementwise(walk, node, given[:1], named(node.operator, *_settings(node, **usual)))

    return of


def _gelu(walk: Walk, node: Node, given: list[Value]) -> Value:
    how = node.attributes.get("approximate", b"none")
    if how != b"none":
        raise refused(
            node, f"gelu by {bytes(how).decode(errors='replace')!r:.20} is another function than numbafc's, by erf"
        )
    return _elementwise(walk, node, given)


def _scaler(walk: Walk, node: Node, given: list[Value]) -> Value:
    """(x − offset)·scale."""
    rows, width = _rows(node, given[0]), walk.layers[_rows(node, given[0]).layer].width
    pairs = ("Sub", "offset"), ("Mul", "scale")
    for name, which in pairs:
        numbers = node.attributes.get(which)
        if not isinstance(numbers, np.ndarray) or len(numbers) not in (1, width or len(numbers)):
            raise refused(node, f"its {which} must be one number for each of {width} features")
        rows = rows._replace(made=Made(name, node, (rows.made, numbers)), size=rows.size + 2)
    return rows


# ---- what changes nothing ---------------------------------------------------------------------------------------------


def _through(walk: Walk, node: Node, given: list[Value]) -> Value:
    return given[0]


def _dropout(walk: Walk, node: Node, given: list[Value]) -> Value:
    if len(given) > 2 and np.any(_constant(node, given[2], "training_mode")):
        raise refused(node, "it is in training mode; export the model for inference")
    return given[0]


def _cast(walk: Walk, node: Node, given: list[Value]) -> Value:
    to, value = node.attributes.get("to", 0), given[0]
    if isinstance(value, np.ndarray):
        if to not in (FLOAT, DOUBLE) or value.dtype.kind not in "fiub":
            return value
        return walk.keep(value.astype(DTYPES[to]))
    if isinstance(value, Rows) and to not in (FLOAT, DOUBLE):
        if not (isinstance(value.made, Made) and value.made.name in COMPARISONS):
            raise refused(node, "it makes other numbers than float32 or float64 of a layer's outputs")
        return Label(value.layer)
    return value


def _flatten(walk: Walk, node: Node, given: list[Value]) -> Value:
    if isinstance(given[0], Rows) and (node.attributes.get("axis", 1) not in (1, -1) or given[0].turned):
        raise refused(node, "it puts several samples into one; expected the axis 1")
    return given[0]


def _reshape(walk: Walk, node: Node, given: list[Value]) -> Value:
    shape = _constant(node, given[1], "the shape")
    sizes = [int(size) for size in shape.reshape(-1)[:9]] if shape.dtype.kind == "i" else []
    value = given[0]
    if isinstance(value, np.ndarray):
        return walk.keep(value.reshape([value.shape[n] if size == 0 else size for n, size in enumerate(sizes)]))
    width = walk.layers[value.layer].width if isinstance(value, Rows) else None
    if isinstance(value, Rows) and not (
        (len(sizes) == 2 and not value.turned and sizes[1] in (-1, width or sizes[1])) or (sizes == [-1] and width == 1)
    ):
        raise refused(node, f"it puts samples of {width} numbers into the shape {tuple(sizes)}; expected (-1, {width})")
    return value


def _transpose(walk: Walk, node: Node, given: list[Value]) -> Value:
    value, order = given[0], node.attributes.get("perm")
    if isinstance(value, np.ndarray):
        return value.transpose(order)
    if order not in (None, [1, 0]):
        raise refused(node, "it changes the order of other axes than samples and features")
    rows = _rows(node, value)
    return rows._replace(turned=not rows.turned)


def _value(walk: Walk, node: Node, given: list[Value]) -> Value:
    """A constant."""
    for name, one in node.attributes.items():
        if name == "value" and isinstance(one, Tensor):
            return walk.array(one)
        if name in ("value_float", "value_floats"):
            return np.asarray(one, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(one, np.int64)
    raise refused(node, "its value is no tensor of numbers")


# ---- answers ----------------------------------------------------------------------------------------------------------


def _softmax(walk: Walk, node: Node, given: list[Value]) -> Value:
    rows = _rows(node, given[0])
    if node.attributes.get("axis", 1) not in (1, -1) or rows.turned:
        raise refused(node, "it is not over the classes of each sample; expected the axis 1")
    return Answer(rows)


def _concat(walk: Walk, node: Node, given: list[Value]) -> Value:
    """1 − σ(y) and σ(y) side by side: the probabilities of two classes; of several labels σ(y) says all."""
    if len(given) == 2 and all(isinstance(one, Rows) for one in given) and node.attributes.get("axis") in (1, -1):
        no, yes = (_rows(node, one) for one in given)
        width = walk.layers[yes.layer].width
        sigmoid = ("Sigmoid", "y")
        of_no, of_yes = expression(no.made, width), expression(yes.made, width)
        if no.layer == yes.layer and of_yes == sigmoid and of_no == ("Sub", 1.0, sigmoid) and not yes.turned:
            return Answer(yes, pair=True) if width == 1 else yes
    raise refused(node, "it puts values side by side that are not the probabilities of two classes")


def _argmax(walk: Walk, node: Node, given: list[Value]) -> Value:
    value = given[0]
    rows = value.rows if isinstance(value, Answer) else _rows(node, value)
    if node.attributes.get("axis", 0) not in (1, -1) or rows.turned or node.attributes.get("select_last_index", 0):
        raise refused(node, "it is not the first of each sample's largest numbers; expected the axis 1")
    return Label(rows.layer)


def _gather(walk: Walk, node: Node, given: list[Value]) -> Value:
    """The labels of classes."""
    if not (isinstance(given[0], np.ndarray) and isinstance(given[1], Label)):
        raise refused(node, "it chooses among what are no labels of classes")
    return given[1]._replace(classes=_words(given[0].reshape(-1).tolist()))


def _zipmap(walk: Walk, node: Node, given: list[Value]) -> Value:
    labels = node.attributes.get("classlabels_strings") or node.attributes.get("classlabels_int64s") or []
    value = given[0]
    return value._replace(classes=_words(labels)) if isinstance(value, Answer) else _rows(node, value)


def _words(labels: list[Any]) -> tuple[str, ...]:
    return tuple(one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in labels)


def _binarizer(walk: Walk, node: Node, given: list[Value]) -> Value:
    return Label(_rows(node, given[0]).layer)


OPERATORS: dict[tuple[str, str], Callable[[Walk, Node, list[Value]], Value]] = {
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _matmul,
    **dict.fromkeys([("", name) for name in ("Add", "Sub", "Mul", "Div", "Neg", "Exp", "Log", "Abs", "Erf")], _elementwise),
    **dict.fromkeys([("", name) for name in ("Relu", "Tanh", "Sigmoid", "Softplus", "Mish")], _elementwise),
    **dict.fromkeys([("", name) for name in ("Max", "Min", "Where", *COMPARISONS)], _elementwise),
    ("", "LeakyRelu"): _with_settings(alpha=0.01),
    ("", "Elu"): _with_settings(alpha=1.0),
    ("", "Selu"): _with_settings(alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    ("", "Swish"): _with_settings(alpha=1.0),
    ("", "Gelu"): _gelu,
    ("", "Identity"): _through,
    ("", "Dropout"): _dropout,
    ("", "Cast"): _cast,
    ("", "Flatten"): _flatten,
    ("", "Reshape"): _reshape,
    ("", "Transpose"): _transpose,
    ("", "Constant"): _value,
    ("", "Softmax"): _softmax,
    ("", "LogSoftmax"): _softmax,
    ("", "Concat"): _concat,
    ("", "ArgMax"): _argmax,
    ("", "Gather"): _gather,
    (ML, "Scaler"): _scaler,
    (ML, "ArrayFeatureExtractor"): _gather,
    (ML, "ZipMap"): _zipmap,
    (ML, "Binarizer"): _binarizer,
}

"""What tests of ONNX share: runtimes, what a table's columns are passed as, models made by hand, and a bound of errors."""

from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import numbafc as fc
from numbafc.files.onnx import columns
from numbafc.nn import ACTIVATIONS

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

EPS = float(np.finfo(np.float32).eps)


def answers(content: bytes, feeds: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """The outputs of a model by the reference evaluator and, where it is installed, ONNX Runtime."""
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    found = {"reference": [np.asarray(a) for a in ReferenceEvaluator(model).run(None, feeds)]}
    if onnxruntime is not None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        found["onnxruntime"] = session.run(None, feeds)
    return found


def feeds_of(table: Any, cells: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """A table's columns, of Python's values and None, as its model takes them."""
    found = {}
    for name, encoder in zip(columns.input_names(table), table.encoders, strict=True):
        values = cells[encoder.name]
        if encoder.kind == "number":
            column = np.array([np.nan if value is None else float(value) for value in values])
        elif encoder.kind == "date":
            column = np.array(values, "datetime64[us]").astype(np.int64)
        else:
            column = np.array(["" if value is None else str(value) for value in values], object)
        if encoder.features:
            found[name] = column.reshape(-1, 1)
    return found


def with_inputs_shown(content: bytes, dtype: Any) -> bytes:
    """The model, with what its columns become as one more output."""
    model = onnx.load_from_string(content)
    name = [node for node in model.graph.node if node.op_type == "Concat"][-1].output[0]
    model.graph.output.append(
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["samples", "inputs"])
    )
    return model.SerializeToString()


# The largest slopes of φ; of others it is at most 1.
SLOPES = {"selu": 1.0507009873554805 * 1.6732632423543772, "gelu": 1.13, "silu": 1.1, "mish": 1.09}


class Bounds(NamedTuple):
    """Bounds of what two programs differ by that compute a network in float32, for each output of each sample."""

    outputs: np.ndarray
    errors: np.ndarray


def bounds(net: Any, X: np.ndarray) -> Bounds:
    """The last layer's outputs, in float64, and how far two programs in float32 may be from one another.

    A product of N terms and b has N + 1 roundings, in any order, on either side, each of half an ulp of at most the sum of
    the terms' sizes: (N + 1)·ε·(|W|·|h| + |b|). What h differs by grows by |W|. A φ has at most 4 ulp of its value, of 1 or
    of y, on either side, and grows differences by its slope. Standardisation is the same operations on both sides.
    """
    h, error = X.astype(np.float64), np.zeros(X.shape)
    if net.input_mean is not None:
        h = ((X - net.input_mean) / net.input_scale).astype(np.float64)
    if net.scaling:
        h = (h.astype(np.float32) * net.scales).astype(np.float64)
    last = len(net.sizes) - 2
    for layer, (W, b) in enumerate(net.layers(net.parameters.astype(np.float64))):
        size = np.abs(h) @ np.abs(W).T + np.abs(b)
        error = error @ np.abs(W).T + (W.shape[1] + 1) * EPS * size
        h = h @ W.T + b
        if layer < last:
            y = np.ascontiguousarray(h)
            ACTIVATIONS[net.activation].apply(h)
            error = SLOPES.get(net.activation, 1) * error
            if net.activation not in ("identity", "relu"):
                error = error + 8 * EPS * np.maximum(np.maximum(np.abs(y), np.abs(h)), 1)
    return Bounds(h, error)


# ---- models made by hand ----------------------------------------------------------------------------------------------


def tensor(name: str, values: Any, dtype: Any = np.float32) -> Any:
    """A tensor of a model."""
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def model(
    nodes: list[Any],
    tensors: list[Any] = (),
    outputs: tuple[str, ...] = ("out",),
    shape: tuple[Any, ...] = (None, 3),
    element: int = TensorProto.FLOAT,
    opsets: tuple[tuple[str, int], ...] = (("", 17),),
) -> Any:
    """A model with the input x. Outputs say nothing of their types, for nothing here asks."""
    given = helper.make_tensor_value_info("x", element, list(shape))
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "made by hand", [given], results, list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets], ir_version=8)


node = helper.make_node
ML = "ai.onnx.ml"
RNG = np.random.default_rng(0)
W1, B1, W2, B2 = (RNG.uniform(-1, 1, shape).astype(np.float32) for shape in ((4, 3), 4, (2, 4), 2))
X = RNG.uniform(-2, 2, (9, 3)).astype(np.float32)
MOST = 2e-6  # of outputs up to 3, from products of 4 terms: 10 roundings of half an ulp of 3 are 1.8e-6
WEIGHTS = [tensor("W1", W1), tensor("b1", B1), tensor("W2", W2), tensor("b2", B2)]
KERNELS = [tensor("K1", W1.T.copy()), tensor("b1", B1), tensor("K2", W2.T.copy()), tensor("b2", B2)]
HALF, ONE, ROOT = (tensor(*one) for one in (("half", 0.5), ("one", 1.0), ("root", np.sqrt(2))))


def gemm(x: str, W: str, b: str, y: str = "out") -> Any:
    """A layer as PyTorch writes it."""
    return node("Gemm", [x, W, b], [y], transB=1)


def gemms(between: list[Any], behind: Any = (), last: str = "out") -> list[Any]:
    """Two layers: between is made of y, and makes h."""
    return [gemm("x", "W1", "b1", "y"), *between, gemm("h", "W2", "b2", last), *behind]


RELU = [node("Relu", ["y"], ["h"])]
SOFTMAX = [node("Softmax", ["z"], ["out"], axis=1)]


def read(folder: Any, made: Any, loss: str | None = None) -> Any:
    """The network of a model, by way of a file."""
    path = folder / "m.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return fc.from_onnx(path, loss)

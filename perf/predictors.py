"""A process that predicts one row with one library: `python -m perf.predictors NAME THREADS`, for the study `predict`.

A job (sizes) with check: how far the outputs are from float64, in units of their bound; without: the seconds of each call.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import trainers
from .peers import serve

WARM = 200  # calls that are not timed
Predict = Callable[[], Any]


def network(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The row (1, N), and the parameters, flat: the same numbers in every process."""
    given = trainers.problem(sizes, 1, 1, "float32", "sgd", 0.0)
    return given.X, given.start


def numbafc_predict(sizes: tuple[int, ...], row: np.ndarray, parameters: np.ndarray) -> tuple[Predict, Predict]:
    import numbafc as fc

    net = fc.MLP(list(sizes))
    net.parameters[:] = parameters
    return lambda: net.predict(row), lambda: net.predict_proba(row)


def numpy_predict(sizes: tuple[int, ...], row: np.ndarray, parameters: np.ndarray) -> tuple[Predict, Predict]:
    layers, vector = trainers.views(parameters, sizes), row[0]
    outputs = [np.empty(T, np.float32) for T in sizes[1:]]
    last = outputs[-1]

    def forward() -> None:
        x = vector
        for (W, b), y in zip(layers, outputs, strict=True):
            np.matmul(W, x, out=y)
            np.add(y, b, out=y)
            if y is not last:
                np.maximum(y, 0, out=y)
            x = y

    def predict() -> Any:
        forward()
        return last.argmax()

    def proba() -> np.ndarray:
        forward()
        return softmax(last)[np.newaxis]

    return predict, proba


def torch_predict(sizes: tuple[int, ...], row: np.ndarray, parameters: np.ndarray) -> tuple[Predict, Predict]:
    import torch

    layers: list[Any] = []
    for W, b in trainers.views(parameters, sizes):
        linear = torch.nn.Linear(W.shape[1], W.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(W.copy()), torch.from_numpy(b.copy())
        layers += [linear, torch.nn.ReLU()]
    model, x = torch.nn.Sequential(*layers[:-1]).eval(), torch.from_numpy(row)

    def predict() -> Any:
        with torch.inference_mode():
            return model(x).argmax(1)

    return predict, lambda: torch.softmax(model(x).detach(), 1).numpy()


def onnxruntime_predict(sizes: tuple[int, ...], row: np.ndarray, parameters: np.ndarray) -> tuple[Predict, Predict]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = int(sys.argv[2])
    model = onnx_model(sizes, parameters)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {"x": row}
    return lambda: session.run(["class"], given), lambda: softmax(session.run(["logits"], given)[0][0])[np.newaxis]


def onnx_model(sizes: tuple[int, ...], parameters: np.ndarray) -> bytes:
    """The network as ONNX has it. Raises NotImplementedError without the package onnx."""
    try:
        import onnx
    except ImportError:
        raise NotImplementedError("has no network to run: pip install onnx") from None
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes, initializers, last, at = [], [], len(sizes) - 2, "x"
    for n, (W, b) in enumerate(trainers.views(parameters, sizes)):
        initializers += [onnx.numpy_helper.from_array(W, f"W{n}"), onnx.numpy_helper.from_array(b, f"b{n}")]
        to = "logits" if n == last else f"y{n}"
        nodes.append(helper.make_node("Gemm", [at, f"W{n}", f"b{n}"], [to], transB=1))
        if n < last:
            nodes.append(helper.make_node("Relu", [to], [f"h{n}"]))
        at = f"h{n}"
    nodes.append(helper.make_node("ArgMax", ["logits"], ["class"], axis=1, keepdims=0))
    inputs = [helper.make_tensor_value_info("x", real, [1, sizes[0]])]
    outputs = [
        helper.make_tensor_value_info("class", onnx.TensorProto.INT64, [1]),
        helper.make_tensor_value_info("logits", real, [1, sizes[-1]]),
    ]
    graph = helper.make_graph(nodes, "network", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


PREDICTORS = {
    "numbafc": numbafc_predict,
    "numpy": numpy_predict,
    "torch": torch_predict,
    "onnxruntime": onnxruntime_predict,
}


def softmax(y: np.ndarray) -> np.ndarray:
    """The probabilities of outputs y, of one row."""
    e = np.exp(y - y.max())
    return e / e.sum()


def largest_error(sizes: tuple[int, ...], probabilities: np.ndarray) -> float:
    """How far probabilities are from float64's, in units of 1e-4: rounding leaves 1e-6, another network 1e-1."""
    row, parameters = network(sizes)
    x = row[0].astype(np.float64)
    layers = trainers.views(parameters.astype(np.float64), sizes)
    for n, (W, b) in enumerate(layers):
        x = W @ x + b
        x = np.maximum(x, 0) if n < len(layers) - 1 else x
    return float(np.abs(np.asarray(probabilities, np.float64) - softmax(x)).max() / 1e-4)


class Predictor:
    """What answers jobs; the network of the job before is kept."""

    def __init__(self) -> None:
        self.sizes: tuple[int, ...] = ()

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        sizes = tuple(job["sizes"])
        if sizes != self.sizes:
            self.sizes, (self.predict, self.proba) = sizes, PREDICTORS[name](sizes, *network(sizes))
        if job["check"]:
            start = time.perf_counter()
            self.predict()
            seconds = time.perf_counter() - start
            return {"first_seconds": seconds, "error_over_bound": largest_error(sizes, self.proba())}
        call, clock, samples = self.predict, time.perf_counter, []
        for _ in range(WARM):
            call()
        for _ in range(job["calls"]):
            start = clock()
            call()
            samples.append(clock() - start)
        return {"seconds": [float(f"{s:.4g}") for s in samples]}


if __name__ == "__main__":
    serve(Predictor())

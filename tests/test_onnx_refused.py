"""ONNX models that are no network of one chain of layers: refused by the node's name and its operator."""

import numpy as np
import pytest

import numbafc as fc

onnx = pytest.importorskip("onnx", reason="models are made with onnx; pip install 'numbafc[onnx]'")

from onnx import TensorProto  # noqa: E402
from onnx_models import HALF, RELU, SOFTMAX, W1, WEIGHTS, gemm, gemms, model, node, read, tensor  # noqa: E402

BIG = [tensor("nine", np.ones((9, 4)))]
REFUSED = {
    "another operator": (
        gemms([node("HardSwish", ["y"], ["h"], name="act")]),
        [],
        r"node 'act' \(HardSwish\): not an operator",
    ),
    "another domain": (
        gemms([node("Gelu", ["y"], ["h"], domain="com.microsoft")]),
        [],
        r"node 'h' \(com\.microsoft\.Gelu\)",
    ),
    "another slope": (
        gemms([node("LeakyRelu", ["y"], ["h"], alpha=0.2)]),
        [],
        r"\(LeakyRelu\): LeakyRelu 0\.2 is no activation",
    ),
    "gelu by tanh": (gemms([node("Gelu", ["y"], ["h"], approximate="tanh")]), [], "gelu by 'tanh' is another function"),
    "two activations": (
        [*gemms(RELU), node("Tanh", ["out"], ["t"]), gemm("t", "V", "b2", "end")],
        [tensor("V", np.ones((2, 2)))],
        r"node 'h' \(Relu\) makes relu of a hidden layer, and node 't' \(Tanh\) tanh",
    ),
    "an activation at the end": (
        gemms(RELU, [node("Tanh", ["z"], ["out"])], "z"),
        [],
        r"node 'out' \(Tanh\): behind the last",
    ),
    "an activation before the first layer": (
        [node("Relu", ["x"], ["r"]), gemm("r", "W1", "b1", "out")],
        [],
        r"node 'r' \(Relu\): before the first layer",
    ),
    "a residual": (
        gemms([node("Relu", ["y"], ["r"]), gemm("r", "Q", "b1", "g"), node("Add", ["g", "y"], ["h"])]),
        [tensor("Q", np.ones((4, 4)))],
        r"node 'h' \(Add\): it brings several layers together",
    ),
    "a scale inside": (
        gemms([node("Mul", ["y", "v"], ["s"]), node("Relu", ["s"], ["h"])]),
        [tensor("v", np.ones(4))],
        "Relu is no activation of numbafc's",
    ),
    "a number for each sample": (
        gemms([node("Add", ["y", "nine"], ["s"]), node("Relu", ["s"], ["h"])]),
        BIG,
        r"has shape \(9, 4\)",
    ),
    "softmax inside": (
        gemms([node("Softmax", ["y"], ["h"])]),
        [],
        r"node 'out' \(Gemm\): it takes what is no output of a layer",
    ),
    "softmax of samples": (
        gemms(RELU, [node("Softmax", ["z"], ["out"], axis=0)], "z"),
        [],
        "not over the classes of each sample",
    ),
    "a sum over samples": ([node("Gemm", ["x", "W1", "b1"], ["out"], transA=1)], [], "it adds over the samples"),
    "a product of samples": ([node("MatMul", ["x", "x"], ["out"])], [], "one of its two matrices must be a constant"),
    "a matrix for other inputs": (
        [gemm("x", "W1", "b1", "y"), gemm("y", "W1", "b1", "out")],
        [],
        "for 3 inputs, and there are 4",
    ),
    "a bias of another length": ([gemm("x", "W1", "b2", "out")], [], r"its constant has shape \(2,\)"),
    "integers for weights": (
        [node("MatMul", ["x", "I"], ["out"])],
        [tensor("I", np.ones((3, 2)), np.int64)],
        "int64; expected two axes",
    ),
    "dropout in training": (
        gemms([node("Relu", ["y"], ["r"]), node("Dropout", ["r", "half", "yes"], ["h"])]),
        [HALF, tensor("yes", True, bool)],
        r"\(Dropout\): it is in training mode",
    ),
    "samples put into one": (
        [node("Reshape", ["x", "s"], ["r"]), gemm("r", "W1", "b1", "out")],
        [tensor("s", [-1, 6], np.int64)],
        r"puts samples of 3 numbers into the shape \(-1, 6\)",
    ),
    "a name that nothing makes": ([gemm("nobody", "W1", "b1", "out")], [], "takes 'nobody', which nothing before"),
    "a circle": (
        [node("Add", ["b", "b1"], ["a"]), node("Relu", ["a"], ["b"]), gemm("b", "W2", "b2", "out")],
        [],
        r"node 'a' \(Add\) takes 'b', which nothing before it makes",
    ),
    "a name made twice": ([gemm("x", "W1", "b1"), node("Relu", ["out"], ["out"])], [], "two nodes make 'out'"),
    "weights that are not finite": ([gemm("x", "N", "b1", "out")], [tensor("N", W1 * np.nan)], "not all finite"),
    "a scale of 0": (
        [node("Div", ["x", "z"], ["f"]), gemm("f", "W1", "b1", "out")],
        [tensor("z", [1, 0, 1])],
        "multiplied by 0, or by what is no number",
    ),
    "no layer": ([node("Relu", ["x"], ["out"])], [], r"\(Relu\): behind the last layer|there is no layer"),
    "labels alone": (gemms(RELU, [node("ArgMax", ["z"], ["out"], axis=1)], "z"), [], "no output of numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_by_its_node(tmp_path, name):
    nodes, more, message = REFUSED[name]
    made = model(
        nodes, [*WEIGHTS, *more], ("end" if name == "two activations" else "out",), opsets=(("", 20), ("com.microsoft", 1))
    )
    with pytest.raises(fc.InvalidFile, match=message) as raised:
        read(tmp_path, made)
    assert "m.onnx: not a network that can be read from ONNX (" in str(raised.value)
    assert len(str(raised.value)) <= 450
    assert str(raised.value).isprintable()


def test_outputs_that_contradict_one_another_are_refused(tmp_path):
    logits = model(gemms(RELU, SOFTMAX, "z"), WEIGHTS, ("z", "out"))
    with pytest.raises(fc.InvalidFile, match="it has 2 outputs of numbers that differ"):
        read(tmp_path, logits)
    of_another = model(gemms(RELU, [*SOFTMAX, node("ArgMax", ["y"], ["label"], axis=1)], "z"), WEIGHTS, ("label", "out"))
    with pytest.raises(fc.InvalidFile, match="its labels are of another layer than its probabilities"):
        read(tmp_path, of_another)


def test_nodes_that_nothing_needs_are_left_alone(tmp_path):
    made = model([*gemms(RELU), node("Mystery", ["y"], ["unused"])], WEIGHTS)
    assert read(tmp_path, made).sizes == (3, 4, 2)


def test_inputs_of_other_kinds(tmp_path):
    flat = [node("Flatten", ["x"], ["f"]), gemm("f", "W1", "b1", "out")]
    assert read(tmp_path, model(flat, WEIGHTS, shape=(None, 1, 3))).sizes == (3, 4)
    assert read(tmp_path, model(flat, WEIGHTS, shape=(None, None))).sizes == (3, 4)
    with pytest.raises(fc.InvalidFile, match="its matrix is for 3 inputs, and there are 28"):
        read(tmp_path, model(flat, WEIGHTS, shape=(None, 28)))
    with pytest.raises(fc.InvalidFile, match="its input 'x' is of type 10; expected float32 or float64"):
        read(tmp_path, model(flat, WEIGHTS, element=TensorProto.FLOAT16))
    with pytest.raises(fc.InvalidFile, match="the tensor 'W1' is of float16; expected float32 or float64"):
        read(tmp_path, model(flat, [tensor("W1", W1, np.float16), *WEIGHTS[1:]]))
    with pytest.raises(fc.InvalidFile, match="expected operators of an opset from 7 to 26, got 6"):
        read(tmp_path, model(flat, WEIGHTS, opsets=(("", 6),)))

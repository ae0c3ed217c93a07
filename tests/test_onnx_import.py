"""Networks out of ONNX models: the nodes that PyTorch's exporters, skl2onnx and tf2onnx write, made by hand."""

import numpy as np
import pytest

import numbafc as fc

onnx = pytest.importorskip("onnx", reason="models are made with onnx; pip install 'numbafc[onnx]'")

from onnx import TensorProto, helper  # noqa: E402
from onnx_models import (  # noqa: E402  which needs it
    B1,
    B2,
    HALF,
    KERNELS,
    ML,
    MOST,
    ONE,
    RELU,
    RNG,
    ROOT,
    SOFTMAX,
    W1,
    W2,
    WEIGHTS,
    X,
    gemm,
    gemms,
    model,
    node,
    read,
    tensor,
)

# Activations as exporters write them; "dynamo" and "legacy" are PyTorch's.
ACTIVATIONS = {
    "relu": ("relu", [node("Relu", ["y"], ["h"])], []),
    "tanh": ("tanh", [node("Tanh", ["y"], ["h"])], []),
    "sigmoid": ("sigmoid", [node("Sigmoid", ["y"], ["h"])], []),
    "leaky_relu": ("leaky_relu", [node("LeakyRelu", ["y"], ["h"], alpha=0.01)], []),
    "leaky_relu, as is usual": ("leaky_relu", [node("LeakyRelu", ["y"], ["h"])], []),
    "elu": ("elu", [node("Elu", ["y"], ["h"], alpha=1.0)], []),
    "selu": ("selu", [node("Selu", ["y"], ["h"])], []),
    "softplus, legacy": ("softplus", [node("Softplus", ["y"], ["h"])], []),
    "softplus, dynamo": (
        "softplus",
        [node("Softplus", ["y"], ["s"]), node("Greater", ["y", "t"], ["g"]), node("Where", ["g", "y", "s"], ["h"])],
        [tensor("t", 20)],
    ),
    "silu": ("silu", [node("Sigmoid", ["y"], ["s"]), node("Mul", ["y", "s"], ["h"])], []),
    "silu, the other way round": ("silu", [node("Sigmoid", ["y"], ["s"]), node("Mul", ["s", "y"], ["h"])], []),
    "mish, legacy": (
        "mish",
        [node("Softplus", ["y"], ["s"]), node("Tanh", ["s"], ["t"]), node("Mul", ["y", "t"], ["h"])],
        [],
    ),
    "gelu, legacy": (
        "gelu",
        [
            node("Div", ["y", "root"], ["z"]),
            node("Erf", ["z"], ["e"]),
            node("Add", ["e", "one"], ["f"]),
            node("Mul", ["y", "f"], ["g"]),
            node("Mul", ["g", "half"], ["h"]),
        ],
        [HALF, ONE, ROOT],
    ),
    "gelu, tf2onnx": (
        "gelu",
        [
            node("Mul", ["half", "y"], ["z"]),
            node("Div", ["y", "root"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["one", "e"], ["f"]),
            node("Mul", ["z", "f"], ["h"]),
        ],
        [HALF, ONE, ROOT],
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_as_exporters_write_them(tmp_path, name):
    activation, between, more = ACTIVATIONS[name]
    made = model(gemms(between), [*WEIGHTS, *more])
    net = read(tmp_path, made)
    assert (net.activation, net.loss_name, net.sizes, net.dtype) == (activation, "mse", (3, 4, 2), np.float32)
    for W, expected in zip(net.weights, (W1, W2), strict=True):
        assert np.array_equal(W, expected)
    for outputs in answers_of(made).values():
        assert np.abs(net.predict(X) - outputs[0]).max() <= MOST


def answers_of(made, x=X):
    """The outputs, of a model whose outputs say nothing of their shapes."""
    made = onnx.shape_inference.infer_shapes(made)
    return {"reference": [np.asarray(a) for a in onnx.reference.ReferenceEvaluator(made).run(None, {"x": x})]}


def test_newer_operators_of_their_own(tmp_path):
    for activation, operator, opset in (("gelu", "Gelu", 20), ("mish", "Mish", 18), ("silu", "Swish", 24)):
        made = model(gemms([node(operator, ["y"], ["h"])]), WEIGHTS, opsets=(("", opset),))
        assert read(tmp_path, made).activation == activation


LAYERS = {
    "PyTorch, legacy": (
        [
            node("Flatten", ["x"], ["f"]),
            node("Gemm", ["f", "W1", "b1"], ["y"], alpha=1.0, beta=1.0, transB=1),
            *RELU,
            node("Dropout", ["h"], ["d", "mask"]),
            gemm("d", "W2", "b2", "out"),
        ],
        WEIGHTS,
    ),
    "PyTorch, Linear without a bias": (
        [
            node("Transpose", ["W1"], ["K1"], perm=[1, 0]),
            node("MatMul", ["x", "K1"], ["m"]),
            node("Add", ["b1", "m"], ["y"]),
            *RELU,
            node("Identity", ["h"], ["i"]),
            gemm("i", "W2", "b2", "out"),
        ],
        WEIGHTS,
    ),
    "Keras by tf2onnx": (
        [
            node("MatMul", ["x", "K1"], ["m"]),
            node("Add", ["m", "b1"], ["y"]),
            *RELU,
            node("MatMul", ["h", "K2"], ["n"]),
            node("Add", ["n", "b2"], ["out"]),
        ],
        KERNELS,
    ),
    "alpha and beta": (
        [node("Gemm", ["x", "V1", "c1"], ["y"], alpha=0.5, beta=4.0, transB=1), *RELU, gemm("h", "W2", "b2", "out")],
        [tensor("V1", 2 * W1), tensor("c1", B1 / 4), *WEIGHTS],
    ),
    "samples in columns": (
        [
            node("Transpose", ["x"], ["t"]),
            node("Gemm", ["K1", "t", "c1"], ["y"], transA=1),
            *RELU,
            node("MatMul", ["W2", "h"], ["n"]),
            node("Add", ["n", "c2"], ["o"]),
            node("Transpose", ["o"], ["out"]),
        ],
        [tensor("K1", W1.T.copy()), tensor("c1", B1[:, None]), tensor("W2", W2), tensor("c2", B2[:, None])],
    ),
    "transA of what is transposed": (
        [
            node("Transpose", ["x"], ["t"]),
            node("Gemm", ["t", "W1", "b1"], ["y"], transA=1, transB=1),
            *RELU,
            gemm("h", "W2", "b2", "out"),
        ],
        WEIGHTS,
    ),
    "casts, reshapes and constants in nodes": (
        [
            node("Cast", ["x"], ["c"], to=1),
            node("Constant", [], ["W1"], value=tensor("", W1)),
            node("Reshape", ["c", "shape"], ["r"]),
            gemm("r", "W1", "b1", "y"),
            *RELU,
            gemm("h", "W2", "b2", "o"),
            node("Reshape", ["o", "two"], ["out"]),
        ],
        [*WEIGHTS[1:], tensor("shape", [-1, 3], np.int64), tensor("two", [0, 2], np.int64)],
    ),
    "biases of the shape (1, T), and one of nothing": (
        [gemm("x", "W1", "r1", "y"), *RELU, node("Gemm", ["h", "W2"], ["n"], transB=1), node("Add", ["n", "b2"], ["out"])],
        [tensor("r1", B1[None]), *WEIGHTS],
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_as_exporters_write_them(tmp_path, name):
    nodes, tensors = LAYERS[name]
    made = model(nodes, tensors)
    net = read(tmp_path, made)
    assert (net.activation, net.sizes) == ("relu", (3, 4, 2))
    for outputs in answers_of(made).values():
        assert np.abs(net.predict(X) - outputs[0]).max() <= MOST


MEAN, SCALE = np.array([0.5, -1, 2], np.float32), np.array([2, 0.5, 3], np.float32)
FRONTS = {
    "Sub, Div": ([node("Sub", ["x", "m"], ["u"]), node("Div", ["u", "s"], ["f"])], [tensor("m", MEAN), tensor("s", SCALE)]),
    "Mul, Add": ([node("Mul", ["x", "s"], ["u"]), node("Add", ["m", "u"], ["f"])], [tensor("m", MEAN), tensor("s", SCALE)]),
    "Scaler": ([node("Scaler", ["x"], ["f"], domain=ML, offset=MEAN.tolist(), scale=SCALE.tolist())], []),
    "one number for all": ([node("Div", ["x", "s"], ["f"])], [tensor("s", 255)]),
    "a mean alone": ([node("Sub", ["x", "m"], ["f"])], [tensor("m", MEAN[None])]),
    "factors": ([node("Mul", ["x", "s"], ["f"])], [tensor("s", SCALE)]),
}


@pytest.mark.parametrize("name", FRONTS)
def test_standardised_inputs(tmp_path, name):
    front, more = FRONTS[name]
    nodes = [
        *front,
        gemm("f", "W1", "b1", "y"),
        *RELU,
        gemm("h", "W2", "b2", "out"),
    ]
    made = model(nodes, [*WEIGHTS, *more], opsets=(("", 17), (ML, 1)))
    net = read(tmp_path, made)
    assert (net.input_mean is None, net.scaling) == (name == "factors", name == "factors")
    for outputs in answers_of(made).values():
        assert np.abs(net.predict(X) - outputs[0]).max() <= 10 * MOST  # inputs are up to 8


ENDS = {
    "Softmax": ([node("Softmax", ["z"], ["out"], axis=1)], "cross_entropy"),
    "LogSoftmax": ([node("LogSoftmax", ["z"], ["out"], axis=-1)], "cross_entropy"),
    "Sigmoid": ([node("Sigmoid", ["z"], ["out"])], "binary_cross_entropy"),
    "Exp": ([node("Exp", ["z"], ["out"])], "poisson"),
    "targets in their own units": ([node("Mul", ["z", "s"], ["u"]), node("Add", ["u", "m"], ["out"])], "mse"),
    "targets that were divided": ([node("Div", ["z", "s"], ["u"]), node("Sub", ["u", "m"], ["out"])], "mse"),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(tmp_path, name):
    behind, loss = ENDS[name]
    made = model(gemms(RELU, behind, "z"), [*WEIGHTS, tensor("m", [5, -7]), tensor("s", [2, 0.5])])
    net = read(tmp_path, made)
    assert net.loss_name == loss
    got = net.predict_proba(X) if loss in ("cross_entropy", "binary_cross_entropy") else net.predict(X)
    got = np.log(got) if name == "LogSoftmax" else got
    for outputs in answers_of(made).values():
        assert np.abs(got - outputs[0]).max() <= 10 * MOST  # counts and targets are up to 20


def test_logits_without_softmax_are_of_the_loss_that_is_said(tmp_path):
    made = model(gemms(RELU), WEIGHTS)
    for loss in ("cross_entropy", "binary_cross_entropy", "poisson", "mae"):
        assert read(tmp_path, made, loss).loss_name == loss
    with pytest.raises(fc.InvalidFile, match="loss must be one of"):
        read(tmp_path, made, "cosine")
    with pytest.raises(
        fc.InvalidFile, match="its outputs are those of 'cross_entropy', not of the loss 'mse'; leave loss out"
    ):
        read(tmp_path, model(gemms(RELU, SOFTMAX, "z"), WEIGHTS), "mse")


def classifier(front, last, classes, zipmap=True):
    """A model as skl2onnx makes it of scikit-learn's MLPClassifier. last: T of the last layer."""
    K2, c2 = RNG.uniform(-1, 1, (4, last)).astype(np.float32), RNG.uniform(-1, 1, (1, last)).astype(np.float32)
    nodes = [
        *front,
        node("Cast", ["f"], ["c"], to=1),
        node("MatMul", ["c", "K1"], ["m"]),
        node("Add", ["m", "b1"], ["y"]),
        node("Relu", ["y"], ["h"]),
        node("MatMul", ["h", "K2"], ["n"]),
        node("Add", ["n", "c2"], ["z"]),
    ]
    if last == 1:
        nodes += [
            node("Sigmoid", ["z"], ["p"]),
            node("Sub", ["unity", "p"], ["q"]),
            node("Concat", ["q", "p"], ["probabilities"], axis=1),
        ]
    else:
        nodes.append(node("Softmax", ["z"], ["probabilities"]))
    kind = np.int64 if isinstance(classes[0], int) else object
    nodes += [
        node("ArgMax", ["probabilities"], ["a"], axis=1),
        node("ArrayFeatureExtractor", ["classes", "a"], ["e"], domain=ML),
        node("Reshape", ["e", "shape"], ["label"]),
    ]
    if zipmap:
        key = "classlabels_int64s" if kind is np.int64 else "classlabels_strings"
        nodes.append(node("ZipMap", ["probabilities"], ["output_probability"], domain=ML, **{key: list(classes)}))
    tensors = [
        tensor("K1", W1.T.copy()),
        tensor("b1", B1[None]),
        tensor("K2", K2),
        tensor("c2", c2),
        tensor("unity", 1),
        tensor("classes", classes, kind),
        tensor("shape", [-1], np.int64),
    ]
    outputs = ("label", "output_probability" if zipmap else "probabilities")
    return model(nodes, tensors, outputs, opsets=(("", 17), (ML, 1)))


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize(("last", "classes"), [(1, ("no", "yes")), (1, (0, 7)), (3, ("a", "b", "c")), (2, (5, 3))])
def test_classifiers_as_skl2onnx_writes_them(tmp_path, last, classes, zipmap):
    front, _ = FRONTS["Scaler"]
    made = classifier(front, last, classes, zipmap)
    net = read(tmp_path, made)
    assert (net.loss_name, net.activation, net.sizes[-1]) == ("cross_entropy", "relu", len(classes))
    assert net.classes == tuple(map(str, classes))
    inside = onnx.ModelProto()
    inside.CopyFrom(made)
    inside.graph.ClearField("node")
    inside.graph.node.extend(one for one in made.graph.node if one.op_type != "ZipMap")
    del inside.graph.output[:]
    inside.graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None))
    for outputs in answers_of(inside).values():
        assert np.abs(net.predict_proba(X) - outputs[0]).max() <= MOST

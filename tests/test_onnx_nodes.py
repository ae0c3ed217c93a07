"""The node tests of ONNX's backend: inputs, attributes and outputs that others wrote, and our functions in their shapes.

The expected outputs are NumPy's, in float32. Each comparison is componentwise and has a bound of its own, of first order in
EPS: NumPy's functions of float32 are within 4 ulp of the exact value (so its own tests ask), ours within 0.51 (so
test_elementwise.py asks), and every other operation of either side rounds by half an ulp.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

import numbafc as fc
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, softmax
from numbafc.nn.activations import LEAK, SELU_ALPHA, SELU_SCALE

# Before 1.23 some expected outputs are off: e^y − 1 where 1 cancels, in float32, and another ε than the node of Adam has.
onnx = pytest.importorskip("onnx", "1.23", reason="the node tests come with onnx; pip install 'numbafc[onnx]'")

EPS = float(np.finfo(np.float32).eps)  # one ulp of 1


class Case(NamedTuple):
    """A node test: one operator, its attributes (defaults too), inputs and expected outputs."""

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


@pytest.fixture(scope="module")
def cases():
    """The node tests of OPERATORS. Graphs of several nodes are left out: they say in other operators what these say."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the tests of all other operators overflows here and there
        tests = load_model_tests(kind="node")
    graphs = [(test, test.model.graph.node) for test in tests]
    return [case_of(test, nodes[0]) for test, nodes in graphs if len(nodes) == 1 and nodes[0].op_type in OPERATORS]


def case_of(test, node):
    value = onnx.helper.get_attribute_value
    schema = onnx.defs.get_schema(node.op_type, domain=node.domain)
    defaults = {name: a.default_value for name, a in schema.attributes.items() if a.default_value.type}
    attributes = {name: value(a) for name, a in (defaults | {a.name: a for a in node.attribute}).items()}
    ((inputs, outputs),) = test.data_sets
    return Case(test.name, node.op_type, attributes, [np.asarray(a) for a in inputs], [np.asarray(a) for a in outputs])


def differences(case):
    """Sentences about the outputs that are further from the expected ones than their bounds."""
    for n, ((got, bound), expected) in enumerate(zip(OPERATORS[case.operator](case), case.outputs, strict=True)):
        error = np.abs(got - expected.astype(np.float64)) if np.shape(got) == expected.shape else np.inf
        if not np.all(error <= bound):  # a NaN is wrong, too
            yield f"{case.name}, output {n}: got {got}, expected {expected}, within {bound}"


# ---- operators: lists of (output, bound of its error) ----

# Each operator's name here, and what its attributes make of our values above 0 and below.
ACTIVATIONS_OF = {
    "Relu": ("relu", lambda a: (1, 1)),
    "Tanh": ("tanh", lambda a: (1, 1)),
    "Sigmoid": ("sigmoid", lambda a: (1, 1)),
    "LeakyRelu": ("leaky_relu", lambda a: (1, a["alpha"] / LEAK)),
    "Elu": ("elu", lambda a: (1, a["alpha"])),
    "Selu": ("selu", lambda a: (a["gamma"] / SELU_SCALE, a["gamma"] * a["alpha"] / (SELU_SCALE * SELU_ALPHA))),
    "Softplus": ("softplus", lambda a: (1, 1)),
    "Gelu": ("gelu", lambda a: (1, 1)),
    "Swish": ("silu", lambda a: (1, 1)),
}


def activation(case):
    """At most two functions of 4 ulp and four roundings, in constants, too: 10 ulp. No sum here cancels."""
    name, sides = ACTIVATIONS_OF[case.operator]
    assert case.operator != "Swish" or case.attributes["alpha"] == 1
    H = case.inputs[0].copy()
    ACTIVATIONS[name].apply(H)
    above, below = sides(case.attributes)
    H = H * np.where(case.inputs[0] > 0, np.float64(above), np.float64(below))
    return [(H, 10 * EPS * np.abs(H))]


def columns(X, axis):
    """(T, B) with the classes of X along an axis in front and all else behind, and the way back."""
    front = np.moveaxis(X, axis, 0)
    return front.reshape(len(front), -1), lambda Y: np.moveaxis(Y.reshape(front.shape), 0, axis)


def share_ulps(T):
    """Ulps between two e^y/Σe^y in float32: 4 + 0.51 for e^y, as much for a sum of T positive terms, which has T − 1
    roundings on either side, and the division."""
    return T + 10


def softmax_of(case):
    Y, back = columns(case.inputs[0], case.attributes["axis"])
    S = back(softmax(Y))
    return [(S, share_ulps(len(Y)) * EPS * S)]


def log_softmax(X, axis):
    """log S[c] = −l for the class c, whichever it is. The error of a share is absolute in its logarithm, whose own error is
    relative: 4 ulp, and roundings of numbers no larger than l."""
    Y, back = columns(X, axis)
    per_sample = LOSSES["cross_entropy"].per_sample
    losses = back(np.stack([per_sample(Y, np.full(Y.shape[1], c)) for c in range(len(Y))]))
    return -losses, share_ulps(len(Y)) * EPS * (1 + losses)


def log_softmax_of(case):
    return [log_softmax(case.inputs[0], case.attributes["axis"])]


def cross_entropy(case):
    """Our losses of each sample; weights of classes, an ignored class and the reduction around them, in float64.

    NumPy's float32 has one more rounding for the weight, and in its pairwise sums of M terms each goes through at most
    M and at most 32 additions (25 in a block of 128, then pairs: enough for 2¹⁴ terms), as it does in the sum of weights.
    """
    X, targets, *weights = case.inputs
    Y, _ = columns(X, 1)
    ignored = targets == case.attributes.get("ignore_index")
    classes = np.where(ignored, 0, targets)
    losses = LOSSES["cross_entropy"].per_sample(Y, classes.reshape(-1)).reshape(targets.shape).astype(np.float64)
    weight = np.where(ignored, 0.0, weights[0][classes] if weights else 1.0)
    reduce = {
        b"none": lambda a: weight * a,
        b"sum": lambda a: (weight * a).sum(),
        b"mean": lambda a: (weight * a).sum() / weight.sum(),
    }[case.attributes["reduction"]]
    ulps = share_ulps(len(Y)) + 1 + min(targets.size, 32)
    results = [(reduce(losses), ulps * EPS * reduce(1 + losses)), log_softmax(X, 1)]
    return results[: len(case.outputs)]


products = np.vectorize(fc.forward, signature="(t,n),(n,b)->(t,b)")  # for stacks of matrices


def product_ulps(N):
    """Of a sum of N products and what is added to it, in float32 and any order: N + 2 roundings on either side."""
    return N + 2


def matmul(case):
    A, B = case.inputs
    W, X = (A if A.ndim > 1 else A[np.newaxis]), (B if B.ndim > 1 else B[:, np.newaxis])
    Y, size = products(W, X), np.abs(W) @ np.abs(X)
    axes = (-2,) * (A.ndim == 1) + (-1,) * (B.ndim == 1)  # of length 1, added above
    return [(np.squeeze(Y, axes), product_ulps(W.shape[-1]) * EPS * np.squeeze(size, axes))]


def gemm(case):
    """α·A·B + β·C is a layer with one sample per row of A: W = α·Bᵀ, X = Aᵀ, and the row β·C for the bias."""
    (A, B, *C), a = case.inputs, case.attributes
    X, W = (A if a["transA"] else A.T), np.float32(a["alpha"]) * (B if a["transB"] else B.T)
    b = np.float32(a["beta"]) * np.broadcast_to(C[0], (1, len(W)))[0] if C else None
    size = np.abs(W) @ np.abs(X) + (0 if b is None else np.abs(b)[:, np.newaxis])
    return [(fc.forward(W, X, b).T, product_ulps(len(X)) * EPS * size.T)]


def one_step(case, name, settings, states):
    """The tensors of a case, put end to end as an MLP's are, before and after a step of an optimizer: x, g, its states."""
    tensors = case.inputs[2:]
    each = len(tensors) // (2 + len(states))
    before = [np.concatenate(tensors[n : n + each]) for n in range(0, len(tensors), each)]
    x, g, *state = (a.copy() for a in before)
    # powers that are 0 stay so, and Adam then corrects no bias, as ONNX has it before the first step
    OPTIMIZERS[name](**settings).update(x, g, {**dict(zip(states, state, strict=True)), "powers": np.zeros(2)})
    return before, [x, *state]


def bounded(case, results, sizes):
    """Each tensor by itself, and its bound. A number comes from at most 16 roundings on either side, of attributes in
    float32 and of terms that are together no larger than its size: 16 ulp of that."""
    lengths = [a.size for a in case.outputs[: len(case.outputs) // len(results)]]
    ends = np.cumsum(lengths)[:-1]
    for a, size in zip(results, sizes, strict=True):
        yield from zip(np.split(a, ends), np.split(16 * EPS * size, ends), strict=True)


def adam(case):
    (rate, count), a = (float(x) for x in case.inputs[:2]), case.attributes
    assert (count, a["norm_coefficient_post"]) == (0, 0)
    decay = a["norm_coefficient"]
    settings = {"learning_rate": rate, "beta1": a["alpha"], "beta2": a["beta"]}
    settings |= {"epsilon": a["epsilon"], "weight_decay": decay}
    (x, g, v, h), results = one_step(case, "adam", settings, ("mean", "square"))
    G = np.abs(g) + decay * np.abs(x)
    V, H, h_new = np.abs(v) + G, h + G * G, results[2]
    return bounded(case, results, (np.abs(x) + rate * V / np.sqrt(h_new) * (H / h_new), V, H))


def adagrad(case):
    (rate, count), a = (float(x) for x in case.inputs[:2]), case.attributes
    rate, decay = rate / (1 + count * a["decay_factor"]), a["norm_coefficient"]
    settings = {"learning_rate": rate, "epsilon": a["epsilon"], "weight_decay": decay}
    (x, g, h), results = one_step(case, "adagrad", settings, ("square",))
    G = np.abs(g) + decay * np.abs(x)
    H, h_new = h + G * G, results[1]
    return bounded(case, results, (np.abs(x) + rate * G / np.sqrt(h_new) * (H / h_new), H))


def momentum(case):
    (rate, count), a = (float(x) for x in case.inputs[:2]), case.attributes
    assert count == 0 or a["beta"] == 1  # what ONNX makes of the first gradient, and we of all
    decay = a["norm_coefficient"]
    settings = {"learning_rate": rate, "momentum": a["alpha"], "weight_decay": decay, "nesterov": a["mode"] == b"nesterov"}
    (x, g, v), results = one_step(case, "sgd", settings, ("velocity",))
    G = np.abs(g) + decay * np.abs(x)
    return bounded(case, results, (np.abs(x) + rate * (2 * G + np.abs(v)), np.abs(v) + G))


OPERATORS = {
    "Softmax": softmax_of,
    "LogSoftmax": log_softmax_of,
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "MatMul": matmul,
    "Gemm": gemm,
    "Adam": adam,
    "Adagrad": adagrad,
    "Momentum": momentum,
    **dict.fromkeys(ACTIVATIONS_OF, activation),
}
NOT_OURS = {
    "test_gelu_tanh_1": "an approximation by tanh; our gelu is the function itself, with erf",
    "test_gelu_tanh_2": "an approximation by tanh; our gelu is the function itself, with erf",
    "test_gemm_default_matrix_bias": "its C has a number for each output of each sample; a layer's bias is one per output",
}


# ---- the tests ----


def ours(cases, operator):
    chosen = [case for case in cases if case.operator == operator and case.name not in NOT_OURS]
    assert chosen, f"no node test of {operator}"
    return chosen


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_node_test_of_an_operator(operator, cases):
    assert not [sentence for case in ours(cases, operator) for sentence in differences(case)]


def test_what_is_left_out_is_there(cases):
    assert NOT_OURS.keys() <= {case.name for case in cases}


# A mistake for every operator, planted in what it is given.
def next_axis(case):
    axis = (case.attributes["axis"] + 1) % case.inputs[0].ndim
    return case._replace(attributes=case.attributes | {"axis": axis})


def next_class(case):
    X, targets, *weights = case.inputs
    return case._replace(inputs=[X, (targets + 1) % X.shape[1], *weights])


def other_sign(case):
    return case._replace(inputs=[-case.inputs[0], *case.inputs[1:]])


def other_order(case):
    return case._replace(inputs=[case.inputs[0][..., ::-1], *case.inputs[1:]])


def uphill(case):
    tensors = len(case.inputs) - 2
    each = tensors // (4 if case.operator == "Adam" else 3)
    first, last = 2 + each, 2 + 2 * each  # after R, T and the X come the G
    return case._replace(inputs=[*case.inputs[:first], *(-g for g in case.inputs[first:last]), *case.inputs[last:]])


PLANTED = {
    "Softmax": next_axis,
    "LogSoftmax": next_axis,
    "SoftmaxCrossEntropyLoss": next_class,
    "MatMul": other_order,
    "Gemm": other_order,
    "Adam": uphill,
    "Adagrad": uphill,
    "Momentum": uphill,
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_planted_mistake_is_seen_in_every_case(operator, cases):
    plant = PLANTED.get(operator, other_sign)
    for case in ours(cases, operator):
        assert list(differences(plant(case))), case.name


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_ten_thousandth_is_seen_in_every_case(operator, cases):
    for case in ours(cases, operator):
        for n, expected in enumerate(case.outputs):
            outputs = [*case.outputs[:n], expected * np.float32(1.0001), *case.outputs[n + 1 :]]
            assert list(differences(case._replace(outputs=outputs))), (case.name, n)

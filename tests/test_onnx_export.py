"""Networks as ONNX models: what runtimes make of them is what predict says, and the same network is the same file."""

import json

import numpy as np
import pytest
from helpers import assert_same_bits, run_python

import numbafc as fc
from numbafc.nn import ACTIVATIONS, LOSSES, Members

onnx = pytest.importorskip("onnx", reason="models are written with onnx; pip install 'numbafc[onnx]'")

from onnx_models import EPS, answers, bounds  # noqa: E402  which needs it

OPSETS = 13, 17, 21
MOST = 2e-6  # what the bounds of these networks are below
LABELLED = "cross_entropy", "binary_cross_entropy"


def network(activation, loss, dtype="float32", sizes=(3, 4, 3, 2), seed=0):
    """A small network with all that one has, of which bounds.max() is below MOST, and inputs."""
    net = fc.MLP(sizes, activation, loss, dtype, seed=seed, scaling=True)
    rng = np.random.default_rng(seed)
    net.parameters[:] = rng.uniform(-0.2, 0.2, net.parameters.size)
    net.scales[:] = rng.uniform(0.5, 1, sizes[0])
    X = rng.uniform(-20, 20, (30, sizes[0])).astype(dtype)
    net.standardize(X, rng.uniform(0, 1, (30, sizes[-1])) if loss in ("mse", "mae", "huber") else None)
    net.biases[-1][:] -= np.median(net.outputs(X), axis=0)  # so that every label is somebody's
    return net, X


def allowed(net, X):
    """predict_proba or predict, in float64, and the bound of what two programs differ by."""
    Y, error = bounds(net, X)
    if net.loss_name == "cross_entropy":  # p·(e^±2δ − 1); an e^y, the sum of T of them and the quotient on either side
        p = np.exp(Y - Y.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p, p * (np.expm1(2 * error.max(axis=1, keepdims=True)) + (net.sizes[-1] + 10) * EPS)
    if net.loss_name == "binary_cross_entropy":  # whose slope is at most 1/4
        p = 1 / (1 + np.exp(-Y))
        return p, error / 4 + 8 * EPS * p
    if net.loss_name == "poisson":
        return np.exp(Y), np.exp(Y) * (np.expm1(error) + 8 * EPS)
    scaled = Y * net.target_scale
    return scaled + net.target_mean, error * net.target_scale + 2 * EPS * (np.abs(scaled) + np.abs(net.target_mean))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:overflow")  # of the reference evaluator
def test_runtimes_answer_as_the_network_does(activation):
    for loss in LOSSES:
        net, X = network(activation, loss)
        expected = net.predict_proba(X) if loss in LABELLED else net.predict(X)
        exact, bound = allowed(net, X)
        assert bound.max() < MOST
        assert np.all(np.abs(expected - exact) <= bound)
        for opset in OPSETS:
            for runtime, outputs in answers(fc.files.onnx.content(net, opset), {"X": X}).items():
                where = loss, opset, runtime
                assert np.abs(outputs[-1] - expected).max() <= MOST, where
                assert np.all(np.abs(outputs[-1] - expected) <= bound), where
                assert outputs[-1].dtype == net.dtype
                if loss in LABELLED:
                    certain = _certain(loss, exact, bound)
                    assert certain.any()
                    assert np.array_equal(outputs[0][certain], net.predict(X)[certain]), where
                    assert outputs[0].dtype == np.int64


def _certain(loss, exact, bound):
    """Where the label is no matter of rounding."""
    if loss == "binary_cross_entropy":
        return np.abs(exact - 0.5) > bound
    first, second = np.sort(exact, axis=1).T[::-1][:2]
    return first - second > 2 * bound.max(axis=1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_large_outputs_overflow_nowhere(activation):
    """Of y up to ±10³⁰ φ is what it is; the errors are those of float32, in the size of what is added."""
    y = np.array([-1e30, -1e4, -104, -88, -30, -5, -1e-3, 0, 1e-3, 5, 30, 88, 89, 104, 1e4, 1e30], np.float32)[
        :, np.newaxis
    ]
    net = fc.MLP([1, 1, 1], activation, "mse")
    net.parameters[:] = 1, 0, 1, 0
    expected = net.predict(y)
    for opset in (*OPSETS, 24) if onnx.defs.onnx_opset_version() >= 24 else OPSETS:
        with np.errstate(over="ignore", invalid="ignore"):  # of the reference, which makes both of two choices
            found = answers(fc.files.onnx.content(net, opset), {"X": y})
        if activation == "mish" and opset >= 18:  # the reference makes Mish of e^y: NaN
            del found["reference"]
        for outputs in found.values():
            error = np.abs(outputs[0][:, 0].astype(np.float64) - expected)
            assert np.all(error <= 8 * EPS * np.maximum(1, np.abs(y[:, 0]))), (opset, outputs[0][:, 0], expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_double_networks_run_in_double(activation):
    """gelu has Erf of float32, whose error on either side is 4 ulp: 5e-7·|y| with what follows; others 1e-13."""
    for loss in ("cross_entropy", "mse"):
        net, X = network(activation, loss, "float64")
        expected = net.predict_proba(X) if loss in LABELLED else net.predict(X)
        for outputs in answers(fc.files.onnx.content(net, 21), {"X": X}).values():
            assert np.abs(outputs[-1] - expected).max() < (1e-6 if activation == "gelu" else 1e-13)
            assert outputs[-1].dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_was_written_is_read_with_its_bits(tmp_path, activation, dtype):
    for loss in LOSSES:
        net, _ = network(activation, loss, dtype)
        net.features, net.classes = ("a", "b b", "ü"), None if loss not in LABELLED else ("1", "x")
        for opset in OPSETS:
            net.export_onnx(tmp_path / "net.onnx", opset)
            back = fc.from_onnx(tmp_path / "net.onnx")
            assert_same_bits(back.parameters, net.parameters, activation)
            for name in ("sizes", "activation", "loss_name", "dtype", "scaling", "features", "classes"):
                assert getattr(back, name) == getattr(net, name), (name, loss, opset)
            for name in ("input_mean", "input_scale", "target_mean", "target_scale"):
                one, other = getattr(back, name), getattr(net, name)
                assert (one is None) == (other is None)
                if one is not None:
                    assert_same_bits(one, other, name)


def test_a_network_without_hidden_layers_and_without_all_that_may_be_left_out(tmp_path):
    for loss in LOSSES:
        net = fc.MLP([2, 1] if loss != "cross_entropy" else [2, 3], "tanh", loss, seed=1)
        net.export_onnx(tmp_path / "net.onnx")
        back = fc.from_onnx(tmp_path / "net.onnx")
        assert (back.loss_name, back.activation, back.input_mean, back.target_mean) == (loss, "tanh", None, None)
        assert_same_bits(back.parameters, net.parameters, loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_members_are_averaged_as_predict_does(loss):
    nets = [network("selu", loss, seed=seed)[0] for seed in range(3)]
    X = network("selu", loss)[1]
    members = Members(nets)
    expected = members.predict_proba(X) if loss in LABELLED else members.predict(X)
    for outputs in answers(fc.files.onnx.content(members), {"X": X}).values():
        assert np.abs(outputs[-1] - expected).max() <= MOST  # as of each, for a mean has no more
        assert np.abs(outputs[-1] - (nets[0].predict_proba(X) if loss in LABELLED else nets[0].predict(X))).max() > 1e-3
        if loss in LABELLED:
            sure = np.abs(expected - 0.5).min(axis=1) > MOST
            assert np.array_equal(outputs[0][sure], members.predict(X)[sure])


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("0", "1"), np.array([0, 1])),
        (("-5", "9223372036854775807"), np.array([-5, 2**63 - 1])),
        (("9223372036854775808", "1"), None),
        (("007", "1"), None),
        (("1.0", "2"), None),
        (("-0", "2"), None),
        (("٣", "2"), None),
        (("grün", ""), None),
        (None, np.array([0, 1])),
    ],
)
def test_labels_are_integers_or_words_as_they_are_spelt(classes, expected):
    net, X = network("relu", "cross_entropy")
    net.classes = classes
    places = net.predict(X)
    assert len(set(places)) == 2
    for outputs in answers(fc.files.onnx.content(net), {"X": X}).values():
        wanted = np.array(classes, object)[places] if expected is None else expected[places]
        assert outputs[0].tolist() == wanted.tolist()
        assert outputs[0].shape == (len(X),)


def test_the_same_network_is_the_same_file_and_says_what_it_is(tmp_path):
    net, _ = network("gelu", "cross_entropy")
    net.classes, net.features = ("no", "yes"), ("size", "größe", "x")
    one, path = fc.files.onnx.content(net), tmp_path / "net.onnx"
    net.save(tmp_path / "net.safetensors")
    code = "import sys, numbafc as fc; fc.load(sys.argv[1]).export_onnx(sys.argv[2])"
    done = run_python(code, str(tmp_path / "net.safetensors"), str(path), PYTHONHASHSEED="7")
    assert path.read_bytes() == one == fc.files.onnx.content(net), done.stderr
    model = onnx.load_from_string(one)
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert said == {
        "activation": "gelu",
        "classes": ["no", "yes"],
        "features": ["size", "größe", "x"],
        "loss": "cross_entropy",
    }
    assert {node.domain for node in model.graph.node} == {""}
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert [output.name for output in model.graph.output] == ["label", "probabilities"]
    assert model.producer_name == "numbafc"


def test_what_no_model_can_hold_is_refused_and_the_file_that_was_there_stays(tmp_path):
    net, path = fc.MLP([2, 2]), tmp_path / "net.onnx"
    path.write_bytes(b"before")
    for opset, error in ((12, ValueError), (25, ValueError), (17.5, TypeError), ("17", TypeError)):
        with pytest.raises(error, match="opset"):
            net.export_onnx(path, opset)
    net.parameters[3] = np.nan
    with pytest.raises(ValueError, match="the parameters must be finite to be exported, and some are not"):
        net.export_onnx(path)
    with pytest.raises(ValueError, match="parameters of member 1 must be finite"):
        Members([fc.MLP([2, 2]), net]).export_onnx(path)
    with pytest.raises(ValueError, match=r"an ONNX model is written as \.onnx, but .* ends in \.safetensors"):
        fc.MLP([2, 2]).export_onnx(tmp_path / "net.safetensors")
    with pytest.raises(TypeError, match="export_onnx takes a network and a path, got str for the network"):
        fc.files.export_onnx("net", path)
    with pytest.raises(FileNotFoundError, match="make its folder first"):
        fc.MLP([2, 2]).export_onnx(tmp_path / "nowhere" / "net.onnx")
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["net.onnx"]


def test_without_the_library_there_is_one_sentence_and_reading_needs_none(tmp_path):
    net, _ = network("silu", "mse")
    net.export_onnx(tmp_path / "net.onnx")
    code = """
import sys
sys.modules["onnx"] = None
import numbafc as fc
net = fc.from_onnx(sys.argv[1])
print(net.sizes)
try:
    net.export_onnx(sys.argv[1])
except ImportError as error:
    print(error)
"""
    done = run_python(code, str(tmp_path / "net.onnx"))
    expected = "ONNX models are written with onnx, which is not installed: pip install 'numbafc[onnx]'"
    assert done.stdout.splitlines() == ["(3, 4, 3, 2)", expected], done.stderr


def test_load_says_what_reads_an_onnx_model(tmp_path):
    network("relu", "mse")[0].export_onnx(tmp_path / "net.onnx")
    with pytest.raises(fc.InvalidFile, match=r"net\.onnx: an ONNX model; numbafc\.from_onnx reads it"):
        fc.load(tmp_path / "net.onnx")


def test_nothing_is_imported_before_it_is_needed():
    done = run_python(
        "import sys, numbafc; print([name for name in ('onnx', 'skl2onnx', 'google') if name in sys.modules])"
    )
    assert done.stdout == "[]\n", done.stderr


MISTAKES = {
    "a weight, off by a hundred thousandth": lambda net: net.weights[-1].__setitem__((0, 0), net.weights[-1][0, 0] + 1e-5),
    "a bias": lambda net: net.biases[0].__setitem__(0, net.biases[0][0] + 1e-4),
    "a factor": lambda net: net.scales.__setitem__(1, net.scales[1] * 1.001),
    "a mean": lambda net: net.input_mean.__setitem__(0, net.input_mean[0] + 0.01),
    "the targets' mean": lambda net: net.target_mean.__setitem__(0, net.target_mean[0] + 1e-5),
    "another activation": lambda net: setattr(net, "activation", "softplus"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(mistake):
    """The comparison can fail: small mistakes are outside the bounds."""
    net, X = network("tanh", "mse")
    exact, bound = allowed(net, X)
    MISTAKES[mistake](net)
    for outputs in answers(fc.files.onnx.content(net), {"X": X}).values():
        assert not np.all(np.abs(outputs[-1] - exact) <= bound)

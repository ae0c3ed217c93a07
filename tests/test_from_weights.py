"""Networks of plain weights: arrays, state dicts, kernels, safetensors of a module; what does not fit is a sentence."""

import numpy as np
import pytest

import numbafc as fc

RNG = np.random.default_rng(0)
W1, B1, W2, B2 = (RNG.standard_normal(shape).astype(np.float32) for shape in ((4, 3), 4, (2, 4), 2))
X = RNG.standard_normal((5, 3)).astype(np.float32)
PAIRS = [(W1, B1), (W2, B2)]


def state(*names):
    """A state dict of two layers with these names."""
    parts = (
        (f"{name}.{kind}", array)
        for name, pair in zip(names, PAIRS, strict=True)
        for kind, array in zip(("weight", "bias"), pair, strict=True)
    )
    return dict(parts)


def expected():
    net = fc.MLP([3, 4, 2], "tanh", "mse")
    for layer, (W, b) in enumerate(PAIRS):
        net.weights[layer], net.biases[layer] = W, b
    return net.predict(X)


KERNELS = {"Dense_0": {"kernel": W1.T, "bias": B1}, "Dense_1": {"kernel": W2.T, "bias": B2}}
FORMS = {
    "pairs": (PAIRS, False),
    "pairs in a tuple": (tuple(map(list, PAIRS)), False),
    "pairs of lists": ([(W1.tolist(), B1.tolist()), (W2.tolist(), B2.tolist())], False),
    "kernels": ([(W1.T, B1), (W2.T, B2)], True),
    "arrays in a row": ([W1, B1, W2, B2], False),
    "Keras' get_weights": ([W1.T, B1, W2.T, B2], True),
    "a state dict": (state("0", "2"), False),
    "a state dict in another order": (dict(reversed(state("net.2.linear", "net.10.linear").items())), False),
    "names without numbers": (state("hidden", "output"), False),
    "Flax' parameters": ({"params": KERNELS}, False),
    "Flax' parameters by themselves": (KERNELS, True),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_as_people_have_them(form):
    weights, in_out = FORMS[form]
    net = fc.from_weights(weights, activation="tanh", loss="mse", in_out=in_out)
    assert (net.sizes, net.activation, net.loss_name) == ((3, 4, 2), "tanh", "mse")
    assert net.dtype == (np.float64 if form == "pairs of lists" else np.float32)
    assert np.array_equal(net.predict(X).astype(np.float32), expected()) or form == "pairs of lists"
    net.weights[0][0, 0] += 1  # its own
    assert W1[0, 0] != net.weights[0][0, 0]


def test_layers_without_a_bias_and_other_dtypes():
    net = fc.from_weights([(W1.astype(np.float16), None), (W2.astype(np.float16), B2)], activation="relu")
    assert (net.dtype, net.loss_name) == (np.float32, "cross_entropy")
    assert not net.biases[0].any()
    assert np.array_equal(net.weights[0], W1.astype(np.float16))
    assert fc.from_weights([(W1.astype(">f8"), B1)], activation="relu").dtype == np.float64
    assert fc.from_weights([([[1, 2]], [3])], activation="relu", loss="mse").predict(np.ones((1, 2))) == 6
    assert fc.from_weights({"0.weight": W1, "2.weight": W2}, activation="relu").sizes == (3, 4, 2)


REFUSED = {
    "nothing": ([], ValueError, "got nothing"),
    "a number": (5, TypeError, "weights must be pairs .* got int"),
    "one array": (W1, TypeError, "weights must be pairs .* got ndarray"),
    "arrays of other axes": ([W1, B1, B2], TypeError, "got ndarray among them"),
    "layers in another order": (PAIRS[::-1], ValueError, "layer 1 has W for 3 inputs and 4 outputs.* 2 inputs come"),
    "kernels": (
        [(W1.T, B1), (W2.T, B2)],
        ValueError,
        r"b of shape \(4,\).*pass the layers in order, or in_out=True for kernels",
    ),
    "a bias of another length": (
        [(W1, B2)],
        ValueError,
        r"layer 0 has W for 3 inputs and 4 outputs, as \(T, N\), b of shape \(2,\)",
    ),
    "no rows": ([(W1[:0], B1[:0])], ValueError, r"W of layer 0 must be \(T, N\), neither of them 0, got shape \(0, 3\)"),
    "one axis": ([(B1, B1)], ValueError, r"got shape \(4,\)"),
    "NaN": ([(W1 * np.nan, B1)], ValueError, "W of layer 0 must be finite, got nan at row 0, column 0"),
    "words": ([([["a"]], None)], TypeError, "W of layer 0 must be real numbers, got dtype <U1"),
    "a masked array": ([(np.ma.masked_array(W1), B1)], TypeError, "W of layer 0 must be a plain array"),
    "another weight": (
        {"0.weight": W1, "0.running_mean": B1},
        ValueError,
        "'0.running_mean' is no weight of a fully-connected",
    ),
    "a bias alone": ({"0.weight": W1, "2.bias": B2}, ValueError, "got '2' without one"),
    "both kinds": ({"0.weight": W1, "2.kernel": W2}, ValueError, "expected a weight of each layer"),
    "an empty dict": ({}, ValueError, "expected a weight of each layer"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_a_sentence(what):
    weights, error, message = REFUSED[what]
    with pytest.raises(error, match=message) as raised:
        fc.from_weights(weights, activation="relu")
    assert len(str(raised.value)) < 320


def test_activation_and_loss_are_said_and_known():
    with pytest.raises(TypeError, match="activation"):
        fc.from_weights(PAIRS)
    with pytest.raises(ValueError, match="activation must be one of"):
        fc.from_weights(PAIRS, activation="swish")
    with pytest.raises(ValueError, match="loss must be one of"):
        fc.from_weights(PAIRS, activation="relu", loss="l2")
    with pytest.raises(TypeError, match="in_out must be True or False"):
        fc.from_weights(PAIRS, activation="relu", in_out="yes")


# ---- files ------------------------------------------------------------------------------------------------------------


def test_a_state_dict_in_a_file_goes_by_its_numbers(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    for names in (("0", "2"), ("2", "10"), ("model.layers.1.linear", "model.layers.3.linear"), ("fc1", "fc2")):
        numpy.save_file(state(*names), tmp_path / "w.safetensors")
        net = fc.from_weights(tmp_path / "w.safetensors", activation="tanh", loss="mse")
        assert np.array_equal(net.predict(X), expected()), names
    with pytest.raises(fc.InvalidFile, match=r"w\.safetensors: .* numbafc\.from_weights reads weights of others"):
        fc.load(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="activation must be one of"):
        fc.from_weights(tmp_path / "w.safetensors", activation="swish")
    for bad, message in (
        (state("hidden", "output"), "the order of the layers 'hidden', 'output' is not in their names"),
        (state("block1.fc1", "block2.fc2"), "is not in their names; read them and pass pairs"),
        ({"0.weight": W1, "0.bias": B1, "1.running_mean": B1}, "'1.running_mean' is no weight"),
        ({"0.weight": W1, "2.weight": W1}, "layer 1 has W for 3 inputs"),
        ({"0.weight": W1 * np.float32(np.inf)}, "W of layer 0 must be finite"),
    ):
        numpy.save_file(bad, tmp_path / "w.safetensors")
        with pytest.raises(fc.InvalidFile, match=message) as raised:
            fc.from_weights(tmp_path / "w.safetensors", activation="relu")
        assert len(str(raised.value)) <= 450


def test_a_network_s_own_file_is_not_taken_for_weights(tmp_path):
    net = fc.MLP([3, 4, 2], "tanh")
    net.save(tmp_path / "net.safetensors")
    with pytest.raises(fc.InvalidFile, match=r"a network that numbafc saved, with all that it is; numbafc\.load reads it"):
        fc.from_weights(tmp_path / "net.safetensors", activation="relu")


PICKLES = {
    "a zip archive": b"PK\x03\x04" + bytes(99),
    "a pickle": b"\x80\x02}q\x00.",
    "a pickle of protocol 4": b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}",
}


@pytest.mark.parametrize("what", PICKLES)
def test_a_pickle_is_refused_with_the_way_to_safetensors(tmp_path, what):
    path = tmp_path / "model.pt"
    path.write_bytes(PICKLES[what])
    for read in (fc.load, lambda path: fc.from_weights(path, activation="relu")):
        with pytest.raises(fc.InvalidFile, match=r"model\.pt: a pickle or an archive, .*safetensors\.torch\.save_file"):
            read(path)


def test_damaged_files_are_refused(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    numpy.save_file(state("0", "2"), path)
    whole = path.read_bytes()
    for content in (b"", b"abc", whole[:-1], whole + b"x", whole[:20], whole.replace(b"F32", b"F99")):
        path.write_bytes(content)
        with pytest.raises(fc.InvalidFile, match="not a readable safetensors file"):
            fc.from_weights(path, activation="relu")
    with pytest.raises(FileNotFoundError):
        fc.from_weights(tmp_path / "none.safetensors", activation="relu")


def test_modules_of_pytorch_their_state_dicts_and_their_files(tmp_path):
    torch = pytest.importorskip("torch", reason="makes a module with PyTorch; pip install 'numbafc[torch]'")
    from safetensors.torch import save_file

    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        wanted = module(torch.from_numpy(X)).numpy()
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    torch.save(module.state_dict(), tmp_path / "w.pt")
    pairs = [(layer.weight, layer.bias) for layer in (module[0], module[2])]  # which need gradients
    for weights in (tmp_path / "w.safetensors", module.state_dict(), dict(module.named_parameters()), pairs):
        net = fc.from_weights(weights, activation="tanh", loss="mse")
        # 5 roundings of products and a tanh within 4 ulp, of numbers up to 3 in weights up to 1
        assert np.abs(net.predict(X) - wanted).max() < 4e-6
    with pytest.raises(fc.InvalidFile, match=r"safetensors\.torch\.save_file\(module\.state_dict\(\)"):
        fc.from_weights(tmp_path / "w.pt", activation="tanh")

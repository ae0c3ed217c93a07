"""Whatever save accepts, load returns: the same attributes, the same bits of every prediction and of every training that
follows. What could not come back is refused with a sentence when it is set, or else by save, and the old file stays."""

import contextlib
import copy
import pickle

import numpy as np
import pytest
from checkpoints import assert_same_training, fit_for
from helpers import assert_same_bits
from hypothesis import example, given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.files import checkpoint, container

N, T = 3, 2
RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, N))
Y = {"cross_entropy": RNG.integers(0, T, 12), "mse": RNG.standard_normal((12, T))}
OF_NETWORK = ("sizes", "activation", "loss_name", "dtype", "seed", "label_smoothing", "init", "scaling")
ATTRIBUTES = (*OF_NETWORK, "classes", "features")
ARRAYS = ("input_mean", "input_scale", "target_mean", "target_scale")


def assert_comes_back(net, path, again=True):
    """The network that load returns is the one that was saved, and goes the same way."""
    back = fc.load(path)
    for name in ATTRIBUTES:
        one, other = getattr(back, name), getattr(net, name)
        assert one == other, name
    assert_same_bits(back.parameters, net.parameters, "parameters")
    for name in ARRAYS:
        one, other = getattr(back, name), getattr(net, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert_same_bits(one, other, name)
    assert back.order.bit_generator.state == net.order.bit_generator.state
    assert (back.training is None) == (net.training is None)
    if net.training is not None:
        assert_same_training(back, net)
    one, other = back.outputs(X), net.outputs(X)
    assert_same_bits(one, other, "outputs")
    if again:
        outcomes = []
        for twin in (back, copy.deepcopy(net)):
            with np.errstate(all="ignore"):
                try:
                    twin.fit(X, Y[net.loss_name], batch_size=5, epochs=2)
                except FloatingPointError as error:
                    outcomes.append(str(error))
            outcomes.append(twin.parameters.tobytes())
        assert outcomes[: len(outcomes) // 2] == outcomes[len(outcomes) // 2 :]


# ---- one by one -----------------------------------------------------------------------------------------------------


def test_a_mean_in_another_dtype_is_the_network_s_from_then_on(tmp_path):
    for dtype in ("float32", "float64"):
        net = fc.MLP([N, 4, T], dtype=dtype)
        net.input_mean, net.input_scale = X.mean(axis=0).astype(np.float64), [1, 2, 3]
        assert (net.input_mean.dtype, net.input_scale.dtype) == (net.dtype, net.dtype)
        net.fit(X, Y["cross_entropy"])
        net.predict(X)
        net.save(tmp_path / "m")
        assert_comes_back(net, tmp_path / "m")


def test_one_of_mean_and_scale_alone_has_its_effect(tmp_path):
    plain = fc.MLP([N, T])
    for name, other, value in (("input_mean", "input_scale", 1), ("input_scale", "input_mean", 0)):
        net = fc.MLP([N, T])
        setattr(net, name, [2, 4, 8])
        assert_same_bits(getattr(net, other), np.full(N, value, np.float32), other)
        assert not np.array_equal(net.outputs(X), plain.outputs(X))
        net.save(tmp_path / "m")
        assert_comes_back(net, tmp_path / "m")
        setattr(net, name, None)
        assert getattr(net, other) is None
        assert_same_bits(net.outputs(X), plain.outputs(X), "outputs")


def test_one_number_is_for_all(tmp_path):
    net = fc.MLP([N, T], loss="mse")
    net.input_mean, net.input_scale, net.target_mean, net.target_scale = 1, np.float64(2), [3], np.array(4)
    for name, value in zip(ARRAYS, (1, 2, 3, 4), strict=True):
        assert_same_bits(getattr(net, name), np.full(N if "input" in name else T, value, np.float32), name)
    net.save(tmp_path / "m")
    assert_comes_back(net, tmp_path / "m")


def test_what_is_set_is_a_copy():
    mean = np.ones(N, np.float32)
    net = fc.MLP([N, T])
    net.input_mean = mean
    mean[:] = np.nan
    assert_same_bits(net.input_mean, np.ones(N, np.float32), "input_mean")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((1, 2), ("1", "2")),
        ([np.int64(0), np.uint8(255)], ("0", "255")),
        (["no", "yes"], ("no", "yes")),
        (np.array(["no", "yes"]), ("no", "yes")),
        (np.array([7, 9]), ("7", "9")),
        (iter("ab"), ("a", "b")),
        (("", "\0"), ("", "\0")),
        (("😀", "ä" * 10_000), ("😀", "ä" * 10_000)),
        (("\x1b[31m", "a\nb"), ("\x1b[31m", "a\nb")),
    ],
)
def test_names_are_words_from_then_on(tmp_path, names, expected):
    net = fc.MLP([N, T])
    net.classes = names
    assert net.classes == expected
    assert {type(name) for name in net.classes} == {str}
    net.save(tmp_path / "m")
    assert_comes_back(net, tmp_path / "m")


REFUSED = [
    (
        "input_mean",
        [1, 2],
        ValueError,
        r"input_mean must have shape \(3,\), one number for each input, .* got shape \(2,\)",
    ),
    ("input_mean", np.ones((1, N)), ValueError, r"got shape \(1, 3\)"),
    ("input_mean", [1, np.nan, 2], ValueError, "input_mean must be finite, got nan at row 1"),
    ("input_mean", [1e300, 1, 1], ValueError, "input_mean must be finite in float32, got 1e[+]300"),
    ("input_scale", [1, 0, 1], ValueError, "input_scale must not be 0 anywhere"),
    ("input_scale", [1, 1e-200, 1], ValueError, "input_scale must not be 0 anywhere"),  # in float32
    ("input_scale", np.inf, ValueError, "input_scale must be finite"),
    ("input_scale", "12", TypeError, "input_scale must be real numbers, got dtype <U2"),
    ("input_scale", np.ma.masked_array([1, 2, 3], [0, 1, 0]), TypeError, "input_scale must be a plain array"),
    ("target_mean", [1, 1], ValueError, "target_mean goes with the losses mse, mae, huber, not with 'cross_entropy'"),
    ("classes", ("a",), ValueError, "classes must be 2 words, one for each output, got 1"),
    ("classes", "ab", TypeError, "classes must be 2 words, one for each output, got str"),
    ("classes", 2, TypeError, "got int"),
    ("classes", {"a": 1, "b": 2}, TypeError, "got dict"),
    ("classes", (1.0, 2.0), TypeError, r"classes must be words, got float \(1.0\); convert it with str"),
    ("classes", (True, False), TypeError, "got bool"),
    ("classes", (b"a", b"b"), TypeError, "got bytes"),
    ("classes", ("a", "\ud83d"), ValueError, r"got half a character in '\\ud83d'"),
    ("features", ("a", "b"), ValueError, "features must be 3 words, one for each input, got 2"),
    ("features", map(str, iter(int, 1)), ValueError, "features must be 3 words, one for each input, got more"),
    ("training", "done", TypeError, "training must be what fit left in another network's training, or None, got str"),
    ("order", 5, TypeError, r"order must be a generator that np.random.default_rng\(seed\) made, got int"),
    ("order", np.random.Generator(np.random.MT19937(1)), TypeError, "got MT19937"),
    ("order", None, TypeError, "got NoneType"),
    ("seed", 1.5, TypeError, "seed must be an integer"),
    ("seed", -1, ValueError, "seed must be at least 0"),
    ("seed", 2**10_000, ValueError, "seed must have at most 10000 bits, got 10001"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), REFUSED)
def test_what_no_network_has_is_refused_when_it_is_set(name, value, error, message):
    net = fc.MLP([N, T])
    before = getattr(net, name)
    with pytest.raises(error, match=message) as raised:
        setattr(net, name, value)
    assert len(str(raised.value)) < 300
    assert getattr(net, name) is before


def test_a_huge_seed_and_another_order_come_back(tmp_path):
    net = fc.MLP([N, T], seed=10**30)
    net.save(tmp_path / "m")
    assert_comes_back(net, tmp_path / "m")
    net.order = np.random.default_rng(5)
    net.save(tmp_path / "m")
    assert_comes_back(net, tmp_path / "m")
    net.seed = 3  # the order stays
    net.save(tmp_path / "m")
    assert_comes_back(net, tmp_path / "m")


def test_a_network_saved_without_its_training_is_shuffled_on(tmp_path):
    net = fc.MLP([N, T])
    net.fit(X, Y["cross_entropy"], batch_size=5, epochs=3)
    net.save(tmp_path / "m", training=False)
    net.training = None
    assert_comes_back(net, tmp_path / "m")


def test_the_order_is_in_the_file_only_where_nothing_else_says_it(tmp_path):
    net = fc.MLP([N, T])
    assert "order" not in checkpoint.contents(net, True)[1]
    fit_for(net, 2, X, Y["cross_entropy"], batch_size=5, epochs=2)
    assert "order" not in checkpoint.contents(net, True)[1]
    net.fit(X, Y["cross_entropy"], resume=True)
    assert "order" not in checkpoint.contents(net, True)[1]


def test_older_pickles_of_networks_are_read():
    """Their attributes were plain ones."""
    net = fc.MLP([N, T])
    net.standardize(X)
    net.classes = ("a", "b")
    back = pickle.loads(pickle.dumps(net))
    assert (back.classes, back.seed) == (net.classes, net.seed)
    assert_same_bits(back.outputs(X), net.outputs(X), "outputs")
    assert set(ATTRIBUTES) | {"input_mean", "input_scale", "order", "training"} <= set(net.__getstate__())


SPOILED = {
    "an array changed in place": lambda net: net.input_scale.__setitem__(1, 0),
    "an array with NaN": lambda net: net.input_mean.__setitem__(0, np.nan),
    "more epochs than are counted": lambda net: setattr(net.training, "epochs", 10**20),
    "epochs that cannot be written": lambda net: setattr(net.training, "epochs", 10**5000),
    "seconds in float32": lambda net: setattr(net.training, "seconds", np.float32(1)),
    "seconds that are a word": lambda net: setattr(net.training, "seconds", "long"),
    "no generator's state": lambda net: setattr(net.training, "order", {"bit_generator": "PCG64"}),
    "a state of another shape": lambda net: net.training.state.update(mean=np.zeros(1, np.float32)),
    "no state": lambda net: net.training.state.clear(),
    "an unknown activation": lambda net: setattr(net, "activation", "swish"),
    "an unknown activation, hugely": lambda net: setattr(net, "activation", "s" * 10**6),
    "an unknown loss": lambda net: setattr(net, "loss_name", "mass"),
    "a smoothing of 2": lambda net: setattr(net, "label_smoothing", 2),
    "a smoothing in float32": lambda net: setattr(net, "label_smoothing", np.float32(0.5)),
    "a dtype by its name": lambda net: setattr(net, "dtype", "float32"),
    "sizes of fewer parameters": lambda net: setattr(net, "sizes", (N, T)),
    "sizes of more parameters": lambda net: setattr(net, "sizes", (N, 40, T)),
    "sizes that are none": lambda net: setattr(net, "sizes", 5),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_save_refuses_what_load_would_and_the_old_file_stays(tmp_path, spoil):
    net = fc.MLP([N, 4, T])
    net.standardize(X)
    net.fit(X, Y["cross_entropy"])
    net.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    SPOILED[spoil](net)
    with pytest.raises(ValueError, match=r"this network cannot be saved, for no file of it could be loaded: .") as error:
        net.save(tmp_path / "m")
    assert len(str(error.value)) <= 300
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m").read_bytes() == before


def test_names_that_no_header_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "LONGEST_HEADER", 10_000)
    net = fc.MLP([N, T])
    net.features = ["n" * 5000] * N  # 15 000 bytes and some
    with pytest.raises(ValueError, match=r"its names and its history take 15... bytes, of which a file may have 10000"):
        net.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["n.onnx", "n.ONNX", "n.pt", "n.npz", "n.npy", "n.csv", "n.h5", "n.pkl", "n.json", "a.b.pth"]
)
def test_a_name_of_another_format_is_refused(tmp_path, name):
    net = fc.MLP([N, T])
    for call in (net.save, lambda path: fc.save(net, path), checkpoint.require_savable):
        with pytest.raises(
            ValueError, match=r"a network is written as .safetensors, but .*, which is another format; name it"
        ):
            call(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n", "n.safetensors", "n.SAFETENSORS", "n.model", "n.v1.2", ".onnx", "onnx"])
def test_any_other_name_is_fine(tmp_path, name):
    fc.MLP([N, T]).save(tmp_path / name)
    fc.load(tmp_path / name)


# ---- any of them, in any order --------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-3, 3),
    st.lists(st.floats(width=32), max_size=4),
    st.lists(st.one_of(st.floats(-10, 10), st.floats(1e-3, 1e3)), min_size=2, max_size=3),
    st.integers(-330, 308).map(lambda e: np.array([1.0, 2.0, -3.0]) * 10.0**e),
    st.sampled_from(
        [np.float64(2), np.arange(1, 4), np.ones((1, 3)), np.array(["1", "2", "3"]), np.array([1, None, 2]), 1j]
    ),
)
WORDS = st.one_of(
    st.text(max_size=3),
    st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([np.str_("a"), np.int8(3), "", b"a", 1.0, None, True]),
)
NAMES = st.one_of(
    st.none(),
    st.lists(WORDS, max_size=4),
    st.lists(st.text(max_size=3), min_size=2, max_size=3).map(tuple),
    st.lists(st.text("ab", min_size=1), min_size=2, max_size=3).map(np.array),
    st.just("abc"),
)
SEEDS = st.one_of(st.integers(-1, 2**70), st.sampled_from([10**30, 2**10_000, np.int64(5), 1.0, "1"]))
ORDERS = st.one_of(
    st.integers(0, 9).map(np.random.default_rng),
    st.sampled_from([None, np.random.RandomState(1), np.random.Generator(np.random.Philox(1))]),
)
ANY = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3), st.just(np.float32(1)))
SETTABLE = {
    **dict.fromkeys(ARRAYS, NUMBERS),
    **dict.fromkeys(("classes", "features"), NAMES),
    "seed": SEEDS,
    "order": ORDERS,
    "training": st.one_of(st.none(), ANY),
    "activation": st.sampled_from(["tanh", "relu", "swish", 5, None]),
    "init": st.sampled_from(["he_uniform", "auto", "zeros", None]),
    "label_smoothing": st.sampled_from([0.0, 0.1, 0, np.float64(0.25), -1, 2, "0"]),
    "sizes": st.sampled_from([(N, 4, T), [N, 4, T], (N, T), (N, 5, T), 7, ()]),
}
OF_TRAINING = {
    **dict.fromkeys(("epochs", "samples", "fingerprint", "waited"), st.one_of(st.integers(-1, 10), ANY)),
    **dict.fromkeys(("seconds", "best_loss"), st.one_of(st.floats(0, 10), ANY)),
}
STEPS = st.one_of(
    *[st.tuples(st.just("set"), st.just(name), values) for name, values in SETTABLE.items()],
    *[st.tuples(st.just("spoil"), st.just(name), values) for name, values in OF_TRAINING.items()],
    st.tuples(st.just("fit"), st.sampled_from(["sgd", "adam"]), st.integers(0, 3)),
    st.tuples(st.just("standardize"), st.just(""), st.integers(-40, 160)),
)


@given(
    st.sampled_from(["cross_entropy", "mse"]),
    st.sampled_from(["float32", "float64"]),
    st.lists(STEPS, max_size=4),
    st.booleans(),
)
@example("mse", "float64", [("standardize", "", 160)], True)
@example("cross_entropy", "float32", [("set", "input_mean", np.ones(3))], True)
@example("cross_entropy", "float32", [("set", "classes", (1, 2)), ("fit", "adam", 3), ("set", "seed", 9)], False)
@example("cross_entropy", "float32", [("fit", "adam", 2), ("spoil", "epochs", 10**20)], True)
@example("cross_entropy", "float32", [("set", "sizes", ())], False)
def test_whatever_save_accepts_load_returns(tmp_path_factory, loss, dtype, steps, training):
    net, path = fc.MLP([N, 4, T], loss=loss, dtype=dtype), tmp_path_factory.mktemp("any") / "m"
    net.save(path)
    before, spoiled = path.read_bytes(), False
    for step, name, value in steps:
        with contextlib.suppress(TypeError, ValueError, LookupError, FloatingPointError), np.errstate(all="ignore"):
            if step == "set":
                setattr(net, name, value)
            elif step == "spoil" and net.training is not None:
                setattr(net.training, name, value)
                spoiled = True
            elif step == "fit":
                net.fit(X, Y[loss], optimizer=name, batch_size=5, epochs=value, early_stopping=2)
            elif step == "standardize":
                net.standardize((X * 10.0**value).astype(dtype), Y[loss] if loss == "mse" else None)
    if not training:
        net.training = None
    try:
        net.save(path)
    except ValueError:
        assert path.read_bytes() == before
        return
    assert_comes_back(net, path, again=not spoiled)

"""What changes the gradient of a minibatch: dropout, clipping, label smoothing, L2; weights of classes; initial weights."""

import copy
import itertools

import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.jacobian import numeric_jacobian
from numbafc.nn import ACTIVATIONS, LOSSES, clipping, dropout, initializers, passes
from numbafc.nn.weights import class_weights

SEEDS = st.integers(0, 2**32 - 1)


def data(loss, samples=7, features=3, outputs=2):
    rng = np.random.default_rng(1)
    y = rng.integers(0, outputs, samples) if loss == "cross_entropy" else rng.uniform(0.1, 0.9, (samples, outputs))
    return rng.standard_normal((samples, features)), y


def network(activation, loss, sizes=(3, 4, 3, 2), **options):
    net = fc.MLP(sizes, activation, loss, "float64", 3, **options)
    for b in net.biases:  # no unit sits at a kink
        b[:] = np.random.default_rng(0).uniform(0.05, 0.2, len(b))
    return net


def one_step(net, X, y, optimizer=None, **options):
    """The loss of all samples as one minibatch, and the gradient that SGD was given."""
    net = copy.deepcopy(net)
    before = net.parameters.copy()
    rate = 2.0**-10
    history = net.fit(X, y, optimizer=optimizer or fc.SGD(rate), batch_size=len(X), shuffle=False, **options)
    return history.loss[0], (before - net.parameters) / rate


def by_differences(net, function):
    """The gradient of function(net) with respect to the parameters."""

    def value(parameters):
        moved = copy.deepcopy(net)
        moved.parameters[:] = parameters
        return function(moved)

    return numeric_jacobian(value, net.parameters.copy())[0]


REGULARISERS = {
    "dropout": {"dropout": 0.4},
    "L2": {"optimizer": fc.SGD(2.0**-10, weight_decay=0.3)},
    "label smoothing": {"label_smoothing": 0.2},
}


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, LOSSES)))
@pytest.mark.parametrize("name", REGULARISERS)
def test_gradients_are_finite_differences(activation, loss, name):
    """Of the loss with the same units dropped, with λ‖θ‖²/2 added, with smooth labels."""
    options = dict(REGULARISERS[name])
    smooth = {"label_smoothing": options.pop("label_smoothing", 0.0)}
    if smooth["label_smoothing"] and loss != "cross_entropy":
        with pytest.raises(ValueError, match="label_smoothing goes with"):
            network(activation, loss, **smooth)
        return
    net, (X, y) = network(activation, loss, **smooth), data(loss)
    decay = options["optimizer"].weight_decay if name == "L2" else 0
    gradient = one_step(net, X, y, **options)[1]
    expected = by_differences(
        net, lambda net: one_step(net, X, y, **options)[0] + decay / 2 * np.square(net.parameters).sum()
    )
    # central differences with h = eps^(1/3) are right to h² ≈ 4e-11 times third derivatives; a step of 2⁻¹⁰ loses 1e-12
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-8 * max(1, np.abs(expected).max()))
    plain = one_step(net if not smooth["label_smoothing"] else network(activation, loss), X, y)[1]
    assert np.abs(gradient - plain).max() > 1e-3  # the regulariser does something


# ---- dropout ----


def splitmix64(state, count):
    """The sequence as its authors write it: a counter that grows by the golden gamma, mixed."""
    numbers, mask = [], 2**64 - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(z ^ (z >> 31))
    return numbers


def mixed(z):
    return splitmix64(z - 0x9E3779B97F4A7C15, 1)[0]


def test_the_generator_gives_its_known_numbers():
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]  # widely published


@given(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.integers(0, 10**30), st.integers(0, 10**9), st.integers(0, 9), SEEDS)
def test_dropout_is_its_definition(p, seed, step, layer, values):
    """Row t of a layer compares numbers of the sequence from key + t·2³²·γ with p, one per sample."""
    H = np.random.default_rng(values).standard_normal((5, 9)).astype(np.float32)
    slopes, dropped = np.ones_like(H), H.copy()
    dropout.drop(dropped, slopes, p, seed, step, layer)
    gamma = 0x9E3779B97F4A7C15
    key = mixed((mixed((mixed((seed % (2**63 - 1) + gamma) % 2**64) + step) % 2**64) + layer) % 2**64)
    numbers = np.array([[n >> 11 for n in splitmix64((key + (t << 32) * gamma) % 2**64, 9)] for t in range(5)])
    k = np.where(numbers / 2.0**53 < p, 0, np.float32(1 / (1 - p))).astype(np.float32)
    assert_same_bits(slopes, k, "slopes")
    assert_same_bits(dropped, H * k, "H")


def test_the_share_of_dropped_units_is_p_in_every_direction():
    """Over rows, samples, steps and layers: 12 800 numbers each, so a share is within 4 standard deviations, 0.0163."""
    k = np.ones((4, 4, 40, 80), np.float32)
    for step, layer in itertools.product(range(4), range(4)):
        dropout.drop(k[step, layer], np.ones((40, 80), np.float32), 0.3, 5, step, layer)
    gone = k == 0
    for axis in range(2):
        np.testing.assert_allclose(gone.mean(axis=tuple({0, 1, 2, 3} - {axis})), 0.3, rtol=0, atol=0.0163)
    flat = gone.reshape(16, -1).astype(float) - 0.3
    correlations = flat @ flat.T / flat.shape[1] / 0.21
    assert np.abs(correlations - np.eye(16)).max() < 0.1  # 3200 numbers: a standard deviation of 0.018
    assert np.isclose(k.max(), 1 / 0.7)


def test_dropout_is_of_training_only():
    X, y = data("cross_entropy")
    nets = [network("relu", "cross_entropy") for _ in range(2)]
    for net, p in zip(nets, (0.0, 0.5), strict=True):
        net.fit(X, y, epochs=3, dropout=p)
    assert not np.array_equal(nets[0].parameters, nets[1].parameters)
    assert_same_bits(nets[1].outputs(X), passes.outputs(nets[1], X.T).T, "outputs")


# ---- clipping ----


def each_sample(net, X, y):
    """Every sample's own gradient, (samples, parameters)."""
    return np.array([net.gradients(X[n : n + 1], y[n : n + 1]).parameters for n in range(len(X))])


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("longest", [0.05, 0.5, 1e6])
def test_each_sample_s_gradient_is_shortened_before_the_mean(activation, loss, longest):
    net, (X, y) = network(activation, loss), data(loss)
    weight = np.array([1, 2, 0, 1, 3, 1, 0.5])
    G = each_sample(net, X, y)
    short = G * np.minimum(1, longest / np.linalg.norm(G, axis=1, keepdims=True))
    gradient = one_step(net, X, y, clip_sample_norm=longest, sample_weight=weight)[1]
    # sums of 7 products of numbers of order 1; 2¹⁰ is what the difference of parameters is multiplied by
    np.testing.assert_allclose(gradient, np.average(short, axis=0, weights=weight), rtol=0, atol=1e-12)


@pytest.mark.parametrize("longest", [1e-3, 0.1, 1e6])
def test_a_minibatch_s_gradient_is_shortened_to_the_length(longest):
    net, (X, y) = network("tanh", "mse"), data("mse")
    g = net.gradients(X, y).parameters
    expected = g * min(1, longest / np.linalg.norm(g))
    np.testing.assert_allclose(one_step(net, X, y, clip_norm=longest)[1], expected, rtol=0, atol=1e-12)


@given(st.integers(0, 100), st.sampled_from(["float32", "float64"]), SEEDS)
def test_clip_is_its_definition(size, dtype, seed):
    g = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    lanes = np.zeros(-(-max(size, 1) // 16) * 16)
    lanes[:size] = np.square(g.astype(np.float64))
    total = np.cumsum(np.cumsum(lanes.reshape(-1, 16), axis=0)[-1])[-1]
    expected = g * g.dtype.type(0.5 / np.sqrt(total) if total > 0.25 else 1)
    clipping.clip(g, 0.5)
    assert_same_bits(g, expected, "g")


def test_the_lengths_of_samples_gradients_are_those_of_the_layer():
    """fc.per_sample_grad_norms has them for one layer."""
    rng = np.random.default_rng(0)
    dY, X = rng.standard_normal((4, 6)), rng.standard_normal((5, 6))
    squares = clipping.sample_squares([dY], [X])
    np.testing.assert_allclose(np.sqrt(squares), fc.per_sample_grad_norms(dY, X), rtol=1e-14)  # sums of 9 squares


# ---- labels, classes, initial weights, targets ----


def test_label_smoothing_is_a_mixture_of_targets():
    """l = (1 − ε)·l_c + ε/T·Σ_k l_k, with l_k the loss if the class were k."""
    Y = np.random.default_rng(0).standard_normal((4, 5))
    y, loss = np.array([0, 3, 1, 2, 2]), LOSSES["cross_entropy"]
    every = np.array([loss.per_sample(Y, np.full(5, k)) for k in range(4)])
    slopes = np.array([loss.gradient(Y, np.full(5, k)) for k in range(4)])
    close = {"rtol": 0, "atol": 1e-14}  # sums of 4 numbers of order 1
    np.testing.assert_allclose(loss.per_sample(Y, y, 0.3), 0.7 * every[y, range(5)] + 0.3 * every.mean(axis=0), **close)
    expected = 0.7 * slopes[y, :, range(5)].T + 0.3 * slopes.mean(axis=0)
    np.testing.assert_allclose(loss.gradient(Y, y, 0.3), expected, **close)


def test_weights_of_classes():
    y = np.array([0, 0, 0, 2, 2, 1])
    np.testing.assert_array_equal(class_weights({2: 5}, y, 4), [1, 1, 1, 5, 5, 1])
    np.testing.assert_array_equal(class_weights([1, 2, 3, 4], y, 4), [1, 1, 1, 3, 3, 2])
    np.testing.assert_allclose(class_weights("balanced", y, 3), [2 / 3, 2 / 3, 2 / 3, 1, 1, 2])
    X = np.random.default_rng(0).standard_normal((6, 3))
    nets = [fc.MLP([3, 4, 3]) for _ in range(2)]
    nets[0].fit(X, y, class_weight={2: 5}, sample_weight=np.arange(1, 7))
    nets[1].fit(X, y, sample_weight=np.arange(1, 7) * [1, 1, 1, 5, 5, 1])
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("even", "class_weight must be one of 'balanced', got 'even'"),
        ({3: 1.0}, "classes from 0 to 2, for the network has 3 outputs, got 3"),
        ({0: -1.0}, "at least 0, got -1.0"),
        ([1, 2], "or 3 weights, none negative, got shape"),
        ([1, 2, -3], "got shape \\(3,\\) with minimum -3"),
    ],
)
def test_bad_weights_of_classes_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        fc.MLP([3, 3]).fit(np.ones((2, 3)), np.array([0, 1]), class_weight=given)
    with pytest.raises(ValueError, match="class_weight goes with the loss 'cross_entropy', not 'mse'"):
        fc.MLP([3, 1], loss="mse").fit(np.ones((2, 3)), np.ones(2), class_weight="balanced")


@pytest.mark.parametrize("init", initializers.INITIALIZERS)
def test_initial_weights_have_the_variance_of_their_name(init):
    net = fc.MLP([300, 200, 10], "relu", init=init)
    W = net.weights[0]  # 60 000 numbers: their variance is within 3 % (5 standard deviations)
    variances = {"he": 2 / 300, "auto": 2 / 300, "lecun": 1 / 300, "xavier": 2 / 500, "ntp": 1 / 300}
    variance = variances[init.split("_")[0]]
    assert W.var() == pytest.approx(variance, rel=0.03)
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
    if init.endswith("uniform"):
        assert np.abs(W).max() <= np.sqrt(3 * variance) * (1 + 1e-6)
    else:
        assert np.abs(W).max() > 3.5 * np.sqrt(variance)
    if init == "ntp":
        assert net.biases[0].var() == pytest.approx(1, rel=0.5)  # 200 numbers: 5 standard deviations
        assert not net.weights[1].any()
        assert not net.biases[1].any()
    else:
        assert not net.biases[0].any()


def test_standardised_targets_are_learnt_and_predicted_in_their_own_units():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) * [1, 10, 100] + 5
    prices = 1000 + X @ [[100.0, 3], [10, 0], [1, -2]]
    net = fc.MLP([3, 2], loss="mse", dtype="float64")
    net.standardize(X, prices)
    net.fit(X, prices, epochs=50, learning_rate=0.02)
    assert net.score(X, prices) > 0.999
    np.testing.assert_allclose(net.predict(X), prices, rtol=0, atol=0.1 * prices.std())
    assert net.loss(X, prices) < 1e-3  # in standard deviations
    with pytest.raises(ValueError, match="targets are standardised for mse, mae, huber, not for 'poisson'"):
        fc.MLP([3, 1], loss="poisson").standardize(X, prices[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout must be a finite number at least 0 and below 1, got 1.0"),
        ({"clip_norm": 0}, "clip_norm must be a finite number above 0, got 0"),
        ({"clip_sample_norm": -1.0}, "clip_sample_norm must be a finite number above 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fc.MLP([3, 3]).fit(np.ones((2, 3)), np.array([0, 1]), **options)
    with pytest.raises(ValueError, match="label_smoothing must be a finite number at least 0 and below 1"):
        fc.MLP([3, 3], label_smoothing=1.0)
    with pytest.raises(ValueError, match="init must be one of 'auto'"):
        fc.MLP([3, 3], init="zeros")

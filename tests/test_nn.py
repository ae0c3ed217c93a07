"""Networks: gradients against finite differences and the chain of Jacobians, training against its definition."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.jacobian import numeric_jacobian
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, passes, softmax
from numbafc.nn.recipe import Regularization

SEEDS = st.integers(0, 2**32 - 1)


def problem(seed, sizes, loss, samples=7):
    """A network in float64 and data for it. Inputs are spread out so that no relu sits at its kink."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((samples, sizes[0]))
    y = rng.integers(0, sizes[-1], samples) if loss == "cross_entropy" else rng.standard_normal((samples, sizes[-1]))
    if loss in ("binary_cross_entropy", "poisson"):  # probabilities and counts
        y = np.abs(np.tanh(y))
    return X, y, rng.uniform(0.1, 2, samples)


def numeric_gradient(net, X, y, weight):
    """The loss as a function of all parameters, by central differences."""
    original = net.parameters.copy()

    def loss(parameters):
        net.parameters[:] = parameters
        return net.loss(X, y, weight)

    gradient = numeric_jacobian(loss, original)[0]
    net.parameters[:] = original
    return gradient


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, LOSSES)))
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_finite_differences(activation, loss, weighted):
    sizes = [4, 5, 3, 2]
    for seed in range(3):
        net = fc.MLP(sizes, activation, loss, "float64", seed)
        for b in net.biases:  # a unit without input sits at relu's kink if its bias is 0
            b[:] = np.random.default_rng(seed).uniform(0.05, 0.2, len(b))
        X, y, weight = problem(seed, sizes, loss)
        net.standardize(X)
        weight = weight if weighted else None
        result = net.gradients(X, y, weight)
        # a central difference with h = eps^(1/3) is right to about h² ≈ 4e-11 times the third derivative
        np.testing.assert_allclose(result.parameters, numeric_gradient(net, X, y, weight), rtol=0, atol=1e-8)
        assert result.loss == pytest.approx(net.loss(X, y, weight), rel=1e-12)
        assert np.abs(result.parameters).max() > 1e-3  # a gradient of zeros would pass too easily


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradients_are_the_chain_of_jacobians(activation):
    """DL(W₁) = DL(Y₂)·DY₂(H)·DH(Y₁)·DY₁(W₁), each factor a dense Jacobian."""
    sizes = [3, 4, 2]
    net = fc.MLP(sizes, activation, "cross_entropy", "float64", seed=1)
    X, y, _ = problem(2, sizes, "cross_entropy", samples=3)
    result = net.gradients(X, y)
    H, kept = passes.training_pass(net, X.T, Regularization(), 0)
    DL = LOSSES["cross_entropy"].gradient(H[-1], y).reshape(1, -1) / 3
    slope = np.ones_like(H[1])
    ACTIVATIONS[activation].chain(slope, kept[1])
    to_hidden = fc.chain(DL, fc.jacobian_x(net.weights[1], 3), np.diag(slope.reshape(-1)))
    # 10 sums of at most 12 products of numbers of order 1
    close = {"rtol": 0, "atol": 1e-14}
    np.testing.assert_allclose(fc.chain(DL, fc.jacobian_w(H[1], 2)), result.weights[1].reshape(1, -1), **close)
    np.testing.assert_allclose(fc.chain(to_hidden, fc.jacobian_w(X.T, 4)), result.weights[0].reshape(1, -1), **close)
    np.testing.assert_allclose(fc.chain(to_hidden, fc.jacobian_b(4, 3, dtype="float64"))[0], result.biases[0], **close)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_the_adjoint_of_an_activation(activation):
    """⟨dH, φ(y + hv) − φ(y − hv)⟩/2h = ⟨dY, v⟩."""
    rng = np.random.default_rng(0)
    Y, V, dH = (rng.standard_normal((5, 4)) for _ in range(3))
    h = 1e-5

    def phi(A):
        A = A.copy()
        ACTIVATIONS[activation].apply(A)
        return A

    forward = (dH * (phi(Y + h * V) - phi(Y - h * V))).sum() / (2 * h)
    dY, H = dH.copy(), Y.copy()
    slopes = ACTIVATIONS[activation].slopes(H)
    assert_same_bits(H, phi(Y), "H")
    ACTIVATIONS[activation].chain(dY, H if ACTIVATIONS[activation].in_h else slopes)
    assert forward == pytest.approx((dY * V).sum(), abs=1e-8)  # h² times third derivatives, 20 terms
    assert_same_bits(dY, dH * slopes, "dY")


def test_activations_at_the_ends_of_the_range():
    values = np.array([-np.inf, -1e4, 0.0, 1e4, np.inf, np.nan], np.float32)
    expected = {
        "identity": values,
        "relu": [0, 0, 0, 1e4, np.inf, np.nan],
        "tanh": [-1, -1, 0, 1, 1, np.nan],
        "sigmoid": [0, 0, 0.5, 1, 1, np.nan],
        "leaky_relu": [-np.inf, -1e2, 0, 1e4, np.inf, np.nan],
        "elu": [-1, -1, 0, 1e4, np.inf, np.nan],
        "selu": [-1.7580993, -1.7580993, 0, 10507.00987, np.inf, np.nan],
        "softplus": [0, 0, np.log(2), 1e4, np.inf, np.nan],
        "gelu": [np.nan, 0, 0, 1e4, np.inf, np.nan],  # −∞·0, as in PyTorch
        "silu": [np.nan, 0, 0, 1e4, np.inf, np.nan],
        "mish": [0, 0, 0, 1e4, np.inf, np.nan],
    }
    assert set(expected) == set(ACTIVATIONS)
    for name, activation in ACTIVATIONS.items():
        result = values.copy()
        activation.apply(result)
        np.testing.assert_array_equal(result, np.asarray(expected[name], np.float32), name)


def test_softmax_and_cross_entropy_survive_large_logits():
    Y = np.array([[1e4, -1e4], [0.0, 1e4]], np.float32)
    np.testing.assert_array_equal(softmax(Y), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(LOSSES["cross_entropy"].per_sample(Y, np.array([0, 0])), [0, 2e4])


@given(SEEDS)
def test_probabilities_are_positive_and_sum_to_1(seed):
    net = fc.MLP([3, 5, 4], seed=seed)
    P = net.predict_proba(np.random.default_rng(seed).standard_normal((6, 3)))
    assert P.shape == (6, 4)
    assert (P >= 0).all()
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=0, atol=4 * np.finfo(np.float32).eps)  # 4 terms


# ---- training ----


def by_hand(net, X, y, optimizer, epochs, batch_size, weight=None):
    """fit, written down again: gradients of each minibatch, and the update of the whole run from scratch.

    With weights a minibatch has the loss Σ w·l/(B·mean of all w).
    """
    rng, g, plain = np.random.default_rng([net.seed, 1]), np.empty_like(net.parameters), Regularization()
    if weight is not None:
        weight = weight / weight.max()
        weight = weight / (np.cumsum(weight)[-1] / len(weight))
    theta, state = net.parameters, optimizer.init(net.parameters)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for first in range(0, len(X), batch_size):
            chosen = order[first : first + batch_size]
            passes.step_gradients(net, X[chosen], y[chosen], None if weight is None else weight[chosen], g, plain)
            optimizer.update(theta, g, state)


@pytest.mark.parametrize("optimizer", [fc.SGD(0.1), fc.SGD(0.05, momentum=0.9, nesterov=True), fc.Adam(0.01)])
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_its_definition(optimizer, weighted):
    X, y, weight = problem(0, [4, 3], "cross_entropy", samples=23)
    weight = weight if weighted else None
    nets = [fc.MLP([4, 6, 3], dtype="float64", seed=5) for _ in range(2)]
    nets[0].fit(X, y, optimizer=optimizer, epochs=3, batch_size=5, sample_weight=weight)
    by_hand(nets[1], X, y, optimizer, 3, 5, weight)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")


def test_a_weight_of_2_is_the_sample_twice():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=6)
    weight = np.array([1, 2, 1, 1, 1, 1.0])
    twice = np.append(np.arange(6), 1)
    net = fc.MLP([4, 6, 3], dtype="float64")
    one, other = net.gradients(X, y, weight), net.gradients(X[twice], y[twice])
    np.testing.assert_allclose(one.parameters, other.parameters, rtol=0, atol=1e-14)  # the same sums, in another order


def sgd_reference(theta, gradients, lr, momentum, nesterov, decay):
    v = 0.0
    for g in gradients:
        g = g + decay * theta
        v = momentum * v + g
        theta = theta - lr * (g + momentum * v if nesterov else v)
    return theta


def adam_reference(theta, gradients, lr, b1, b2, eps, decay):
    m = v = 0.0
    for n, g in enumerate(gradients, 1):
        g = g + decay * theta
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        theta = theta - lr * (m / (1 - b1**n)) / (np.sqrt(v / (1 - b2**n)) + eps)
    return theta


@given(st.floats(1e-3, 1), st.floats(0.1, 0.95), st.booleans(), st.floats(0, 0.1), SEEDS)
def test_sgd_is_its_equations(lr, momentum, nesterov, decay, seed):
    gradients = np.random.default_rng(seed).standard_normal((6, 4))
    theta = np.ones(4)
    optimizer = fc.SGD(lr, momentum, nesterov, decay)
    state = optimizer.init(theta)
    for g in gradients:
        optimizer.update(theta, g.copy(), state)
    np.testing.assert_allclose(theta, sgd_reference(np.ones(4), gradients, lr, momentum, nesterov, decay), rtol=1e-12)


@given(st.floats(1e-4, 0.1), st.floats(0, 0.99), st.floats(0.1, 0.999), st.floats(0, 0.1), SEEDS)
def test_adam_is_its_equations(lr, b1, b2, decay, seed):
    gradients = np.random.default_rng(seed).standard_normal((6, 4))
    theta = np.ones(4)
    optimizer = fc.Adam(lr, b1, b2, 1e-8, decay)
    state = optimizer.init(theta)
    for g in gradients:
        optimizer.update(theta, g.copy(), state)
    np.testing.assert_allclose(theta, adam_reference(np.ones(4), gradients, lr, b1, b2, 1e-8, decay), rtol=1e-9)


def adamw_reference(theta, gradients, lr, decay):
    m = v = 0.0
    for n, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        theta = theta - lr * decay * theta - lr * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    return theta


def rmsprop_reference(theta, gradients, lr, momentum, decay):
    v = u = 0.0
    for g in gradients:
        g = g + decay * theta
        v = 0.99 * v + 0.01 * g * g
        u = momentum * u + g / (np.sqrt(v) + 1e-8)
        theta = theta - lr * u
    return theta


def adagrad_reference(theta, gradients, lr, decay):
    v = 0.0
    for g in gradients:
        g = g + decay * theta
        v = v + g * g
        theta = theta - lr * g / (np.sqrt(v) + 1e-10)
    return theta


@given(st.floats(1e-4, 0.1), st.floats(0, 0.1), st.sampled_from([0.0, 0.5]), SEEDS)
def test_the_other_optimizers_are_their_equations(lr, decay, momentum, seed):
    gradients = np.random.default_rng(seed).standard_normal((6, 4))
    for optimizer, expected in (
        (fc.AdamW(lr, weight_decay=decay), adamw_reference(np.ones(4), gradients, lr, decay)),
        (
            fc.RMSprop(lr, momentum=momentum, weight_decay=decay),
            rmsprop_reference(np.ones(4), gradients, lr, momentum, decay),
        ),
        (fc.Adagrad(lr, weight_decay=decay), adagrad_reference(np.ones(4), gradients, lr, decay)),
    ):
        theta, state = np.ones(4), optimizer.init(np.ones(4))
        for g in gradients:
            optimizer.update(theta, g.copy(), state)
        np.testing.assert_allclose(theta, expected, rtol=1e-9)


def test_labels_and_counts_are_predicted_in_their_own_units():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    labels = (X[:, :2] > 0).astype(int)
    net = fc.MLP([3, 16, 2], loss="binary_cross_entropy")
    net.fit(X, labels, epochs=60, learning_rate=0.01)
    P = net.predict_proba(X)
    assert ((P >= 0) & (P <= 1)).all()
    np.testing.assert_array_equal(net.predict(X), P > 0.5)
    assert net.score(X, labels) > 0.95
    counts = rng.poisson(np.exp(X[:, 0] + 1))
    net = fc.MLP([3, 1], loss="poisson", dtype="float64")
    net.fit(X, counts, epochs=200, learning_rate=0.02)
    np.testing.assert_allclose(net.predict(X).sum(), counts.sum(), rtol=0.05)  # the bias has seen to that
    np.testing.assert_allclose(net.weights[0], [[1, 0, 0]], rtol=0, atol=0.15)  # 300 samples: standard errors of 0.03


def test_adam_s_first_step_is_the_learning_rate():
    theta = np.zeros(3)
    optimizer = fc.Adam(0.25)
    optimizer.update(theta, np.array([1e-3, -5.0, 2.0]), optimizer.init(theta))
    np.testing.assert_allclose(theta, [-0.25, 0.25, -0.25], rtol=1e-4)  # ε = 1e-8 beside 1e-3


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_digits_are_learnt(optimizer, dtype):
    training, test = fc.files.digits().split(0.2, seed=0)
    net = fc.MLP([64, 32, 10], dtype=dtype)
    net.standardize(training.X)
    rate = {"sgd": 0.1, "rmsprop": 0.002, "adagrad": 0.02}.get(optimizer)
    history = net.fit(training.X, training.y, optimizer=optimizer, learning_rate=rate, epochs=20)
    assert net.score(test.X, test.y) > 0.93
    assert history.loss[-1] < history.loss[0] / 5
    assert history.score[-1] > 0.97


def test_a_linear_function_is_learnt_to_the_last_digits():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = X @ np.array([1.0, -2.0, 3.0]) + 0.5
    net = fc.MLP([3, 1], loss="mse", dtype="float64")
    net.fit(X, y, optimizer="sgd", learning_rate=0.1, epochs=100)
    np.testing.assert_allclose(net.weights[0], [[1, -2, 3]], rtol=0, atol=1e-9)
    assert net.score(X, y) > 1 - 1e-12
    assert net.predict(X).shape == (200,)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=40)
    threads = fc.get_num_threads()
    results = []
    try:
        for n in (1, threads):
            fc.set_num_threads(n)
            net = fc.MLP([4, 300, 3], seed=3)
            net.fit(X, y, epochs=2)
            results.append(net.parameters)
    finally:
        fc.set_num_threads(threads)
    assert_same_bits(results[0], results[1], "parameters")
    other = fc.MLP([4, 300, 3], seed=4)
    assert not np.array_equal(other.parameters, fc.MLP([4, 300, 3], seed=3).parameters)


def test_prediction_in_chunks_has_the_same_bits():
    net = fc.MLP([4, 8, 3])
    X = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    assert_same_bits(
        net.outputs(X), np.concatenate([net.outputs(X[:1]), net.outputs(X[1:1500]), net.outputs(X[1500:])]), "Y"
    )
    assert net.predict(X[:0]).shape == (0,)


def test_history_validation_and_callbacks():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=20)
    net, seen = fc.MLP([4, 3]), []
    history = net.fit(X, y, epochs=5, validation=(X, y), callbacks=[seen.append, lambda record: record.epoch == 3])
    assert [record.epoch for record in history] == [1, 2, 3]
    assert seen == list(history)
    assert history.validation_loss[-1] == net.loss(X, y)
    assert history.validation_score[-1] == net.score(X, y)
    assert all(record.seconds > 0 and record.samples == 20 for record in history)
    with pytest.raises(AttributeError, match="a History has the columns epoch, loss"):
        history.accuracy  # noqa: B018


def test_zero_epochs_change_nothing():
    net = fc.MLP([4, 3])
    before = net.parameters.copy()
    assert net.fit(np.ones((2, 4)), [0, 1], epochs=0) == []
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_divergence_names_epoch_and_batch_and_keeps_the_last_good_parameters(compiled):
    X, y, _ = problem(0, [4, 1], "mse", samples=64)
    net = fc.MLP([4, 8, 1], loss="mse")
    good = [net.parameters.copy()]

    class Mine(fc.SGD):
        """Not known to the engine, so it is run in Python."""

    optimizer = (fc.SGD if compiled else Mine)(1e-6)

    def remember(record):
        good.append(net.parameters.copy())
        net.parameters[:] *= 1e5  # sooner or later too much for float32

    with pytest.raises(FloatingPointError, match=r"training diverged in epoch [2-9], batch \d+; the parameters are those"):
        net.fit(X, y, optimizer=optimizer, epochs=50, callbacks=[remember])
    assert_same_bits(net.parameters, good[-1] * np.float32(1e5), "parameters")
    assert np.isfinite(net.parameters).all()


def test_an_interrupt_leaves_the_parameters_of_a_finished_step():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=64)
    net, after = fc.MLP([4, 3]), []

    class Interrupting(fc.SGD):
        def update(self, parameters, gradients, state):
            if len(after) == 2:
                raise KeyboardInterrupt
            super().update(parameters, gradients, state)
            after.append(parameters.copy())

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, optimizer=Interrupting(0.1), epochs=2)
    assert_same_bits(net.parameters, after[-1], "parameters")


def test_weights_and_biases_are_views_into_parameters():
    net = fc.MLP([3, 4, 2])
    assert net.parameters.size == 3 * 4 + 4 + 4 * 2 + 2
    net.parameters[:] = np.arange(net.parameters.size)
    np.testing.assert_array_equal(net.weights[0], np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(net.biases[0], np.arange(12, 16))
    net.weights[1][:] = -1
    assert (net.parameters[16:24] == -1).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_trains_by_itself(copied):
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=40)
    net = fc.MLP([4, 8, 3])
    other = copied(net)
    before = net.parameters.copy()
    assert_same_bits(other.parameters, before, "parameters")
    net.fit(X, y, epochs=3)
    other.fit(X, y, epochs=3)
    assert_same_bits(other.parameters, net.parameters, "parameters")
    assert not np.array_equal(net.parameters, before)
    assert_same_bits(other.weights[1], net.weights[1], "weights")


def test_parameters_cannot_come_apart_from_the_weights():
    net = fc.MLP([4, 3])
    for name in ("parameters", "weights", "biases"):
        with pytest.raises(AttributeError):
            setattr(net, name, net.parameters.copy())


def test_a_constant_feature_is_not_blown_up():
    net = fc.MLP([2, 2], dtype="float64")
    net.standardize(np.column_stack([np.full(1000, 0.1), np.arange(1000)]))
    assert net.input_scale[0] == 1
    assert np.isfinite(net.outputs([[0.2, 3.0]])).all()


def test_a_feature_that_varies_by_less_than_its_dtype_has_is_not_blown_up():
    net = fc.MLP([1, 2])
    net.standardize(np.where(np.arange(100)[:, np.newaxis] == 7, np.float32(1.4e-45), np.float32(0)))  # by 1e-46
    assert net.input_scale[0] == 1


def test_samples_without_weight_do_not_count():
    net = fc.MLP([1, 2], dtype="float64")
    net.parameters[:] = [0, 0, 5, 0]  # always class 0
    options = {"optimizer": fc.SGD(1e-9), "batch_size": 2, "shuffle": False, "sample_weight": [1, 1, 0, 0]}
    record = net.fit([[1.0], [1.0], [1.0], [1.0]], [0, 0, 1, 1], **options)[0]
    assert record.score == 1.0
    assert record.loss == pytest.approx(np.log1p(np.exp(-5)), rel=1e-6)


def test_huge_weights_train_as_small_ones_do():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=20)
    nets = [fc.MLP([4, 3]) for _ in range(2)]
    losses = [net.fit(X, y, sample_weight=np.full(20, w)).loss for net, w in zip(nets, (1.0, 2.0**127), strict=True)]
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_the_history_is_that_of_the_minibatches():
    X, y, _ = problem(0, [4, 3], "cross_entropy", samples=10)
    net, twin = fc.MLP([4, 3], dtype="float64"), fc.MLP([4, 3], dtype="float64")
    record = net.fit(X, y, optimizer=fc.SGD(0.5), batch_size=4, shuffle=False)[0]
    loss = hits = 0.0
    for part in (slice(0, 4), slice(4, 8), slice(8, 10)):
        loss += twin.loss(X[part], y[part]) * len(X[part])
        hits += twin.score(X[part], y[part]) * len(X[part])
        twin.parameters[:] -= 0.5 * twin.gradients(X[part], y[part]).parameters
    assert record.loss == pytest.approx(loss / 10, rel=1e-12)
    assert record.score == pytest.approx(hits / 10, rel=1e-12)


def test_r_squared_and_the_initial_spread_are_their_formulas():
    net = fc.MLP([2, 1], loss="mse", dtype="float64")
    X, y = np.random.default_rng(0).standard_normal((2, 50, 2))
    y = y[:, 0]
    expected = 1 - ((y - net.predict(X)) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert net.score(X, y) == pytest.approx(expected, rel=1e-12)
    for activation, variance in (("relu", 2 / 400), ("tanh", 1 / 400)):
        W = fc.MLP([400, 1000], activation).weights[0]
        # the standard deviation of a sample variance of 400 000 normal numbers is 0.22 %
        assert W.var() == pytest.approx(variance, rel=0.02)


def test_the_defaults_are_the_references_and_plain_floats():
    assert fc.Adam() == fc.Adam(0.001, 0.9, 0.999, 1e-8, 0)
    # a NumPy float would lift float32 arithmetic to float64
    assert type(fc.SGD(np.float64(0.1)).learning_rate) is type(fc.Adam(epsilon=np.float64(1e-8)).epsilon) is float


def test_standardisation_is_part_of_the_network():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3)) * [1, 10, 0] + [5, -5, 7]
    net = fc.MLP([3, 2], dtype="float64")
    net.standardize(X)
    Z = net.columns(X)
    np.testing.assert_allclose(Z.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=1), [1, 1, 0], atol=1e-12)
    np.testing.assert_array_equal(net.outputs(X), fc.forward(net.weights[0], Z, net.biases[0]).T)


def test_losses_and_scores_of_float32_do_not_overflow():
    net = fc.MLP([1, 1], "identity", "mse")
    net.weights[0][:] = 1e19
    X, y = np.linspace(0.5, 1, 50)[:, np.newaxis], np.linspace(0, 1, 50)
    assert net.loss(X, y) == pytest.approx(np.mean((1e19 * X) ** 2), rel=1e-6)  # 50 losses that sum up to more
    net.weights[0][:] = 3e38
    assert net.loss(X, y) == np.inf
    assert net.score(X * 2, y) == -np.inf


NET, REGRESSOR = fc.MLP([3, 2]), fc.MLP([3, 2], loss="mse")
X, Y = np.ones((4, 3)), np.array([0, 1, 0, 1])
MESSAGES = [
    (lambda: fc.MLP([3]), ValueError, "sizes must name at least the input and the output"),
    (lambda: fc.MLP([3, 0]), ValueError, r"sizes\[1\] must be at least 1, got 0"),
    (lambda: fc.MLP([3, 2.5]), TypeError, r"sizes\[1\] must be an integer, got float"),
    (lambda: fc.MLP([3, 2], activation="swish"), ValueError, "activation must be one of 'identity', 'relu'"),
    (
        lambda: fc.MLP([3, 2], loss="hinge"),
        ValueError,
        "loss must be one of 'cross_entropy', 'binary_.*', 'poisson', got 'hinge'",
    ),
    (lambda: fc.MLP([3, 2], dtype="float16"), TypeError, "dtype must be float32 or float64, got 'float16'"),
    (lambda: NET.fit(X[:, :2], Y), ValueError, r"X must have shape \(samples, 3\), one sample per row, got \(4, 2\)"),
    (lambda: NET.predict(X[0]), ValueError, r"for a single sample pass X\[np.newaxis, :\]"),
    (lambda: NET.fit(X, Y[:3]), ValueError, "y has 3 samples but X has 4"),
    (lambda: NET.fit(X, Y + 1), ValueError, "y must be from 0 to 1, for the network has 2 outputs, got 2 at sample 1"),
    (lambda: NET.fit(X, Y * 1.0), TypeError, r"y must be class indices, .* got dtype float64; use y.astype\(int\)"),
    (lambda: NET.fit(X, np.eye(4, 2, dtype=int)), ValueError, r"y must have shape \(samples,\)"),
    (lambda: REGRESSOR.fit(X, Y), ValueError, r"y must have shape \(samples, 2\), one column per output"),
    (lambda: NET.fit(np.where(X > 0, np.nan, X), Y), ValueError, "X must be finite, got nan at row 0, column 0"),
    (lambda: NET.fit(X * 1e300, Y), ValueError, "X must be finite, got inf"),
    (lambda: NET.fit(X.astype(complex), Y), TypeError, "X must be real numbers, got dtype complex128"),
    (lambda: NET.fit([["a"] * 3], [0]), TypeError, "X must be real numbers, got dtype <U1"),
    (lambda: NET.fit(np.ma.masked_array(X), Y), TypeError, "X must be a plain array, got a masked one"),
    (lambda: NET.fit(X[:0], Y[:0]), ValueError, "fit needs at least one sample, got 0"),
    (lambda: NET.fit(X, Y, batch_size=0), ValueError, "batch_size must be at least 1, got 0"),
    (lambda: NET.fit(X, Y, epochs=1.5), TypeError, "epochs must be an integer"),
    (lambda: NET.fit(X, Y, optimizer="adamax"), ValueError, "optimizer must be one of 'sgd', 'adam', .*, got 'adamax'"),
    (
        lambda: NET.fit(X, Y, optimizer=3),
        TypeError,
        "optimizer must be a name, or an instance with init and update, got int",
    ),
    (lambda: NET.fit(X, Y, optimizer=fc.Adam), TypeError, "an instance with init and update, got the class Adam"),
    (lambda: NET.fit(X, np.ma.masked_array(Y)), TypeError, "y must be a plain array, got a masked one"),
    (lambda: NET.loss(X[:0], Y[:0]), ValueError, "loss needs at least one sample, got 0"),
    (lambda: NET.score(X[:0], Y[:0]), ValueError, "score needs at least one sample, got 0"),
    (lambda: NET.gradients(X[:0], Y[:0]), ValueError, "gradients needs at least one sample, got 0"),
    (lambda: NET.fit(X, Y, validation=(X[:0], Y[:0])), ValueError, "validation needs at least one sample"),
    (
        lambda: NET.fit(X, Y, optimizer=fc.Adam(), learning_rate=1),
        ValueError,
        "learning_rate goes with an optimizer's name",
    ),
    (lambda: NET.fit(X, Y, learning_rate=-1), ValueError, "learning_rate must be a finite number above 0, got -1"),
    (lambda: NET.fit(X, Y, sample_weight=[1, 1, 1, -1]), ValueError, "no negative .* with minimum -1"),
    (lambda: NET.fit(X, Y, sample_weight=[0] * 4), ValueError, "at least one positive weight"),
    (lambda: NET.fit(X, Y, validation=(X, Y[:2])), ValueError, "y has 2 samples but X has 4"),
    (lambda: fc.MLP([3, 1], loss="poisson").loss(X, -Y), ValueError, "y must be counts, at least 0, got -1.* at sample"),
    (
        lambda: fc.MLP([3, 1], loss="binary_cross_entropy").loss(X, 2.0 * Y),
        ValueError,
        "y must be probabilities, from 0 to 1, got 2",
    ),
    (lambda: REGRESSOR.predict_proba(X), ValueError, "predict_proba needs a classifier, and this network's loss is 'mse'"),
    (lambda: fc.SGD(0.1, momentum=1), ValueError, "momentum must be a finite number at least 0 and below 1, got 1"),
    (lambda: fc.SGD(0.1, nesterov=True), ValueError, "nesterov needs a momentum above 0"),
    (lambda: fc.Adam(epsilon=0), ValueError, "epsilon must be a finite number above 0"),
    (lambda: fc.Adam("fast"), TypeError, "learning_rate must be a number, got str"),
    (lambda: NET.standardize(X[:0]), ValueError, "standardize needs at least one sample"),
]


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_bad_input_is_refused_with_a_sentence(call, error, message):
    before = NET.parameters.copy()
    with pytest.raises(error, match=message):
        call()
    np.testing.assert_array_equal(NET.parameters, before)


def test_sparse_input_is_refused_with_a_sentence():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"X must be dense, got a sparse csr_array; convert it with X.toarray\(\)"):
        NET.fit(scipy_sparse.csr_array(X), Y)


def test_integers_lists_and_other_floats_are_taken():
    expected = NET.outputs(X)
    for other in (X.tolist(), X.astype(np.uint8), X.astype(bool), X.astype(np.float16), X.astype(">f8"), X[:, ::-1]):
        np.testing.assert_array_equal(NET.outputs(other), expected)

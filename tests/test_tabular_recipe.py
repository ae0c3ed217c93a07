"""What the recipe for tables is made of, each by itself and together: scales, mish, rate factors, the neural tangent
parametrisation, coslog4, drop_last, the best epoch, a limit of time. Compiled code has the bits of its definition."""

import math
import time

import numpy as np
import pytest
from checkpoints import assert_same_training, fit_for
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import ACTIVATIONS, OPTIMIZERS, CosLog4, evaluation, few_rows, passes, rates, training
from numbafc.nn.optimizers import OURS
from numbafc.nn.recipe import Regularization

RNG = np.random.default_rng(0)
X, Y, REALS = RNG.standard_normal((37, 5)), RNG.integers(0, 3, 37), RNG.standard_normal((37, 3))
NET = {"activation": "mish", "init": "ntp", "scaling": True}
FIT = {"ntp": True, "rate_factors": (6, 1, 0.1), "schedule": "coslog4", "drop_last": True, "learning_rate": 0.05}
STEPS = [
    *[kind() for kind in OURS],
    fc.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    fc.Adam(0.01, weight_decay=0.1),
    fc.RMSprop(momentum=0.5, weight_decay=0.1),
]


def network(loss="mse", dtype="float64", sizes=(5, 9, 7, 3), standardised=False, **options):
    """One whose factors are not 1 and whose last layer is not 0: nothing is hidden by either."""
    net = fc.MLP(sizes, loss=loss, dtype=dtype, **options)
    if standardised:
        net.standardize(X)
    rng = np.random.default_rng(5)
    net.parameters[:] += 0.3 * rng.standard_normal(net.parameters.size)
    return net


def outcome(run, net, y, **options):
    """The losses of a training; of one that diverges, as a drawn one may, where it did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "compiled_epochs", run)
        try:
            return net.fit(X, y, **options).loss
        except FloatingPointError as error:
            return str(error)


# ---- compiled code and its definition -------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([1, 2, 5, 13, 17, 33]), max_size=3),
    st.sampled_from(["mish", "selu", "relu", "tanh"]),
    st.sampled_from(["cross_entropy", "mse"]),
    st.sampled_from(STEPS),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1, 3, 16, 36, 100]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"ntp": True}, {"rate_factors": (6, 1, 0.1)}, {"ntp": True, "rate_factors": (0, 2, 0.5)}]),
    st.sampled_from([{}, {"clip_norm": 0.1}, {"clip_sample_norm": 0.5}, {"clip_norm": 0.1, "clip_sample_norm": 0.5}]),
    st.sampled_from([{}, {"dropout": 0.3}, {"drop_last": True}, {"schedule": "coslog4"}]),
)
def test_the_compiled_step_has_the_bits_of_its_definition(
    hidden, activation, loss, optimizer, dtype, batch, scaling, standardised, factors, clipping, other
):
    nets, outcomes = [], []
    for run in (training.compiled_epochs, training.python_epochs):
        net = network(loss, dtype, (5, *hidden, 3), standardised, activation=activation, scaling=scaling)
        options = {"optimizer": optimizer, "batch_size": batch, "epochs": 2, **factors, **clipping, **other}
        outcomes.append(outcome(run, net, Y if loss == "cross_entropy" else REALS, **options))
        nets.append(net)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert outcomes[0] == outcomes[1]
    for name, state in nets[1].training.state.items() if nets[1].training else ():
        assert_same_bits(nets[0].training.state[name], state, name)


@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 0.1, "clip_sample_norm": 0.5}])
def test_threads_change_no_bit(monkeypatch, clipping):
    from numbafc.nn import engine

    monkeypatch.setattr(engine, "PARALLEL", 0)  # parts for as many threads
    nets, before = [], fc.get_num_threads()
    try:
        for threads in (1, before):
            fc.set_num_threads(threads)
            nets.append(network(dtype="float32", sizes=(5, 300, 200, 3), **NET))
            nets[-1].fit(np.tile(X, (8, 1)), np.tile(REALS, (8, 1)), batch_size=128, epochs=2, **FIT, **clipping)
    finally:
        fc.set_num_threads(before)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")


def test_without_them_nothing_changes():
    """Said aloud, the usual values are the usual values; factors of 1 are none."""
    nets = [fc.MLP([5, 9, 3], scaling=scaling) for scaling in (False, False, True)]
    nets[0].fit(X, Y, epochs=2)
    nets[1].fit(X, Y, epochs=2, drop_last=False, best_epoch=None, rate_factors=[1, 1, 1], ntp=False, time_limit=None)
    nets[2].fit(X, Y, epochs=2, rate_factors=(0, 1, 1))  # and factors of inputs that stay 1
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert_same_bits(nets[2].parameters[5:], nets[0].parameters, "parameters")
    assert (nets[2].scales == 1).all()


# ---- factors of inputs ----------------------------------------------------------------------------------------------


def test_the_parameters_begin_with_the_factors():
    net = fc.MLP([3, 4, 2], scaling=True)
    assert net.parameters.size == 3 + 16 + 10
    assert net.scales.tolist() == [1, 1, 1]
    net.scales[:] = 2, 3, 4
    assert net.parameters[:3].tolist() == [2, 3, 4]
    assert np.shares_memory(net.weights[0], net.parameters[3:15])
    assert fc.MLP([3, 2]).scales.size == 0
    assert_same_bits(fc.MLP([3, 4, 2]).parameters, fc.MLP([3, 4, 2], scaling=True).parameters[3:], "the rest")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardised", [False, True])
def test_outputs_are_those_of_inputs_times_their_factors(dtype, standardised):
    net = network(dtype=dtype, standardised=standardised, **NET)
    plain = fc.MLP(net.sizes, "mish", "mse", dtype)
    plain.parameters[:] = net.parameters[5:]
    rows = X.astype(dtype)
    given_rows = np.ascontiguousarray(net.columns(rows).T) * net.scales
    assert_same_bits(net.outputs(np.tile(rows, (50, 1)))[:37], plain.outputs(given_rows), "outputs")
    for B in (1, 2, 5):
        Y_few = few_rows.outputs(net, rows[:B])
        assert Y_few is not None
        assert_same_bits(Y_few, passes.outputs(net, net.columns(rows[:B])).T, f"{B} rows")


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("activation", ["mish", "selu"])
def test_gradients_are_those_of_finite_differences(loss, activation):
    """(L(θ + h) − L(θ − h))/2h has an error of h²·|L'''|/6 + ε·|L|/h: with h = 1e-5 about 1e-10 of numbers near 1."""
    net = network(loss, standardised=True, activation=activation, scaling=True)
    y, h = (Y if loss == "cross_entropy" else REALS), 1e-5
    gradients = net.gradients(X, y)
    assert_same_bits(gradients.scales, gradients.parameters[:5], "scales")
    for n in range(net.parameters.size):
        before, both = net.parameters[n], []
        for step in (h, -h):
            net.parameters[n] = before + step
            both.append(net.loss(X, y))
        net.parameters[n] = before
        assert gradients.parameters[n] == pytest.approx((both[0] - both[1]) / (2 * h), rel=1e-6, abs=1e-8), n


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_the_gradient_of_factors_needs_no_dx(N, T, B, seed):
    """ds = Σ_s x ⊙ Wᵀ dY[:,s], the long way; to the roundings of B·T products of numbers below 4."""
    rng = np.random.default_rng(seed)
    net = fc.MLP([N, T], loss="mse", dtype="float64", scaling=True)
    net.parameters[:] = rng.uniform(-2, 2, net.parameters.size)
    rows, y = rng.uniform(-2, 2, (B, N)), rng.uniform(-2, 2, (B, T))
    error = 2 * (net.outputs(rows) - y) / (B * T)
    ds = (rows * (error @ net.weights[0])).sum(axis=0)
    np.testing.assert_allclose(net.gradients(rows, y).scales, ds, rtol=0, atol=1e-12)


def test_each_sample_s_gradient_is_clipped_with_that_of_the_factors():
    net = network(sizes=(5, 8, 3), **NET)
    each = np.array([net.gradients(X[n : n + 1], REALS[n : n + 1]).parameters for n in range(6)])
    lengths, longest = np.sqrt((each**2).sum(axis=1)), 0.5 * np.sqrt((each**2).sum(axis=1)).max()
    expected = (each * np.minimum(1, longest / lengths)[:, np.newaxis]).mean(axis=0)
    got, rule = np.empty_like(net.parameters), Regularization(clip_sample_norm=longest)
    passes.step_gradients(net, X[:6], REALS[:6], None, got, rule)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)  # some dozens of roundings of numbers below 1
    assert (lengths > longest).any()
    assert (lengths < longest).any()


# ---- rate factors and the neural tangent parametrisation ------------------------------------------------------------


@given(
    st.sampled_from([*STEPS, fc.AdamW(0.05, weight_decay=0.3)]),
    st.sampled_from([(1.0, 1.0, 1.0), (6.0, 1.0, 0.1)]),
    st.integers(0, 2**32 - 1),
)
def test_training_v_is_training_w_of_the_neural_tangent_parametrisation(optimizer, factors, seed):
    """W x/√N + b with gradients of W, stepped as they are, beside V = W/√N with ntp=True: equal up to rounding."""
    rng, sizes = np.random.default_rng(seed), (4, 6, 5, 2)
    net = fc.MLP(sizes, "tanh", "mse", "float64", init="ntp", scaling=True)
    net.parameters[:] = rng.standard_normal(net.parameters.size)
    ends = list(rates.spans(sizes, True))
    roots = [1.0, *(root for N in sizes[:-1] for root in (math.sqrt(N), 1.0))]
    parts = [(slice(*end), root) for end, root in zip(ends, roots, strict=True)]
    table = rates.table(sizes, factors, False, optimizer)
    theta, state = np.empty_like(net.parameters), optimizer.init(net.parameters)
    for part, root in parts:
        theta[part] = net.parameters[part] * root
    form = fc.MLP(sizes, "tanh", "mse", "float64", scaling=True)
    for batch in range(6):  # in order
        chosen = slice(batch * 6, batch * 6 + 6)
        for part, root in parts:
            form.parameters[part] = theta[part] / root
        g = form.gradients(X[chosen, :4], REALS[chosen, :2]).parameters
        for part, root in parts:
            g[part] /= root  # ∂l/∂W = ∂l/∂V/√N
        optimizer.update_spans(theta, g, state, [part for part, _ in parts] if len(table) > 1 else [slice(None)], table)
    net.fit(X[:36, :4], REALS[:36, :2], optimizer=optimizer, batch_size=6, shuffle=False, ntp=True, rate_factors=factors)
    for part, root in parts:
        np.testing.assert_allclose(net.parameters[part] * root, theta[part], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("optimizer", STEPS, ids=repr)
def test_a_factor_is_the_rate_of_its_span(optimizer):
    """All by 3 is a rate 3 times as large; by 0 nothing moves."""
    rate = optimizer.learning_rate
    three = type(optimizer)(**{**vars(optimizer), "learning_rate": 3 * rate})
    nets = [network(**NET) for _ in range(3)]
    before = nets[0].parameters.copy()
    ways = [(three, (1, 1, 1)), (optimizer, (3, 3, 3)), (optimizer, (3, 0, 0))]
    for net, (step, factors) in zip(nets, ways, strict=True):
        net.fit(X, REALS, optimizer=step, rate_factors=factors, batch_size=37)
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-13)
    assert_same_bits(nets[2].parameters[5:], before[5:], "weights and biases")
    np.testing.assert_allclose(nets[2].scales, nets[0].scales, rtol=1e-13)
    assert (nets[0].scales != before[:5]).all()


def test_an_optimizer_of_somebody_s_sees_to_its_own_rates():
    class Mine(fc.SGD):
        """Of somebody's."""

    for setting in ({"ntp": True}, {"rate_factors": (1, 2, 1)}):
        with pytest.raises(ValueError, match="rate_factors and ntp go with numbafc's own optimizers; Mine sees to its"):
            fc.MLP([5, 3]).fit(X, Y, optimizer=Mine(0.1), **setting)
    fc.MLP([5, 3], scaling=True).fit(X, Y, optimizer=Mine(0.1), drop_last=True)


@pytest.mark.parametrize("wrong", [(1, 2), 3, "1,2,3", (1, -1, 1), (1, np.nan, 1), (1, 10**400, 1), None, {1: 2}])
def test_rate_factors_are_three_numbers(wrong):
    with pytest.raises((ValueError, TypeError), match="rate_factors") as refused:
        fc.MLP([5, 3]).fit(X, Y, rate_factors=wrong)
    assert len(str(refused.value)) <= 300


def test_all_optimizers_have_a_rule_for_the_parametrisation():
    assert {name for name, kind in OPTIMIZERS.items() if not kind.scale_free} == {"sgd"}


# ---- init, schedule, minibatches ------------------------------------------------------------------------------------


def test_ntp_begins_with_normal_weights_and_biases_and_a_last_layer_of_0():
    net = fc.MLP([50, 400, 300, 7], init="ntp", dtype="float64")
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        numbers, N = W.reshape(-1) * np.sqrt(W.shape[1]), W.size
        assert abs(numbers.mean()) < 5 / np.sqrt(N)  # five standard deviations
        assert abs((numbers**2).mean() - 1) < 5 * np.sqrt(2 / N)
        assert abs((b**2).mean() - 1) < 5 * np.sqrt(2 / len(b))
    assert not net.weights[-1].any()
    assert not net.biases[-1].any()
    assert not net.outputs(np.ones((3, 50))).any()


def test_coslog4_is_four_waves_each_twice_as_long():
    epochs, batches = 15, 16
    factors = np.concatenate([CosLog4().factors(n, epochs, batches, []) for n in range(1, epochs + 1)])
    t = np.arange(240) / 240
    expected = 0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + 15 * t))
    np.testing.assert_allclose(factors, expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(factors[[0, 16, 48, 112]], 0)
    assert ((factors >= 0) & (factors <= 1)).all()
    peaks = np.flatnonzero((factors[1:-1] > factors[:-2]) & (factors[1:-1] > factors[2:]))
    assert len(peaks) == 4


@pytest.mark.parametrize(("samples", "batch", "batches"), [(37, 8, 4), (37, 36, 1), (37, 37, 1), (37, 100, 1), (37, 1, 37)])
def test_drop_last_leaves_out_an_incomplete_minibatch(samples, batch, batches):
    net, plain = fc.MLP([5, 3]), fc.MLP([5, 3])
    history = net.fit(X, Y, batch_size=batch, epochs=2, drop_last=True)
    used = min(samples, batches * batch)
    assert history.samples == [used, used]
    assert net.training.batches == batches
    plain.fit(X[:used], Y[:used], batch_size=batch, epochs=1, shuffle=False)
    again = fc.MLP([5, 3])
    again.fit(X, Y, batch_size=batch, epochs=1, shuffle=False, drop_last=True)
    assert_same_bits(again.parameters, plain.parameters, "parameters")


def test_an_epoch_whose_samples_of_weight_are_left_out_has_no_loss():
    weight = np.zeros(37)
    weight[36] = 1
    history = fc.MLP([5, 3]).fit(X, Y, batch_size=36, shuffle=False, drop_last=True, sample_weight=weight)
    assert np.isnan(history.loss[0])
    assert np.isnan(history.score[0])


# ---- which epoch ----------------------------------------------------------------------------------------------------


def followed(patch, measures, net, **options):
    """fit whose validation has these (loss, score) after each epoch; the parameters after each, and the history."""
    left, seen = iter(measures), []
    now = [None]

    def loss(*_):
        now[0] = next(left)
        return now[0][0]

    patch.setattr(evaluation, "mean_loss", loss)
    patch.setattr(evaluation, "score", lambda *_: now[0][1])
    settings = {"epochs": len(measures), "validation": (X[:5], Y[:5]), **options}
    history = net.fit(X, Y, callbacks=[lambda record: seen.append(net.parameters.copy())], **settings)
    return seen, history


MEASURES = [(3.0, 0.5), (1.0, 0.7), (2.0, 0.9), (1.0, 0.8), (1.5, 0.9), (math.nan, math.nan), (4.0, 0.1)]


@pytest.mark.parametrize(("by", "best"), [("loss", 4), ("score", 5)])
@pytest.mark.parametrize("early_stopping", [None, 4])
def test_the_best_epoch_is_kept_of_equal_ones_the_last(by, best, early_stopping, monkeypatch):
    net = fc.MLP([5, 3])
    with pytest.warns(RuntimeWarning, match="validation loss of epoch 6 is NaN"):
        seen, history = followed(monkeypatch, MEASURES, net, best_epoch=by, early_stopping=early_stopping)
    assert_same_bits(net.parameters, seen[best - 1], "parameters")
    assert net.training.best_at == best
    assert len(history) == (6 if early_stopping else 7)  # the best loss, the first of equal ones, is epoch 2's
    assert history.ended == ("early_stopping" if early_stopping else "epochs")
    assert_same_bits(net.training.last, seen[-1], "the last parameters, from which resume goes on")


def test_the_best_epoch_needs_samples_to_measure():
    net = fc.MLP([5, 3])
    with pytest.raises(ValueError, match=r"best_epoch needs .* pass validation=\(X, y\)"):
        net.fit(X, Y, best_epoch="loss")
    assert net.training is None
    net.fit(X, Y, best_epoch="score", validation=(X, Y))
    with pytest.raises(ValueError, match="give the same validation"):
        net.fit(X, Y, resume=True, epochs=2)


@pytest.mark.parametrize("breaks", [[1], [3, 5], [4, 4]])
def test_a_training_in_pieces_and_files_keeps_the_same_epoch(breaks, tmp_path):
    options = {**FIT, "batch_size": 8, "epochs": 5, "best_epoch": "score", "validation": (X[:9], REALS[:9])}
    whole, net = network(dtype="float32", **NET), network(dtype="float32", **NET)
    whole.fit(X, REALS, **options)
    again: dict = options
    for minibatches in breaks:
        assert not fit_for(net, minibatches, X, REALS, **again)
        net.save(tmp_path / "m.safetensors")
        net = fc.load(tmp_path / "m.safetensors")
        again = {"resume": True, "validation": options["validation"]}
    net.fit(X, REALS, **again)
    assert_same_training(net, whole)
    assert (net.training.best_at, net.training.best_measure) == (whole.training.best_at, whole.training.best_measure)
    net.save(tmp_path / "m.safetensors")
    back = fc.load(tmp_path / "m.safetensors")
    assert_same_training(back, whole)
    assert (back.scaling, back.init, back.activation) == (True, "ntp", "mish")
    assert_same_bits(back.scales, whole.scales, "scales")
    assert_same_bits(back.outputs(X), whole.outputs(X), "outputs")
    assert back.training.history.ended == "epochs"


def test_other_settings_beside_resume_are_refused():
    net = fc.MLP([5, 3])
    net.fit(X, Y, epochs=3, **FIT)
    for name, value in (("ntp", False), ("rate_factors", (1, 1, 1)), ("drop_last", False), ("best_epoch", "loss")):
        with pytest.raises(ValueError, match=f"for {name}, got"):
            net.fit(X, Y, resume=True, **{name: value})
    with pytest.raises(ValueError, match="CosLog4 was to end with epoch 3"):
        net.fit(X, Y, resume=True, epochs=4)


# ---- a limit of time ------------------------------------------------------------------------------------------------


def test_no_epoch_begins_after_the_limit_and_resume_goes_on(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slowly(record):
        now[0] += 10

    whole, net = network(**NET), network(**NET)
    options = {**FIT, "epochs": 5, "callbacks": [slowly]}
    assert whole.fit(X, REALS, **options).ended == "epochs"
    history = net.fit(X, REALS, **options, time_limit=25)
    assert (len(history), history.ended) == (3, "time_limit")
    net.save(tmp_path / "m.safetensors")
    net = fc.load(tmp_path / "m.safetensors")
    assert net.training.history.ended == "time_limit"
    assert net.fit(X, REALS, resume=True, time_limit=1e9).ended == "epochs"
    assert_same_training(net, whole)


def test_one_epoch_is_done_however_short_the_limit():
    history = fc.MLP([5, 3]).fit(X, Y, epochs=1000, time_limit=1e-9)
    assert (len(history), history.ended) == (1, "time_limit")
    assert fc.MLP([5, 3]).fit(X, Y, epochs=1, time_limit=1e-9).ended == "epochs"
    assert fc.MLP([5, 3]).fit(X, Y, epochs=9, callbacks=[lambda record: True]).ended == "callback"
    for wrong in (0, -1, math.nan, "1"):
        with pytest.raises((TypeError, ValueError), match="time_limit must be"):
            fc.MLP([5, 3]).fit(X, Y, time_limit=wrong)


# ---- mish -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mish_where_it_ends(dtype):
    mish, ends = ACTIVATIONS["mish"], np.array([-np.inf, -1e4, -800, -0.0, 0, 100, 1e30, np.inf, np.nan], dtype)
    H = ends.copy()
    S = mish.slopes(H)
    np.testing.assert_array_equal(H, [0, 0, 0, 0, 0, 100, np.dtype(dtype).type(1e30), np.inf, np.nan])
    np.testing.assert_array_equal(S, [0, 0, 0, 0.6, 0.6, 1, 1, 1, np.nan] if dtype == "float64" else S)
    np.testing.assert_allclose(S, [0, 0, 0, 0.6, 0.6, 1, 1, 1, np.nan], rtol=1e-7)
    assert np.signbit(H[3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mish_makes_no_subnormal_numbers(dtype):
    """Where a hundredth of the activations were, a step took ten times as long."""
    H = np.linspace(-800, 0, 100_000).astype(dtype)
    S = ACTIVATIONS["mish"].slopes(H)
    for numbers in (H, S):
        small = np.abs(numbers[numbers != 0]).min()
        assert small > 1e-18
    assert np.abs(H[np.linspace(-800, 0, 100_000) < -40]).max() == 0


@given(st.floats(-30, 30))
def test_the_slope_of_mish_is_that_of_differences(x):
    """With h = 1e-5 the error is h²·|φ'''|/6 + ε·|φ|/h, below 1e-9."""
    mish, h = ACTIVATIONS["mish"], 1e-5
    both = np.array([x + h, x - h])
    mish.apply(both)
    assert mish.slopes(np.array([x]))[0] == pytest.approx((both[0] - both[1]) / (2 * h), abs=1e-9)


def test_factors_of_other_spans_are_refused_before_anything_is_written():
    step, theta = fc.Adam(), np.ones(6, np.float32)
    state = step.init(theta)
    for factors in (np.ones((2, 5)), np.ones((3, 4)), np.ones((4, 5)), np.ones(5)):
        with pytest.raises(ValueError, match="factors must have shape \\(3, 5\\), a row for each span"):
            step.update_spans(theta, theta.copy(), state, [slice(0, 2), slice(2, 4), slice(4, 6)], factors)
    np.testing.assert_array_equal(theta, 1)

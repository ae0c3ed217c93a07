"""What fit once did without a word: half a change, a lost training, weights that cancel, repeated steps."""

import copy
import functools
import pickle
import signal
import sys
import threading

import numpy as np
import pytest
from checkpoints import assert_same_training, fit_for
from helpers import allocated_by_epochs, assert_same_bits, most_allocated
from test_resume_settings import assert_same_state, state

import numbafc as fc
from numbafc.nn import LOSSES, OnPlateau, passes, schedules, training
from numbafc.nn.recipe import Regularization

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((23, 4)), RNG.integers(0, 3, 23)
HUGE = 10**400


# ---- all or nothing ----


class Bad:
    """An optimizer that cannot begin."""

    def init(self, parameters):
        raise ValueError("no state")

    def update(self, parameters, gradients, state):
        """Nothing."""


class Short:
    """A schedule that forgets a minibatch."""

    def factors(self, epoch, epochs, batches, losses):
        return np.ones(batches - 1)


def trained(loss="cross_entropy"):
    net = fc.MLP([4, 6, 3], loss=loss)
    net.standardize(X)
    fit_for(net, 7, X, Y if loss == "cross_entropy" else X[:, :3], batch_size=5, epochs=3, early_stopping=2)
    return net


WRONG = [  # the loss, the method, its arguments
    ("mse", "standardize", (2 * X, X[:5, :3]), {}),
    ("mse", "standardize", (2 * X, np.full((23, 3), np.nan)), {}),
    ("mse", "standardize", (2 * X, ["a"] * 23), {}),
    ("cross_entropy", "standardize", (2 * X, Y), {}),
    ("cross_entropy", "standardize", (X[:0],), {}),
    ("cross_entropy", "columns", (X[:, :3],), {}),
    *(("cross_entropy", name, (X[:, :3],), {}) for name in ("outputs", "predict", "predict_proba")),
    *(("cross_entropy", name, (X, Y + 5), {}) for name in ("loss", "score", "gradients", "fit", "was_trained_on")),
    *(("cross_entropy", name, (X, Y, -np.ones(23)), {}) for name in ("loss", "gradients")),
    ("mse", "predict_proba", (X,), {}),
    ("cross_entropy", "save", ("/no/such/folder/net.safetensors",), {}),
    ("cross_entropy", "export_onnx", ("net.onnx",), {"opset": 3}),
    ("cross_entropy", "views", (np.zeros(3),), {}),
    *(
        ("cross_entropy", "fit", (X, Y), {name: value})
        for name, value in [
            ("optimizer", Bad()),
            ("optimizer", fc.Adam),
            ("schedule", Short()),
            ("callbacks", print),
            ("callbacks", [print, "print"]),
            ("callbacks", 3),
            ("callbacks", None),
            ("validation", X),
            ("validation", (X,)),
            ("validation", {"X": X, "y": Y}),
            ("validation", (X, Y, None, None)),
            ("validation", (X[:, :3], Y)),
            ("validation", (X, Y + 5)),
            ("validation", (X, Y, np.ones(3))),
            ("shuffle", "no"),
            ("resume", "no"),
            ("epochs", -1),
            ("epochs", 2**63),
            ("epochs", HUGE),
            ("batch_size", 2**63),
            ("batch_size", HUGE),
            ("batch_size", -(10**5000)),
            ("early_stopping", HUGE),
            ("learning_rate", HUGE),
            ("learning_rate", 10**5000),
            ("dropout", HUGE),
            ("clip_norm", HUGE),
            ("clip_sample_norm", -HUGE),
            ("sample_weight", [HUGE] * 23),
            ("class_weight", {0: HUGE}),
            ("class_weight", {HUGE: 1.0}),
            ("class_weight", [HUGE, 1, 1]),
        ]
    ),
    *(
        ("cross_entropy", "find_rate", (X, Y), {name: value})
        for name, value in [
            ("lowest", 0),
            ("highest", 1e-9),
            ("steps", 0),
            ("steps", HUGE),
            ("epochs", 3),
            ("batch_size", 0),
            ("sample_weight", [HUGE] * 23),
            ("class_weight", [HUGE, 1, 1]),
        ]
    ),
]


@pytest.mark.parametrize(("loss", "method", "arguments", "options"), WRONG)
def test_a_method_that_raises_leaves_the_network_as_it_was(loss, method, arguments, options):
    net = trained(loss)
    before = state(net)
    with pytest.raises((TypeError, ValueError, OSError)) as refused:
        getattr(net, method)(*arguments, **options)
    assert_same_state(state(net), before)
    if method not in ("columns", "views"):  # which are for those who know the shapes
        assert len(str(refused.value)) <= 300
        assert "NumPy" not in str(refused.value)
        assert "ufunc" not in str(refused.value)
    if isinstance(options.get("optimizer"), Bad) or method == "save":
        return
    assert method in ("columns", "views") or any(word in str(refused.value) for word in ("must", "needs", "has", "are"))


def test_every_public_method_is_there():
    methods = {name for name, value in vars(fc.MLP).items() if callable(value) and not name.startswith("_")}
    assert methods <= {method for _, method, _, _ in WRONG}


@pytest.mark.parametrize(
    "call",
    [
        lambda: fc.SGD(HUGE),
        lambda: fc.Adam(epsilon=-HUGE),
        lambda: fc.nn.Step(HUGE),
        lambda: fc.nn.Step(2, HUGE),
        lambda: fc.nn.OnPlateau(patience=2**63),
        lambda: fc.nn.Cosine(final=HUGE),
        lambda: fc.MLP([3, 2], label_smoothing=HUGE),
        lambda: fc.MLP([3, 2], seed=-(10**5000)),
        lambda: fc.SGD(momentum=np.longdouble("1e4000")),
    ],
)
def test_numbers_that_no_float_or_word_is_are_refused_with_a_sentence(call):
    with pytest.raises(ValueError, match="must be") as refused:
        call()
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("sizes", [[HUGE, 2], [2**40, 2**40, 1], [2**31, 2**31]])
def test_layers_that_fit_in_no_memory_are_refused_with_a_sentence(sizes):
    with pytest.raises(MemoryError, match=r"layers of these sizes have .* parameters, which fit in no memory") as refused:
        fc.MLP(sizes)
    assert len(str(refused.value)) <= 300


def test_as_many_samples_as_there_are_is_any_larger_batch():
    nets = [fc.MLP([4, 3]) for _ in range(2)]
    for net, batch in zip(nets, (23, 2**63 - 1), strict=True):
        net.fit(X, Y, batch_size=batch, epochs=2)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")


@pytest.mark.parametrize("epoch", [1, 2, 4])
@pytest.mark.parametrize("early_stopping", [None, 2])
def test_a_callback_that_raises_leaves_a_training_that_goes_on(epoch, early_stopping):
    options = {"epochs": 4, "batch_size": 5, "learning_rate": 0.1, "early_stopping": early_stopping}
    whole, net = fc.MLP([4, 6, 3]), fc.MLP([4, 6, 3])
    whole.fit(X, Y, validation=(X[:5], Y[:5]), **options)

    def fail(record):
        if record.epoch == epoch:
            raise KeyError("mine")

    with pytest.raises(KeyError):
        net.fit(X, Y, validation=(X[:5], Y[:5]), callbacks=[fail], **options)
    assert net.training.done == epoch
    assert np.isfinite(net.parameters).all()
    net.fit(X, Y, validation=(X[:5], Y[:5]), resume=True)
    assert_same_training(net, whole)


# ---- weights ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("run", [training.compiled_epochs, training.python_epochs])
def test_a_minibatch_s_loss_is_divided_by_the_mean_weight_of_all(run, dtype, monkeypatch):
    """θ ← θ − η·Σ w·∂l/(B·w̄), by the gradient of each sample."""
    monkeypatch.setattr(training, "compiled_epochs", run)
    weight = np.array([1, 3, 0, 2, 1e-9, 5, 0.5])
    net, other = fc.MLP([4, 3], dtype=dtype), fc.MLP([4, 3], dtype=dtype)
    net.fit(X[:7], Y[:7], optimizer=fc.SGD(0.5), batch_size=3, shuffle=False, sample_weight=weight)
    for batch in (range(3), range(3, 6), range(6, 7)):
        each = [weight[s] * other.gradients(X[s : s + 1], Y[s : s + 1]).parameters for s in batch]
        other.parameters[:] -= 0.5 * np.sum(each, axis=0) / (len(batch) * weight.mean())
    # sums of 3 terms, a handful of roundings each
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=0, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("batch", [1, 7, 23])
@pytest.mark.parametrize("weights", [{"sample_weight": np.arange(1.0, 24)}, {"class_weight": {0: 5.0}}])
def test_weights_never_cancel(batch, weights):
    nets = [fc.MLP([4, 3]) for _ in range(2)]
    nets[0].fit(X, Y, batch_size=batch, **weights)
    nets[1].fit(X, Y, batch_size=batch)
    assert not np.array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize("batch", [1, 7, 23])
@pytest.mark.parametrize("c", [1.0, 0.3, 7.0, 1e-300, 1.7e308, 5e-324])
def test_equal_weights_are_none(batch, c):
    nets = [fc.MLP([4, 3]) for _ in range(2)]
    one = nets[0].fit(X, Y, batch_size=batch, epochs=2, sample_weight=np.full(23, c))
    other = nets[1].fit(X, Y, batch_size=batch, epochs=2)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert one.loss == other.loss


def test_the_recorded_loss_is_the_weighted_mean():
    weight = np.arange(1.0, 24)
    net = fc.MLP([4, 3], dtype="float64")
    expected = net.loss(X, Y, weight)
    record = net.fit(X, Y, batch_size=5, optimizer=fc.SGD(1e-300), sample_weight=weight)[0]
    assert record.loss == pytest.approx(expected, rel=1e-14)


def test_a_minibatch_of_hardly_any_weight_hardly_counts():
    weight = np.ones(6)
    weight[5] = 1e-9
    nets = [fc.MLP([4, 3], dtype="float64") for _ in range(2)]
    options = {"optimizer": fc.SGD(0.1), "batch_size": 5, "shuffle": False}
    nets[0].fit(X[:6], Y[:6], sample_weight=weight, **options)
    nets[1].fit(X[:5], Y[:5], **options | {"optimizer": fc.SGD(0.1 / weight.mean())})
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=0, atol=1e-9)


# ---- Ctrl-C in somebody's optimizer ----


class Mine(fc.SGD):
    """Which numbafc runs step by step in Python."""

    def update(self, parameters, gradients, state):
        state["steps"] = state.get("steps", 0) + 1
        super().update(parameters, gradients, state)


def interrupted_at(line, net):
    """fit with a real SIGINT before each `line`-th line of numbafc's and this file's code; whether it came to its end."""
    left = line

    def trace(frame, event, argument):
        nonlocal left
        if "numbafc/nn" not in frame.f_code.co_filename and frame.f_code.co_filename != __file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        net.fit(X, Y, optimizer=Mine(0.1, momentum=0.5), batch_size=12, epochs=2)
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(None)
    return True


def test_no_step_is_repeated_or_left_out_wherever_ctrl_c_falls():
    whole = fc.MLP([4, 3])
    whole.fit(X, Y, optimizer=Mine(0.1, momentum=0.5), batch_size=12, epochs=2)
    usual, line, begun = signal.getsignal(signal.SIGINT), 1, 0
    while True:
        net = fc.MLP([4, 3])
        if interrupted_at(line, net):
            break
        if net.training is not None:
            begun += 1
            net.fit(X, Y, resume=True)
            assert net.training.state["steps"] == 4, line
            assert_same_bits(net.parameters, whole.parameters, f"parameters after line {line}")
            assert_same_bits(net.training.state["velocity"], whole.training.state["velocity"], "velocity")
        assert signal.getsignal(signal.SIGINT) is usual
        line += 5 if begun == 0 else 1
    assert begun > 100


def test_ctrl_c_is_left_alone_in_other_threads_and_where_it_is_ignored():
    nets = [fc.MLP([4, 3]) for _ in range(3)]
    nets[0].fit(X, Y, optimizer=Mine(0.1))
    thread = threading.Thread(target=lambda: nets[1].fit(X, Y, optimizer=Mine(0.1)))
    thread.start()
    thread.join()
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        nets[2].fit(X, Y, optimizer=Mine(0.1))
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)
    for net in nets[1:]:
        assert_same_bits(net.parameters, nets[0].parameters, "parameters")


# ---- many epochs ----


def test_an_epoch_s_work_does_not_grow_with_the_epochs_before(monkeypatch):
    """Neither in memory, as a copied history would, nor in losses that are looked at."""
    looked = []
    less = schedules.less
    monkeypatch.setattr(schedules, "less", lambda loss, best: looked.append(1) or less(loss, best))
    net = fc.MLP([1, 1], loss="mse")

    settings = {"epochs": 2000, "schedule": OnPlateau(), "early_stopping": 3000}
    peaks = allocated_by_epochs(functools.partial(net.fit, np.ones((4, 1)), np.ones(4), **settings))
    assert len(looked) == 1999
    early, late = np.median(peaks[50:150]), np.median(peaks[-100:])
    assert late < early + 1000  # a list of 2000 has 16 000 bytes


def test_records_are_whole_where_an_epoch_ends_twice():
    """An interrupt between the record and what it belongs to leaves one too many behind the finished ones."""
    net = fc.MLP([4, 3])
    first = net.fit(X, Y, epochs=2)
    net.training.records.append(first[0])
    assert len(net.training.history) == 2
    more = net.fit(X, Y, epochs=4, resume=True)
    assert [record.epoch for record in more] == [1, 2, 3, 4]
    assert len(first) == 2  # what fit returned is the caller's
    more.clear()
    assert len(net.training.history) == 4
    assert len(pickle.loads(pickle.dumps(net)).training.history) == 4


@pytest.mark.parametrize("losses", [[3, 2, 2, 2, 1.5, np.nan, 1.6, 1.7], [np.nan] * 6, [np.inf, 1, 1, 1, 0.99995, 1]])
def test_a_plateau_that_is_followed_is_the_one_that_is_looked_at_anew(losses):
    schedule = OnPlateau(0.5, 2)
    follow, grown = schedules.following(schedule), []
    for epoch, loss in enumerate(losses, 1):
        expected = schedule.factors(epoch, 9, 3, list(grown))
        np.testing.assert_array_equal(follow(epoch, 9, 3, grown), expected)
        np.testing.assert_array_equal(follow(epoch, 9, 3, grown), expected)  # asked again
        grown.append(loss)


# ---- a second fit, validation with weights, weights in a list ----


def test_a_second_fit_goes_on_from_the_parameters_and_begins_all_else_anew():
    net, again = fc.MLP([4, 3]), fc.MLP([4, 3])
    options = {"optimizer": fc.SGD(0.1, momentum=0.9), "batch_size": 8, "dropout": 0.2}
    net.fit(X, Y, epochs=2, **options)
    history = net.fit(X, Y, epochs=1, schedule="step", **options)
    assert [record.epoch for record in history] == [1]
    rng, rule, g = np.random.default_rng([0, 1]), Regularization(0.2), np.empty_like(again.parameters)
    for epochs in (2, 1):
        step, velocity = 0, {"velocity": np.zeros_like(again.parameters)}  # dropout and momentum begin anew
        for _ in range(epochs):
            order = rng.permutation(23)  # the orders go on
            for first in range(0, 23, 8):
                chosen = order[first : first + 8]
                rows = X[chosen].astype(np.float32)
                passes.step_gradients(again, rows, Y[chosen], None, g, rule, step)
                options["optimizer"].update(again.parameters, g, velocity)
                step += 1
    assert_same_bits(net.parameters, again.parameters, "parameters")


@pytest.mark.parametrize("kind", [tuple, list])
def test_validation_may_have_weights(kind):
    weight = np.arange(9.0)
    nets = [fc.MLP([4, 3]) for _ in range(2)]
    one = nets[0].fit(X, Y, validation=kind((X[:9], Y[:9], weight)))
    other = nets[1].fit(X, Y, validation=kind((X[:9], Y[:9])))
    assert one[0].validation_loss == nets[0].loss(X[:9], Y[:9], weight) != other[0].validation_loss
    assert one[0].validation_score == other[0].validation_score


def test_a_layer_that_is_set_is_set():
    net = fc.MLP([2, 3, 1])
    W, b = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    net.weights[0] = W
    net.biases[-2] = b
    np.testing.assert_array_equal(net.parameters[:9], [*W.reshape(-1), *b])
    net.weights[0] -= W.astype(np.float32)
    net.weights[1] *= 0
    net.biases[:] = [b + 1, 5]
    np.testing.assert_array_equal(net.parameters, [0] * 6 + [1, 2, 3] + [0] * 3 + [5])
    before = net.parameters.copy()
    for wrong in (W.T, np.zeros(2), np.zeros((1, 3, 2))):
        with pytest.raises(ValueError, match=r"the array of layer 0 has shape \(3, 2\), got"):
            net.weights[0] = wrong
        with pytest.raises(ValueError, match=r"the array of layer 0 has shape \(3, 2\), got"):
            net.weights[:] = [wrong, np.ones((1, 3))]
    with pytest.raises(ValueError, match="expected 2 arrays, one for each layer, got 1"):
        net.weights[:] = [W]
    for change in (
        lambda: net.weights.append(W),
        lambda: net.weights.pop(),
        lambda: net.weights.__delitem__(0),
        lambda: net.biases.__iadd__([W]),
    ):
        with pytest.raises(TypeError, match="a network's layers are settled"):
            change()
    assert_same_bits(net.parameters, before, "parameters")
    assert isinstance(net.weights, list)
    for copied in (copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))):
        assert type(copied(net.weights)) is list


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_needs_memory_for_some_samples_only(loss):
    net = fc.MLP([1, 200], loss=loss)
    rows = np.zeros((20_000, 1), np.float32)
    y = np.zeros(20_000, int) if LOSSES[loss].classifies else np.zeros((20_000, 200), np.float32)
    net.loss(rows[:5], y[:5])
    outputs = 4 * 20_000 * 200
    assert most_allocated(lambda: net.loss(rows, y)) < outputs / 2

"""What a training keeps: after a divergence, wherever it comes, after Ctrl-C, in a file, and for whoever is told of epochs.

Each of these was once changed on purpose and no test saw it; perf/mutation.py has the changes.
"""

import numpy as np
import pytest
from checkpoints import before_each_minibatch, fit_for
from helpers import assert_same_bits

import numbafc as fc
from numbafc.nn import engine, training

# ---- divergence ----

BATCH = 4


@pytest.fixture(params=["compiled", "python"])
def epochs_by(request, monkeypatch):
    """Either way in which epochs are run."""
    if request.param == "python":
        monkeypatch.setattr(training, "compiled_epochs", training.python_epochs)
    return request.param


def data(batches, bad=None, value=1e25):
    """Targets of mse; the one sample of minibatch `bad` (from 1) whose loss float32 cannot hold."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((BATCH * batches, 3)), rng.standard_normal(BATCH * batches)
    if bad is not None:
        y[BATCH * (bad - 1) + 1] = value
    return X, y


def diverged(net, X, y, **options):
    """The words of the divergence."""
    settings = {"optimizer": fc.SGD(0.01), "batch_size": BATCH, "shuffle": False} | options
    with pytest.raises(FloatingPointError) as error:
        net.fit(X, y, **settings)
    return str(error.value)


@pytest.mark.parametrize("bad", [1, 2, 3, 4])
def test_a_divergence_in_any_minibatch_is_named_and_undone(epochs_by, bad):
    net = fc.MLP([3, 4, 1], loss="mse")
    before = net.parameters.copy()
    assert f"diverged in epoch 1, batch {bad};" in diverged(net, *data(4, bad))
    assert_same_bits(net.parameters, before, "parameters")
    assert net.training is None
    with pytest.raises(ValueError, match="no training to resume"):
        net.fit(*data(4), resume=True)


@pytest.mark.parametrize("bad", [1, 3])
def test_the_parameters_are_those_of_the_epoch_before(epochs_by, bad):
    """Which had moved them: neither the first epoch's nor the last minibatch's."""
    X, y = data(3)
    y += 100  # so the gradient is long
    net, twin, seen = fc.MLP([3, 4, 1], loss="mse"), fc.MLP([3, 4, 1], loss="mse"), []

    class Jump:
        def factors(self, epoch, epochs, batches, losses):
            return np.where((epoch == 3) & (np.arange(1, batches + 1) == bad), 1e39, 1.0)

    words = diverged(net, X, y, epochs=5, schedule=Jump(), callbacks=[seen.append])
    # the step after minibatch `bad` is too long: seen in the next one's loss, or after the last one in the parameters
    assert f"diverged in epoch 3, batch {min(bad + 1, 3)};" in words
    assert [record.epoch for record in seen] == [1, 2]
    twin.fit(X, y, optimizer=fc.SGD(0.01), batch_size=BATCH, shuffle=False, epochs=2)
    assert_same_bits(net.parameters, twin.parameters, "parameters")


def test_a_last_step_that_is_too_long_is_seen_without_another_loss(epochs_by):
    """The loss of the only minibatch is finite; what it makes of the parameters is not."""
    net, (X, y) = fc.MLP([3, 1], "identity", "mse"), data(1)
    before = net.parameters.copy()
    assert "diverged in epoch 1, batch 1;" in diverged(net, X, 100 + y, optimizer=fc.SGD(1e37))
    assert_same_bits(net.parameters, before, "parameters")


def test_a_long_epoch_ends_with_the_call_that_diverged():
    """An epoch is several compiled calls; here each is one minibatch."""
    net, calls = fc.MLP([3, 4, 1], loss="mse"), []
    with before_each_minibatch(lambda: calls.append(1)):
        assert "batch 2;" in diverged(net, *data(5, bad=2))
    assert len(calls) == 2


def test_minibatches_in_several_calls_are_those_of_one(monkeypatch):
    """However many minibatches a call has: the last call may have fewer."""
    X, y = data(5)
    flops = 6 * fc.MLP([3, 4, 1]).parameters.size * BATCH
    found = []
    for minibatches in (0, 1, 2, 3, 4, 5, 100):
        monkeypatch.setattr(engine, "CALL", minibatches * flops + 1)
        net = fc.MLP([3, 4, 1], loss="mse")
        history = net.fit(X[:-1], y[:-1], batch_size=BATCH, epochs=2, dropout=0.1, schedule="cosine")
        found.append((net.parameters.tobytes(), history.loss, history.learning_rate))
    assert all(one == found[0] for one in found)


# ---- Ctrl-C and files ----


def through_a_file(net, tmp_path):
    net.save(tmp_path / "net.safetensors")
    return fc.load(tmp_path / "net.safetensors")


@pytest.mark.parametrize("saved", [False, True])
def test_a_divergence_after_a_break_brings_back_what_the_epoch_began_with(tmp_path, saved):
    """The break is in the second epoch, after two of its minibatches."""
    X, y = data(4, bad=4)
    net, seen = fc.MLP([3, 4, 1], loss="mse"), []

    def remember(record):
        seen.append(net.parameters.copy())

    options = {"optimizer": fc.SGD(0.01), "batch_size": BATCH, "shuffle": False, "epochs": 2}
    good = np.where(y > 1e20, 0, y)
    assert not fit_for(net, 4 + 2, X, good, callbacks=[remember], **options)
    assert not np.array_equal(net.parameters, seen[0])
    if saved:
        net = through_a_file(net, tmp_path)

    def spoil():
        net.parameters[0] = 1e30  # what the next minibatch begins with

    with before_each_minibatch(spoil), pytest.raises(FloatingPointError, match="in epoch 2, batch 3;"):
        net.fit(X, good, resume=True)
    assert_same_bits(net.parameters, seen[0], "parameters")


def test_the_order_of_samples_goes_on_after_a_file(tmp_path):
    """A second fit shuffles as it would without the file."""
    X, y = data(4)
    net = fc.MLP([3, 4, 1], loss="mse")
    net.fit(X, y, batch_size=BATCH, epochs=3)
    back = through_a_file(net, tmp_path)
    for one in (net, back):
        one.fit(X, y, batch_size=BATCH, epochs=2)
    assert_same_bits(back.parameters, net.parameters, "parameters")
    assert back.order.bit_generator.state == net.order.bit_generator.state
    fresh = fc.MLP([3, 4, 1], loss="mse")
    assert fresh.order.bit_generator.state != net.order.bit_generator.state


@pytest.mark.parametrize("saved", [False, True])
def test_the_seconds_of_an_epoch_are_those_before_the_break_too(tmp_path, saved):
    X, y = data(4)
    net = fc.MLP([3, 4, 1], loss="mse")
    assert not fit_for(net, 2, X, y, batch_size=BATCH, epochs=2)
    assert net.training.seconds > 0
    net.training.seconds = 1000.0
    if saved:
        net = through_a_file(net, tmp_path)
    history = net.fit(X, y, resume=True)
    assert 1000 < history.seconds[0] < 1500
    assert 0 < history.seconds[1] < 500  # the next epoch begins at 0
    assert net.training.seconds == 0.0


# ---- callbacks and early stopping ----


@pytest.mark.parametrize("answers", [(True, None), (None, True), (1, 1), ("yes", 0)])
def test_every_callback_sees_every_epoch_and_any_may_end_it(answers):
    X, y = data(2)
    seen = [[], []]

    def callback(n):
        return lambda record: seen[n].append(record.epoch) or (answers[n] if record.epoch == 2 else None)

    history = fc.MLP([3, 1], loss="mse").fit(X, y, epochs=5, callbacks=[callback(0), callback(1)])
    assert seen == [[1, 2], [1, 2]]
    assert len(history) == 2


def test_false_answers_end_nothing():
    X, y = data(2)
    history = fc.MLP([3, 1], loss="mse").fit(X, y, epochs=3, callbacks=[lambda _: 0, lambda _: None, lambda _: ""])
    assert [record.epoch for record in history] == [1, 2, 3]


def one_dead_unit():
    """A network whose loss is exactly 0 whatever weight decay makes of its parameters, and the data."""
    net = fc.MLP([1, 1, 1], loss="mse")
    net.parameters[:] = [1, -1000, 1, 0]
    return net, np.ones((4, 1)), np.zeros(4)


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("validated", [False, True])
def test_an_equal_loss_is_no_better(patience, validated):
    net, X, y = one_dead_unit()
    seen = []
    history = net.fit(
        X,
        y,
        optimizer=fc.SGD(0.01, weight_decay=1.0),
        epochs=9,
        early_stopping=patience,
        validation=(X, y) if validated else None,
        callbacks=[lambda record: seen.append(net.parameters.copy())],
    )
    assert set(history.loss) == {0.0}
    assert len(history) == 1 + patience
    assert_same_bits(net.parameters, seen[0], "parameters")  # the first of equals
    assert not np.array_equal(seen[0], seen[1])
    assert net.training.waited == patience
    assert_same_bits(net.training.last, seen[-1], "last")


def test_patience_begins_anew_with_what_is_better():
    """Losses as a schedule makes them: 0 stands still, so an epoch of it is no better."""
    X, y = data(1)
    moves = [1, 0, 1, 0, 0, 1]

    class Moves:
        def factors(self, epoch, epochs, batches, losses):
            return np.full(batches, float(moves[epoch - 1]))

    net = fc.MLP([3, 1], "identity", "mse", "float64")
    options = {"optimizer": fc.SGD(0.01), "batch_size": BATCH, "epochs": 6, "validation": (X, y)}
    history = net.fit(X, y, schedule=Moves(), early_stopping=2, **options)
    losses = history.validation_loss
    assert losses[1] == losses[0] > losses[2] == losses[3] == losses[4]
    assert len(history) == 5
    assert net.loss(X, y) == losses[2]

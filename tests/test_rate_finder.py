"""The learning-rate range test: what it finds, and that nothing of the network is changed by it."""

import copy
import json
import pickle
import re

import numpy as np
import pytest
from commands import IRIS, ok
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.cli import rates
from numbafc.nn import rate_finder


@pytest.fixture(scope="module")
def digits():
    data = fc.files.digits()
    return data.X[:400] / 16, data.y[:400]


def state(net):
    """All of a network: what it holds besides arrays, and the bits of those."""
    return pickle.dumps(
        {name: value for name, value in vars(net).items() if name != "order"}
    ), net.order.bit_generator.state


@pytest.mark.parametrize("optimizer", ["sgd", "adam", fc.SGD(0.1, momentum=0.9)])
def test_nothing_of_the_network_is_changed(digits, optimizer):
    X, y = digits
    net = fc.MLP([64, 16, 10])
    net.standardize(X)
    net.fit(X, y, epochs=2, early_stopping=1)
    before, parameters, views = state(net), net.parameters, net.parameters.copy()
    found = net.find_rate(X, y, optimizer=optimizer, batch_size=20, steps=60, dropout=0.2, clip_norm=1.0)
    assert state(net) == before
    assert net.parameters is parameters
    assert_same_bits(net.parameters, views, "parameters")
    again = net.find_rate(X, y, optimizer=optimizer, batch_size=20, steps=60, dropout=0.2, clip_norm=1.0)
    assert_same_bits(again.losses, found.losses, "losses of a second test")
    assert again.suggestion == found.suggestion


def test_each_loss_is_that_of_a_minibatch_before_its_step(digits):
    """The same steps by fit, one epoch of one minibatch each, with the rates that the test has."""
    X, y = digits[0][:16], digits[1][:16]  # one minibatch: its order changes sums, not what they are of
    net = fc.MLP([64, 10], dtype="float64")
    found = net.find_rate(X, y, optimizer="sgd", batch_size=16, lowest=1e-2, highest=1.0, steps=20)
    by_hand = copy.deepcopy(net)
    for rate, loss in zip(found.rates, found.losses, strict=True):
        # 16 terms in another order, and as many steps that differ by as little
        assert abs(by_hand.loss(X, y) - loss) <= 1e-12 * abs(loss)
        by_hand.parameters[:] -= rate * by_hand.gradients(X, y).parameters
    np.testing.assert_allclose(found.rates, np.geomspace(1e-2, 1, 20), rtol=1e-15)


def test_small_minibatches_whose_losses_vary_do_not_end_the_test(digits):
    X, y = digits
    net = fc.MLP([64, 10])
    net.fit(X, y, epochs=3)  # some samples are right, and some are not
    found = net.find_rate(X, y, batch_size=1, highest=1e-4)
    assert len(found.rates) == 200


def test_a_training_with_the_suggested_rate_learns(digits):
    X, y = digits
    net = fc.MLP([64, 32, 10])
    found = net.find_rate(X, y, optimizer="sgd")
    assert 1e-3 < found.suggestion < 10
    losses = {}
    for rate in (found.suggestion, found.suggestion / 1000):
        trained = copy.deepcopy(net)
        losses[rate] = trained.fit(X, y, optimizer="sgd", learning_rate=rate, epochs=3).loss[-1]
    assert losses[found.suggestion] < net.loss(X, y) / 2 < losses[found.suggestion / 1000]


@given(st.floats(0.02, 0.9), st.integers(40, 300))
def test_the_steepest_descent_is_found_wherever_it_is(share, steps):
    """A loss that falls as a logistic curve around a known rate."""
    logs = np.linspace(-6, 1, steps)
    middle = logs[0] + share * (logs[-1] - logs[0])
    found = rate_finder.steepest(10**logs, rate_finder.smooth(2 - np.tanh(2 * (logs - middle))))
    width = (1 + rate_finder.WIDTH * steps) * (logs[1] - logs[0])  # of what is smoothed
    edge = (rate_finder.EDGE + 1) * (logs[1] - logs[0])
    assert abs(np.log10(found) - middle) <= max(width, edge)


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=80))
def test_a_smoothed_loss_is_a_mean_and_keeps_lines(losses):
    smoothed = rate_finder.smooth(np.array(losses))
    # sums of 80 numbers up to 100
    assert min(losses) - 1e-11 <= smoothed.min() <= smoothed.max() <= max(losses) + 1e-11
    line = 3 - 0.5 * np.arange(len(losses))
    np.testing.assert_allclose(rate_finder.smooth(line), line, rtol=0, atol=1e-11)


def test_a_loss_that_does_not_fall_suggests_nothing():
    growing = np.linspace(1, 2, 50)
    assert rate_finder.steepest(np.geomspace(1e-6, 1, 50), growing) is None
    found = rate_finder.RateCurve(np.geomspace(1e-6, 1, 50), growing, growing, None)
    assert "no rate is suggested" in rates.verdict(found)
    assert all(len(line) <= 60 for line in rates.chart(found))


def test_what_cannot_be_is_refused(digits):
    X, y = digits
    net = fc.MLP([64, 10])
    for wrong, kind, message in (
        ({"lowest": 1.0, "highest": 0.1}, ValueError, "lowest must be below highest"),
        ({"lowest": 0}, ValueError, "lowest"),
        ({"steps": 3}, ValueError, "steps"),
        ({"epochs": 3}, TypeError, "settings of find_rate are fit's optimizer"),
        ({"learning_rate": 3}, TypeError, "leave it out"),
    ):
        with pytest.raises(kind, match=message):
            net.find_rate(X, y, **wrong)

    with pytest.raises(ValueError, match=r"the loss was not finite after \d+ steps, at a rate of "):
        fc.MLP([64, 1], loss="mse").find_rate(X, y, optimizer="sgd", lowest=1e30, highest=1e38)

    class Own:
        def init(self, parameters):
            return {}

        def update(self, parameters, gradients, state):
            pass

    with pytest.raises(ValueError, match="needs an optimizer of numbafc's"):
        net.find_rate(X, y, optimizer=Own())


def test_the_command_suggests_and_trains_nothing(here):
    (here.folder / "iris.csv").write_text(IRIS)
    told = ok(here("train", "iris.csv", "--find-rate", "--batch-size", "8")).splitlines()
    rate = re.fullmatch(r"suggested: --learning-rate (\S+), where the loss falls most steeply", told[-1])[1]
    assert sum("← suggested" in line for line in told) == 1
    assert all(len(line) <= 60 for line in told[-26:-1])
    assert [path.name for path in here.folder.iterdir()] == ["iris.csv"]
    found = json.loads(ok(here("train", "iris.csv", "--find-rate", "--batch-size", "8", "--json")))
    assert f"{found['suggestion']:.2g}" == rate
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])
    ok(here("train", "iris.csv", "--learning-rate", rate, "--epochs", "2"))
    for other in (("--report", "a.html"), ("--resume", "iris.safetensors")):
        done = here("train", "iris.csv", "--find-rate", *other)
        assert (done.returncode, "--find-rate trains no model" in done.stderr) == (2, True)


def test_the_curve_is_drawn(here):
    pytest.importorskip("matplotlib")
    (here.folder / "iris.csv").write_text(IRIS)
    assert "drew a.png" in ok(here("train", "iris.csv", "--find-rate", "--plot", "a.png"))
    assert (here.folder / "a.png").read_bytes().startswith(b"\x89PNG")

"""A training that is interrupted, saved, loaded and resumed, however often, has the bits of one without a break."""

import copy
import pickle

import numpy as np
import pytest
from checkpoints import assert_same_training, fit_for
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import LOSSES, Cosine, OnPlateau, Step

EPOCHS, BATCHES = 4, 5
SAMPLES = 5 * BATCHES - 2  # the last minibatch has three
OPTIMIZERS = [
    fc.SGD(0.01),
    fc.SGD(0.01, momentum=0.9, nesterov=True),
    fc.Adam(0.01),
    fc.AdamW(0.01),
    fc.RMSprop(0.01, momentum=0.5),
    fc.Adagrad(0.05),
]


def problem(loss, sizes=(4, 6, 3)):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (2 * SAMPLES, sizes[0]))
    y = rng.integers(0, 3, len(X)) if LOSSES[loss].classifies else rng.uniform(0, 1, (len(X), 3))
    return (X[:SAMPLES], y[:SAMPLES]), (X[SAMPLES:], y[SAMPLES:])


@st.composite
def trainings(draw):
    """A network that is to be trained, the data, and the settings of fit."""
    loss = draw(st.sampled_from(list(LOSSES)))
    data, validation = problem(loss)
    smoothing = draw(st.sampled_from([0.0, 0.1])) if loss == "cross_entropy" else 0.0
    activation, dtype = draw(st.sampled_from(["relu", "gelu"])), draw(st.sampled_from(["float32", "float64"]))
    net = fc.MLP([4, 6, 3], activation, loss, dtype, draw(st.integers(0, 9)), label_smoothing=smoothing)
    if draw(st.booleans()):
        net.standardize(data[0], data[1] if loss in ("mse", "mae", "huber") and draw(st.booleans()) else None)
    options = {
        "optimizer": draw(st.sampled_from(OPTIMIZERS)),
        "schedule": draw(st.sampled_from([*fc.nn.SCHEDULES, Cosine(0.2, 0.1), Step(1, 0.5), OnPlateau(0.5, 1)])),
        "shuffle": draw(st.booleans()),
        "early_stopping": draw(st.sampled_from([None, 1, 2])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "clip_norm": draw(st.sampled_from([None, 0.1])),
        "clip_sample_norm": draw(st.sampled_from([None, 0.5])),
        "batch_size": 5,
        "epochs": EPOCHS,
    }
    weight = draw(st.sampled_from([None, np.arange(SAMPLES) % 3]))
    return net, data, options, {"sample_weight": weight, "validation": draw(st.sampled_from([None, validation]))}


def through_a_file(net, folder):
    net.save(folder / "net.safetensors")
    return fc.load(folder / "net.safetensors")


BREAKS = st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["here", "file", "pickle"])), min_size=1, max_size=3)


@given(trainings(), BREAKS)
def test_resuming_has_the_bits_of_one_run(tmp_path_factory, training, breaks):
    net, data, options, with_data = training
    whole, folder = copy.deepcopy(net), tmp_path_factory.mktemp("resume")
    whole.fit(*data, **options, **with_data)
    finished = False
    for resumed, (minibatches, where) in enumerate(breaks):
        given = {"resume": True} if resumed else options
        finished = finished or fit_for(net, minibatches, *data, **given, **with_data)
        net = {
            "here": lambda n: n,
            "file": lambda n: through_a_file(n, folder),
            "pickle": lambda n: pickle.loads(pickle.dumps(n)),
        }[where](net)
    net.fit(*data, **with_data, resume=True)
    assert_same_training(net, whole)
    assert_same_training(through_a_file(net, folder), whole)


@given(trainings(), st.integers(1, EPOCHS - 1))
def test_more_epochs_are_those_of_one_run(tmp_path_factory, training, first):
    """A training that came to its end goes on as if it had been asked for more."""
    net, data, options, with_data = training
    options["schedule"] = "constant"
    whole, folder = copy.deepcopy(net), tmp_path_factory.mktemp("more")
    whole.fit(*data, **options, **with_data)
    net.fit(*data, **options | {"epochs": first}, **with_data)
    net = through_a_file(net, folder)
    net.fit(*data, **with_data, resume=True, epochs=EPOCHS)
    assert_same_training(net, whole)


def test_an_interrupted_network_has_the_parameters_of_its_last_minibatch():
    (X, y), _ = problem("cross_entropy")
    nets = [fc.MLP([4, 6, 3]) for _ in range(2)]
    assert not fit_for(nets[0], BATCHES + 2, X, y, optimizer=fc.SGD(0.1), batch_size=5, epochs=EPOCHS)
    rng = np.random.default_rng([0, 1])
    orders = [rng.permutation(SAMPLES) for _ in range(2)]
    for order, batches in zip(orders, (BATCHES, 2), strict=True):
        for n in range(batches):
            chosen = order[5 * n : 5 * n + 5]
            nets[1].parameters[:] -= np.float32(0.1) * nets[1].gradients(X[chosen], y[chosen]).parameters
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert (len(nets[0].training.history), nets[0].training.results[4]) == (1, 2)


def test_what_cannot_be_resumed_is_refused_and_nothing_changes(tmp_path):
    (X, y), _ = problem("cross_entropy")
    net = fc.MLP([4, 6, 3])
    with pytest.raises(ValueError, match="there is no training to resume"):
        net.fit(X, y, resume=True)
    net.fit(X, y, optimizer="sgd", learning_rate=0.05, batch_size=5, epochs=2, early_stopping=3)
    before = net.parameters.copy()
    for change, message in (
        (lambda: net.fit(X, (y + 1) % 3, resume=True), "resume needs the samples, targets and weights"),
        (lambda: net.fit(X[1:], y[1:], resume=True), r"these are others \(22 samples now, 23 then\)"),
        (lambda: net.fit(X, y, sample_weight=np.arange(SAMPLES), resume=True), "resume needs the samples, targets"),
        (lambda: net.fit(X, y, optimizer="adagrad", resume=True), r"has SGD\(.*\) for optimizer, got Adagrad"),
        (lambda: net.fit(X, y, batch_size=6, resume=True), "the training to resume has 5 for batch_size, got 6; leave it"),
        (lambda: net.fit(X, y, dropout=0.5, resume=True), "has 0.0 for dropout, got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            change()
    assert_same_bits(net.parameters, before, "parameters")
    net.save(tmp_path / "net.safetensors", training=False)
    with pytest.raises(ValueError, match="or its file was saved without it"):
        fc.load(tmp_path / "net.safetensors").fit(X, y, resume=True)


def test_an_optimizer_of_somebody_s_is_not_written(tmp_path):
    class Mine(fc.SGD):
        """Whose settings a file cannot know."""

    (X, y), _ = problem("cross_entropy")
    net = fc.MLP([4, 6, 3])
    net.fit(X, y, optimizer=Mine(0.1))
    back = through_a_file(net, tmp_path)
    assert back.training is None
    assert_same_bits(back.parameters, net.parameters, "parameters")

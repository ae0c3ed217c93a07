"""fit, written down again with each setting in its place: dropout's steps, schedules, clipping; and on many threads."""

import copy
import itertools

import numpy as np
import pytest
from checkpoints import fit_for
from helpers import assert_same_bits

import numbafc as fc
from numbafc._numba import kernel
from numbafc.kernels import target
from numbafc.kernels.product import product_types
from numbafc.nn import LOSSES, Cosine, engine, passes, training
from numbafc.nn.recipe import Regularization
from numbafc.nn.results import DONE, SAMPLES

SIZES = (5, 7, 6, 3)


def data(loss="cross_entropy", samples=23):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((samples, SIZES[0]))
    y = rng.integers(0, 3, samples) if LOSSES[loss].classifies else rng.uniform(0, 1, (samples, 3))
    return X, y


def by_hand(net, X, y, optimizer, regularization, schedule, epochs, batch_size):
    """The same loop as fit's, from the public pieces: minibatch n of all has dropout's step n, counted from 0."""
    rng, step = np.random.default_rng([net.seed, 1]), 0
    X = X.astype(net.dtype)
    targets = LOSSES[net.loss_name].targets(y, SIZES[-1], net.dtype)
    state, g = optimizer.init(net.parameters), np.empty_like(net.parameters)
    losses = []
    for epoch in range(1, epochs + 1):
        order, total = rng.permutation(len(X)), 0.0
        batches = -(-len(X) // batch_size)
        factors = schedule.factors(epoch, epochs, batches, losses)
        for n in range(batches):
            chosen = order[n * batch_size : (n + 1) * batch_size]
            loss, _ = passes.step_gradients(net, X[chosen], targets[chosen], None, g, regularization, step)
            now = copy.copy(optimizer)
            object.__setattr__(now, "learning_rate", float(optimizer.learning_rate * factors[n]))
            now.update(net.parameters, g, state)
            total, step = total + loss * len(chosen), step + 1
        losses.append(total / len(X))
    return losses


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize(
    ("settings", "regularization"),
    [
        ({"dropout": 0.4}, Regularization(dropout=0.4, seed=3)),
        ({"clip_norm": 0.2}, Regularization(clip_norm=0.2)),
        ({"clip_sample_norm": 0.2}, Regularization(clip_sample_norm=0.2)),
        (
            {"dropout": 0.2, "clip_norm": 0.3, "clip_sample_norm": 0.4},
            Regularization(dropout=0.2, clip_norm=0.3, clip_sample_norm=0.4, seed=3),
        ),
    ],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_fit_has_every_setting_in_its_place(loss, settings, regularization, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(training, "compiled_epochs", training.python_epochs)
    nets = [fc.MLP(SIZES, "tanh", loss, seed=3) for _ in range(2)]
    X, y = data(loss)
    optimizer, schedule = fc.SGD(0.2, momentum=0.5), Cosine(0.25, 0.1)
    history = nets[0].fit(X, y, optimizer=optimizer, schedule=schedule, epochs=3, batch_size=5, **settings)
    losses = by_hand(nets[1], X, y, optimizer, regularization, schedule, 3, 5)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert history.loss == pytest.approx(losses, rel=1e-12)
    plain = fc.MLP(SIZES, "tanh", loss, seed=3)
    plain.fit(X, y, optimizer=optimizer, schedule=schedule, epochs=3, batch_size=5)
    assert not np.array_equal(plain.parameters, nets[0].parameters)  # the settings do something


@pytest.mark.parametrize(
    ("activation", "settings"),
    [
        ("relu", {}),
        ("relu", {"dropout": 0.3, "clip_norm": 0.5}),
        ("gelu", {"clip_sample_norm": 0.5}),
    ],
)
@pytest.mark.parametrize(
    "optimizer", [fc.SGD(0.1), fc.SGD(0.1, momentum=0.9), fc.Adam(0.01)], ids=["sgd", "momentum", "adam"]
)
def test_layers_that_threads_share_have_the_bits_of_the_definition(activation, settings, optimizer, monkeypatch):
    """Products, gathering and updates are split at these sizes: 64·256·112 is above PARALLEL, 64·256 is PARALLEL_GATHER."""
    sizes, batch = (256, 112, 220, 3), 64
    assert batch * min(a * b for a, b in itertools.pairwise(sizes[:3])) >= target.PARALLEL
    assert batch * sizes[0] >= target.PARALLEL_GATHER
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2 * batch, sizes[0])).astype(np.float32), rng.integers(0, 3, 2 * batch)
    before, nets = fc.get_num_threads(), [fc.MLP(sizes, activation) for _ in range(2)]
    if before < 2:
        pytest.skip("needs two threads")
    options = {"optimizer": optimizer, "batch_size": batch, "epochs": 2, **settings}
    for net in nets:
        net.standardize(X)
    fc.set_num_threads(2)
    try:
        nets[0].fit(X, y, **options)
    finally:
        fc.set_num_threads(before)
    monkeypatch.setattr(training, "compiled_epochs", training.python_epochs)
    nets[1].fit(X, y, **options)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")


@kernel(product_types, parallel=False)
def refusing_product(P, Q, b, R, sums, workspace, flags, state):
    """Answers as a product does that does not take its arrays."""
    return 7


def test_a_product_that_refuses_is_a_defect_and_nothing_that_is_left_undone(monkeypatch):
    monkeypatch.setattr(engine, "address", refusing_product.address)
    with pytest.raises(RuntimeError, match=r"a product refused arrays of the engine \(\d+\.0\): a defect of numbafc"):
        fc.MLP(SIZES).fit(*data())


class Mine(fc.SGD):
    """An optimizer that is run in Python, and can be interrupted before a step."""

    left = None

    def update(self, parameters, gradients, state):
        if Mine.left == 0:
            raise KeyboardInterrupt
        if Mine.left is not None:
            Mine.left -= 1
        super().update(parameters, gradients, state)


@pytest.mark.parametrize("minibatches", [1, 4, 5, 7])
def test_a_training_in_python_goes_on_where_it_was(minibatches):
    nets = [fc.MLP(SIZES) for _ in range(2)]
    X, y = data()
    options = {"batch_size": 5, "epochs": 2, "dropout": 0.2}
    Mine.left = None
    expected = nets[0].fit(X, y, optimizer=Mine(0.1, 0.9), **options)
    Mine.left = minibatches
    try:
        with pytest.raises(KeyboardInterrupt):
            nets[1].fit(X, y, optimizer=Mine(0.1, 0.9), **options)
    finally:
        Mine.left = None
    history = nets[1].fit(X, y, resume=True)
    assert_same_bits(nets[1].parameters, nets[0].parameters, "parameters")
    assert history.loss == expected.loss
    assert history.score == expected.score


def test_a_resumed_training_names_its_last_minibatch():
    """What was done before the break counts: history, samples and the minibatch of the schedule."""
    X, y = data()
    nets = [fc.MLP(SIZES) for _ in range(2)]
    options = {"batch_size": 5, "epochs": 3, "schedule": Cosine(0.2), "optimizer": fc.SGD(0.1)}
    expected = nets[0].fit(X, y, **options)
    assert not fit_for(nets[1], 5 + 3, X, y, **options)
    assert nets[1].training.results[[SAMPLES, DONE]].tolist() == [15, 3]
    history = nets[1].fit(X, y, resume=True)
    assert [record[:2] for record in history] == [record[:2] for record in expected]
    assert history.score == expected.score
    assert history.learning_rate == expected.learning_rate
    assert history.samples == [23] * 3

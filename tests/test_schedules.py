"""Learning rates: each schedule's formula, its use by the engine, and early stopping."""

import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc
from numbafc.nn import SCHEDULES, Constant, Cosine, OneCycle, OnPlateau, Step, training


def all_factors(schedule, epochs, batches, losses=()):
    return np.concatenate([schedule.factors(n, epochs, batches, losses[: n - 1]) for n in range(1, epochs + 1)])


def test_constant_and_step():
    np.testing.assert_array_equal(all_factors(Constant(), 2, 3), np.ones(6))
    np.testing.assert_allclose(all_factors(Step(2, 0.5), 5, 2), np.repeat([1, 1, 0.5, 0.5, 0.25], 2))


def test_cosine_rises_to_1_and_falls_to_its_end():
    factors = all_factors(Cosine(warm_up=0.25, final=0.1), 4, 5)
    np.testing.assert_allclose(factors[:5], np.arange(1, 6) / 5)
    np.testing.assert_allclose(factors[4:], 0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(16) / 15)) / 2)
    assert factors[-1] == pytest.approx(0.1)
    np.testing.assert_allclose(all_factors(Cosine(), 2, 2), (1 + np.cos(np.pi * np.arange(1, 5) / 4)) / 2)


def test_one_cycle_begins_low_peaks_and_ends_lower():
    factors = all_factors(OneCycle(rise=0.5, start=0.04, final=0.001), 3, 7)
    assert factors[0] == pytest.approx(0.04)
    assert factors[10] == pytest.approx(1)
    assert factors[-1] == pytest.approx(0.001)
    assert (np.diff(factors[:11]) > 0).all()
    assert (np.diff(factors[10:]) < 0).all()


def test_one_cycle_is_pytorch_s():
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=30, cycle_momentum=False)
    expected = []
    for _ in range(30):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    top = OneCycle(rise=(0.3 * 30 - 1) / 29)  # PyTorch's peak is at step rise·total − 1
    np.testing.assert_allclose(all_factors(top, 3, 10), expected, rtol=1e-9)


def test_on_plateau_waits_and_then_falls():
    losses = [3, 2, 2, 2, 1.5, 1.5, 1.6, 1.7]
    factors = [OnPlateau(0.1, 2).factors(n, 9, 1, losses[: n - 1])[0] for n in range(1, 10)]
    np.testing.assert_allclose(factors, [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_engine_follows_the_schedule_as_its_definition_does(name, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 6)), rng.integers(0, 3, 50)
    for optimizer in (fc.SGD(0.1, momentum=0.5), fc.AdamW(0.01)):
        nets = [fc.MLP([6, 8, 3]) for _ in range(2)]
        rates = nets[0].fit(X, y, optimizer=optimizer, epochs=4, batch_size=16, schedule=name).learning_rate
        with monkeypatch.context() as patch:
            patch.setattr(training, "compiled_epochs", training.python_epochs)
            nets[1].fit(X, y, optimizer=optimizer, epochs=4, batch_size=16, schedule=name)
        assert_same_bits(nets[0].parameters, nets[1].parameters, name)
        last = SCHEDULES[name]().factors(4, 4, 4, [1.0] * 3)[-1]
        assert rates[-1] == pytest.approx(optimizer.learning_rate * last)


def test_early_stopping_brings_back_the_best_parameters():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    held_out = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)  # noise: it gets worse before long
    net, seen = fc.MLP([5, 30, 2]), []
    history = net.fit(
        X,
        y,
        learning_rate=0.01,
        epochs=500,
        validation=held_out,
        early_stopping=5,
        callbacks=[lambda record: seen.append(net.parameters.copy())],
    )
    best = int(np.argmin(history.validation_loss))
    assert len(history) == best + 6 < 500
    assert_same_bits(net.parameters, seen[best], "parameters")


def test_without_validation_the_training_loss_is_watched():
    net = fc.MLP([2, 1], loss="mse")
    X, y = np.ones((8, 2)), np.ones(8)
    history = net.fit(X, y, learning_rate=1e-9, optimizer="sgd", epochs=50, early_stopping=3)  # changes no float32
    assert len(history) == 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Step(0), ValueError, "every must be at least 1, got 0"),
        (lambda: Step(2, 0.0), ValueError, "gamma must be a finite number above 0"),
        (lambda: Step(2, 1.5), ValueError, "gamma must be at most 1, got 1.5"),
        (lambda: Cosine(1.0), ValueError, "warm_up must be a finite number at least 0 and below 1"),
        (lambda: OneCycle(0.0), ValueError, "rise must be a finite number above 0"),
        (lambda: OnPlateau(1.0), ValueError, "factor must be a finite number above 0 and below 1"),
        (lambda: fit(schedule="linear"), ValueError, "schedule must be one of 'constant', 'step'"),
        (lambda: fit(schedule=Cosine), TypeError, "schedule must be a name of constant, step"),
        (lambda: fit(schedule=Short()), ValueError, "a schedule's factors must be 1 finite numbers, at least 0, one per"),
        (lambda: fit(early_stopping=0), ValueError, "early_stopping must be at least 1, got 0"),
        (lambda: fit(schedule="cosine", optimizer=Mine(0.1)), ValueError, "Mine must see to its own learning rate"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


class Short:
    """A schedule that forgets a minibatch."""

    def factors(self, epoch, epochs, batches, losses):
        return np.ones(batches - 1)


class Mine(fc.SGD):
    """An optimizer that numbafc does not know."""


def fit(**options):
    return fc.MLP([3, 2]).fit(np.ones((4, 3)), np.zeros(4, int), **options)

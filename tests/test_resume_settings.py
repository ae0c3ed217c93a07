"""What is said beside resume=True is what the training has, or is refused: settings, data, validation, epochs, files."""

import copy
import inspect
import json
import warnings

import numpy as np
import pytest
from checkpoints import assert_same_training, fit_for
from helpers import assert_same_bits

import numbafc as fc
from numbafc.cli import settings
from numbafc.nn import SCHEDULES, Cosine, OnPlateau, Step, evaluation, recipe
from numbafc.nn.samples import Samples

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((23, 4)), RNG.integers(0, 3, 23)
HELD_OUT = RNG.standard_normal((9, 4)), RNG.integers(0, 3, 9)
WEIGHT = np.arange(1.0, 24)
RUN = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "batch_size": 5,
    "epochs": 3,
    "shuffle": False,
    "validation": HELD_OUT,
    "sample_weight": WEIGHT,
    "schedule": Step(2, 0.5),
    "early_stopping": 4,
    "class_weight": {0: 2.0},
    "dropout": 0.1,
    "clip_norm": 1.0,
    "clip_sample_norm": 2.0,
    "drop_last": True,
    "best_epoch": "score",
    "rate_factors": (2.0, 1.0, 0.5),
    "ntp": True,
}
OTHERS = {  # for each setting, the values that it must not take; the usual one among them
    "optimizer": ["adam", fc.SGD(0.05, momentum=0.5), "sgd"],  # that is, with its usual rate
    "learning_rate": [None, 0.06],
    "batch_size": [32, 6],
    "epochs": [1, 0, 2],
    "shuffle": [True],
    "validation": [None, (HELD_OUT[0], (HELD_OUT[1] + 1) % 3), (*HELD_OUT, np.arange(9.0))],
    "sample_weight": [None, WEIGHT + (np.arange(23) == 5)],
    "schedule": ["constant", Step(2, 0.25), "cosine"],
    "early_stopping": [None, 5],
    "class_weight": [None, "balanced", {0: 3.0}],
    "dropout": [0.0, 0.2],
    "clip_norm": [None, 1.5],
    "clip_sample_norm": [None, 1.0],
    "drop_last": [False],
    "best_epoch": [None, "loss"],
    "rate_factors": [(1, 1, 1), (2, 1, 1)],
    "ntp": [False],
}
DATA = ("validation", "sample_weight", "class_weight")
NO_SETTINGS = {"self", "X", "y", "callbacks", "time_limit", "resume", "comm", "rows"}


def interrupted():
    net = fc.MLP([4, 6, 3])
    assert not fit_for(net, 10, X, Y, **RUN)  # within the third epoch
    return net


def state(net):
    return copy.deepcopy(vars(net))


def assert_same_state(one, other):
    """All that a network is, in bits."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if name == "training" and value is not None:
            assert_same_state(vars(value), vars(other[name]))
        elif name == "order" and not isinstance(value, dict):
            assert value.bit_generator.state == other[name].bit_generator.state
        elif isinstance(value, np.ndarray):
            assert_same_bits(value, other[name], name)
        elif isinstance(value, dict):
            assert_same_state(value, other[name])
        else:
            assert value == other[name], name


def test_every_setting_of_fit_is_here():
    assert set(RUN) == set(OTHERS) == set(inspect.signature(fc.MLP.fit).parameters) - NO_SETTINGS


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OTHERS.items() for value in values])
def test_a_setting_that_is_another_is_refused_and_nothing_changes(name, value):
    net = interrupted()
    before = state(net)
    with pytest.raises(ValueError, match=r"resume|is the number in all, and 3 have begun") as refused:
        net.fit(X, Y, resume=True, **{**{kept: RUN[kept] for kept in DATA}, name: value})
    assert len(str(refused.value)) <= 300
    assert_same_state(state(net), before)


def test_settings_that_are_the_run_s_are_accepted_together_and_one_by_one():
    whole, net = fc.MLP([4, 6, 3]), interrupted()
    whole.fit(X, Y, **RUN)
    for name in RUN:
        again = copy.deepcopy(net)
        said = {"optimizer": "sgd"} if name == "optimizer" else {}
        again.fit(X, Y, resume=True, **{kept: RUN[kept] for kept in (*DATA, name)} | (RUN if said else {}))
        assert_same_training(again, whole)
    net.fit(X, Y, resume=True, **RUN)
    assert_same_training(net, whole)


def test_the_defaults_can_be_read_and_are_those_of_the_recipe():
    defaults = {name: p.default for name, p in inspect.signature(fc.MLP.fit).parameters.items()}
    usual = {name: default.value for name, default in defaults.items() if isinstance(default, recipe.Usual)}
    assert usual == {name: setting.default for name, setting in recipe.SETTINGS.items()}
    assert "batch_size: 'int' = 32" in str(inspect.signature(fc.MLP.fit))


def test_a_usual_value_said_aloud_is_equal_to_a_usual_value():
    net = fc.MLP([4, 3])
    net.fit(X, Y, epochs=2)
    everything = {name: p.default for name, p in inspect.signature(fc.MLP.fit).parameters.items() if name in RUN}
    said = {name: getattr(value, "value", value) for name, value in everything.items()} | {"epochs": 2}
    net.fit(X, Y, resume=True, **said)
    with pytest.raises(ValueError, match="is the number in all, and 2 have begun, got 1"):
        net.fit(X, Y, resume=True, epochs=1)


def test_a_network_s_own_settings_are_the_run_s():
    net = fc.MLP([4, 3], label_smoothing=0.1)
    net.fit(X, Y, epochs=2)
    net.label_smoothing = 0.2
    with pytest.raises(ValueError, match=r"has 0\.1 for label_smoothing, got 0\.2"):
        net.fit(X, Y, resume=True, epochs=3)


# ---- the data ----


@pytest.mark.parametrize("place", [5, 4998, 4999])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_number_that_is_another_is_seen(place, dtype):
    rows, y = np.random.default_rng(1).standard_normal((5000, 3)), np.zeros(5000, int)
    net = fc.MLP([3, 2], dtype=dtype)
    net.fit(rows, y, batch_size=1000)
    for same in (rows, np.asfortranarray(rows), rows.tolist()):
        assert net.was_trained_on(same, y)
    rows[place, 1] = np.nextafter(np.float32(rows[place, 1]), np.float32(9))
    assert not net.was_trained_on(rows, y)
    with pytest.raises(ValueError, match="these are others"):
        net.fit(rows, y, resume=True, epochs=2)


def old_file(net, path, change=lambda training: None):
    """As the version of 2026-11-26 wrote it."""
    import safetensors.numpy

    net.save(path)
    with safetensors.safe_open(path, framework="np") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    description = json.loads(metadata["numbafc"])
    assert description["training"].pop("digest") is not None
    description["training"].pop("validation")
    change(description["training"])
    path.write_bytes(safetensors.numpy.save(tensors, {"numbafc": json.dumps(description)}))
    return fc.load(path)


@pytest.mark.parametrize("validation", [None, HELD_OUT])
@pytest.mark.parametrize("minibatches", [2, 7])  # in the first epoch, when nobody knows of validation, and later
def test_a_file_of_an_older_version_goes_on(tmp_path, validation, minibatches):
    options = {"epochs": 4, "batch_size": 5, "early_stopping": 2, "learning_rate": 0.1}
    whole, net = fc.MLP([4, 6, 3]), fc.MLP([4, 6, 3])
    whole.fit(X, Y, validation=validation, **options)
    fit_for(net, minibatches, X, Y, validation=validation, **options)
    net = old_file(net, tmp_path / "old.safetensors")
    with pytest.raises(ValueError, match="these are others"):
        net.fit(X, (Y + 1) % 3, validation=validation, resume=True)
    if minibatches > 5:
        with pytest.raises(ValueError, match="give the same validation"):
            net.fit(X, Y, validation=None if validation else HELD_OUT, resume=True)
    net.fit(X, Y, validation=validation, resume=True)
    assert_same_training(net, whole)


def test_older_versions_and_this_one_do_not_mix_their_weights(tmp_path):
    """They divided a minibatch by its own sum of weights. What they know of the data differs, so they refuse, too."""
    net = fc.MLP([4, 3])
    net.fit(X, Y, sample_weight=WEIGHT)
    given = Samples(X.astype(np.float32), Y.astype(np.intp), WEIGHT)
    assert net.training.fingerprint != given.old_fingerprint
    assert Samples(*given[:2], None).fingerprint == Samples(*given[:2], None).old_fingerprint
    net = old_file(net, tmp_path / "old.safetensors", lambda t: t.update(fingerprint=given.old_fingerprint))
    before = state(net)
    with pytest.raises(ValueError, match="of an older version, which divided a minibatch by its sum of weights") as refused:
        net.fit(X, Y, sample_weight=WEIGHT, resume=True, epochs=2)
    assert len(str(refused.value)) <= 300
    assert_same_state(state(net), before)


# ---- epochs ----


@pytest.mark.parametrize("schedule", [*SCHEDULES, Step(1, 0.3), OnPlateau(0.5, 1), Cosine(0.2, 1.0), Cosine(0, 1.0)])
@pytest.mark.parametrize("minibatches", [0, 1, 9, 10])
@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_other_epochs_are_those_of_one_run_or_refused(schedule, minibatches, epochs):
    """Ten minibatches are the two epochs that were asked for first."""
    options = {"batch_size": 5, "optimizer": fc.SGD(0.2, momentum=0.5), "schedule": schedule, "validation": HELD_OUT}
    whole, net = fc.MLP([4, 6, 3]), fc.MLP([4, 6, 3])
    whole.fit(X, Y, epochs=epochs, **options)
    assert fit_for(net, minibatches, X, Y, epochs=2, **options) == (minibatches == 10)
    knows_end = schedule in ("cosine", "one_cycle", "coslog4") or schedule == Cosine(0.2, 1.0)
    if epochs == 1 and minibatches > 5:
        refusal = "epochs is the number in all"
    elif knows_end and minibatches > (
        schedule in ("one_cycle", "coslog4")
    ):  # whose first minibatch is the same for all ends
        refusal = "was to end with epoch 2: of"
    else:
        net.fit(X, Y, validation=HELD_OUT, resume=True, epochs=epochs)
        assert_same_training(net, whole)
        return
    before = state(net)
    with pytest.raises(ValueError, match=refusal) as refused:
        net.fit(X, Y, validation=HELD_OUT, resume=True, epochs=epochs)
    assert len(str(refused.value)) <= 300
    assert_same_state(state(net), before)


class Linear:
    """Somebody's schedule that falls to 0 at the end; it does not say that it knows it."""

    def factors(self, epoch, epochs, batches, losses):
        return 1 - ((epoch - 1) * batches + np.arange(batches)) / (epochs * batches)


class Halved:
    """Somebody's schedule that looks at the last loss, and keeps the list."""

    def factors(self, epoch, epochs, batches, losses):
        self.seen = losses
        losses.append(99.0)  # its own list
        return np.full(batches, 0.5 if len(losses) > 1 and losses[-2] < 1 else 1.0)


def test_somebody_s_schedule_is_asked_whether_it_knows_its_end():
    nets = [fc.MLP([4, 3]) for _ in range(3)]
    nets[0].fit(X, Y, schedule=Linear(), epochs=2)
    with pytest.raises(ValueError, match="Linear was to end with epoch 2"):
        nets[0].fit(X, Y, resume=True, epochs=3)
    nets[1].fit(X, Y, schedule=Halved(), epochs=2)
    nets[1].fit(X, Y, resume=True, epochs=4)
    nets[2].fit(X, Y, schedule=Halved(), epochs=4)
    assert_same_bits(nets[1].parameters, nets[2].parameters, "parameters")
    with pytest.raises(ValueError, match="of which there were none; give the same validation"):
        nets[2].fit(X, Y, validation=HELD_OUT, resume=True, epochs=5)


@pytest.mark.parametrize("name", ["cosine", "one_cycle", "coslog4"])
def test_the_command_line_refuses_more_epochs_likewise(tmp_path, name):
    net = fc.MLP([4, 3])
    net.fit(X, Y, schedule=name, epochs=2)
    net.save(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="was to end with epoch 2: of 4 epochs those done would have had other rates"):
        settings.resumed(tmp_path / "net.safetensors", 4)
    with pytest.raises(ValueError, match=r"nothing is left to do: .* with which .* ended; train anew, for more epochs"):
        settings.resumed(tmp_path / "net.safetensors", None)  # and 4 are not proposed


# ---- validation ----


def with_nan_validation(net, patch, epochs):
    """The validation loss is NaN after these epochs: 1, 2, …"""
    calls, loss = [], evaluation.mean_loss

    def measured(*data):
        calls.append(1)
        return float("nan") if len(calls) in epochs else loss(*data)

    patch.setattr(evaluation, "mean_loss", measured)
    return net


def test_a_validation_loss_of_nan_is_no_better_and_said_once(monkeypatch):
    net = with_nan_validation(fc.MLP([4, 6, 3]), monkeypatch, {2, 3, 4})
    options = {"optimizer": fc.SGD(0.01), "validation": HELD_OUT, "epochs": 9, "early_stopping": 3}
    with pytest.warns(RuntimeWarning, match="the validation loss of epoch 2 is NaN") as said:
        history = net.fit(X, Y, **options)
    assert len(said) == 1
    assert said[0].filename == __file__
    assert np.isnan(history.validation_loss).tolist() == [
        False,
        True,
        True,
        True,
    ]  # and the training loss fell all the while
    assert (np.diff(history.loss) < 0).all()
    once = fc.MLP([4, 6, 3])
    monkeypatch.undo()
    once.fit(X, Y, **options | {"epochs": 1})
    assert_same_bits(net.parameters, once.parameters, "parameters")


def test_a_plateau_of_nan_lowers_the_rate(monkeypatch, tmp_path):
    options = {"optimizer": fc.SGD(0.01), "validation": HELD_OUT, "schedule": OnPlateau(0.5, 1)}
    nets = []
    for breaks in ((5,), (1, 3, 5)):
        net = with_nan_validation(fc.MLP([4, 6, 3]), monkeypatch, {1, 2, 3, 4})
        for n, epochs in enumerate(breaks):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                net.fit(X, Y, epochs=epochs, **(options if n == 0 else {"validation": HELD_OUT, "resume": True}))
            net.save(tmp_path / "net.safetensors")
            net = fc.load(tmp_path / "net.safetensors")
        monkeypatch.undo()
        nets.append(net)
    assert nets[0].training.history.learning_rate == [0.01, 0.005, 0.0025, 0.00125, 0.000625]
    assert_same_training(*nets)


def test_a_warning_that_is_an_error_leaves_a_training_that_goes_on(monkeypatch):
    nets = [with_nan_validation(fc.MLP([4, 3]), monkeypatch, {1}), fc.MLP([4, 3])]
    with pytest.raises(RuntimeWarning):
        nets[0].fit(X, Y, validation=HELD_OUT, epochs=3)
    monkeypatch.undo()
    nets[0].fit(X, Y, validation=HELD_OUT, resume=True)
    nets[1].fit(X, Y, epochs=3)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    assert nets[0].training.done == 3


def test_without_early_stopping_validation_is_a_report():
    net = fc.MLP([4, 3])
    net.fit(X, Y, epochs=1)
    history = net.fit(X, Y, epochs=2, resume=True, validation=HELD_OUT)
    assert np.isnan(history.validation_loss).tolist() == [True, False]

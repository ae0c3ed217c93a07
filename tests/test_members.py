"""Networks that are trained side by side: each has the bits of a fit of its own, and they answer together."""

import copy

import numpy as np
import pytest
from checkpoints import assert_same_training
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from test_tabular_recipe import FIT, NET, REALS, STEPS, X, Y

import numbafc as fc
from numbafc.nn import Members, side_by_side, training

FOLDS = np.array_split(np.random.default_rng(3).permutation(37), 3)
REST = [np.setdiff1d(np.arange(37), fold) for fold in FOLDS]


def networks(k=3, loss="mse", dtype="float64", standardised=True, sizes=(5, 9, 3), **options):
    nets = [fc.MLP(sizes, loss=loss, dtype=dtype, seed=7 + m, **options) for m in range(k)]
    if standardised:
        nets[0].standardize(X, REALS if loss == "mse" else None)  # one of them
    return nets


@given(
    st.sampled_from([{}, NET]),
    st.sampled_from(["mse", "cross_entropy"]),
    st.sampled_from(STEPS),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1, 7, 24, 25, 100]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, FIT, {"dropout": 0.2, "clip_norm": 0.1}, {"clip_sample_norm": 0.3, "early_stopping": 1}]),
    st.sampled_from([1, 2]),
)
def test_each_member_has_the_bits_of_a_fit_of_its_own(
    net, loss, optimizer, dtype, batch, chosen, standardised, weighted, settings, threads
):
    y, weight = (REALS if loss == "mse" else Y), np.arange(37.0) % 4 if weighted else None
    settings = {"batch_size": batch, "epochs": 3, "best_epoch": "loss", **settings}
    if "learning_rate" not in settings:
        settings["optimizer"] = optimizer
    members, before = Members(networks(3, loss, dtype, standardised, **net)), fc.get_num_threads()
    try:
        fc.set_num_threads(min(threads, before))
        rows = REST if chosen else None
        histories = members.fit(X, y, rows=rows, validation_rows=FOLDS, sample_weight=weight, **settings)
    except FloatingPointError as error:  # as it does alone
        member, _, said = str(error).partition(": ")
        m = int(member.removeprefix("member "))
        own = REST[m] if chosen else np.arange(37)
        with pytest.raises(FloatingPointError) as diverged:
            networks(3, loss, dtype, standardised, **net)[m].fit(
                X[own], y[own], validation=(X[FOLDS[m]], y[FOLDS[m]]),
                sample_weight=None if weight is None else weight[own], **settings,
            )  # fmt: skip
        assert str(diverged.value) == said
        return
    finally:
        fc.set_num_threads(before)
    for m, alone in enumerate(networks(3, loss, dtype, standardised, **net)):
        own, held_out = REST[m] if chosen else np.arange(37), (X[FOLDS[m]], y[FOLDS[m]])
        own_weight = None if weight is None else weight[own]
        history = alone.fit(X[own], y[own], validation=held_out, sample_weight=own_weight, **settings)
        assert_same_training(members[m], alone)
        assert members[m].training.digest == alone.training.digest
        assert histories[m].ended == history.ended
        assert members[m].was_trained_on(X[own], y[own], own_weight)


def test_drawn_rows_may_come_more_than_once():
    drawn = [np.random.default_rng(m).integers(0, 37, 30) for m in range(2)]
    members = Members(networks(2))
    members.fit(X, REALS, rows=drawn, batch_size=8, epochs=2, sample_weight=np.arange(1.0, 38))
    for m, alone in enumerate(networks(2)):
        alone.fit(X[drawn[m]], REALS[drawn[m]], batch_size=8, epochs=2, sample_weight=np.arange(1.0, 38)[drawn[m]])
        assert_same_training(members[m], alone)


def test_an_interrupted_training_goes_on(monkeypatch):
    settings = {"batch_size": 8, "epochs": 4, "validation": (X[:9], REALS[:9]), "best_epoch": "loss"}
    whole, members = Members(networks()), Members(networks())
    whole.fit(X, REALS, rows=REST, **settings)
    monkeypatch.setattr(side_by_side, "CALL", 0.0)  # one minibatch of each in a call
    calls, epochs = [], side_by_side.Group.epochs

    def stop(group, *arguments):
        calls.append(1)
        if len(calls) == 3:
            kernel = group.kernel

            class Stopping:
                """A kernel that is interrupted before its second call."""

                left = 2

                def unchecked(self, *rest):
                    Stopping.left -= 1
                    if Stopping.left == 0:
                        raise KeyboardInterrupt
                    kernel.unchecked(*rest)

            group.kernel = Stopping()
        epochs(group, *arguments)

    monkeypatch.setattr(side_by_side.Group, "epochs", stop)
    with pytest.raises(KeyboardInterrupt):
        members.fit(X, REALS, rows=REST, **settings)
    assert [net.training.done for net in members] == [2, 2, 2]
    assert all(net.training.results.any() for net in members)
    members[1].fit(X[REST[1]], REALS[REST[1]], validation=settings["validation"], resume=True)  # by itself
    members.fit(X, REALS, rows=REST, validation=settings["validation"], resume=True)
    for one, other in zip(members, whole, strict=True):
        assert_same_training(one, other)


def test_an_optimizer_of_somebody_s_is_run_in_python():
    class Mine(fc.SGD):
        """Of somebody's."""

    members = Members(networks())
    members.fit(X, REALS, rows=REST, optimizer=Mine(0.1), epochs=2)
    for m, alone in enumerate(networks()):
        alone.fit(X[REST[m]], REALS[REST[m]], optimizer=Mine(0.1), epochs=2)
        assert_same_bits(members[m].parameters, alone.parameters, "parameters")


def test_callbacks_are_told_the_member_and_end_it_alone():
    seen = []
    members = Members(networks())
    histories = members.fit(X, REALS, epochs=3, callbacks=[lambda m, record: seen.append((m, record.epoch)) or m == 1])
    assert seen == [(0, 1), (1, 1), (2, 1), (0, 2), (2, 2), (0, 3), (2, 3)]
    assert [history.ended for history in histories] == ["epochs", "callback", "epochs"]
    assert [history.ended for history in Members(networks()).fit(X, REALS, epochs=9, time_limit=1e-9)] == ["time_limit"] * 3


def test_a_member_that_diverges_is_named_and_the_others_go_on():
    nets = networks(2, standardised=False)
    nets[1].parameters[:] *= 1e200
    members, before = Members(nets), nets[1].parameters.copy()
    with pytest.raises(FloatingPointError, match="member 1: training diverged in epoch 1, batch 1"):
        members.fit(X, REALS, epochs=2)
    assert_same_bits(nets[1].parameters, before, "parameters")
    nets[0].fit(X, REALS, resume=True)
    (alone,) = networks(1, standardised=False)
    alone.fit(X, REALS, epochs=2)
    assert_same_training(nets[0], alone)


# ---- predictions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_answer_is_the_mean_of_all(loss, outputs):
    y = Y % outputs if loss == "cross_entropy" else np.abs(REALS[:, :outputs]).round().clip(0, 1)
    members = Members(networks(4, loss, standardised=False, sizes=(5, 9, outputs)))
    members.fit(X, y, epochs=2)
    if loss in ("mse", "poisson"):
        expected = np.mean([net.predict(X) for net in members], axis=0)
        np.testing.assert_allclose(members.predict(X), expected, rtol=1e-14)
        with pytest.raises(ValueError, match="predict_proba needs a classifier"):
            members.predict_proba(X)
    else:
        shares = np.mean([net.predict_proba(X) for net in members], axis=0)
        np.testing.assert_allclose(members.predict_proba(X), shares, rtol=1e-14)
        labels = shares.argmax(axis=1) if loss == "cross_entropy" else (shares > 0.5).astype(int)
        np.testing.assert_array_equal(members.predict(X), labels[:, 0] if labels.shape[1:] == (1,) else labels)
    one = Members([members[0]])
    np.testing.assert_array_equal(one.predict(X), members[0].predict(X))
    assert one.score(X, y) == members[0].score(X, y)


def test_like_makes_networks_of_other_seeds():
    (net,) = networks(1)
    members = Members.like(net, 3)
    assert [one.seed for one in members] == [7, 8, 9]
    assert_same_bits(members[0].parameters, net.parameters, "parameters")
    assert not np.array_equal(members[1].parameters, members[0].parameters)
    for one in members:
        assert_same_bits(one.input_mean, net.input_mean, "input_mean")
        assert one.input_mean is not net.input_mean
        assert one.training is None
    assert len(members) == 3
    copied = copy.deepcopy(members)
    members.fit(X, REALS)
    assert not np.array_equal(copied[0].parameters, members[0].parameters)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Members([]), "Members are one or more networks"),
        (lambda: Members([1]), "Members are one or more networks"),
        (lambda: Members([fc.MLP([5, 3])] * 2), "got one of them twice"),
        (lambda: Members([fc.MLP([5, 3]), fc.MLP([5, 4, 3])]), "must be of one sizes"),
        (lambda: Members([fc.MLP([5, 3]), fc.MLP([5, 3], scaling=True)]), "must be of one scaling"),
        (lambda: two().fit(X, Y, rows=[[0, 1]]), "rows must be 2 arrays of indices"),
        (lambda: two().fit(X, Y, rows=[[0, 1], []]), r"rows\[1\] must be indices"),
        (lambda: two().fit(X, Y, rows=[[0, 1], [0.5]]), r"rows\[1\] must be indices"),
        (lambda: two().fit(X, Y, rows=[[0, 1], np.ones(37, bool)]), r"rows\[1\] must be indices"),
        (lambda: two().fit(X, Y, rows=[[0, 37], [1]]), r"rows\[0\] must be from 0 to 36"),
        (lambda: two().fit(X, Y, validation_rows=[[-1], [1]]), r"validation_rows\[0\] must be from 0 to 36"),
        (lambda: two().fit(X, Y, validation=(X, Y), validation_rows=[[0], [1]]), "two ways to say one thing"),
        (lambda: two().fit(X, Y, speed=3), "fit has no setting 'speed'"),
        (lambda: two().fit(X, Y, batch_size=0), "batch_size must be at least 1"),
        (lambda: two().fit(X, Y, best_epoch="loss"), "best_epoch needs"),
        (lambda: two().fit(X[:0], Y[:0]), "needs at least one sample"),
        (lambda: two().fit(X, Y, resume=True), "there is no training to resume"),
        (lambda: Members.like(fc.MLP([5, 3]), 0), "k must be at least 1"),
        (lambda: read_only().fit(X, Y), "a member's parameters are read-only"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(make, message):
    with pytest.raises((TypeError, ValueError), match=message) as refused:
        make()
    assert len(str(refused.value)) <= 300


def two():
    return Members([fc.MLP([5, 3], seed=m) for m in range(2)])


def read_only():
    members = two()
    members[1].parameters.flags.writeable = False
    return members


def test_its_definition_is_the_loop_in_python(monkeypatch):
    """Which runs where nothing is compiled."""
    nets = [Members(networks(**NET)) for _ in range(2)]
    nets[0].fit(X, REALS, epochs=2, batch_size=8, **FIT)
    from numbafc.nn import member_runs

    monkeypatch.setattr(member_runs, "interpreted", lambda: True)
    monkeypatch.setattr(member_runs, "python_epochs", training.python_epochs)
    nets[1].fit(X, REALS, epochs=2, batch_size=8, **FIT)
    for one, other in zip(*nets, strict=True):
        assert_same_training(one, other)

"""`numbafc train --members k` and what can be done with its file: each member has the bits of a training of its own."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from commands import IRIS, QUICK, ok
from helpers import assert_same_bits
from test_cli_tables import houses, written

import numbafc as fc
from numbafc.cli import ensemble, outputs, sources
from numbafc.nn import EpochRecord, Members, side_by_side

MODEL = "iris.safetensors"


@pytest.fixture
def iris(here):
    """A folder with a data set, and a model of three members."""
    (here.folder / "iris.csv").write_text(IRIS)
    here.printed = ok(here("train", "iris.csv", *QUICK, "--members", "3", "--seed", "4"))
    return here


def data(net):
    return sources.Source((Path("iris.csv"),)).read_for(net)


def test_each_member_is_the_network_of_a_training_of_its_own(iris):
    members = fc.load(MODEL)
    assert type(members) is Members
    assert [net.seed for net in members] == [4, 5, 6]
    training, held_out = data(members).split(0.2, 4)
    for net in members:
        alone = fc.MLP([2, 8, 3], seed=net.seed)
        alone.fit(training.X, training.y, learning_rate=0.1, epochs=3, validation=(held_out.X, held_out.y))
        assert_same_bits(net.parameters, alone.parameters, "parameters")
    ok(iris("train", "iris.csv", *QUICK, "--seed", "4", "--out", "one"))
    assert_same_bits(fc.load("one").parameters, members[0].parameters, "of the command for one")


def test_a_training_of_members_is_told_as_one(iris):
    lines = iris.printed.splitlines()
    assert sum("3 members averaged, each of layers 2-8-3" in line for line in lines) == 1
    epochs = [line for line in lines if line.startswith("epoch ")]
    members = fc.load(MODEL)
    assert len(epochs) == 3
    for epoch, line in enumerate(epochs, 1):
        records = [net.training.history[epoch - 1] for net in members]
        assert line.startswith(f"epoch {epoch}/3: means: loss {np.mean([one.loss for one in records]):.4f}, accuracy")
    assert "it ended after all of its 3 epochs, 6 steps" in iris.printed
    held_out = data(members).split(0.2, 4)[1]
    assert lines[-1] == f"validation accuracy {members.score(held_out.X, held_out.y):.4f}"


def test_json_has_the_members_beside_the_ensemble(iris):
    done = iris(
        "train", "iris.csv", *QUICK, "--members", "3", "--seed", "4", "--early-stopping", "2", "--out", "m", "--json"
    )
    result, members = json.loads(ok(done)), fc.load("m")
    held_out = data(members).split(0.2, 4)[1]
    assert result["members"] == 3
    assert result["parameters"] == 3 * 51
    assert result["validation_score"] == members.score(held_out.X, held_out.y)
    assert result["validation_loss"] == members.loss(held_out.X, held_out.y)
    for told, net in zip(result["each"], members, strict=True):
        assert told["seed"] == net.seed
        assert told["best_epoch"] == net.training.best_at
        assert told["validation_score"] == net.score(held_out.X, held_out.y)
    samples = sum(record["samples"] for record in result["history"])
    assert samples == 3 * sum(members[0].training.history.samples)
    assert json.loads(ok(iris("train", "iris.csv", *QUICK, "--out", "one", "--json")))["members"] == 1


def test_evaluate_predict_and_info_are_of_the_mean(iris):
    members = fc.load(MODEL)
    X, y = (found := data(members)).X, found.y
    p = np.mean([net.predict_proba(X).astype(np.float64) for net in members], axis=0).astype(np.float32)
    labels = [members.classes[n] for n in p.argmax(axis=1)]
    printed = ok(iris("evaluate", MODEL, "iris.csv"))
    assert printed.count("3 members averaged") == 1
    assert f"accuracy {np.mean(p.argmax(axis=1) == y):.4f}" in printed
    assert "trained on 48 of these 60 samples; on the 12 others:" in printed
    result = json.loads(ok(iris("evaluate", MODEL, "iris.csv", "--json")))
    assert (result["members"], result["score"]) == (3, members.score(X, y))
    assert ok(iris("predict", MODEL, "iris.csv")).splitlines() == ["kind", *labels]
    told = ok(iris("predict", MODEL, "iris.csv", "--probabilities", "--keep", "width", "--out", "p.csv"))
    assert told == "wrote 60 predictions to p.csv\n"
    rows = list(csv.reader(Path("p.csv").read_text().splitlines()))
    assert rows[0] == ["width", "a", "b", "c"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows[1:]], np.float32), p)
    about = ok(iris("info", MODEL))
    assert about.splitlines()[0].startswith("3 members averaged, each MLP: 2 → 8 → 3")
    assert about.count("members averaged") == 1


def test_a_resumed_training_has_the_bits_of_one_without_a_break(iris):
    ok(iris("train", "iris.csv", *QUICK[:-1], "6", "--members", "3", "--seed", "4", "--out", "whole"))
    ok(iris("train", "iris.csv", "--resume", MODEL, "--epochs", "6"))
    assert_same_members(fc.load(MODEL), fc.load("whole"))


def assert_same_members(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same_bits(one.parameters, other.parameters, "parameters")
        assert one.training.epochs == other.training.epochs


def test_ctrl_c_keeps_what_was_learnt_and_resume_goes_on(iris, monkeypatch):
    epochs, calls = side_by_side.Group.epochs, []

    def interrupted(group, *arguments):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        epochs(group, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(side_by_side.Group, "epochs", interrupted)
        done = iris("train", "iris.csv", *QUICK, "--members", "3", "--seed", "4", "--out", "part")
    assert done.returncode == 130
    assert "interrupted; saved part; resume with:" in done.stdout
    assert [net.training.done for net in fc.load("part")] == [1, 1, 1]
    assert "resumed after epoch 1 of 3" in ok(iris("train", "iris.csv", "--resume", "part"))
    assert_same_members(fc.load("part"), fc.load(MODEL))


def test_what_is_saved_on_the_way_is_of_whole_epochs_of_all(iris, monkeypatch):
    saved, save = [], Members.save

    def spy(members, path):
        save(members, path)
        saved.append((str(path), [net.training.done for net in fc.load(path)]))

    monkeypatch.setattr(Members, "save", spy)
    monkeypatch.setattr(outputs, "SECONDS", 0)
    ok(iris("train", "iris.csv", *QUICK, "--members", "3", "--seed", "4"))
    assert saved == [*(("iris-2.safetensors", [epoch] * 3) for epoch in (1, 2, 3)), (MODEL, [3] * 3)]
    assert [path.name for path in Path().glob("*.safetensors")] == [MODEL]


def test_another_number_of_members_is_another_training(iris):
    before = fc.load(MODEL)
    again = ok(iris("train", "iris.csv", *QUICK, "--members", "3", "--seed", "4"))
    assert f"replaced {MODEL}" in again
    for members in ("2", "1"):
        printed = ok(iris("train", "iris.csv", *QUICK, "--members", members, "--seed", "4"))
        assert f"{MODEL} is of another training and stays" in printed
    refused = iris("train", "iris.csv", "--resume", MODEL, "--members", "2", "--epochs", "9")
    assert refused.returncode == 2
    assert "its training has --members 3, got 2" in refused.stderr
    assert [len(net) if isinstance(net := fc.load(f"iris{n}.safetensors"), Members) else 1 for n in ("", "-2", "-3")] == [
        3,
        2,
        1,
    ]
    assert_same_members(fc.load(MODEL), before)


def test_real_targets_early_stopping_and_a_report(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    options = *QUICK[:-1], "40", "--early-stopping", "2", "--members", "3", "--report", "r.html"
    printed = ok(here("train", "houses.csv", *options, "--plot", "curve.svg"))
    members = fc.load("houses.safetensors")
    kept = [net.training.best_at for net in members]
    assert f"kept the parameters of each member's best epoch, {', '.join(map(str, kept))}" in printed
    assert "is one network, not an ensemble" not in Path("r.html").read_text()
    assert "3 members averaged" in Path("r.html").read_text()
    assert Path("curve.svg").stat().st_size > 1000
    prices = [float(line) for line in ok(here("predict", "houses.safetensors", "houses.csv")).splitlines()[1:]]
    X = sources.Source((Path("houses.csv"),)).read_for(members).X
    np.testing.assert_allclose(prices, np.mean([net.predict(X) for net in members], axis=0), rtol=1e-6)


def test_members_that_diverge_are_named_and_replace_nothing(iris):
    before = Path(MODEL).read_bytes()
    done = iris("train", "iris.csv", *QUICK, "--members", "2", "--optimizer", "sgd", "--learning-rate", "1e30")
    assert done.returncode == 1
    assert "member 0: training diverged in epoch 1" in done.stderr
    assert Path(MODEL).read_bytes() == before


@pytest.mark.parametrize("members", ["0", "-1"])
def test_a_number_that_is_none_is_refused(iris, members):
    assert "--members must be at least 1" in iris("train", "iris.csv", "--members", members).stderr


# ---- an epoch of all ------------------------------------------------------------------------------------------------


def record(epoch, loss, score=0.5, samples=10, seconds=1.0):
    return EpochRecord(epoch, loss, score, loss, score, seconds, samples, 0.1)


def test_the_mean_is_of_the_last_records():
    found = ensemble.mean([record(1, 1.0), record(2, 3.0, seconds=2.0), record(2, 5.0, samples=7)])
    assert found == EpochRecord(2, 3.0, 0.5, 3.0, 0.5, 2.0, 17, 0.1)


def test_an_epoch_of_all_is_told_once_each_and_members_end_by_themselves():
    X, y = np.random.default_rng(0).standard_normal((20, 2)), np.arange(20) % 2
    members, told = Members([fc.MLP([2, 2], seed=m) for m in range(3)]), []
    stops = {0: 2, 1: 4, 2: 1}
    rounds = ensemble.Rounds(members, [told.append])
    members.fit(X, y, epochs=5, validation=(X, y), callbacks=[rounds, lambda m, one: one.epoch == stops[m]])
    assert [one.epoch for one in told] == [1, 2, 3, 4]
    assert [one.samples for one in told] == [60, 40, 20, 20]
    assert ensemble.history(members) == told
    last = [net.training.history[-1].loss for net in members]
    assert told[-1].loss == np.mean(last)
    members.fit(X, y, epochs=5, validation=(X, y), resume=True, callbacks=[ensemble.Rounds(members, [told.append])])
    assert told[-1].epoch == 5


def test_each_member_has_a_patience_of_its_own():
    members = Members([fc.MLP([2, 2], seed=m) for m in range(2)])
    ends = ensemble.callbacks(members, [], patient=True)[-1]
    found = [(m, epoch) for epoch in range(1, 60) for m in range(2) if ends(m, record(epoch, 1.0, epoch if m else -epoch))]
    assert found == [(0, epoch) for epoch in range(44, 60)]  # 3·1 + 40 behind its best
    assert not any(ends is one for one in ensemble.callbacks(members[0], [], patient=False))

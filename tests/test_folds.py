"""Members that hold out a fold each: how folds are drawn, what is measured on them, and `numbafc train --folds k`."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from commands import IRIS, QUICK, ok
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from test_cli_tables import houses, written

import numbafc as fc
from numbafc.cli import sources
from numbafc.nn import Members, side_by_side, splits
from numbafc.nn.out_of_fold import OutOfFold

MODEL = "iris.safetensors"


@pytest.fixture
def iris(here):
    """A folder with a data set, and a model of four members with folds."""
    (here.folder / "iris.csv").write_text(IRIS)
    here.printed = ok(here("train", "iris.csv", *QUICK, "--folds", "4", "--seed", "4"))
    return here


def data(net):
    return sources.Source((Path("iris.csv"),)).read_for(net)


# ---- drawing --------------------------------------------------------------------------------------------------------


@given(st.integers(2, 90), st.integers(2, 9), st.integers(0, 5), st.integers(0, 2**32))
def test_each_sample_is_held_out_once_in_folds_as_even_as_can_be(samples, k, classes, seed):
    k = min(k, samples)
    labels = np.random.default_rng(seed).integers(0, classes, samples) if classes else None
    parts = splits.folds(samples, k, seed, labels)
    assert len(parts) == k
    assert sorted(np.concatenate([held for _, held in parts])) == list(range(samples))
    for rows, held in parts:
        assert sorted([*rows, *held]) == list(range(samples))
        assert len(held) in (samples // k, -(-samples // k))
    for label in range(classes):
        counts = [np.sum(labels[held] == label) for _, held in parts]
        assert max(counts) - min(counts) <= 1
    with pytest.raises(ValueError, match="ask for fewer folds"):
        splits.folds(samples, samples + 1, seed)


# ---- measuring ------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["cross_entropy", "mse", "binary_cross_entropy", "poisson"]),
    st.integers(2, 4),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_a_sample_is_answered_by_those_who_have_held_it_out(loss, k, in_folds, seed):
    rng, n = np.random.default_rng(seed), 12
    X = rng.standard_normal((n, 3))
    y = {"cross_entropy": rng.integers(0, 2, n), "mse": rng.standard_normal((n, 2))}.get(loss, rng.integers(0, 2, (n, 2)))
    nets = [fc.MLP([3, 4, 2], loss=loss, seed=m, dtype="float64") for m in range(k)]
    held = [rows for _, rows in splits.folds(n, k, seed)]
    if not in_folds:
        held = [np.flatnonzero(rng.random(n) < 0.5) for _ in nets]
    held[0] = np.union1d(held[0], np.setdiff1d(np.arange(n), np.concatenate(held)))
    asked = OutOfFold(nets, held, n)
    for i in range(n):
        some = Members([net for net, rows in zip(nets, held, strict=True) if i in rows])
        one, X_i = asked.of(np.array([i])), X[i : i + 1]
        np.testing.assert_allclose(asked.predict(X)[i : i + 1], some.predict(X_i), rtol=1e-12)
        np.testing.assert_allclose(asked.outputs(X)[i : i + 1], one.outputs(X_i), rtol=1e-12)
        np.testing.assert_allclose(one.outputs(X_i), some.outputs(X_i), rtol=1e-12)
    found = asked.measure(X, y)
    losses = [asked.of(np.array([i])).loss(X[i : i + 1], y[i : i + 1]) for i in range(n)]
    assert found.loss == pytest.approx(np.mean(losses))
    assert found.score == asked.score(X, y)
    with pytest.raises(ValueError, match=f"expected the {n} samples"):
        asked.predict(X[:-1])
    with pytest.raises(ValueError, match="by none, such as"):
        OutOfFold(nets, [held[0][:0]] * k, n)


@pytest.mark.parametrize("overlap", [False, True])
def test_what_a_member_was_trained_on_is_no_measure(overlap):
    X, y = np.random.default_rng(0).standard_normal((20, 2)), np.arange(20) % 2
    rows, held = map(list, zip(*splits.folds(20, 3, 0, y), strict=True))
    rows[1] = np.union1d(rows[1], held[1][:1]) if overlap else rows[1]
    members = Members([fc.MLP([2, 2], seed=m) for m in range(3)])
    members.fit(X, y, rows=rows, validation_rows=held, epochs=2)
    assert (members.out_of_fold is None) == overlap
    if not overlap:
        score = np.mean(np.concatenate([net.predict(X[own]) == y[own] for net, own in zip(members, held, strict=True)]))
        assert members.out_of_fold.score == score
    members.fit(X, y, epochs=1)
    assert members.out_of_fold is None


# ---- the command ----------------------------------------------------------------------------------------------------


def test_each_member_is_the_network_of_all_folds_but_its_own(iris):
    members = fc.load(MODEL)
    assert [net.seed for net in members] == [4, 5, 6, 7]
    whole = data(members)
    parts = splits.folds(60, 4, 4, whole.y)
    for net, (rows, held) in zip(members, parts, strict=True):
        alone = fc.MLP([2, 8, 3], seed=net.seed)
        alone.fit(whole.X[rows], whole.y[rows], learning_rate=0.1, epochs=3, validation=(whole.X[held], whole.y[held]))
        assert_same_bits(net.parameters, alone.parameters, "parameters")
    right = [net.predict(whole.X[held]) == whole.y[held] for net, (_, held) in zip(members, parts, strict=True)]
    score = np.mean(np.concatenate(right))
    assert members.out_of_fold.score == score  # from the file
    assert members.out_of_fold.samples == 60
    lines = iris.printed.splitlines()
    assert lines[-1] == f"out-of-fold accuracy {score:.4f}"
    assert "60 samples to train on, each of them for the validation of one of the members" in lines
    told = f"accuracy {score:.4g}, loss {members.out_of_fold.loss:.4g}, of 60 samples by those who were not trained on them"
    assert f"out of fold            {told}" in ok(iris("info", MODEL))
    evaluated = ok(iris("evaluate", MODEL, "iris.csv"))
    out_of_fold = f"loss {members.out_of_fold.loss:.4f}, accuracy {score:.4f}"
    assert f"trained on these 60 samples in folds; out of fold: {out_of_fold}" in evaluated
    found = json.loads(ok(iris("evaluate", MODEL, "iris.csv", "--json")))
    assert (found["out_of_fold"]["score"], found["trained_on"], found["others"]) == (score, 60, None)


def test_json_has_the_folds_and_the_report_is_of_what_was_held_out(iris):
    done = iris("train", "iris.csv", *QUICK, "--folds", "4", "--out", "m", "--json", "--report", "r.html")
    result, members = json.loads(ok(done)), fc.load("m")
    assert (result["folds"], result["members"], result["validation_samples"]) == (4, 4, 60)
    assert result["validation_score"] == members.out_of_fold.score
    assert result["validation_loss"] == members.out_of_fold.loss
    held = [held for _, held in splits.folds(60, 4, 0, data(members).y)]
    for told, net, own in zip(result["each"], members, held, strict=True):
        assert told["validation_score"] == net.score(data(members).X[own], data(members).y[own])
    page = Path("r.html").read_text()
    assert f"accuracy {members.out_of_fold.score:.4f}" in page
    assert "out of fold: each by the member that was not trained on it" in page
    assert json.loads(ok(iris("train", "iris.csv", *QUICK, "--out", "one", "--json")))["folds"] is None
    ok(iris("evaluate", "m", "iris.csv", "--report", "r2.html"))
    assert f"accuracy {members.out_of_fold.score:.4f}" in Path("r2.html").read_text()


def test_a_training_with_folds_resumes_to_the_same_bits(iris, monkeypatch):
    epochs, calls = side_by_side.Group.epochs, []

    def interrupted(group, *arguments):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        epochs(group, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(side_by_side.Group, "epochs", interrupted)
        done = iris("train", "iris.csv", *QUICK, "--folds", "4", "--seed", "4", "--out", "part")
    assert done.returncode == 130
    assert "numbafc train iris.csv --folds 4 --resume part" in done.stdout
    assert fc.load("part").out_of_fold is None
    for wrong in ((), ("--folds", "3"), ("--members", "4")):
        refused = iris("train", "iris.csv", *wrong, "--resume", "part")
        assert refused.returncode == 2, refused
        assert "--folds" in refused.stderr, refused
    ok(iris("train", "iris.csv", "--folds", "4", "--resume", "part"))
    whole, part = fc.load(MODEL), fc.load("part")
    for one, other in zip(part, whole, strict=True):
        assert_same_bits(one.parameters, other.parameters, "parameters")
    assert part.out_of_fold == whole.out_of_fold


def test_the_same_training_replaces_its_model_and_another_does_not(iris):
    assert f"replaced {MODEL}" in ok(iris("train", "iris.csv", *QUICK, "--folds", "4", "--seed", "4"))
    assert f"{MODEL} is of another training" in ok(iris("train", "iris.csv", *QUICK, "--members", "4", "--seed", "4"))


def test_real_targets_by_the_recipe_for_tables(here):
    (here.folder / "houses.csv").write_text(written(*houses()))
    printed = ok(here("train", "houses.csv", "--epochs", "4", "--hidden", "8", "--folds", "3"))
    members = fc.load("houses.safetensors")
    whole = sources.Source((Path("houses.csv"),)).read_for(members)
    held = [rows for _, rows in splits.folds(120, 3, 0)]
    said = np.empty(120)
    for net, rows in zip(members, held, strict=True):
        said[rows] = net.predict(whole.X[rows])
    y = whole.y.reshape(-1)
    score = 1 - np.sum((y - said) ** 2) / np.sum((y - y.mean()) ** 2)
    assert members.out_of_fold.score == pytest.approx(score, rel=1e-4, abs=1e-6)
    assert f"out-of-fold R² {members.out_of_fold.score:.4f}" in printed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--folds", "1"), "--folds must be at least 2"),
        (("--folds", "61"), "ask for fewer folds"),
        (("--folds", "5", "--members", "4"), "leave --members out"),
        (("--folds", "5", "--validation-split", "0.1"), "leave --validation-split out"),
        (("--folds", "5", "--find-rate"), "--folds does not go with it"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_says_otherwise_is_refused(iris, options, told):
    refused = iris("train", "iris.csv", *QUICK, *options)
    assert refused.returncode in (1, 2)
    assert told in refused.stderr


@pytest.mark.parametrize(
    "entry", [[], {}, {"samples": 0, "loss": 0.1, "score": 0.5}, {"samples": 5, "loss": "a", "score": 0.5}, None], ids=repr
)
def test_a_file_that_claims_another_measure_is_refused(tmp_path, entry, monkeypatch):
    from numbafc.files import ensembles

    members = Members([fc.MLP([2, 2], seed=m) for m in range(2)])
    contents = ensembles.contents

    def claimed(model, training):
        tensors, description = contents(model, training)
        return tensors, description | {"out_of_fold": entry}

    monkeypatch.setattr("numbafc.files.checkpoint.contents", claimed)
    with pytest.raises(ValueError, match="cannot be saved"):
        members.save(tmp_path / "m.safetensors")

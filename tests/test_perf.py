"""The studies in perf/: they time nobody whose result is wrong, and write the rows that they promise."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

from perf import layer, steps, trainers  # noqa: E402

SIZES = (7, 6, 5, 3)


def given(optimizer, dtype="float32"):
    return trainers.problem(SIZES, 16, steps.CHECKED, dtype, optimizer, steps.RATES[optimizer])


def error(expected, train):
    trained = train(1, False)
    return steps.error_over_bound(expected, SIZES, trained.loss, trained.parameters)


@pytest.mark.parametrize("optimizer", steps.RATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_training_is_within_the_bound(optimizer, dtype):
    right = given(optimizer, dtype)
    expected = steps.reference(right)
    assert error(expected, trainers.numbafc_trainer(right)) <= 1
    assert error(expected, trainers.numpy_trainer(right)) <= 1


WRONG = {
    "another learning rate": lambda p: p._replace(rate=1.02 * p.rate),
    "other classes": lambda p: p._replace(y=np.roll(p.y, 1)),
    "other samples": lambda p: p._replace(X=np.roll(p.X, 1, axis=0)),
    "larger minibatches": lambda p: p._replace(batch=2 * p.batch),
    "another start": lambda p: p._replace(start=1.001 * p.start),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("optimizer", steps.RATES)
def test_a_peer_that_trains_otherwise_is_refused(wrong, optimizer):
    right = given(optimizer)
    assert error(steps.reference(right), trainers.numpy_trainer(WRONG[wrong](right))) > 1


class Unmasked(trainers.NumpyNetwork):
    def forward(self):
        super().forward()
        for positive in self.positive:
            positive[:] = True


class Summed(trainers.NumpyNetwork):
    def loss(self, classes):
        mean = super().loss(classes)
        self.deltas[-1] *= len(classes)
        return mean


class Unbiased(trainers.NumpyNetwork):
    def backward(self):
        super().backward()
        for _, db in self.slopes:
            db[:] = 0


class Diverged(trainers.NumpyNetwork):
    def backward(self):
        self.gradients[:] = np.nan


@pytest.mark.parametrize("kind", [Unmasked, Summed, Unbiased, Diverged])
def test_a_step_with_a_mistake_is_refused(kind):
    right = given("sgd")
    net, expected = kind(right), steps.reference(right)
    loss = net.epoch(np.arange(len(right.X)))
    assert not steps.error_over_bound(expected, SIZES, loss, net.parameters) <= 1


class Fake:
    """A peer without a process, which counts the jobs that would be timed."""

    def __init__(self, label, factor):
        self.label, self.factor, self.version, self.timed = label, factor, "0", 0

    def ask(self, *, epochs, shuffle, save, **job):
        if save is None:
            self.timed += 1
            return {"seconds": [1e-3] * epochs}
        problem = trainers.problem(*(job[key] for key in ("sizes", "batch", "steps", "dtype", "optimizer", "rate")))
        trained = trainers.numpy_trainer(problem._replace(rate=self.factor * problem.rate))(epochs, shuffle)
        np.save(save, trained.parameters)
        return {"seconds": trained.seconds, "loss": trained.loss}


def test_only_right_peers_are_timed_and_nothing_without_ours(capsys):
    job = {"sizes": SIZES, "batch": 16, "dtype": "float32", "optimizer": "sgd", "rate": 0.01}
    ours, wrong, right = Fake("numbafc", 1), Fake("wrong", 1.1), Fake("right", 1)
    rows = steps.measure([ours, wrong, right], job, 2, 1)
    assert [row["peer"] for row in rows] == ["numbafc", "right"]
    assert (ours.timed, wrong.timed, right.timed) == (2, 0, 2)
    assert "wrong: " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="is wrong by"):
        steps.measure([wrong, right], job, 2, 1)


@pytest.mark.parametrize("study", [layer, steps])
def test_a_study_writes_its_rows(study, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(study, "MODULES", ("numbafc", "numpy", "no_such_peer"))
    monkeypatch.setattr(study, "QUICK", ((3, 4, 5),) if study is layer else ((SIZES, 16),))
    parser = argparse.ArgumentParser()
    study.add_arguments(parser)
    file = tmp_path / "rows.jsonl"
    study.run(parser.parse_args(["--quick", "--rounds", "1", "--out", str(file)]))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["peer"].split(",")[0] for row in rows] == ["numbafc", "numpy", "numpy"] * (3 if study is layer else 1)
    for row in rows:
        assert row["verified"]
        assert 0 < row["best"] <= row["median"]
        assert {"machine", "time", "threads", "fma_peak_gflops", "share_of_peak", "seconds"} <= set(row)
    output = capsys.readouterr().out
    assert "no_such_peer is not installed" in output
    assert "x the best peer in the geometric mean" in output


def test_the_work_of_a_step_leaves_out_the_gradient_of_the_data():
    assert steps.flops((2, 3, 4), 5) == 2 * 5 * (3 * (6 + 12) - 6)

"""What the studies in perf/ take for right: a wrong product, gradient or training is refused before it is timed."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

from perf import caller, jacobian, products, progress, reference, rows, session, steps, storage, trainers, worker  # noqa: E402

SIZES = (7, 6, 5, 3)


def given(optimizer, dtype="float32"):
    return trainers.problem(SIZES, 16, steps.CHECKED, dtype, optimizer, steps.RATES[optimizer])


def error(expected, train):
    trained = train(1, False)
    return reference.error_over_bound(expected, SIZES, trained.loss, trained.parameters)


@pytest.mark.parametrize("optimizer", steps.RATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_training_is_within_the_bound(optimizer, dtype):
    right = given(optimizer, dtype)
    expected = reference.reference(right)
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
    assert error(reference.reference(right), trainers.numpy_trainer(WRONG[wrong](right))) > 1


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
    net, expected = kind(right), reference.reference(right)
    loss = net.epoch(np.arange(len(right.X)))
    assert not reference.error_over_bound(expected, SIZES, loss, net.parameters) <= 1


# ---- only right results are timed ----


@pytest.fixture
def run(tmp_path):
    """A session that writes to a folder of its own."""
    made = session.Session(session.Options(True, tmp_path, rounds=1), progress.Plain(1))
    made.begin("layer", 1)
    return made


class Fake:
    """A peer without a process, which counts the jobs that would be timed."""

    kernel, version = None, "0"

    def __init__(self, label, factor):
        self.label, self.factor, self.timed = label, factor, 0

    def ask(self, *, epochs, shuffle, save, **job):
        if save is None:
            self.timed += 1
            return {"seconds": [1e-3] * epochs}
        problem = trainers.problem(*(job[key] for key in ("sizes", "batch", "steps", "dtype", "optimizer", "rate")))
        trained = trainers.numpy_trainer(problem._replace(rate=self.factor * problem.rate))(epochs, shuffle)
        np.save(save, trained.parameters)
        return {"seconds": trained.seconds, "loss": trained.loss}


def test_only_right_peers_are_timed_and_nothing_without_ours(run, capsys):
    job = {"sizes": SIZES, "batch": 16, "dtype": "float32", "optimizer": "sgd", "rate": 0.01}
    ours, wrong, right = Fake("numbafc", 1), Fake("wrong", 1.1), Fake("right", 1)
    found = steps.measure(run, [ours, wrong, right], job, 1)
    assert [row["peer"] for row in found] == ["numbafc", "right"]
    assert (ours.timed, wrong.timed, right.timed) == (1, 0, 1)
    assert "wrong: " in capsys.readouterr().out
    ours.factor = 1.1
    with pytest.raises(SystemExit, match=r"is wrong by .* nothing is timed"):
        steps.measure(run, [ours, right], job, 1)
    assert (ours.timed, right.timed) == (1, 1)


class Here:
    """Products computed in this process, all of them recorded; one may be planted a mistake."""

    def __init__(self, label, mistake=None):
        self.label, self.module, self.kernel, self.version, self.asked = label, label, None, "0", []
        self.worker, self.mistake = worker.Worker(), mistake

    def ask(self, **job):
        self.asked.append(job)
        if self.mistake:
            job["calls"] = {None: None}
            key = (job["T"], job["N"], job["B"], job["dtype"])
            W, X, b, dY = self.worker.arrays = worker.data(*key)
            self.worker.key = key
            right = worker.numpy_products(W, X, b, dY)
            self.worker.calls = {None: {op: lambda op=op: self.mistake(right[op]()) for op in right}}
        return self.worker("numpy", job)


def slightly_wrong(Y):
    Y[-1, -1] *= np.float32(1.001)
    return Y


def row_forgotten(Y):
    Y[-1] = 0
    return Y


@pytest.mark.parametrize("mistake", [slightly_wrong, row_forgotten, np.zeros_like, lambda Y: Y * np.nan])
@pytest.mark.parametrize("op", products.OPS)
def test_a_planted_wrong_kernel_is_refused_before_it_is_timed(op, mistake, run, capsys):
    right, wrong = Here("numpy"), Here("numbafc", mistake)
    with pytest.raises(SystemExit, match=r"is wrong by .* nothing is timed"):
        products.measure(run, [wrong, right], op, (5, 6, 7), "float32", 1)
    assert [job["check"] for job in wrong.asked + right.asked] == [True]
    wrong = Here("torch", mistake)
    found = products.measure(run, [right, wrong], op, (5, 6, 7), "float32", 1)
    assert [row["peer"] for row in found] == ["numpy"]
    assert [job["check"] for job in wrong.asked] == [True]
    assert "PyTorch: " in capsys.readouterr().out
    assert "not timed" in rows.notes(storage.load(run.options.out, "layer"))[0]


@pytest.mark.parametrize("mistake", [slightly_wrong, row_forgotten])
def test_a_way_to_the_gradient_that_is_wrong_is_refused(mistake, run, monkeypatch):
    right = jacobian.ways
    planted = [
        way._replace(call=lambda way=way: mistake(way.call().copy()))
        for way in right(*(np.ones((3, n), np.float32) for n in (4, 4)))
    ]
    monkeypatch.setattr(jacobian, "ways", lambda dY, X: planted)
    monkeypatch.setattr(jacobian, "take", lambda way: pytest.fail("timed"))
    with pytest.raises(SystemExit, match="is wrong by"):
        jacobian.measure(run, "T", (3, 3, 4), "float32")


@pytest.mark.parametrize("mistake", [slightly_wrong, row_forgotten, np.zeros_like])
@pytest.mark.parametrize("op", ["forward", "grad_w", "grad_b", "grad_x", "backward"])
def test_a_call_with_a_mistake_is_wrong(op, mistake):
    arrays = W, X, _, dY = worker.data(5, 6, 7, "float32")
    result = caller.numbafc_calls(*arrays)[op, "new"]()
    assert caller.largest_error(op, result, *arrays) <= 1
    part = result[2] if op == "backward" else result
    wrong = mistake(part.copy().reshape(len(part), -1)).reshape(part.shape)
    wrong = (*result[:2], wrong) if op == "backward" else wrong
    assert not caller.largest_error(op, wrong, *arrays) <= 1
    for kernel in (None, "ones"):
        peer = caller.numpy_calls(*arrays, kernel=kernel)[op, "new"]()
        assert caller.largest_error("forward" if op == "backward" else op, peer, W, X, None, dY) <= 1

"""Matrices larger than memory: rows that stay in their file, with the bits of rows in memory."""

import numpy as np
import pytest
from commands import ok
from helpers import assert_same_bits, most_allocated
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_cases import FIELDS, fit, network_of
from threads_as_ranks import together

import numbafc as fc
from numbafc import checks
from numbafc.files import InvalidFile, arrays, datasets
from numbafc.nn import mapped
from numbafc.nn.mapped import MappedRows

CASES = st.fixed_dictionaries({name: st.sampled_from(choices) for name, choices in FIELDS.items()})


@pytest.fixture
def small_parts(monkeypatch):
    """Every matrix stays in its file, and is copied some rows at a time."""
    monkeypatch.setattr(arrays, "MAPPED", 0)
    monkeypatch.setattr(mapped, "PART", 1 << 12)


def matrix_file(folder, rows=3000, features=6, dtype=np.float32, target=-1):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, features))
    y = X[:, 0] + X[:, 1] * X[:, 2] > 0
    np.save(folder / "data.npy", np.insert(X, features if target == -1 else target, y, axis=1).astype(dtype))
    return folder / "data.npy"


@settings(max_examples=25)
@given(CASES, st.sampled_from([100, 1000, 1 << 14]), st.sampled_from(["first", "last", "middle"]))
def test_training_from_a_file_has_the_bits_of_training_from_memory(case, part, target):
    """X in the middle of a matrix, of other rows and in another order."""
    case = case | {"samples": max(case["samples"], 3)}
    one, other = network_of(case), network_of(case)
    rows = np.random.default_rng(case["seed"]).permutation(case["samples"])

    def in_file(X):
        whole = np.insert(X, {"first": 0, "last": 7, "middle": 3}[target], 0.5, axis=1)
        picked = {"first": slice(1, 8), "last": slice(0, 7), "middle": [0, 1, 2, 4, 5, 6, 7]}[target]
        matrix = np.empty_like(whole)
        matrix[rows] = whole
        return MappedRows(matrix, picked, X.dtype, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "PART", part)
        trainings = []
        for net, form in ((one, lambda X: X), (other, in_file)):
            taken = net.fit
            patch.setattr(net, "fit", lambda X, y, taken=taken, form=form, **others: taken(form(X), y, **others))
            try:
                trainings.append(list(fit(case, net)))
            except FloatingPointError as error:
                trainings.append(str(error))
    assert_same_bits(other.parameters, one.parameters, "parameters")
    if isinstance(trainings[0], list):
        assert [r._replace(seconds=0) for r in trainings[0]].__repr__() == [
            r._replace(seconds=0) for r in trainings[1]
        ].__repr__()
        assert one.training.digest == other.training.digest
        assert one.training.fingerprint == other.training.fingerprint


@pytest.mark.parametrize("target", [0, 3, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_a_data_set_in_a_file_is_that_in_memory(tmp_path, monkeypatch, target, dtype):
    path = matrix_file(tmp_path, target=target, dtype=dtype)
    one = datasets.load(path, target=str(target))
    monkeypatch.setattr(arrays, "MAPPED", 0)
    other = datasets.load(path, target=str(target))
    assert isinstance(other.X, MappedRows)
    assert other.describe() == one.describe()
    for mine, theirs in zip(other.split(0.2, 3), one.split(0.2, 3), strict=True):
        assert isinstance(mine.X, MappedRows)
        assert_same_bits(np.asarray(mine.X), theirs.X, "X")
        assert_same_bits(mine.y, theirs.y, "y")
    nets = [fc.MLP([6, 2]) for _ in range(2)]
    for net, found in zip(nets, (one, other), strict=True):
        net.standardize(found.X)
    assert_same_bits(nets[1].input_mean, nets[0].input_mean, "mean")
    assert_same_bits(nets[1].input_scale, nets[0].input_scale, "scale")
    assert_same_bits(nets[1].outputs(other.X), nets[0].outputs(one.X), "outputs")
    assert nets[1].loss(other.X, other.y) == nets[0].loss(one.X, one.y)


def test_the_command_trains_from_a_file(here, monkeypatch):
    matrix_file(here.folder)
    ok(here("train", "data.npy", "--epochs", "3", "--out", "one.safetensors"))
    monkeypatch.setattr(arrays, "MAPPED", 0)
    monkeypatch.setattr(mapped, "PART", 1 << 12)
    ok(here("train", "data.npy", "--epochs", "2", "--out", "two.safetensors"))
    ok(here("train", "data.npy", "--resume", "two.safetensors", "--epochs", "3"))
    ok(here("evaluate", "two.safetensors", "data.npy"))
    one, two = (fc.load(here.folder / f"{name}.safetensors") for name in ("one", "two"))
    assert_same_bits(two.parameters, one.parameters, "parameters")
    assert two.training.history.validation_loss == one.training.history.validation_loss


@pytest.mark.usefixtures("small_parts")
def test_a_number_that_is_none_is_refused_with_its_place(tmp_path):
    path = matrix_file(tmp_path)
    matrix = np.load(path)
    matrix[2500, 4] = np.inf
    np.save(path, matrix)
    with pytest.raises(InvalidFile, match=r"X must be finite in float32, got inf at row 2500, column 4"):
        datasets.load(path)


@pytest.mark.usefixtures("small_parts")
def test_ranks_read_their_part_of_a_file(tmp_path):
    found = datasets.load(matrix_file(tmp_path))
    one = fc.MLP([6, 9, 2])
    one.fit(found.X, found.y, batch_size=700)

    def work(comm):
        net = fc.MLP([6, 9, 2])
        net.fit(found.X, found.y, batch_size=700, comm=comm)
        return net.parameters.tobytes()

    assert together(3, work) == [one.parameters.tobytes()] * 3


def test_memory_is_that_of_a_part(tmp_path, monkeypatch):
    """Some hundred bytes a row, and a part: for reading, splitting, standardising, training and validation."""
    path = matrix_file(tmp_path, rows=40_000, features=400)
    monkeypatch.setattr(arrays, "MAPPED", 0)
    monkeypatch.setattr(mapped, "PART", 1 << 18)

    def work():
        training, held_out = datasets.load(path).split(0.2, 0)
        net = fc.MLP([400, 8, 2])
        net.standardize(training.X)
        net.fit(training.X, training.y, batch_size=64, validation=(held_out.X, held_out.y))

    work()
    assert most_allocated(work) < path.stat().st_size / 5


def test_a_map_of_numpy_s_is_checked_part_by_part(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.ones((2000, 50), np.float32))
    X = np.load(tmp_path / "x.npy", mmap_mode="r+")
    monkeypatch.setattr(checks, "PART", 1 << 10)
    assert most_allocated(lambda: checks.finite("X", X)) < X.nbytes / 20
    X[1234, 7] = np.nan
    with pytest.raises(ValueError, match="X must be finite, got nan at row 1234, column 7"):
        checks.finite("X", X)

"""`mpiexec -n 2 numbafc train` with members: what one process saves, whoever trained which."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from test_ranks_processes import ended, mpiexec  # noqa: F401

import numbafc as fc
from numbafc.cli import ranks


@pytest.fixture
def houses(tmp_path):
    """A table with words, in a folder of its own."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(100, 20, 700), rng.integers(1, 6, 700), rng.integers(0, 3, 700)
    rows = [
        (f"{area:.2f}", n, "abc"[kind], f"{area * (1 + kind) + 10 * n:.2f}") for area, n, kind in zip(*drawn, strict=True)
    ]
    lines = [",".join(map(str, row)) for row in [("area", "rooms", "place", "price"), *rows]]
    (tmp_path / "houses.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


TRAIN = "train", "houses.csv", "--target", "price", "--hidden", "16", "--epochs", "6"


def saved(path):
    """What is in a file, but for the time that it took."""
    members = fc.load(path)
    assert len(members) > 1
    each = [(net.parameters.tobytes(), sorted(net.training.state), net.training.best_at, net.seed) for net in members]
    state = [b"".join(array.tobytes() for _, array in sorted(net.training.state.items())) for net in members]
    records = [[record._replace(seconds=0) for record in net.training.history] for net in members]
    return each, state, repr(records), repr(members.out_of_fold), members.table.to_dict()


def test_the_recipe_of_tables_has_as_many_members_and_the_bits_of_one_process(mpiexec, houses, here):  # noqa: F811
    process = mpiexec(2, "-m", "numbafc", *TRAIN, "--out", "two.safetensors", "--json", cwd=houses)
    out, err = ended(process)
    assert process.returncode == 0, err
    assert json.loads(out)["members"] == 2
    assert here(*TRAIN, "--out", "one.safetensors").returncode == 0
    assert saved(houses / "two.safetensors") == saved(houses / "one.safetensors")


def test_folds_stop_and_go_on_with_another_number_of_processes(mpiexec, houses, here):  # noqa: F811
    folds = *TRAIN, "--folds", "3"
    process = mpiexec(2, "-m", "numbafc", *folds, "--out", "ranks.safetensors", "--time-limit", "0.001", cwd=houses)
    out, err = ended(process)
    assert (process.returncode, err) == (0, ""), out
    assert out.count("2 processes of 1 thread train 3 networks\n") == out.count("epoch 1/6") == 1
    assert "epoch 2/6" not in out
    resumed = mpiexec(4, "-m", "numbafc", *folds, "--resume", "ranks.safetensors", cwd=houses)
    out, err = ended(resumed)
    assert (resumed.returncode, err) == (0, ""), out
    assert "train 3 networks; 3 of them are busy, each with a network of its own, say --folds 4 or more" in out
    assert here(*folds, "--out", "one.safetensors").returncode == 0
    assert saved(houses / "ranks.safetensors") == saved(houses / "one.safetensors")


@pytest.mark.parametrize(
    ("size", "batch_size", "networks", "words"),
    [
        (4, 256, 1, "minibatches of 256 keep 1 of them busy, say --batch-size 1024 or more"),
        (4, 256, 2, "2 of them are busy, each with a network of its own, say --members 4 or more"),
        (8, 768, 2, "minibatches of 768 keep 3 of them busy, say --batch-size 2048 or more"),
        (2, 512, 1, ""),
        (2, 256, 2, ""),
    ],
)
def test_processes_that_have_nothing_to_do_are_told_of(size, batch_size, networks, words):
    (line,) = ranks.describe(SimpleNamespace(size=size), batch_size, networks)
    assert line.partition("; ")[2] == words

"""Members, predict and evaluate of rows that stay on the disk: the bits, and the bytes, of rows in memory."""

import json

import numpy as np
import polars as pl
import pytest
from commands import QUICK, ok
from helpers import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from test_large_tables import houses, in_this_process, write

import numbafc as fc
from numbafc.cli import predict
from numbafc.files import arrays, parquet
from numbafc.nn import MLP, Members, mapped
from numbafc.nn.mapped import MappedRows

MODEL = "m.safetensors"


@pytest.fixture
def disk(monkeypatch):
    """A function after whose call everything stays on the disk, and is taken a few rows at a time."""
    monkeypatch.setattr(parquet.subprocess, "run", in_this_process)

    def begin():
        monkeypatch.setattr(arrays, "MAPPED", 0)
        monkeypatch.setattr(mapped, "PART", 1 << 12)
        monkeypatch.setattr(predict, "ROWS", 37)

    return begin


def quiet(done):
    """What a command that went well has printed, with notices of temporary files beside it."""
    assert done.returncode == 0, done
    assert all("go to a temporary file in" in line for line in done.stderr.splitlines()), done
    return done.stdout


# ---- members --------------------------------------------------------------------------------------------------------

CASES = st.fixed_dictionaries(
    {
        "k": st.integers(1, 3),
        "n": st.sampled_from([40, 255, 600]),
        "batch_size": st.sampled_from([7, 100, 256]),
        "rows": st.sampled_from(["all", "folds", "some"]),
        "weighted": st.booleans(),
        "balanced": st.booleans(),
        "part": st.sampled_from([1, 1000, 1 << 13]),
        "seed": st.integers(0, 99),
        "settings": st.sampled_from([{}, {"dropout": 0.3}, {"early_stopping": 1}, {"drop_last": True}]),
    }
)


def members_of(case, in_file):
    """Members trained for two epochs, in two fits; their records without seconds; what they answer."""
    rng, n, k = np.random.default_rng(case["seed"]), case["n"], case["k"]
    X, y = rng.standard_normal((n, 6)).astype(np.float32), rng.integers(0, 3, n)
    y[:3] = 0, 1, 2
    weight = rng.integers(1, 4, n) if case["weighted"] else None
    places = rng.permutation(n)
    given_X = MappedRows(X[np.argsort(places)], slice(0, 6), np.float32, places) if in_file else X
    fits = {"validation": (given_X[:9], y[:9])}
    if case["rows"] == "folds" and k > 1:
        parts = fc.nn.splits.folds(n, k, 0)
        fits = {"rows": [one for one, _ in parts], "validation_rows": [held for _, held in parts]}
    elif case["rows"] == "some":
        fits["rows"] = [rng.permutation(n)[: n - 5 * m] for m in range(k)]
        fits["rows"] = [np.concatenate([[0, 1, 2], one]) for one in fits["rows"]]
    own = {"sample_weight": weight, "class_weight": "balanced" if case["balanced"] else None}
    net = Members([MLP([6, 5, 3], seed=m) for m in range(k)])
    net.standardize(X)
    net.fit(given_X, y, epochs=1, batch_size=case["batch_size"], **fits, **own, **case["settings"])
    for one in net:
        one.training = one.training.to(2)
    histories = net.fit(given_X, y, resume=True, **fits, **own)
    records = [[record._replace(seconds=0) for record in history] for history in histories]
    return net, repr((records, net.out_of_fold)), net.predict_proba(given_X)


@settings(max_examples=20)
@given(CASES)
def test_members_trained_from_a_file_have_the_bits_of_those_from_memory(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "PART", case["part"])
        one, told, answers = members_of(case, False)
        other, told_of_file, answers_of_file = members_of(case, True)
    for mine, theirs in zip(other, one, strict=True):
        assert_same_bits(mine.parameters, theirs.parameters, "parameters")
        assert mine.training.digest == theirs.training.digest
    assert told_of_file == told
    assert_same_bits(answers_of_file, answers, "probabilities")


# ---- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--members", "2"), ("--folds", "3")], ids=["one", "members", "folds"])
def test_a_parquet_on_the_disk_is_trained_measured_and_predicted_as_in_memory(here, disk, more):
    """Also resumed: a training that began in memory, and one that began on the disk, are one."""
    frame = houses(700)
    write(here.folder / "x.parquet", frame, [100, 130, 600])
    write(here.folder / "new.parquet", frame.drop("price").with_row_index("id"), [333])
    trained = [*QUICK, *more, "--out"]
    results, folds = {}, more if "--folds" in more else ()

    def use(name):
        commands = (
            ("train", "x.parquet", *trained, f"{name}.safetensors"),
            ("evaluate", f"{name}.safetensors", "x.parquet", "--json"),
            ("predict", f"{name}.safetensors", "new.parquet", "--keep", "id,when,id"),
            ("predict", f"{name}.safetensors", "new.parquet", "--probabilities", "--out", f"{name}.csv"),
            ("train", "x.parquet", "--resume", f"{name}.safetensors", "--epochs", "5", *folds),
        )
        printed = [quiet(here(*command)) for command in commands]
        measures = json.loads(printed[1])
        del measures["model"]
        net = fc.load(here.folder / f"{name}.safetensors")
        nets = getattr(net, "nets", [net])
        parameters = [one.parameters.tobytes() for one in nets]
        results[name] = measures, printed[2], (here.folder / f"{name}.csv").read_bytes(), parameters

    use("memory")
    disk()
    use("disk")
    assert results["disk"] == results["memory"]
    assert results["disk"][1].startswith("id,when,id,price\n0,20")


def test_a_report_of_rows_on_the_disk_is_that_of_rows_in_memory(here, disk):
    write(here.folder / "x.parquet", houses(300), [100])
    ok(here("train", "x.parquet", *QUICK, "--out", MODEL))
    pages = []
    for begin in (lambda: None, disk):
        begin()
        quiet(here("evaluate", MODEL, "x.parquet", "--report", "page.html"))
        pages.append((here.folder / "page.html").read_text())
    assert pages[1] == pages[0]


@pytest.mark.parametrize("target", [(), ("--target", "2")], ids=["last", "middle"])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_a_matrix_on_the_disk_is_measured_and_predicted_as_in_memory(here, disk, target, dtype):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((900, 5)) * 9
    matrix[:, 2 if target else 4] = matrix[:, 0] > 0
    np.save(here.folder / "x.npy", matrix.astype(dtype))
    np.save(here.folder / "features.npy", np.delete(matrix, 2 if target else 4, axis=1).astype(dtype))
    np.save(here.folder / "other.npy", matrix[:, :3].astype(dtype))
    ok(here("train", "x.npy", *target, "--epochs", "2", "--hidden", "4", "--out", MODEL))
    commands = (
        ("evaluate", MODEL, "x.npy", *target, "--json"),
        ("predict", MODEL, "x.npy", *target),
        ("predict", MODEL, "features.npy", "--probabilities"),
    )
    expected = [ok(here(*command)) for command in commands]
    refused = here("predict", MODEL, "other.npy")
    disk()
    found = [ok(here(*command)) for command in commands]
    assert found == expected
    assert expected[1].splitlines() == [str(int(line)) for line in expected[1].splitlines()]
    assert here("predict", MODEL, "other.npy") == refused
    assert refused.returncode == 2


def test_a_cell_that_is_none_is_refused_before_anything_is_printed(here, disk):
    frame = houses(300)
    write(here.folder / "x.parquet", frame)
    ok(here("train", "x.parquet", *QUICK, "--out", MODEL))
    words = frame.with_columns(pl.Series("gaps", [*(["1"] * 290), "many", *(["2"] * 9)]))
    write(here.folder / "bad.parquet", words, [200])
    disk()
    done = here("predict", MODEL, "bad.parquet")
    assert (done.returncode, done.stdout) == (2, "")
    assert "got 'many' at row 290, column 3 'gaps'" in done.stderr

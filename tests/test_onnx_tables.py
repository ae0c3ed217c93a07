"""Tables as ONNX models: a column each for what it takes, the same bits before the first layer, and the command export."""

import datetime
import json

import numpy as np
import pytest
from commands import ok
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_at_random import tables, text

import numbafc as fc
from numbafc.files.onnx import columns, content
from numbafc.tables import Choices, Table

onnx = pytest.importorskip("onnx", reason="models are written with onnx; pip install 'numbafc[onnx]'")
pl = pytest.importorskip("polars")

from onnx_models import answers, feeds_of, with_inputs_shown  # noqa: E402  which needs it

MOST = 2e-6


def network(table, dtype="float32", members=1):
    """A network of a table, with small weights: of bounded inputs its outputs are, and differ by far less than MOST."""
    outputs = len(table.classes or table.target_names)
    nets = []
    for seed in range(members):
        loss = "cross_entropy" if table.classes else "mse"
        net = fc.MLP([len(table.features), 4, outputs], "selu", loss, dtype, seed=seed)
        net.parameters[:] = np.random.default_rng(seed).uniform(-0.1, 0.1, net.parameters.size)
        net.table = table
        nets.append(net)
    return nets[0] if members == 1 else fc.nn.Members(nets)


def assert_as_the_table_has_it(table, cells, frame, opset, dtype="float32"):
    """A model's inputs of the network have the bits of the table's, and its answers are the network's."""
    net = network(table, dtype)
    encoded, feeds = table.encode(frame, dtype), feeds_of(table, cells)
    for runtime, outputs in answers(with_inputs_shown(content(net, opset), dtype), feeds).items():
        assert outputs[-1].dtype == encoded.dtype
        assert np.array_equal(outputs[-1], encoded), (runtime, opset, table.features)
        expected = net.predict_proba(frame) if table.classes else net.predict(frame).reshape(len(frame), -1)
        limit = np.maximum(1, np.abs(encoded).max(axis=1, keepdims=True))
        assert np.all(np.abs(outputs[-2] - expected) <= MOST * limit), (runtime, opset)


@settings(max_examples=30)
@given(
    tables(),
    st.sampled_from([13, 17, 21]),
    st.sampled_from(["robust", "standard"]),
    st.sampled_from([1, 2, 100]),
    st.data(),
)
def test_any_table_has_the_same_inputs_in_every_runtime(drawn, opset, scaling, most, data):
    table = Table.fit(drawn.typed(), Choices(scaling=scaling, most_categories=most))
    if not table.features:
        return
    others = {}
    for name, values in drawn.columns.items():  # rows of no training: in any order, with gaps and words nobody has seen
        strange = [None] if drawn.kinds.get(name) != "category" else [None, "violet", "9"]
        own = (
            data.draw(st.lists(st.sampled_from([*values, *strange]), min_size=5, max_size=5))
            if name != "target"
            else values[:5]
        )
        others[name] = [*own, *values]
    frame = pl.DataFrame(others, strict=False, schema=drawn.typed().schema)
    assert_as_the_table_has_it(table, others, frame, opset, data.draw(st.sampled_from(["float32", "float64"])))


DAYS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))


@settings(max_examples=20)
@given(st.lists(DAYS, min_size=4, max_size=30), st.sampled_from([13, 21]))
def test_dates_of_ten_thousand_years_have_their_month_weekday_and_hour(moments, opset):
    leaps = [
        datetime.datetime(y, m, d, h) for y in (1600, 1900, 2000, 1970) for m, d, h in ((2, 28, 23), (3, 1, 0), (12, 31, 5))
    ]
    cells = {"d": [*moments, *leaps, None], "y": [float(n % 3) + 0.5 for n in range(len(moments) + len(leaps) + 1)]}
    frame = pl.DataFrame(cells, schema={"d": pl.Datetime("us"), "y": pl.Float64})
    table = Table.fit(frame)
    assert {"d month", "d weekday", "d hour", "d missing"} <= set(table.features)
    assert_as_the_table_has_it(table, cells, frame, opset, "float64")


def test_yes_and_no_in_all_their_spellings():
    words = ["true", "FALSE", "Yes", "nO", "t", "F", "Y", "n", "On", "oFf", "1", "0", "1.0", "0.0", None, "maybe", "2"]
    table = Table.fit(text(b=["yes", "no"] * 4, y=[0.5, 1.5] * 4))
    assert_as_the_table_has_it(table, {"b": words}, text(b=words, y=[1.0] * len(words)), 17)
    assert len(set(table.encode(text(b=words))[:, 0].tolist())) == 3


def test_numbers_that_are_categories_in_the_spellings_of_frames():
    table = Table.fit(text(c=[1, 2, 3] * 4, d=["007", "7", "1e3"] * 4, y=[0.5, 1.5] * 6), Choices(categorical=("c", "d")))
    words = {"c": ["1", "1.0", "3.0", "4", ""], "d": ["007", "7", "7.0", "1000", "1000.0"]}
    assert_as_the_table_has_it(table, words, text(**words, y=[1.0] * 5), 13)


def test_large_and_tiny_numbers_and_columns_that_do_not_vary():
    cells = {
        "large": [1e308, -1e308, 1e300, 0.0, None, 5.0],
        # ONNX Runtime takes away the Sub of a median that is 0 in float32: nothing smaller than these has a column
        "tiny": [1e-40, 1e-38, 0.0, 2e-38, 5e-40, None],
        "seconds": [1.7e9 + n / 10 for n in range(6)],
        "same": [3.0] * 6,
    }
    frame = pl.DataFrame(cells | {"y": [0.5, 1.5] * 3})
    table = Table.fit(frame, Choices(keep=("same",)))
    assert_as_the_table_has_it(table, cells, frame, 17)
    assert_as_the_table_has_it(table, cells, frame, 17, "float64")


def test_columns_may_have_any_names(tmp_path):
    names = ["label", "probabilities", "cast", "layers.0.weight", "a b", "größe", '"', "label_", "X", "\0", "where_2"]
    cells = {name: [float(n), 2.0, 5.0, float(-n)] for n, name in enumerate(names, 3)}
    table = Table.fit(pl.DataFrame(cells | {"prediction": ["b", "a", "b", "c"]}))
    net = network(table)
    feeds = feeds_of(table, cells)
    assert list(feeds) == [
        "label_",
        "probabilities_",
        "cast",
        "layers.0.weight",
        "a b",
        "größe",
        '"',
        "label__",
        "X",
        "_",
        "where_2",
    ]
    for outputs in answers(content(net), feeds).values():
        assert outputs[0].tolist() == [table.classes[place] for place in net.predict(pl.DataFrame(cells))]
    said = {one.key: json.loads(one.value) for one in onnx.load_from_string(content(net)).metadata_props}
    assert said["targets"] == ["prediction"]
    assert [one["name"] for one in said["columns"]] == names
    assert {one["type"] for one in said["columns"]} == {"float64"}


def test_members_of_a_table_with_targets_in_their_own_units():
    cells = {"x": [float(n * n % 7) if n % 5 else None for n in range(30)], "w": ["a", "b", None] * 10}
    frame = pl.DataFrame(cells | {"y": [1e9 + n for n in range(30)], "z": [float(n) for n in range(30)]})
    table = Table.fit(frame, Choices(target=("y", "z")))
    members = network(table, members=3)
    members.standardize(None, frame.select("y", "z").to_numpy())
    expected = members.predict(frame)
    for outputs in answers(content(members), feeds_of(table, cells)).values():
        assert outputs[0].dtype == np.float64
        assert np.all(np.abs(outputs[0] - expected) <= MOST * members.target_scale)  # in units of its deviation


@pytest.mark.parametrize("bug", ["month", "weekday", "hour", "missing", "sign", "clip"])
def test_a_planted_mistake_is_seen(monkeypatch, bug):
    """The comparison of bits can fail: a part of a date too late, a word for another, a gap that is none."""
    start = datetime.datetime(2023, 12, 30, 22)
    cells = {
        "d": [*(start + datetime.timedelta(hours=7 * n) for n in range(11)), None],
        "w": ["a", "b", None] * 4,
        "x": [1e6 + n / 7 if n % 4 else None for n in range(12)],
        "y": [0.5, 1.5] * 6,
    }
    frame = pl.DataFrame(cells)
    table = Table.fit(frame)
    assert_as_the_table_has_it(table, cells, frame, 17)
    if bug in columns.PARTS:
        right = columns.PARTS[bug]
        late = {"month": 1, "weekday": 24, "hour": 1}[bug] * 3_600_000_000 * (48 if bug == "month" else 1)
        shifted = lambda graph, x: right(graph, graph.node("Add", x, graph.constant(late, np.int64)))  # noqa: E731
        monkeypatch.setitem(columns.PARTS, bug, shifted)
    elif bug == "sign":
        spelt = columns.spelt
        monkeypatch.setattr(columns, "spelt", lambda words: spelt(words[::-1]))
    elif bug == "clip":
        monkeypatch.setattr(columns, "CLIP", 3.0000001)
    else:
        monkeypatch.setattr(columns, "NAT", 0)
    with pytest.raises(AssertionError):
        assert_as_the_table_has_it(table, cells, frame, 17)


@pytest.fixture
def houses(here):
    """A model of a table in a file, and its frame."""
    rows = [f"{n % 7},{('red', 'blue', 'green')[n % 3]},2024-0{n % 9 + 1}-01,{n % 4 * 10}" for n in range(40)]
    (here.folder / "t.csv").write_text("size,colour,sold,price\n" + "\n".join(rows) + "\n")
    options = "--recipe", "plain", "--epochs", "1", "--task", "regression"
    ok(here("train", "t.csv", *options, "--members", "2", "--out", "m.safetensors"))
    return here


def test_the_command_writes_a_model_and_says_what_it_takes(houses):
    printed = ok(houses("export", "m.safetensors", "--onnx", "m.onnx", "--opset", "21")).splitlines()
    assert printed == [
        "wrote m.onnx: opset 21, the mean of 2 networks",
        "takes  size  float64, (samples, 1), number",
        "       colour  words, (samples, 1), category",
        "       sold  int64, (samples, 1), date",
        "gives  prediction  float64, (samples, 1)",
    ]
    net, frame = fc.load("m.safetensors"), pl.read_csv("t.csv", try_parse_dates=True)
    feeds = feeds_of(net.table, {name: frame[name].to_list() for name in frame.columns})
    for outputs in answers((houses.folder / "m.onnx").read_bytes(), feeds).values():
        assert np.all(np.abs(outputs[0][:, 0] - net.predict(frame)) <= MOST * 100 * net.target_scale)


def test_the_command_refuses_and_leaves_what_was_there(houses):
    (houses.folder / "old.onnx").write_bytes(b"old")
    for words, expected in (
        (("m.safetensors", "--onnx", "m.safetensors"), "is the file that is read; give the output a name of its own"),
        (("m.safetensors", "--onnx", "m.csv"), "an ONNX model is written as .onnx, but 'm.csv' ends in .csv"),
        (("m.safetensors", "--onnx", "no/m.onnx"), "no/m.onnx cannot be written: expected a file in a folder that exists"),
        (("m.safetensors", "--onnx", "old.onnx", "--opset", "12"), "opset must be from 13 to 24, got 12; 17 suits most"),
        (("t.csv", "--onnx", "old.onnx"), "t.csv: not a readable safetensors file"),
        (("m.safetensors",), "Missing option '--onnx'"),
    ):
        done = houses("export", *words)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert expected in done.stderr
        assert len(done.stderr) < 300
    assert (houses.folder / "old.onnx").read_bytes() == b"old"
    assert {one.name for one in houses.folder.iterdir()} == {"t.csv", "m.safetensors", "old.onnx"}


def test_a_table_s_model_is_not_read_back_and_the_sentence_says_what_is(houses):
    ok(houses("export", "m.safetensors", "--onnx", "m.onnx"))
    with pytest.raises(fc.InvalidFile, match=r"expected one input, .* got 3 .*loaded from its \.safetensors file"):
        fc.from_onnx("m.onnx")

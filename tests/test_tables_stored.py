"""A table in JSON and in a model's file: what is saved comes back, equal and with the same bits; lies are ValueErrors."""

import copy
import json
import pickle

import numpy as np
import polars as pl
import pytest
from helpers import assert_same_bits
from hypothesis import assume, given
from hypothesis import strategies as st
from tables_at_random import CELLS, tables, text

import numbafc as fc
from numbafc.files import checkpoint, description
from numbafc.tables import Choices, Table

N = 24
FRAME = text(
    number=[None if k == 3 else k / 7 for k in range(N)],
    word=[f"w{k % 9}" for k in range(N)],
    pair=["a", "b"] * 12,
    truth=["yes", "no"] * 12,
    moment=[f"2024-0{1 + k % 3}-1{k % 7}" for k in range(N)],
    id=[f"id {k}" for k in range(N)],
    label=["u", "v", "7"] * 8,
)
TABLE = Table.fit(FRAME, Choices(most_categories=4))


def through_json(table):
    return Table.from_dict(json.loads(json.dumps(table.to_dict())))


@given(tables(), st.sampled_from(["robust", "standard"]), st.booleans(), st.integers(1, 5), st.data())
def test_a_table_comes_back_from_json(drawn, scaling, header, most, data):
    frame = drawn.spelt()
    rows = data.draw(st.none() | st.lists(st.integers(0, len(frame) - 1), min_size=1, unique=True))
    try:
        table = Table.fit(frame, Choices(scaling=scaling, most_categories=most), rows=rows, header=header)
    except ValueError as error:  # in a few rows a column may be the same everywhere, and the only one
        assume("at least one column beside the target" not in str(error))
        raise
    back = through_json(table)
    assert back == table
    assert (back.features, back.report(), back.describe()) == (table.features, table.report(), table.describe())
    assert_same_bits(back.encode(frame), table.encode(frame), "inputs")
    np.testing.assert_array_equal(back.targets(frame), table.targets(frame))


def network_of(table, loss="cross_entropy"):
    outputs = len(table.target_names if table.classes is None else table.classes)
    net = fc.MLP([len(table.features), 5, outputs], loss=loss)
    net.table = table
    return net


def test_a_network_is_saved_with_its_table_and_without_one_as_before(tmp_path):
    net = network_of(TABLE)
    net.fit(FRAME, FRAME.select("label"))
    for features in (net.features, None, tuple(f"f{k}" for k in range(net.sizes[0]))):
        net.features = features
        net.save(tmp_path / "m")
        back = fc.load(tmp_path / "m")
        assert (back.table, back.features, back.classes) == (TABLE, features, TABLE.classes)
        assert_same_bits(back.outputs(FRAME), net.outputs(FRAME), "outputs")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.table == TABLE
    assert description.contents(net, True)[1]["format"] == 3
    net.table = None
    tensors, described = description.contents(net, True)
    assert described["format"] == 2  # which older versions read
    assert "table" not in described
    assert description.restore(json.loads(json.dumps(described)), tensors).table is None


def test_a_table_that_would_come_back_as_another_is_not_saved(tmp_path, monkeypatch):
    net, other = network_of(TABLE), Table.fit(FRAME, Choices(most_categories=4), rows=range(12)).to_dict()
    monkeypatch.setattr(Table, "to_dict", lambda self: other)
    with pytest.raises(ValueError, match="this network cannot be saved"):
        net.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_old_pickles_have_no_table():
    net = fc.MLP([2, 1], loss="mse")
    del net.__dict__["table"]
    assert net.table is None
    net.predict(np.zeros((1, 2)))


@given(tables(least=10))
def test_what_is_saved_can_be_loaded(tmp_path_factory, drawn):
    table = Table.fit(drawn.typed())
    net = network_of(table, "cross_entropy" if table.classes else "mse")
    path = tmp_path_factory.getbasetemp() / "drawn"
    path.write_bytes(checkpoint.content(net))
    back = fc.load(path)
    assert back.table == table
    assert_same_bits(back.outputs(drawn.spelt()), net.outputs(drawn.typed()), "outputs")


# ---- lies -------------------------------------------------------------------------------------------------------------

GIVEN = json.loads(json.dumps(TABLE.to_dict()))


def places(value, path=()):
    """Every place in a description."""
    if path:
        yield path
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[name], (*path, name))


WRONG = [None, True, -1, 0, 1, 2.5, float("nan"), float("inf"), 10**400, 2**70]
WRONG += ["", "x", "\ud800", [], [1], [[]], {}, {"a": 1}]


def changed(path, value):
    given = copy.deepcopy(GIVEN)
    place = given
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return given


def refusal(call, *arguments):
    """The words of a ValueError, or None."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("path", list(places(GIVEN)), ids=str)
def test_a_lie_is_a_value_error_or_a_table_that_does_its_work(path):
    for value in WRONG:
        given = changed(path, value)
        refused = refusal(Table.from_dict, given)
        assert len(refused or "") <= 300
        if refused is not None:
            continue
        table = Table.from_dict(given)
        assert through_json(table) == table
        assert all(isinstance(line, str) for line in table.describe())
        for call in (table.encode, table.targets):
            assert len(refusal(call, FRAME) or "") <= 300
        if refusal(table.encode, FRAME) is None:
            assert np.isfinite(table.encode(FRAME)).all()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "version 1, got 2"),
        (("columns",), GIVEN["columns"][:-1], "each column of the table once"),
        (("columns",), [*GIVEN["columns"], "more"], "each column of the table once"),
        (("encoders",), [], "each column of the table once"),
        (("encoders", 0, "name"), "word", "each column of the table once"),
        (("encoders", 0, "kind"), "index", "kind must be one of number, category"),
        (("encoders", 0, "is", "scale"), [0, -1], "at least 0"),
        (("encoders", 0, "is", "scale"), [float("nan"), 1], "finite"),
        (("encoders", 0, "is", "low"), 1e9, "two numbers in order"),
        (("encoders", 0, "missing"), -1, "a whole number from 0"),
        (("encoders", 1, "is", "categories"), ["a", "a", "b", "c"], "different"),
        (("encoders", 1, "is", "scales"), [[0, 1]] * 3, "expected 5 scales for as many inputs, got 3"),
        (("encoders", 1, "is", "rare"), 0, "expected 4 scales"),
        (("encoders", 4, "is", "first"), 1e300, "contradict"),
        (("encoders", 4, "is", "order"), "x", "order must be one of iso"),
        (("encoders", 4, "is", "parts"), ["year"], "contradict"),
        (("target", "classes"), ["u", "u"], "different"),
        (("target", "classes"), [], "contradict"),
        (("target", "classes"), None, "contradict"),
        (("target", "names"), ["label", "id"], "one target for classes"),
        (("scaling",), "none", "one of robust, standard"),
        (("decimal",), ";", "one of"),
        (("more",), 1, "'more' is extra"),
    ],
)
def test_lies_are_refused_by_what_they_contradict(tmp_path, path, value, message):
    with pytest.raises(ValueError, match=message):
        Table.from_dict(changed(path, value))


def test_a_model_s_file_that_lies_of_its_table_is_refused(tmp_path):
    net = network_of(TABLE)
    tensors, described = description.contents(net, True)
    for lie in (None, 3, {}, GIVEN | {"columns": []}, Table.fit(FRAME).to_dict()):
        with pytest.raises(ValueError):
            description.restore(json.loads(json.dumps(described | {"table": lie})), tensors)


def test_numbers_as_large_as_a_kind_of_cell_allows():
    assert set(CELLS) == {"number", "category", "yes/no", "date"}
    huge = pl.DataFrame({"a": [1e308, -1e308, 0.0, 5e-324] * 3, "b": [float(2**70)] * 6 + [1.0] * 6, "y": [1, 2] * 6})
    for scaling in ("robust", "standard"):
        table = Table.fit(huge, Choices(scaling=scaling))
        assert through_json(table) == table
        assert np.isfinite(table.encode(huge)).all()

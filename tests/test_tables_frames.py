"""Frames of pandas, polars, pyarrow and narwhals: columns by name, in any order; one table has the same bits in each."""

import datetime
from decimal import Decimal
from fractions import Fraction

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from tables_at_random import row_of, tables, text

import numbafc as fc
from numbafc.tables import Choices, Table

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

N = 12
NOON = datetime.datetime(2024, 1, 1, 12)
COLUMNS = {
    "whole": [None if k == 3 else k + 5 for k in range(N)],
    "truth": [None if k == 2 else k % 3 == 0 for k in range(N)],
    "real": [None if k == 5 else k / 7 for k in range(N)],
    "word": [None if k == 4 else "abc"[k % 3] for k in range(N)],
    "moment": [None if k == 6 else NOON + datetime.timedelta(days=20 * (k % 4), hours=k % 3) for k in range(N)],
    "day": [datetime.date(2024, 1 + k % 3, 1 + k) for k in range(N)],
    "label": [k % 3 for k in range(N)],
}
FRAME = pl.DataFrame(COLUMNS)
TABLE = Table.fit(FRAME)


def nullable():
    return pandas.DataFrame(
        {
            "whole": pandas.array(COLUMNS["whole"], dtype="Int64"),
            "truth": pandas.array(COLUMNS["truth"], dtype="boolean"),
            "real": pandas.array(COLUMNS["real"], dtype="Float64"),
            "word": pandas.Categorical(COLUMNS["word"]),
            "moment": pandas.to_datetime(pandas.Series(COLUMNS["moment"])),
            "day": COLUMNS["day"],
            "label": pandas.array(COLUMNS["label"], dtype="UInt8"),
        }
    )


FRAMES = {
    "polars": lambda: FRAME,
    "polars, other types": lambda: FRAME.with_columns(
        pl.col("whole").cast(pl.Int16), pl.col("word").cast(pl.Enum(["c", "b", "a"])), pl.col("day").cast(pl.Datetime("ms"))
    ),
    "polars, categories": lambda: FRAME.with_columns(pl.col("word").cast(pl.Categorical)),
    "pandas": lambda: pandas.DataFrame(COLUMNS),
    "pandas, objects": lambda: pandas.DataFrame(COLUMNS).astype(object),
    "pandas, nullable": nullable,
    "pandas, of arrow": lambda: pandas.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, other index": lambda: pandas.DataFrame(COLUMNS, index=range(50, 50 + N)),
    "pyarrow": lambda: pyarrow.table(COLUMNS),
    "narwhals": lambda: nw.from_native(FRAME),
    "narwhals of pandas": lambda: nw.from_native(pandas.DataFrame(COLUMNS)),
    "text": lambda: text(**COLUMNS),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_library_is_taken_column_by_column(name):
    frame = FRAMES[name]()
    assert_same_bits(TABLE.encode(frame), TABLE.encode(FRAME), name)
    assert TABLE.targets(frame).tolist() == COLUMNS["label"]
    table = Table.fit(frame)
    if name != "text":  # which has the spelling True where the types have none
        assert table == TABLE
    assert_same_bits(table.encode(FRAME, "float64"), TABLE.encode(FRAME, "float64"), name)


def test_columns_are_found_by_name_in_any_order_and_others_left_alone():
    expected = TABLE.encode(FRAME)
    for columns in (FRAME.columns[::-1], ["day", "word", "truth", "moment", "real", "whole"]):
        assert_same_bits(TABLE.encode(FRAME.select(columns)), expected, "encode")
    assert_same_bits(TABLE.encode(FRAME.with_columns(more=pl.lit([1, 2]))), expected, "encode")
    with pytest.raises(
        ValueError, match=r"expected the columns 'whole', 'day', which are missing \(2 of 6\); the table has"
    ):
        TABLE.encode(FRAME.drop("whole", "day"))
    with pytest.raises(ValueError, match=r"expected the target 'label', which is missing \(1 of 1\)"):
        TABLE.targets(FRAME.drop("label"))


def test_columns_without_names_are_known_by_their_order():
    frame = text(**{"0": ["1.5", "2.5", "4"] * 4, "1": ["a", "b"] * 6, "2": ["u", "v"] * 6, "3": ["x", "y", "z"] * 4})
    table = Table.fit(frame, Choices(target="1"), header=False)
    assert table.features == ("0", "2=v", "3=x", "3=y", "3=z")
    other = frame.rename({"0": "3", "1": "2", "2": "1", "3": "0"})
    assert_same_bits(table.encode(other), table.encode(frame), "names that say nothing")
    assert_same_bits(table.encode(frame.drop("1")), table.encode(frame), "without the target")
    assert table.targets(other).tolist() == [0, 1] * 6
    for wrong in (frame.drop("1", "2"), frame.with_columns(more=pl.lit(1))):
        with pytest.raises(ValueError, match="expected 4 columns, as in training, or 3 without the target, got"):
            table.encode(wrong)
    with pytest.raises(ValueError, match=r"expected the target, column 1 \(from 0\) in training, which is missing: got 3"):
        table.targets(frame.drop("1"))


def test_names_that_are_no_text_are_taken_as_text():
    table = Table.fit(pandas.DataFrame([[k / 3, k % 3] for k in range(N)]))
    assert (table.columns, table.features) == (("0", "1"), ("0",))


@pytest.mark.parametrize(
    "frame",
    [
        lambda: pandas.DataFrame([[1, 2, 3]] * 4, columns=["a", "y", "y"]),
        lambda: pandas.DataFrame([[1, 2, 3]] * 4, columns=["a", 1, "1"]),
        lambda: pyarrow.table([[1], [2], [3]], names=["a", "y", "y"]),
    ],
)
def test_two_columns_of_one_name_are_refused_with_both_positions(frame):
    with pytest.raises(ValueError, match=r"got '(y|1)' at positions 1 and 2 \(from 0\); rename one of them"):
        Table.fit(frame(), Choices(target=-1))


@pytest.mark.parametrize(
    ("cell", "kind"),
    [([1], "list"), ({"a": 1}, "dict"), (b"1", "bytes"), (np.zeros(2), "list"), (object(), "object"), (1j, "complex")],
)
def test_cells_that_are_nothing_of_all_this_are_refused_by_their_place(cell, kind):
    for frame in (pandas.DataFrame, pl.DataFrame):
        try:
            given = frame({"y": [1, 2, 1], "a": [None, None, cell]})
        except TypeError:
            continue
        with pytest.raises(ValueError, match=rf"got a (ndarray|{kind}) at row 2, column 1 'a' \(from 0\); take it apart"):
            Table.fit(given, Choices(target="y"))
        Table.fit(given.assign(b=[1, 2, 4]), Choices(target="y", drop="a")) if frame is pandas.DataFrame else None


def test_half_a_character_is_refused_by_its_place():
    given = pandas.DataFrame({"a": pandas.Series(["x", "b\ud800"] * 4, dtype=object), "y": [1, 2] * 4})
    with pytest.raises(ValueError, match=r"half a character at row 1, column 0 'a'"):
        Table.fit(given)
    with pytest.raises(ValueError, match=r"half a character in '\\ud800' at position 0"):
        Table.fit(pandas.DataFrame([[1, 2]], columns=pandas.Index(["\ud800", "y"], dtype=object)))


@pytest.mark.parametrize("frame", [{"a": [1]}, np.zeros((2, 2)), [[1, 2]], None, FRAME.lazy()])
def test_what_is_no_data_frame_is_refused(frame):
    with pytest.raises(TypeError, match="expected a data frame"):
        Table.fit(frame)


def test_objects_that_are_numbers():
    cells = [1, 2.5, np.int8(3), Decimal("4.5"), Fraction(1, 4), True, None, 10**300]
    frame = pandas.DataFrame({"a": pandas.Series(cells, dtype=object), "y": [1, 2] * 4})
    assert row_of(Table.fit(frame), "a")[1:4] == ("number", "0.25 … 1e+300", 1)
    frame.loc[0, "a"] = 10**5000
    with pytest.raises(ValueError, match=r"a finite number, got 'an integer of 16610 bits' at row 0"):
        Table.fit(frame)


def test_mixed_objects_are_words():
    frame = pandas.DataFrame({"a": pandas.Series([1, "x", True, 1.0, None, "x", 2.5, "y"], dtype=object), "y": [1, 2] * 4})
    assert Table.fit(frame).features == ("a=1", "a=2.5", "a=True", "a=x", "a=y")


def test_times_and_lengths_of_time():
    frame = FRAME.select(
        time=pl.Series([datetime.time(k, 30) for k in range(N)]),
        length=pl.Series([datetime.timedelta(hours=6 * k) for k in range(N)]),
        word="word",
    ).with_columns(pl.col("word").fill_null("a"))
    table = Table.fit(frame)
    assert [row[1:3] for row in table.report()][:2] == [("date", "00:30:00 … 11:30:00"), ("number", "0 … 2.75")]
    assert_same_bits(table.encode(frame.with_columns(pl.col("time").cast(pl.String))), table.encode(frame), "times")


@given(tables(), st.randoms())
def test_the_same_bits_whatever_the_library_the_types_and_the_order(drawn, random):
    typed = drawn.typed()
    table = Table.fit(typed)
    X = table.encode(typed, "float64")
    order = typed.columns
    random.shuffle(order)
    for frame in (pandas.DataFrame(drawn.columns), pyarrow.table(drawn.columns), drawn.spelt(), typed.select(order)):
        assert_same_bits(table.encode(frame, "float64"), X, type(frame).__name__)
        np.testing.assert_array_equal(table.targets(frame, "float64"), table.targets(typed, "float64"))
        other = Table.fit(frame, Choices(target="target"))
        if list(table.columns) == list(other.columns):
            assert_same_bits(other.encode(typed, "float64"), X, type(frame).__name__)


@pytest.mark.parametrize("name", FRAMES)
def test_no_row_and_one_row(name):
    expected = TABLE.encode(FRAME)
    frame = nw.from_native(FRAMES[name](), eager_only=True)
    assert TABLE.encode(frame[:0].to_native()).shape == (0, len(TABLE.features))
    for row in (0, 3, 6):
        assert_same_bits(TABLE.encode(frame[row : row + 1].to_native()), expected[row : row + 1], name)
    with pytest.raises(ValueError, match="expected a table with rows and columns, got 0 and 7 of them"):
        Table.fit(frame[:0])


# ---- in a network -----------------------------------------------------------------------------------------------------


def test_a_network_encodes_frames_by_its_table():
    net = fc.MLP([len(TABLE.features), 6, 3], seed=1)
    net.table = TABLE
    assert (net.features, net.classes) == (TABLE.features, TABLE.classes)
    X, y = TABLE.encode(FRAME), TABLE.targets(FRAME)
    for frame in (FRAME, pandas.DataFrame(COLUMNS)[FRAME.columns[::-1]], pyarrow.table(COLUMNS)):
        for name in ("outputs", "predict", "predict_proba"):
            assert_same_bits(getattr(net, name)(frame), getattr(net, name)(X), name)
        for target in (
            y,
            FRAME.select("label"),
            FRAME["label"],
            pandas.Series(y, name="label", dtype=object),
            np.array(["0", "1", "2"] * 4),
            pandas.Series(["0", "1", "2"] * 4),
        ):
            assert net.score(frame, target) == net.score(X, y)
            assert net.loss(frame, target) == net.loss(X, y)
    with pytest.raises(ValueError, match=r"labels of the classes '0', '1', '2', got 'x' at row 1"):
        net.score(FRAME, ["0", "x"] * 6)
    with pytest.raises(ValueError, match="which is missing"):
        net.predict(FRAME.drop("real"))
    twin = fc.MLP(net.sizes, seed=1)
    net.fit(FRAME, FRAME.select("label"), epochs=2, validation=(FRAME, FRAME.select("label")))
    twin.fit(X, y, epochs=2, validation=(X, y))
    assert_same_bits(net.parameters, twin.parameters, "parameters")


def test_a_table_that_is_not_the_network_s_is_refused():
    inputs = len(TABLE.features)
    for net, table, error, message in (
        (fc.MLP([inputs + 1, 3]), TABLE, ValueError, f"must have {inputs + 1} inputs and 3 outputs.* got {inputs} and 3"),
        (fc.MLP([inputs, 4]), TABLE, ValueError, f"must have {inputs} inputs and 4 outputs"),
        (fc.MLP([inputs, 3], loss="mse"), TABLE, ValueError, "goes with the loss 'cross_entropy', got 'mse'"),
        (fc.MLP([inputs, 3]), "table", TypeError, "must be a Table, as Table.fit"),
        (fc.MLP([1, 1]), Table.fit(FRAME.select("label", y="real").drop_nulls()), ValueError, "a loss such as 'mse'"),
    ):
        with pytest.raises(error, match=message):
            net.table = table
        assert net.table is None

"""The numbers that a network gets of a table, against the same by hand: a row of Python's values after the other."""

import json
import sys
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st
from tables_at_random import START, tables, text

from numbafc.tables import Choices, Table, column, dates, scaling
from numbafc.tables.spelling import in_order, number, spelled, without_signs


def by_hand(kind, cells, rows):
    """The inputs of a column before they are scaled, None where missing, from Python's values."""
    own = [cells[row] for row in rows]
    known = [value for value in own if value is not None]
    gaps = [[float(value is None) for value in cells]] if len(known) < len(own) else []
    if kind == "number":
        return [cells, *gaps]
    if kind == "yes/no":
        return [[{True: 1.0, False: -1.0, None: 0.0}[value] for value in cells]]
    if kind == "category":
        labels = in_order(sorted(set(known)))
        if len(labels) == 2:
            return [[{labels[0]: -1.0, labels[1]: 1.0}.get(value, 0.0) for value in cells]]
        return [[float(value == label) for value in cells] for label in labels]
    first = min(known, default=START)
    days = [None if value is None else (value - first).total_seconds() / 86400 for value in cells]
    parts = [
        [None if value is None else float(part(value)) for value in cells]
        for part in (lambda m: m.month, lambda m: m.weekday(), lambda m: m.hour)
        if len({part(value) for value in known}) > 1
    ]
    return [days, *parts, *gaps]


def scaled(values, rows, how):
    """A column as tabular.md has it, and by how much rounding may change it: some units in the last place of x and m."""
    x = np.array([np.nan if value is None else value for value in values])
    own = x[rows][~np.isnan(x[rows])]
    if len(own) == 0 or own.min() == own.max():
        return np.zeros(len(x)), 0
    if how == "standard":
        m, q = own.mean(), own.std()
    else:
        m, q = np.median(own), np.quantile(own, 0.75) - np.quantile(own, 0.25)
        q = q if q != 0 else (own.max() - own.min()) / 2
    z = np.where(np.isnan(x), 0, (x - m) / q)
    error = 64 * np.finfo(float).eps * (1 + np.abs(own).max() / q) * (1 + np.abs(z).max())
    return (z / np.sqrt(1 + (z / 3) ** 2) if how == "robust" else z), error


@given(tables(), st.sampled_from(["robust", "standard"]), st.data())
def test_every_input_is_what_it_is_by_hand(drawn, how, data):
    frame = drawn.spelt() if data.draw(st.booleans()) else drawn.typed()
    count = len(frame)
    some = data.draw(st.none() | st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    rows = list(range(count)) if some is None else some
    table = Table.fit(frame, Choices(scaling=how), rows=some)
    X = table.encode(frame, "float64")
    found = {row.name: row.kind for row in table.report() if row.name != "target"}
    assert found == drawn.kinds
    inputs = [one for name, kind in drawn.kinds.items() for one in by_hand(kind, drawn.columns[name], rows)]
    assert X.shape == (count, len(inputs)) == (count, len(table.features))
    for place, values in enumerate(inputs):
        expected, error = scaled(values, rows, how)
        np.testing.assert_allclose(X[:, place], expected, rtol=0, atol=error, err_msg=table.features[place])
    if how == "robust":
        assert (np.abs(X) <= 3).all()
    assert_same_bits(table.encode(frame), X.astype(np.float32), "float32 comes last")


@given(tables(), st.data())
def test_medians_of_the_training_part_are_zero(drawn, data):
    frame = drawn.typed()
    rows = data.draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, unique=True))
    table = Table.fit(frame, rows=rows)
    X = table.encode(frame, "float64")[rows]
    for name, kind in drawn.kinds.items():
        known = [at for at, row in enumerate(rows) if drawn.columns[name][row] is not None]
        for feature in (f"{name} days", name) if kind in ("date", "number") and known else ():
            if feature in table.features:
                half = np.median(X[known, table.features.index(feature)])
                # of an even number of rows the middle is that of two, which the clip bends: within its slope
                assert abs(half) <= (0 if len(known) % 2 else 3)
                assert np.median(np.sign(X[known, table.features.index(feature)])) in (-0.5, 0, 0.5)


@given(tables(), st.sampled_from(["robust", "standard"]))
def test_missing_and_unseen_categories_are_one_and_the_same(drawn, how):
    frame = drawn.spelt()
    table = Table.fit(frame, Choices(scaling=how))
    words = [name for name, kind in drawn.kinds.items() if kind in ("category", "yes/no")]
    unseen = frame.with_columns(**{name: pl.lit("never seen") for name in words})
    gone = frame.with_columns(**{name: pl.lit(None, dtype=pl.String) for name in words})
    assert_same_bits(table.encode(unseen), table.encode(gone), "unseen")


def test_zeros_of_a_category_are_those_of_rows_with_another_one():
    frame = text(a=["p"] * 6 + ["q", "r"], b=["1", "2"] * 4, y=["u", "v"] * 4)
    table = Table.fit(frame)
    # p: median 1, quartiles 0.75 and 1: q = 0.25; q and r: median 0, quartiles 0: (max − min)/2
    p = -4 / np.sqrt(1 + (4 / 3) ** 2)
    one = 2 / np.sqrt(1 + (2 / 3) ** 2)
    X = table.encode(text(a=["p", "q", "r", "s", None], b=["1.5"] * 5), "float64")
    np.testing.assert_array_equal(X, [[0, 0, 0, 0], [p, one, 0, 0], [p, 0, one, 0], [p, 0, 0, 0], [p, 0, 0, 0]])


@pytest.mark.parametrize("how", ["robust", "standard"])
def test_counts_say_the_same_as_the_numbers_themselves(how):
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = np.sort(rng.choice([-1.0, 0, 1, 2, 5], rng.integers(1, 5), replace=False))
        counts = rng.integers(0, 9, len(values))
        one, other = scaling.of(values, how, counts), scaling.of(rng.permutation(np.repeat(values, counts)), how)
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15)  # sums in another order
        assert (one == other) or how == "standard"


CELL = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:+.3E}"),
    st.from_regex(r"\s?[+-]?[0-9]{0,4}[,.]?[0-9]{0,4}(e[+-]?[0-9]{1,3})?\s?", fullmatch=True),
    st.text("0123456789.,eE+-_ 'xinfa\u00a0−", max_size=8),
    st.none(),
)


@given(st.lists(CELL, min_size=1, max_size=30), st.sampled_from([".", ","]))
def test_the_fast_way_reads_what_the_slow_one_reads(cells, decimal):
    def read():
        return column.Column("a", 0, frame.get_column("a"), decimal).numbers

    import narwhals

    frame = narwhals.from_native(text(a=cells))
    fast = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "polars", None)
        slow = read()
    assert_same_bits(fast.values, slow.values, "values")
    assert fast.bad.tolist() == slow.bad.tolist()
    blank = [cell is None or not cell.strip() for cell in cells]
    assert fast.bad.tolist() == [row for row, value in enumerate(fast.values) if np.isnan(value) and not blank[row]]
    for cell, value in zip(cells, fast.values, strict=True):
        plain = None if cell is None else number(cell.strip(), decimal)
        assert (plain is None or np.isinf(plain)) if np.isnan(value) else value == plain


ANY_CELL = st.one_of(
    CELL,
    st.sampled_from(["yes", "no", "a", "b", "2024-01-31", "31/01/2024", "1/2/2024", "9:30", "$3", "5 kg", "007", "NaN"]),
    st.text(max_size=5),
)


@st.composite
def columns_of_anything(draw, rows):
    """Cells that are a few of anything, over and over, or all drawn by themselves."""
    few = draw(st.lists(ANY_CELL, min_size=1, max_size=4))
    return draw(st.lists(st.sampled_from(few) if draw(st.booleans()) else ANY_CELL, min_size=rows, max_size=rows))


@given(st.integers(1, 12), st.data())
def test_a_table_of_anything_is_encoded_or_refused_in_a_sentence(rows, data):
    names = data.draw(st.lists(st.text(max_size=8) | st.text(min_size=200), min_size=2, max_size=5, unique=True))
    frame = text(**{name: data.draw(columns_of_anything(rows)) for name in names})
    names_of_some = st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)
    choices = {name: data.draw(names_of_some) for name in ("categorical", "numeric", "dates", "drop", "keep")}
    how = data.draw(st.sampled_from(["robust", "standard"]))
    try:
        table = Table.fit(frame, Choices(scaling=how, **(choices if data.draw(st.booleans()) else {})))
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
        assert np.isfinite(table.encode(frame)).all()
        assert Table.from_dict(json.loads(json.dumps(table.to_dict()))) == table
        assert all(len(line) <= 100 and line.isprintable() for line in table.describe())
        assert all((row.values + row.becomes).isprintable() for row in table.report())
    assert len(refused) <= 300
    assert refused.isprintable()


def test_moments():
    for written, iso in (
        ("2024-02-29", "2024-02-29"),
        ("2024/2/9 7:05", None),
        ("2024/2/9 07:05", "2024-02-09T07:05"),
        ("2024-02-29T10:30:00+02:00", "2024-02-29T08:30"),
        ("29.2.2024", "2024-02-29"),
        ("29/02/2024 23:59:59.25", "2024-02-29T23:59:59.250000"),
        ("Feb 29, 2024 12:30 AM", "2024-02-29T00:30"),
        ("29 February 2024 12:30 pm", "2024-02-29T12:30"),
        ("29-Feb-2024 1:30 PM", "2024-02-29T13:30"),
        ("2/29/2024", "2024-02-29"),
        ("10:30", "1970-01-01T10:30"),
        ("30.2.2024", None),
        ("29.2.24", None),
        ("20240229", None),
        ("2024-02-29 and more", None),
        ("13:00 PM", None),
        ("24:00", None),
        ("29/13/2024", None),
    ):
        found = {dates.moment(written, order) for order in dates.ORDERS} - {None}
        expected = set() if iso is None else {int(np.datetime64(iso, "us").astype(np.int64))}
        assert found == expected, written


def test_spellings():
    for value, spelt in (
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (np.float32(0.1), "0.1"),
        (True, "True"),
        (" a ", "a"),
        (1e20, "1e+20"),
        (-0.0, "0"),
        (np.int64(7), "7"),
        (Decimal("1.50"), "1.5"),
        (Decimal("1" * 38), "1" * 38),
        (Decimal("100.00"), "100"),
    ):
        assert spelled(value) == spelt
    assert in_order(["10", "9", "1.5", "-2", "1e1"]) == ["-2", "1.5", "9", "10", "1e1"]
    assert in_order(["10", "9", "b", "a"]) == ["10", "9", "a", "b"]
    for cell, plain in (("$3.20", "3.20"), ("€ 5", "5"), ("35 %", "35"), ("-$4", "-4"), ("12.5kg", "12.5"), ("−3", "-3")):
        assert without_signs(cell) == plain
    for cell in ("abc", "12", "A12", "12A", "kg", "$", "", "1-2"):
        assert without_signs(cell) is None

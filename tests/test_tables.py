"""What a table's columns are found to be, and what is refused: by column, row and cell, with what can be done about it."""

import numpy as np
import pytest
from tables_at_random import row_of, text

from numbafc.tables import Choices, Table

N = 40
Y = ["u", "v"] * (N // 2)
NUMBERS = [f"{k * 0.37 % 1:.4g}" for k in range(N)]


def fit(cells, *, y=Y, **choices):
    return Table.fit(text(a=cells, b=NUMBERS[: len(cells)], y=y[: len(cells)]), Choices(**choices))


def refusal(*arguments, **options):
    with pytest.raises(ValueError) as error:
        Table.fit(*arguments, **options)
    assert len(str(error.value)) <= 300
    return str(error.value)


# ---- numbers ----------------------------------------------------------------------------------------------------------

BAD = {"$3.20": "write 3.20", "35%": "write 35", "12.5 kg": "write 12.5", "−3": "write -3", "1_000": "mend it"}
BAD |= {"inf": "mend it", "abc": "mend it", "1,5": "mend it", "１": "mend it", "12kg": "write 12", "-$4": "write -4"}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("row", [0, 1, N - 1])
def test_a_bad_cell_among_numbers_is_named(bad, row):
    cells = list(NUMBERS)
    cells[row] = bad
    message = refusal(text(a=cells, y=Y))
    assert f"got {bad!r} at row {row}, column 0 'a' (from 0); {BAD[bad]}" in message
    for option in ("--na", "--categorical a", "--drop a"):
        assert option in message
    # … in the target too, at any number of distinct values
    for target in (cells, [bad if n == row else n % 2 for n in range(N)]):
        message = refusal(text(b=NUMBERS, a=target))
        assert f"got {bad!r} at row {row}, column 1 'a' (from 0)" in message
        assert "--task classification" in message


def test_the_options_that_settle_a_bad_cell_do_so():
    cells = ["abc", *NUMBERS[1:]]
    assert row_of(fit(cells, categorical="a"), "a").kind == "category"
    assert row_of(fit(cells, drop="a"), "a").becomes == "dropped: as was asked"
    assert "got 'abc' at row 0" in refusal(text(a=cells, y=Y), Choices(numeric="a"))
    assert Table.fit(text(b=NUMBERS, y=["1.0", "2.0", "unknown", "2.0"] * 10), Choices(task="classification")).classes == (
        "1.0",
        "2.0",
        "unknown",
    )


@pytest.mark.parametrize(
    ("decimal", "cells", "values"),
    [
        (".", ["1", " 2.5 ", "-3e2", "+.5", "1,234.5", "1 234", "12,345,678"], [1, 2.5, -300, 0.5, 1234.5, 1234, 12345678]),
        (",", ["1", "2,5", "-3e2", "+,5", "1.234,5", "1'234", "12.345.678"], [1, 2.5, -300, 0.5, 1234.5, 1234, 12345678]),
    ],
)
def test_decimal_signs_and_thousands(decimal, cells, values):
    table = Table.fit(text(a=cells, y=Y[:7]), Choices(keep="a"), decimal=decimal)
    row = row_of(table, "a")
    assert (row.kind, row.values) == ("number", "-300 … 1.23457e+07")
    other = Table.fit(text(a=values, y=Y[:7]), Choices(keep="a"))
    np.testing.assert_array_equal(table.encode(text(a=cells)), other.encode(text(a=values)))


@pytest.mark.parametrize("cell", ["1.5", "1.2345", "1.23,5", "1,2,3"])
def test_a_number_of_the_other_decimal_sign_is_refused(cell):
    cells = [number.replace(".", ",") for number in NUMBERS[1:]]
    assert f"got {cell!r} at row 0" in refusal(text(a=[cell, *cells], y=Y), decimal=",")


def test_signs_in_the_whole_column_are_refused_too_unless_they_are_a_few_categories():
    assert "got '$0.20' at row 0" in refusal(text(a=[f"${k}.20" for k in range(N)], b=NUMBERS, y=Y))
    terms = fit([f"{36 + 24 * (k % 2)} months" for k in range(N)])
    assert row_of(terms, "a")[1:] == ("category", "2: 36 months, 60 months", 0, "−1 36 months, +1 60 months")


def test_digits_that_are_names_are_categories():
    assert row_of(fit([f"{k % 7:03}" for k in range(N)]), "a").kind == "category"
    assert row_of(fit([f"{k % 7:03}" for k in range(N)], numeric="a"), "a").values == "0 … 6"
    assert row_of(fit([str(10**19 + k % 3) for k in range(N)]), "a").values.startswith("3: 10000000000000000000, 10000")
    assert row_of(fit([f"{k % 7}.{k}" for k in range(N)]), "a").kind == "number"


def test_600_timestamps_within_a_minute_stay_600_numbers():
    for cells in ([1.7e9 + 0.1 * k for k in range(600)], [f"2024-01-01 10:00:{0.1 * k:09.6f}" for k in range(600)]):
        for scaling in ("robust", "standard"):
            frame = text(a=cells, y=["u", "v"] * 300)
            assert len(np.unique(Table.fit(frame, Choices(scaling=scaling)).encode(frame)[:, 0])) == 600


@pytest.mark.parametrize("scaling", ["robust", "standard"])
@pytest.mark.parametrize(
    "cells", [["1e200", *NUMBERS[1:]], ["1e308", "-1e308"] * 20, ["5e-324", "0"] * 20, ["1e308", "0"] * 20]
)
def test_huge_and_tiny_numbers_have_a_finite_scale(cells, scaling):
    frame = text(a=cells, y=Y)
    table = Table.fit(frame, Choices(scaling=scaling))
    X = table.encode(frame)
    assert np.isfinite(X).all()
    assert len(np.unique(X)) > 1
    assert Table.from_dict(table.to_dict()) == table


def test_what_float32_cannot_hold_is_refused_by_its_place():
    table = fit(NUMBERS, scaling="standard")
    with pytest.raises(ValueError, match=r"got '1e300' at row 1, column 0 'a' \(from 0\), which is .* deviations"):
        table.encode(text(a=["1", "1e300"], b=["1", "2"]))
    reals = Table.fit(text(a=NUMBERS, y=["1e200", *NUMBERS[1:]]))
    with pytest.raises(ValueError, match=r"float32 holds at row 0, column 1 'y' \(from 0\), got '1e200'"):
        reals.targets(text(a=NUMBERS, y=["1e200", *NUMBERS[1:]]))
    assert reals.targets(text(a=NUMBERS, y=["1e200", *NUMBERS[1:]]), "float64")[0] == 1e200


# ---- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind", "becomes"),
    [
        (["yes", "No"], "yes/no", "−1 No, +1 yes"),
        (["TRUE", "false"], "yes/no", "−1 false, +1 TRUE"),
        (["t", "f"], "yes/no", "−1 f, +1 t"),
        (["b", "a"], "category", "−1 a, +1 b"),
        (["b", "a", "c", "10"], "category", "4 columns of 0 and 1"),
        (["x", None], "category", "1 column of 0 and 1"),
        (["3", None], "number", "a number, and whether it was missing"),
        (["2024-01-31", "2024-02-01"], "date", "days since the first, month, weekday"),
        (["2024-01-31T10:30:00Z", "2024-01-31T11:30:00+00:00"], "date", "days since the first, hour"),
        (["31.01.2024", "01.02.2024"], "date", "days since the first, month, weekday"),
        (["1/31/2024", "2/1/2024"], "date", "days since the first, month, weekday"),
        (["5-Jan-2020", "6-Feb-2020"], "date", "days since the first, month, weekday"),
        (["Jan 5, 2020 9:05 PM", "Jan 5, 2020 9:05 AM"], "date", "days since the first, hour"),
        (["9:05", "21:05:10"], "date", "days since the first, hour"),
        (["5"], "constant", "dropped: all cells are alike"),
        (["word"], "constant", "dropped: all cells are alike"),
        ([None], "empty", "dropped: all cells are missing"),
    ],
)
def test_kinds(cells, kind, becomes):
    row = row_of(fit((cells * N)[:N]), "a")
    assert (row.kind, row.becomes) == (kind, becomes)


def test_an_index_all_different_words_and_free_text_are_left_out_unless_they_are_kept():
    many = ["u", "v"] * 100
    columns = {"": range(200), "id": [f"u{k}" for k in range(200)], "name": [f"n{k * 19 // 20}" for k in range(200)]}
    frame = text(**columns, x=[k % 7 for k in range(200)], y=many)
    table = Table.fit(frame)
    assert [row.becomes.removeprefix("dropped: ") for row in table.report()][:3] == [
        "it counts the rows",
        "all cells are different words",
        "free text",
    ]
    assert table.features == ("x",)
    lines = table.describe()
    assert sum(line.startswith("left out: ") for line in lines) == 3
    assert "left out: (no name): it counts the rows (0 … 199)" in lines
    kept = Table.fit(frame, Choices(keep=("", "id", "name"), most_categories=5))
    assert [row.kind for row in kept.report()] == ["number", "category", "category", "number", "classes"]
    assert Table.fit(frame, Choices(categorical=("id",), most_categories=5)).features[-2:] == ("id other", "x")


def test_a_first_column_that_counts_is_an_index_only_without_a_name_of_its_own():
    for name, first, header, kind in (
        ("", 1, True, "index"),
        ("Unnamed: 0", 0, True, "index"),
        ("PassengerId", 1, True, "index"),
        ("0", 0, False, "index"),
        ("t", 0, True, "number"),
        ("", 2, True, "number"),
    ):
        frame = text(**{name: range(first, first + N)}, b=NUMBERS, y=Y)
        assert Table.fit(frame, header=header).report()[0].kind == kind, (name, first)
    assert row_of(Table.fit(text(b=NUMBERS, id=range(N), y=Y)), "id").kind == "number"  # not the first


def test_rare_categories_share_one_input_and_it_is_said():
    cells = [f"c{k % 7}" for k in range(30)] + [f"r{k}" for k in range(5)] * 2
    table = fit(cells, most_categories=7)
    assert table.features[:8] == (*(f"a=c{k}" for k in range(7)), "a other")
    assert "a: 5 rare categories share one input, beside 7 of their own" in table.describe()
    X = table.encode(text(a=["r0", "r4", "never seen", "c0"], b=["0.5"] * 4))
    assert (X[:3] == X[0]).all()  # what was never seen is rare
    assert (X[0] != X[3]).sum() == 2


@pytest.mark.parametrize("dates", [(), ("a",)])
def test_dates_that_may_be_two_things_and_bad_ones_are_refused(dates):
    doubtful = text(a=[f"{1 + k % 12}/{1 + (k + 1) % 12}/2024" for k in range(N)], b=NUMBERS, y=Y)
    message = refusal(doubtful, Choices(dates=dates))
    assert "column 0 'a' (from 0): the first of day and month is not clear in dates such as '1/2/2024'" in message
    bad = text(a=["2023-02-29", *["2024-02-29", "2024-03-01"] * 20][:N], b=NUMBERS, y=Y)
    assert "expected a date such as 2024-01-31, got '2023-02-29' at row 0" in refusal(bad, Choices(dates=dates))
    if dates:
        assert "got 'u' at row 0" in refusal(text(b=NUMBERS, a=Y, y=Y), Choices(dates="a"))


def test_what_a_person_says_of_an_empty_column_stands():
    for choices, kind in (({"dates": "a"}, "date"), ({"categorical": "a"}, "category"), ({"numeric": "a"}, "number")):
        table = fit([None] * N, **choices)
        assert row_of(table, "a")[1:4:2] == (kind, N)
        assert np.isfinite(table.encode(text(a=[None], b=["0.5"]))).all()


# ---- names ------------------------------------------------------------------------------------------------------------


def test_columns_are_named_by_name_or_by_number_and_contradictions_are_refused():
    frame = text(a=NUMBERS, b=NUMBERS, y=Y)
    for target in (None, "y", 2, -1, ("y",)):
        assert Table.fit(frame, Choices(target=target)).target_names == ("y",)
    assert "no column is named 'z', as target says; expected one of 'a', 'b', 'y'" in refusal(frame, Choices(target="z"))
    assert "no column is named '3', as drop says" in refusal(frame, Choices(drop="3"))
    assert "column 'y' is in both target and drop" in refusal(frame, Choices(drop="y"))
    assert "column 'a' is in both categorical and numeric" in refusal(frame, Choices(categorical="a", numeric="a"))
    assert "target names a column twice" in refusal(frame, Choices(target=("y", "2")))
    assert "at least one column beside the target y" in refusal(text(y=Y))
    assert "no column is left beside the target y: a (all different)" in refusal(text(a=[f"w{k}" for k in range(N)], y=Y))
    assert "no column is left beside the target y: a (dropped), b (dropped)" in refusal(frame, Choices(drop=("a", "b")))
    for wrong in ({"drop": 1.5}, {"keep": {"a": 1}}, {"drop": (None,)}, {"most_categories": 2.5}):
        with pytest.raises(TypeError):
            Choices(**wrong)
    for wrong in ({"task": "both"}, {"scaling": "none"}, {"most_categories": 0}, {"target": ()}):
        with pytest.raises(ValueError):
            Choices(**wrong)


def test_lines_stay_short_however_wide_the_table_is_and_hostile_its_names():
    names = [f"{'long name ' * 30}\x1b[31m\n{k}" for k in range(5000)]
    gaps = ["1", "2", None, "5", "7", "8"]
    frame = text(**{name: (["5"] * 6 if k % 2 else gaps) for k, name in enumerate(names)}, y=["u", "v"] * 3)
    table = Table.fit(frame)
    lines = table.describe()
    assert len(lines) <= 20
    assert all(len(line) <= 100 and line.isprintable() for line in lines)
    assert "left out: 2500 columns; the first of them:" in lines
    for wrong in (frame.drop(names[0]), frame.drop(names[::2]), frame.with_columns(**{names[0]: frame["y"]})):
        with pytest.raises(ValueError) as error:
            table.encode(wrong)
        assert len(str(error.value)) <= 300
    for choice in ({"target": "nothing"}, {"drop": names[-1], "target": (names[-1],)}, {"dates": (names[1],)}):
        refusal(frame, Choices(**choice))

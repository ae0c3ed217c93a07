"""The target of a table: its task, decided from all of it; labels as they are spelt; reals in their own units."""

import numpy as np
import polars as pl
import pytest
from tables_at_random import text

from numbafc.tables import Choices, Table, decide

N = 40
NUMBERS = [f"{k * 0.37 % 1:.4g}" for k in range(N)]


def table_of(target, **choices):
    return Table.fit(text(a=NUMBERS[: len(target)], y=target), Choices(**choices))


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (["12E5", "007"] * 20, ("007", "12E5")),
        (["1.0", "2.00"] * 20, ("1.0", "2.00")),
        ([10, 9, 2, 1] * 10, ("1", "2", "9", "10")),
        (["10", "9", "b", "a"] * 5 + ["c"] * 20, ("10", "9", "a", "b", "c")),
        ([str(10**19 + k % 3) for k in range(N)], tuple(str(10**19 + k) for k in range(3))),
        ([f"{k % 30:03}" for k in range(N)], tuple(f"{k:03}" for k in range(30))),
        (["yes", "No"] * 20, ("No", "yes")),
        ([True, False] * 20, ("False", "True")),
        ([k % 20 for k in range(N)], tuple(map(str, range(20)))),
        (["only"] * N, ("only",)),
    ],
)
def test_labels_are_spelt_as_in_the_file(target, classes):
    table = table_of(target)
    assert table.classes == classes
    y = table.targets(text(a=NUMBERS, y=target))
    assert y.dtype == np.intp
    assert [classes[index] for index in y] == list(map(str, target))
    some = text(y=[classes[-1]] * 2)  # whichever rows are there
    assert table.targets(some).tolist() == [len(classes) - 1] * 2


def test_a_label_of_a_typed_frame_is_found_by_its_number():
    table = table_of(["1.0", "2.0", "unknown", "2.0"] * 10, task="classification")
    assert table.targets(pl.DataFrame({"y": [2.0, 1.0]})).tolist() == [1, 0]
    assert table.targets(pl.DataFrame({"y": [2, 1]})).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"one of the classes '1.0', '2.0', 'unknown' at row 1, column 0 'y' .*, got '3'"):
        table.targets(pl.DataFrame({"y": [2, 3]}))
    twice = table_of(["1", "1.0", "u", "v", "w"] * 8)
    assert twice.targets(text(y=["1.0", "1"])).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"got '1\.00'"):
        twice.targets(text(y=["1.00"]))


@pytest.mark.parametrize(("others", "refused"), [(1, True), (10, True), (20, True), (21, False)])
def test_words_among_numbers_are_bad_cells_up_to_the_half(others, refused):
    target = ["unknown", "none"] * (others // 2) + ["unknown"] * (others % 2) + ["1.0", "2.0"] * N
    if refused:
        with pytest.raises(ValueError, match=r"got 'unknown' at row 0, column 1 'y' .* pass --task classification"):
            table_of(target[:N])
    else:
        assert table_of(target[:N]).classes == ("1.0", "2.0", "none", "unknown")


def test_ids_are_no_classes_and_no_numbers():
    for ids in ([str(10**19 + k) for k in range(N)], [f"w{k}" for k in range(N)]):
        with pytest.raises(ValueError, match=r"got 40 labels, all different, such as .* at row 0, column 1 'y'"):
            table_of(ids)
    assert len(table_of([f"w{k}" for k in range(N)], task="classification").classes) == N


@pytest.mark.parametrize(
    ("values", "classes", "said"),
    [
        ([0.5, 1, 2], False, False),
        ([0, 1] * 5, True, False),
        ([3], True, False),
        ([7, 9], True, False),
        ([0, 1, 2, 0, 1], True, True),
        ([1, 2, 3, 3], True, True),
        ([0, 1, 2], False, True),  # all different
        ([5, 10, 20, 5], False, True),
        ([5, 10, 20] * 2, True, True),
        (list(range(20)) * 2, True, True),
        ([3 * k for k in range(21)] * 50, False, True),
        (list(range(100)) * 10, True, True),
        (list(range(100)) * 9, False, True),
        (list(range(1001)) * 10, False, False),
        ([200_000 + 500 * (k % 200) for k in range(1000)], False, True),  # prices
        ([25 + k % 214 for k in range(442)], False, True),  # as in the diabetes table
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_whole_numbers_are_classes_or_a_quantity_and_it_is_said(values, classes, said, dtype):
    if dtype is np.int64 and values[0] == 0.5:
        return
    decided = decide(np.array(values, dtype))
    assert (decided.classes, bool(decided.said)) == (classes, said)
    if said:
        assert f"--task {'regression' if classes else 'classification'}" in decided.said
        assert len(decided.said) < 90
    assert decide(np.array(values, dtype), "regression") == (False, "")
    if len(set(values)) <= 1000:
        assert decide(np.array(values, dtype), "classification") == (True, "")
    else:
        with pytest.raises(ValueError, match="at most 1000 classes, got 1001 different numbers"):
            decide(np.array(values, dtype), "classification")


def test_the_decision_is_in_the_lines_about_the_table():
    table = table_of([100 * k for k in range(N)])
    assert table.classes is None
    assert "target: 40 different whole numbers: a quantity; for classes pass --task classification" in (table.describe())
    assert table_of([k % 5 for k in range(N)], task="regression").classes is None
    assert len(table_of([100 * (k % 30) for k in range(N)], task="classification").classes) == 30


def test_several_targets_are_reals_in_their_order():
    frame = text(p=NUMBERS, a=NUMBERS, q=range(N))
    table = Table.fit(frame, Choices(target=("q", "p")))
    assert (table.target_names, table.classes, table.features) == (("q", "p"), None, ("a",))
    y = table.targets(frame, "float64")
    np.testing.assert_array_equal(y, np.array([range(N), list(map(float, NUMBERS))]).T)
    with pytest.raises(ValueError, match=r"the targets 'q', which is missing \(1 of 2\)"):
        table.targets(frame.drop("q"))
    for wrong, message in (
        (Choices(target=("q", "p"), task="classification"), "one target for classes, got 2"),
        (Choices(target=("w", "p")), "got 'u' at row 0, column 3 'w'"),
    ):
        with pytest.raises(ValueError, match=message):
            Table.fit(frame.with_columns(w=pl.lit("u")), wrong)


def test_targets_that_float32_does_not_tell_apart_are_refused():
    frame = text(a=NUMBERS * 15, y=[1.7e9 + 0.1 * k for k in range(600)])
    table = Table.fit(frame)
    with pytest.raises(
        ValueError, match=r"float32 tells apart, got 600 different numbers in column 1 'y' \(from 0\), of which"
    ):
        table.targets(frame)
    assert len(np.unique(table.targets(frame, "float64"))) == 600
    assert len(table.targets(frame[:1])) == 1


def test_prices_and_dates_are_no_classes():
    for cells, message in (
        (
            [f"${k % 200}.50" for k in range(1000)],
            r"plain numbers, got '\$0.50' at row 0, column 1 'y' .*; write 0.50; for cl",
        ),
        ([f"{k % 30} %" for k in range(1000)], r"plain numbers, got '0 %' at row 0"),
        ([f"{1 + k % 12}/{1 + k % 7}/2024" for k in range(1000)], r"got dates such as '1/1/2024' at row 0, column 1 'y'"),
        ([f"2024-01-{1 + k % 30:02}" for k in range(1000)], r"got dates such as '2024-01-01' at row 0, column 1 'y'"),
    ):
        frame = text(a=[k / 7 for k in range(1000)], y=cells)
        with pytest.raises(ValueError, match=message):
            Table.fit(frame)
        assert len(Table.fit(frame, Choices(task="classification")).classes) == len(set(cells))
    assert table_of([f"{36 + 24 * (k % 2)} months" for k in range(N)]).classes == ("36 months", "60 months")
    assert table_of([f"2024-01-0{1 + k % 2}" for k in range(N)]).classes == ("2024-01-01", "2024-01-02")


def test_missing_targets_dates_and_huge_labels_are_refused():
    for target, message in (
        ([None, *range(N - 1)], r"a target at row 0, column 1 'y' \(from 0\), got a missing one, as in 1 row of 40"),
        (["u", "v"] * 19 + ["w" * 1001, "u"], r"a label of at most 1000 characters at row 38, column 1 'y'"),
        ([f"l{k}" for k in range(1001)] * 2, r"at most 1000 classes, got 1001 different labels, such as 'l0'"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            Table.fit(text(a=[k / 7 for k in range(len(target))], y=target))
        assert len(str(error.value)) <= 300
    dates = pl.DataFrame({"a": NUMBERS, "y": ["2024-01-01", "2024-01-02"] * 20}).with_columns(pl.col("y").str.to_date())
    with pytest.raises(ValueError, match=r"got dates in column 1 'y' \(from 0\)"):
        Table.fit(dates)
    with pytest.raises(ValueError, match="a finite number"):
        Table.fit(pl.DataFrame({"a": NUMBERS, "y": [np.inf, *range(N - 1)]}))

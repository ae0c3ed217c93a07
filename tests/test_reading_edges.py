"""Data files at their edges: which of several bad cells is named, columns beside rows, the last one of everything."""

import numpy as np
import pytest

import numbafc as fc
from numbafc.files import InvalidFile, datasets, naming, values


def written(tmp_path, text, name="x.csv"):
    (tmp_path / name).write_text(text, newline="")
    return tmp_path / name


@pytest.mark.parametrize("target", [None, "0", "1", "2", "-1", "-2", "-3"])
@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_any_column_of_a_matrix_may_be_the_target(tmp_path, rows, target):
    matrix = np.arange(3.0 * rows).reshape(rows, 3) + 0.5
    np.save(tmp_path / "x.npy", matrix)
    np.savetxt(tmp_path / "x.csv", matrix, delimiter=",")
    column = 2 if target is None else int(target) % 3
    for name in ("x.npy", "x.csv"):
        data = datasets.load(tmp_path / name, target=target)
        np.testing.assert_array_equal(data.X, np.delete(matrix, column, axis=1))
        np.testing.assert_array_equal(data.y, matrix[:, column])
        np.testing.assert_array_equal(datasets.load_samples(tmp_path / name, 2, target=target), data.X)
        np.testing.assert_array_equal(datasets.load_samples(tmp_path / name, 3), matrix)
        for wrong in ("3", "-4"):
            with pytest.raises(InvalidFile, match=rf"there is no column {wrong}; expected one from -3 to 2"):
                datasets.load(tmp_path / name, target=wrong)


def test_the_first_of_several_bad_cells_is_named(tmp_path):
    """Neither the last one, nor the worst."""
    cases = {
        "1,2,0\n3,nan,1\n4,5,0\ninf,6,1\n": r"expected a number at row 1, column 1 \(from 0\), got a missing value",
        "1,2,0\n3,1e99,1\n4,5,0\n1e99,6,1\n": r"X must be finite in float32, got 1e\+99 at row 1, column 1 \(from 0\)",
        "1,2,0.5\n3,4,1e99\n4,5,1e98\n": r"expected a target that float32 holds at row 1, column 2",
        "1,2,a\n3,4,\n4,5,\n": r"expected a target at row 1, column 2 .*, got a missing one",
        "1,2,a\n3,x,b\n4,y,a\n": r"expected a number at row 1, column 1 .*, got 'x'",
        "1,2,a\n3,x,b\ny,4,a\n": r"expected a number at row 1, column 1 .*, got 'x'",
        "1,2,a\n3,4\n5\n": r"expected 3 columns, as in the first line, got 2 at row 1",
    }
    for text, message in cases.items():
        with pytest.raises(InvalidFile, match=message):
            datasets.load(written(tmp_path, text))
    np.savez(tmp_path / "x.npz", X=np.ones((4, 1)), y=np.array(["a", "", "b", ""]))
    with pytest.raises(InvalidFile, match=r"expected a target at row 1 \(from 0\), got an empty one"):
        datasets.load(tmp_path / "x.npz")
    X = np.ones((4, 3))
    X[2, 1] = X[3, 0] = np.nan
    np.savez(tmp_path / "x.npz", X=X, y=np.arange(4))
    with pytest.raises(InvalidFile, match=r"X must be finite in float32, got nan at row 2, column 1 \(from 0\)"):
        datasets.load(tmp_path / "x.npz")


@pytest.mark.parametrize("classes", [1, 2, values.MAX_CLASSES, values.MAX_CLASSES + 1])
def test_as_many_classes_as_there_may_be(tmp_path, classes):
    y = np.repeat(np.arange(classes), 10)
    np.savez(tmp_path / "x.npz", X=np.ones((len(y), 1)), y=y)
    if classes <= 1000:
        assert len(datasets.load(tmp_path / "x.npz").classes) == classes
    else:
        assert datasets.load(tmp_path / "x.npz").classes is None
        with pytest.raises(InvalidFile, match="at most 1000 classes, got 1001 different numbers"):
            datasets.load(tmp_path / "x.npz", task="classification")


@pytest.mark.parametrize("length", [1000, 1001])
def test_a_label_may_be_as_long_as_it_may(tmp_path, length):
    path = written(tmp_path, f"1,a\n2,{'b' * length}\n")
    if length <= 1000:
        assert datasets.load(path).classes == ("a", "b" * length)
    else:
        with pytest.raises(InvalidFile, match=r"at most 1000 characters at row 1, column 1 .*, got 1001"):
            datasets.load(path)


def test_whole_labels_are_integers_as_far_as_they_go(tmp_path):
    for cells, classes in (
        ([str(2**63 - 1), str(-(2**63))], (str(-(2**63)), str(2**63 - 1))),
        (["-1", "1"], ("-1", "1")),
        (["1.0", "2.0"], None),
    ):
        data = datasets.load(written(tmp_path, "".join(f"1,{cell}\n" for cell in cells)), dtype="float64")
        if classes is not None:
            assert data.classes == classes


@pytest.mark.parametrize(
    ("header", "rows", "names"),
    [
        ("a,b,y", 1, ("a", "b")),
        ("a,b,y", 3, ("a", "b")),
        ("0,1,y", 2, ("0", "1")),
        (",0,y", 2, ("", "0")),
        ("a,1,y", 2, ("a", "1")),
        (" a , b ,y", 2, ("a", "b")),
    ],
)
def test_a_header_is_known_by_a_word_above_a_number(tmp_path, header, rows, names):
    data = datasets.load(written(tmp_path, header + "\n" + "1,2,0.5\n" * rows))
    assert data.features == names
    assert len(data.X) == rows


def test_a_first_line_that_may_be_both_is_refused(tmp_path):
    for first in ("a,7,y", "5,b,y"):
        with pytest.raises(InvalidFile, match="the first line may be a header or a bad row"):
            datasets.load(written(tmp_path, f"{first}\n1,2,0.5\n3,4,1.5\n"))


def test_names_in_another_order_and_the_same_order(tmp_path):
    X = np.arange(6.0).reshape(2, 3)
    path = tmp_path / "x.csv"
    assert naming.in_order(path, X, None, ["a"]) is X
    assert naming.in_order(path, X, ["a", "b", "c"], None) is X
    assert naming.in_order(path, X, ("a", "b", "c"), ["a", "b", "c"]) is X
    np.testing.assert_array_equal(naming.in_order(path, X, ["c", "a", "b"], ["a", "b", "c"]), X[:, [1, 2, 0]])
    assert naming.in_order(path, X, ["a", "a", "b"], ["a", "a", "b"]) is X  # alike, but nothing is to be reordered
    with pytest.raises(InvalidFile, match="expected columns 'c', as the model has, got 'd'"):
        naming.in_order(path, X, ["a", "b", "d"], ["a", "b", "c"])
    for found, expected in ((5, "'a', 'b', 'c', 'd', 'e',"), (6, "'a', 'b', 'c', 'd', 'e', …,")):
        names = list("abcdef"[:found])
        with pytest.raises(InvalidFile, match=f"expected columns {expected} as the model has"):
            naming.in_order(path, np.ones((1, found)), [name.upper() for name in names], names)


def test_labels_are_encoded_by_their_place_and_the_first_unknown_is_named(tmp_path):
    np.testing.assert_array_equal(datasets.encode(np.array(["b", "a", "b"]), ("a", "b"), "x.csv"), [1, 0, 1])
    assert datasets.encode(np.array([2, 1]), ("1", "2"), "x.csv").dtype == np.intp
    with pytest.raises(InvalidFile, match="label 'c' is not one of the model's classes, a, b"):
        datasets.encode(np.array(["b", "d", "c"]), ("a", "b"), "x.csv")


@pytest.mark.parametrize("sizes", [[1, 1], [1, 1, 1], [3, 1], [1, 3], [2, 1, 2]])
@pytest.mark.parametrize("trained", [False, True])
def test_layers_of_one_unit_come_back_from_a_file(tmp_path, sizes, trained):
    net = fc.MLP(sizes, loss="mse")
    X, y = np.random.default_rng(0).standard_normal((5, sizes[0])), np.random.default_rng(1).standard_normal((5, sizes[-1]))
    net.standardize(X, y)
    if trained:
        net.fit(X, y, epochs=2)
    net.save(tmp_path / "net.safetensors")
    back = fc.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(back.predict(X), net.predict(X))
    assert net.predict(X).shape == ((5,) if sizes[-1] == 1 else (5, sizes[-1]))
    assert back.sizes == tuple(sizes)
    assert (back.training is not None) == trained
    for name in ("input_mean", "input_scale", "target_mean", "target_scale"):
        np.testing.assert_array_equal(getattr(back, name), getattr(net, name))
    net.save(tmp_path / "net.safetensors", training=False)
    assert fc.load(tmp_path / "net.safetensors").training is None


def test_text_where_reals_are_wanted_is_shown_with_its_place(tmp_path):
    """The first that is no number; where all could be numbers, the first."""
    for y, shown in ((["1", "2"], "'1' at row 0"), (["1", "x"], "'x' at row 1"), (["y", "x"], "'y' at row 0")):
        np.savez(tmp_path / "x.npz", X=np.ones((2, 1)), y=np.array(y))
        with pytest.raises(InvalidFile, match=rf"expected real targets for regression, got the word {shown} \(from 0\)"):
            datasets.load(tmp_path / "x.npz", task="regression")


@pytest.mark.parametrize("length", [1, 19, 20, 21, 40])
def test_a_label_is_shown_whole_up_to_twenty_characters(length):
    label = "b" * length
    shown = label if length <= 20 else "b" * 19 + "…"
    for classes, words in (
        ((label,), f"1 class ({shown})"),
        (("a", label), f"2 classes (a, {shown})"),
        (("a", "c", label), f"3 classes (a … {shown})"),
    ):
        data = datasets.Dataset("x", np.ones((2, 3), np.float32), np.zeros(2, int), classes)
        assert data.describe() == f"x: 2 samples, 3 features, {words}, float32"

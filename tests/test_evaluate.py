"""What `numbafc evaluate` prints of a model, whole on narrow terminals, and all of it in --json."""

import json
import re

import numpy as np
import pytest
from commands import ok
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import numbafc as fc
from numbafc.cli import aligned, measures, screen


def classifier(classes, X, y):
    """A network that says the class whose number is in the first column; y is what is so."""
    T = len(classes)
    net = fc.MLP([T, T], "identity", dtype="float64")
    net.weights[0][:] = 4 * np.eye(T)
    net.classes = classes
    return net, np.eye(T)[X], np.asarray(y)


def test_two_classes_have_a_matrix_ranks_and_calibration(here):
    net, _, _ = classifier(("no", "yes"), [0], [0])
    net.save("m.safetensors")
    (here.folder / "t.csv").write_text("1,0,no\n1,0,no\n1,0,yes\n0,1,yes\n")
    lines = ok(here("evaluate", "m.safetensors", "t.csv")).splitlines()
    p = np.exp(4) / (1 + np.exp(4))  # of the class that is said
    assert lines[3:6] == [
        "class  precision  recall      F1  samples",
        "no        0.6667  1.0000  0.8000        2",
        "yes       1.0000  0.5000  0.6667        2",
    ]
    assert lines[6:10] == [
        "confusion: a row for what is so, a column for what was said",
        "     no  yes",
        "no    2    0",
        "yes   1    1",
    ]
    brier, error = (3 * (1 - p) ** 2 + p**2) / 4, 0.75 * (1 / 3 - (1 - p)) + 0.25 * (1 - p)
    assert lines[10] == f"ROC AUC 0.7500, Brier score {brier:.4f}, expected calibration error {error:.4f}"
    assert lines[13:] == [f"0.0 to 0.1        3  {1 - p:.4f}  0.3333", f"0.9 to 1.0        1  {p:.4f}  1.0000"]
    found = json.loads(ok(here("evaluate", "m.safetensors", "t.csv", "--json")))
    assert found["confusion"] == [[2, 0], [1, 1]]
    assert found["confused"] == [{"is": "yes", "said": "no", "samples": 1, "share": 0.5}]
    assert found["calibration"]["of"] == "yes"
    assert len(found["calibration"]["bins"]) == 10
    assert found["mean_of_classes"]["recall"] == 0.75


def test_reals_have_quantiles_of_residuals(here):
    net = fc.MLP([1, 2], "identity", "mse", dtype="float64")
    net.parameters[:] = 0
    net.save("m.safetensors")
    np.savez("t.npz", X=np.ones((5, 1)), y=np.array([[-2.0, 1], [-1, 1], [0, 1], [1, 1], [2, 1]]))
    lines = ok(here("evaluate", "m.safetensors", "t.npz")).splitlines()
    assert lines[-3:] == [
        "output    least      5 %     25 %  median    75 %    95 %    most",
        "0       -2.0000  -1.8000  -1.0000  0.0000  1.0000  1.8000  2.0000",
        "1        1.0000   1.0000   1.0000  1.0000  1.0000  1.0000  1.0000",
    ]
    found = json.loads(ok(here("evaluate", "m.safetensors", "t.npz", "--json")))
    residuals = found["residuals"][0]
    assert list(residuals) == ["output", "least", "5 %", "25 %", "median", "75 %", "95 %", "most"]
    np.testing.assert_allclose(list(residuals.values())[1:], [-2, -1.8, -1, 0, 1, 1.8, 2], rtol=1e-15, atol=0)


def test_labels_have_each_its_own_measures():
    net = fc.MLP([2, 2], "identity", "binary_cross_entropy", dtype="float64")
    net.weights[0][:] = np.eye(2)
    found = measures.of(net, np.array([[1.0, -1], [-1, 1], [2, 2]]), np.array([[1.0, 1], [0, 1], [1, 0]]), ("a", "b"))
    assert [row["roc_auc"] for row in found["labels"]] == [1.0, 0.0]
    assert [one["of"] for one in found["calibrations"]] == ["a", "b"]
    heading = aligned.lines(found, 100)[0]
    assert heading.split() == ["label", "precision", "recall", "F1", "samples", "AUC", "Brier", "calibration"]


def test_measures_are_those_of_what_is_predicted():
    digits = fc.files.digits()
    net = fc.MLP([64, 10])
    net.fit(digits.X, digits.y, epochs=1)
    names = tuple(map(str, range(10)))
    found = measures.of(net, digits.X, digits.y, names)
    matrix = found["confusion"]
    assert matrix.trace() / matrix.sum() == net.score(digits.X, digits.y)
    for at, row in enumerate(found["classes"]):
        assert row["samples"] == matrix[at].sum()
        assert row["recall"] == matrix[at, at] / matrix[at].sum()
        assert row["precision"] == matrix[at, at] / matrix[:, at].sum()
    sure = net.predict_proba(digits.X).max(axis=1)
    means = [row["said"] for row in found["calibration"]["bins"] if row["samples"]]
    assert means == sorted(means)
    assert min(sure) <= means[0]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(st.lists(names, min_size=2, max_size=40, unique=True), st.integers(0, 10**6), st.sampled_from([60, 80, 200]))
def test_names_and_numbers_are_whole_at_any_width(classes, seed, width):
    rng = np.random.default_rng(seed)
    T = len(classes)
    y, said = rng.integers(T, size=(2, 200))
    net, X, y = classifier(tuple(classes), said, y)
    found = measures.of(net, X, y, net.classes)
    told = aligned.lines(found, width)
    assert all(line.isprintable() for line in told)
    taken = [line for line in told if " taken for " in line]
    prose = [line for line in told if line.startswith(("confusion: ", "expected ", "ROC AUC", "probability of "))]
    for line in told:
        assert cell_len(line) <= width or line in taken or line in prose, line
    for name in classes:
        assert any(line.startswith(screen.label(name)) for line in told), name
    start = told.index(next(line for line in told if line.startswith("confusion: ")))
    numbers = [int(word) for line in told[start + 2 :] for word in re.findall(r"(?<= )\d+(?= |$)", line[-width:])]
    assert numbers  # how many they add up to is the next test


@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 10**6))
def test_a_folded_matrix_counts_every_sample_once(T, most, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 9, (T, T))
    shown = aligned.chosen(matrix, most)
    small = aligned.folded(matrix, shown)
    assert small.sum() == matrix.sum()
    assert len(shown) == min(T, most)
    np.testing.assert_array_equal(small[: len(shown), : len(shown)], matrix[np.ix_(shown, shown)])
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    if len(shown) < T:
        assert min(wrong[shown]) >= max(np.delete(wrong, shown))
        others = np.delete(np.arange(T), shown)
        np.testing.assert_array_equal(small[-1, :-1], matrix[np.ix_(others, shown)].sum(axis=0))


@pytest.mark.parametrize("classes", [3, 12])
def test_the_worst_pairs_are_named_where_not_all_classes_are_shown(classes):
    y, said = np.array([0] * 5 + [1] * 3 + [2]), np.array([1] * 4 + [0] + [1, 1, 0] + [0])
    net, X, y = classifier(tuple("abcdefghijkl"[:classes]), said, y)
    told = aligned.lines(measures.of(net, X, y, net.classes), 80)
    pairs = ["a taken for b: 4, 80.0 %", "b taken for a: 1, 33.3 %", "c taken for a: 1, 100.0 %"]
    assert [line for line in told if "taken for" in line] == (pairs if classes > aligned.CLASSES else [])


def test_a_narrow_terminal_has_names_on_lines_of_their_own(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    long = "a name of thirty-nine characters, it is"
    net, _, _ = classifier((long, "b"), [0], [0])
    net.save("m.safetensors")
    (here.folder / "t.csv").write_text(f'1,0,"{long}"\n0,1,b\n')
    lines = ok(here("evaluate", "m.safetensors", "t.csv")).splitlines()
    assert all(len(line) <= 60 for line in lines[1:] if not line.startswith(("ROC", "probability")))
    at = lines.index(long)
    assert lines[at + 1].split() == ["1.0000", "1.0000", "1.0000", "1"]


@pytest.mark.parametrize("weight", [(), ("--class-weight", "balanced")])
@pytest.mark.parametrize("share", [0.05, 0.35, 0.7])
def test_the_line_about_samples_that_were_held_out_is_there(here, share, weight):
    """Case 34: with weights too, of which a file says nothing, and whatever share was held out."""
    (here.folder / "t.csv").write_text("".join(f"{n % 7},{n % 3},{'ab'[n % 5 == 0]}\n" for n in range(41)))
    ok(here("train", "t.csv", "--epochs", "1", "--validation-split", str(share), *weight))
    told = ok(here("evaluate", "t.safetensors", "t.csv"))
    assert f"trained on {41 - round(share * 41)} of these 41 samples; on the {round(share * 41)} others: loss " in told

"""The study `tables`: what it reads, how it judges, and its rows."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

pandas = pytest.importorskip("pandas", reason="the study reads tables with pandas")
pytest.importorskip("sklearn", reason="the study compares with scikit-learn")

import perf.__main__ as command  # noqa: E402
from perf import drawing, learners, real_tables, rows, storage, tables  # noqa: E402


@pytest.fixture
def files(tmp_path):
    """A training and a test file without a header, as UCI's Adult: blanks, question marks, full stops."""
    rng = np.random.default_rng(0)
    parts = []
    for name, n, end in (("train.csv", 300, ""), ("test.csv", 80, ".")):
        x, words = rng.normal(size=n), rng.choice(["a", "b", "?"], n)
        y = np.where(x + (words == "a") + 0.1 * rng.normal(size=n) > 0.5, ">50K", "<=50K")
        path = tmp_path / name
        path.write_text("".join(f"{a:.3f}, {b}, {c}{end}\n" for a, b, c in zip(x, words, y, strict=True)))
        parts.append(path)
    return parts


def test_a_file_of_ones_own_is_read_with_its_test_part(files):
    train, test = files
    found = real_tables.split(f"{train}:2:{test}")
    assert found.classifies
    assert (len(found.X), len(found.X_test)) == (300, 80)
    assert set(found.y) == set(found.y_test) == {"<=50K", ">50K"}
    assert found.X["1"].isna().any()
    assert set(found.X["1"].dropna()) == {"a", "b"}


def test_without_a_test_file_a_fifth_is_the_test_and_no_row_is_in_both(tmp_path):
    frame = pandas.DataFrame({"row": np.arange(100), "y": np.arange(100) / 7})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = real_tables.split(f"{tmp_path / 't.csv'}:y")
    assert not found.classifies
    assert len(found.X_test) == 20
    assert sorted([*found.X["row"], *found.X_test["row"]]) == list(range(100))
    np.testing.assert_allclose(found.y, found.X["row"] / 7)


def test_an_unknown_target_is_refused_with_the_columns(tmp_path):
    pandas.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SystemExit, match="expected one of the columns a, b"):
        real_tables.split(f"{tmp_path / 't.csv'}:c")


def test_a_full_stop_is_taken_off_only_where_it_makes_all_labels_unknown():
    assert list(real_tables.as_spelt(np.array(["x.", "y."], object), {"x", "y"})) == ["x", "y"]
    assert list(real_tables.as_spelt(np.array(["x.", "y"], object), {"x.", "y"})) == ["x.", "y"]


def split(y, y_test, classifies):
    return real_tables.Split(None, np.array(y), None, np.array(y_test), classifies, "y")


def test_scores_are_worked_out_by_hand_once():
    found = tables.scores(split(["a", "a", "b"], ["a", "b", "b", "a"], True), np.array(["a", "b", "a", "a"]))
    assert found == {"score": 0.75, "error_over_bound": 0.5}  # a constant "a" is wrong in two of four
    found = tables.scores(split([1.0, 3.0], [0.0, 4.0], False), np.array([1.0, 4.0]))
    assert found["score"] == pytest.approx(np.sqrt(0.5))
    assert found["error_over_bound"] == pytest.approx(np.sqrt(0.5) / 2)


@pytest.mark.parametrize(("metric", "good", "bad"), [("accuracy", 0.9, 0.8), ("RMSE", 1.0, 2.0)])
def test_better_is_more_accuracy_and_less_error(metric, good, bad):
    good, bad = {"metric": metric, "score": good}, {"metric": metric, "score": bad}
    assert tables.better(good, bad)
    assert not tables.better(bad, good)


def test_findings_compare_with_each_peer():
    case = {"op": "t", "metric": "RMSE", "kernel": None, "B": 10}
    mine = case | {"peer": "numbafc", "score": 1.0, "error_over_bound": 0.2, "best": 2.0}
    theirs = case | {"peer": "pytabkit", "score": 2.0, "error_over_bound": 0.4, "best": 20.0}
    (said,) = tables.findings([mine, theirs])
    assert "no worse on 1 of 1 table, our error 0.50 × theirs" in said
    assert "10 to 10 times our seconds" in said
    assert tables.findings([mine]) == []


def test_every_model_has_a_name_and_a_mark_of_its_own():
    looks = [drawing.STYLES[drawing._kind(f"{name}, OPENBLAS_CORETYPE=Zen")] for name in learners.MODELS]
    assert len(set(looks)) == len(learners.MODELS)


def test_the_study_writes_its_rows_and_names_the_peer_that_is_missing(files, monkeypatch, tmp_path, capsys):
    pytest.importorskip("narwhals", reason="estimators take frames through narwhals")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(tables, "MODULES", ("numbafc", "no_such_peer", "sklearn"))
    monkeypatch.setattr("perf.report.draw", lambda *_: {})
    out = tmp_path / "rows"
    command.main(["tables", "--table", f"{files[0]}:2:{files[1]}", "--rounds", "1", "--out", str(out)])
    found = storage.load(out, "tables")
    assert rows.notes(found) == ["no_such_peer is not installed: no line of it"]
    found = rows.measured(found)
    assert [row["peer"].split(",")[0] for row in found] == ["numbafc", "sklearn MLP", "sklearn boosting"]
    for row in found:
        assert set(rows.FIELDS) <= set(row)
        assert (row["op"], row["T"], row["N"], row["B"], row["metric"]) == ("train", 2, 2, 300, "accuracy")
        assert 0.6 < row["score"] <= 1
        assert row["error_over_bound"] < 1
        assert row["best"] > 0
    assert "HistGradientBoosting: our score is no worse on" in capsys.readouterr().out.replace("\n", " ")

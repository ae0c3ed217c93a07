"""TabularClassifier and TabularRegressor: frames with words and gaps in, labels and reals in their own units out."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import run_python

pd = pytest.importorskip("pandas", reason="frames of pandas")
pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")
pytest.importorskip("narwhals", reason="estimators take frames through narwhals")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import numbafc as fc  # noqa: E402
from numbafc.interop.sklearn import TabularClassifier, TabularRegressor  # noqa: E402
from numbafc.nn import splits  # noqa: E402

SMALL = {"hidden_layer_sizes": (16,), "epochs": 60, "n_threads": 1, "random_state": 0, "members": 1}


def table(rows=240, seed=0):
    """A frame with numbers, words, yes and no, dates, gaps; what is to be predicted depends on all of them."""
    rng = np.random.default_rng(seed)
    number, word = rng.normal(size=rows), rng.choice(["red", "green", "blue"], rows).astype(object)
    flag, day = rng.choice(["yes", "no"], rows), rng.integers(0, 300, rows)
    hidden = number + 1.5 * (word == "red") - (flag == "yes") + day / 150
    word[rng.random(rows) < 0.1] = None
    number[rng.random(rows) < 0.1] = np.nan
    dates = pd.to_datetime("2024-01-01") + pd.to_timedelta(day, unit="D")
    frame = pd.DataFrame({"number": number, "word": word, "flag": flag, "day": dates.strftime("%Y-%m-%d")})
    return frame, hidden


def of_library(frame, library):
    if library == "pandas":
        return frame
    if library == "polars":
        return pytest.importorskip("polars").from_pandas(frame)
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.Table.from_pandas(frame, preserve_index=False)


LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])


@LIBRARIES
def test_frames_with_words_and_gaps_need_no_pipeline(library):
    frame, hidden = table()
    labels = np.where(hidden > np.median(hidden), "high", "low")
    model = TabularClassifier(**SMALL).fit(of_library(frame, library), labels)
    assert model.score(of_library(frame, library), labels) > 0.8
    assert list(model.classes_) == ["high", "low"]
    assert list(model.feature_names_in_) == list(frame.columns)
    assert model.n_features_in_ == 4
    assert model.table_.classes is not None


def test_all_libraries_give_the_same_bits():
    frame, hidden = table()
    models = [TabularRegressor(**SMALL).fit(of_library(frame, one), hidden) for one in ("pandas", "polars", "pyarrow")]
    for other in models[1:]:
        assert np.array_equal(other.net_.parameters, models[0].net_.parameters)


@LIBRARIES
def test_columns_are_taken_by_name_in_any_order(library):
    frame, hidden = table()
    model = TabularRegressor(**SMALL).fit(of_library(frame, library), hidden)
    expected = model.predict(of_library(frame, library))
    assert np.array_equal(model.predict(of_library(frame[frame.columns[::-1]], library)), expected)


def test_rows_of_pandas_are_in_their_places_whatever_they_are_called():
    frame, hidden = table()
    model = TabularRegressor(**SMALL).fit(frame, hidden)
    named = frame.set_axis(np.arange(len(frame))[::-1], axis=0)
    assert np.array_equal(TabularRegressor(**SMALL).fit(named, hidden).net_.parameters, model.net_.parameters)
    assert np.array_equal(model.predict(named), model.predict(frame))


@pytest.mark.parametrize(
    "labels",
    [[10, 9], [True, False], [1.0, 0.0], ["10", "9"], ["é", "a b"], [-1, 1]],
    ids=["numbers", "bools", "reals", "words", "letters", "signs"],
)
def test_labels_come_back_as_they_are_and_probabilities_in_the_order_of_classes(labels):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.where(X[:, 0] > 0, *(np.array(one) for one in labels))
    model = TabularClassifier(**SMALL).fit(X, y)
    assert model.classes_.dtype == np.unique(y).dtype
    assert list(model.classes_) == list(np.unique(y))
    assert model.score(X, y) > 0.9
    P = model.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(model.classes_[P.argmax(axis=1)], model.predict(X))


def test_ten_classes_are_in_the_order_of_numbers_not_of_words():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 12, 600)
    X = np.column_stack([y + 0.01 * rng.normal(size=600), rng.normal(size=600)])
    model = TabularClassifier(**SMALL | {"epochs": 300}).fit(X, y)
    assert list(model.classes_) == list(range(12))
    assert np.mean(np.abs(model.predict(X) - y)) < 1


def test_several_targets_and_their_units():
    frame, hidden = table()
    Y = pd.DataFrame({"a": 1e6 + 1000 * hidden, "b": -hidden / 1000})
    model = TabularRegressor(**SMALL | {"epochs": 200}).fit(frame, Y)
    assert model.predict(frame).shape == (240, 2)
    assert model.score(frame, Y) > 0.5
    assert model.table_.target_names == ("a", "b")
    one = TabularRegressor(**SMALL).fit(frame, Y["a"])
    assert one.predict(frame).shape == (240,)
    assert one.table_.target_names == ("a",)


def test_weights_and_class_weights_count():
    frame, hidden = table(400)
    labels = np.where(hidden > np.quantile(hidden, 0.9), "rare", "usual")
    plain = TabularClassifier(**SMALL).fit(frame, labels)
    balanced = TabularClassifier(**SMALL, class_weight="balanced").fit(frame, labels)
    weighted = TabularClassifier(**SMALL).fit(frame, labels, sample_weight=np.where(labels == "rare", 5.0, 5 / 9))
    by_name = TabularClassifier(**SMALL, class_weight={"rare": 5.0, "usual": 5 / 9}).fit(frame, labels)
    shares = [np.mean(model.predict(frame) == "rare") for model in (plain, balanced)]
    assert shares[0] < shares[1]
    assert np.array_equal(by_name.net_.parameters, weighted.net_.parameters)


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        ({"class_weight": {"a": -5}}, {}, "class_weight must have finite weights"),
        ({"class_weight": {"b": np.nan}}, {}, "class_weight must have finite weights"),
        ({"class_weight": {"a": 0, "b": 0}}, {}, "not all 0"),
        ({"members": 0}, {}, "members"),
        ({}, {"sample_weight": np.zeros(240)}, "a weight above 0|at least one non-zero"),
        ({}, {"sample_weight_val": np.ones(240)}, "sample_weight_val needs X_val"),
        ({}, {"X_val": table()[0], "y_val": np.full(240, "c")}, "'c'"),
        ({}, {"X_val": table()[0][["number", "day"]], "y_val": np.full(240, "a")}, "word"),
    ],
)
def test_what_is_refused_leaves_the_model_as_it_was(settings, given, message):
    frame, hidden = table()
    model = TabularClassifier(**SMALL).fit(frame, np.where(hidden > 0, "a", "b"))
    before, classes = model.predict_proba(frame), list(model.classes_)
    model.set_params(**settings)
    with pytest.raises(ValueError, match=message):
        model.fit(frame, np.where(hidden > 1, "b", "a"), **given)
    assert list(model.classes_) == classes
    np.testing.assert_array_equal(model.predict_proba(frame), before)


def test_the_best_epoch_is_that_of_validation_data_of_ones_own():
    frame, hidden = table(300)
    part, other = frame[:200], frame[200:]
    model = TabularRegressor(**SMALL).fit(part, hidden[:200], X_val=other, y_val=hidden[200:])
    scores = model.history_.validation_score
    assert model.best_epoch_ == len(scores) - int(np.argmax(scores[::-1]))
    assert len(scores) == 60 or 60 > len(scores) == 41 + 3 * model.best_epoch_
    assert model.score(other, hidden[200:]) == pytest.approx(max(scores), abs=1e-4)
    with pytest.raises(ValueError, match="X_val needs y_val, got None; pass both"):
        model.fit(part, hidden[:200], X_val=other)


def test_without_validation_all_rows_are_trained_on_to_the_last_epoch():
    frame, hidden = table()
    model = TabularRegressor(**SMALL, validation_fraction=0).fit(frame, hidden)
    assert len(model.history_) == model.best_epoch_ == 60
    assert np.isnan(model.history_.validation_score).all()
    assert model.history_[0].samples == 240


def test_members_are_averaged():
    frame, hidden = table()
    labels = np.where(hidden > 0, "a", "b")
    model = TabularClassifier(**SMALL | {"members": 3}).fit(frame, labels)
    encoded = model.table_.encode(frame, np.float32)
    outputs = [net.predict_proba(encoded) for net in model.nets_]
    assert len(outputs) == len(model.histories_) == len(model.best_epochs_) == 3
    assert not np.array_equal(outputs[0], outputs[1])
    order = [model.table_.classes.index(label) for label in model.classes_]
    np.testing.assert_allclose(model.predict_proba(frame), np.mean(outputs, axis=0)[:, order], rtol=1e-6)


def test_time_may_be_limited():
    frame, hidden = table()
    model = TabularRegressor(**SMALL | {"epochs": 10**6}, time_limit=0.2).fit(frame, hidden)
    assert 1 <= len(model.history_) < 10**6  # how far it comes is the machine's
    assert np.isfinite(model.predict(frame)).all()


def test_columns_may_be_said_to_be_something():
    frame, hidden = table()
    frame["code"] = np.random.default_rng(1).integers(0, 5, 240)
    assert "code" in TabularRegressor(**SMALL).fit(frame, hidden).table_.features
    assert "code" not in TabularRegressor(**SMALL, categorical=["code"]).fit(frame, hidden).table_.features


def test_the_network_can_be_saved_with_its_table_for_the_command(tmp_path):
    frame, hidden = table()
    labels = np.where(hidden > 0, "a", "b")
    model = TabularClassifier(**SMALL).fit(frame, labels)
    model.net_.save(tmp_path / "model.safetensors")
    net = fc.load(tmp_path / "model.safetensors")
    expected = [net.table.classes[n] for n in net.predict(frame)]
    assert list(model.predict(frame)) == expected


def test_the_bits_are_those_of_any_number_of_threads():
    frame, hidden = table()
    most = fc._numba.most_threads()
    found = {TabularRegressor(**SMALL | {"n_threads": n}).fit(frame, hidden).net_.parameters.tobytes() for n in (1, most)}
    assert len(found) == 1
    before = fc.get_num_threads()
    TabularRegressor(**SMALL | {"n_threads": 1}).fit(frame, hidden)
    assert fc.get_num_threads() == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"members": 0}, "members must be"),
        ({"hidden_layer_sizes": (8, -1)}, r"hidden_layer_sizes\[1\] must be"),
        ({"validation_fraction": 1.0}, "validation_fraction must be"),
        ({"learning_rate": -1.0}, "learning_rate must be"),
        ({"n_threads": 0}, "n_threads must be"),
        ({"categorical": ["colour"]}, "colour"),
    ],
)
def test_bad_settings_are_refused_in_fit(settings, said):
    frame, hidden = table(40)
    with pytest.raises((ValueError, TypeError), match=said):
        TabularRegressor(**SMALL | settings).fit(frame, hidden)


def test_labels_that_are_not_in_y_are_refused_in_validation_data():
    frame, hidden = table(40)
    labels = np.where(hidden > np.median(hidden), "a", "b")
    with pytest.raises(ValueError, match="y_val has the label 'c', which y has not"):
        TabularClassifier(**SMALL).fit(frame, labels, X_val=frame, y_val=["c"] * 40)


def test_words_in_an_array_are_told_to_come_in_a_frame():
    with pytest.raises(ValueError, match="pass words in a data frame"):
        TabularClassifier(**SMALL).fit(np.array([["a", 1], ["b", 2]] * 10, dtype=object), [0, 1] * 10)


@pytest.mark.parametrize("missing", ["sklearn", "narwhals"])
def test_a_missing_library_is_one_clear_sentence(missing):
    code = f"import sys; sys.modules[{missing!r}] = None\nimport numbafc.interop.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "ImportError: numbafc.interop.sklearn needs scikit-learn 1.6 or later, and narwhals: pip install"
    )
    assert done.stderr.count("Traceback") == 1


def test_the_example_of_readme_runs(tmp_path):
    code = re.findall(
        r"```python\n(.*?)```", (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8"), re.S
    )[2]
    ends = "print(model.score(frame, ['ripe', 'green', 'green', 'ripe'] * 20))"
    done = run_python(f"import os; os.chdir({str(tmp_path)!r})\n{code}\n{ends}")
    assert done.stdout == "1.0\n", done.stderr


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), st.integers(0, 9))
@settings(deadline=None)
def test_each_class_gives_its_share_to_validation_and_keeps_a_sample(labels, share, seed):
    classes = np.unique(labels, return_inverse=True)[1]
    rows, held = splits.held_out(len(classes), share, seed, classes)
    assert sorted([*rows, *held]) == list(range(len(classes)))
    assert len(set(classes[rows])) == len(set(classes))
    counts = np.bincount(classes)
    wanted = np.minimum(np.rint(share * counts), counts - 1)
    found = np.bincount(classes[held], minlength=len(counts))
    if wanted.any() or share == 0:
        assert np.array_equal(found, wanted)
    else:
        assert len(held) == (1 if (counts > 1).any() else 0)
    again = splits.held_out(len(classes), share, seed, classes)
    assert np.array_equal(again[0], rows)
    assert np.array_equal(again[1], held)


def test_labels_with_blanks_around_them_stay_as_they_are():
    """As pandas reads them from a file with a blank behind each comma."""
    X = pd.DataFrame({"a": np.arange(60.0)})
    y = np.array([" <=50K", " >50K"])[np.arange(60) // 30]
    model = TabularClassifier(hidden_layer_sizes=(8,), epochs=3, members=1, random_state=0).fit(X, y)
    assert list(model.classes_) == [" <=50K", " >50K"]
    assert set(model.predict(X)) <= set(y)
    with pytest.raises(ValueError, match="differ in blanks alone"):
        TabularClassifier().fit(X, np.where(y == " >50K", "<=50K", y))

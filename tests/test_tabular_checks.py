"""What users of scikit-learn do with estimators, done with the tabular ones; for its checks: test_estimator_checks.py."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")
pytest.importorskip("narwhals", reason="estimators take frames through narwhals")

from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from numbafc.interop.sklearn import TabularClassifier, TabularRegressor

SMALL = {"hidden_layer_sizes": (16,), "epochs": 60, "n_threads": 1, "members": 1}


def data(classifies):
    return load_iris(return_X_y=True) if classifies else make_regression(150, 4, noise=1.0, random_state=0)


BOTH = pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])


@BOTH
def test_a_pickle_is_small_and_predicts_the_same_bits(kind):
    X, y = data(kind is TabularClassifier)
    model = kind(**SMALL, random_state=0).fit(X, y)
    text = pickle.dumps(model)
    assert len(text) < 40_000  # 160 parameters, the records of 60 epochs, and the table; no data, no optimizer
    again = pickle.loads(text)
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.get_params() == model.get_params()


@BOTH
def test_a_clone_is_not_fitted_and_trains_to_the_same_bits(kind):
    X, y = data(kind is TabularClassifier)
    model = kind(**SMALL, random_state=3).fit(X, y)
    other = clone(model)
    assert not hasattr(other, "nets_")
    assert np.array_equal(other.fit(X, y).net_.parameters, model.net_.parameters)
    assert not np.array_equal(clone(model).set_params(random_state=4).fit(X, y).net_.parameters, model.net_.parameters)


def test_random_state_may_be_a_generator_or_none():
    X, y = data(True)
    first, second = (
        TabularClassifier(**SMALL, random_state=np.random.RandomState(5)).fit(X, y).net_.parameters for _ in range(2)
    )
    assert np.array_equal(first, second)
    one, other = (TabularClassifier(**SMALL).fit(X, y).net_.parameters for _ in range(2))
    assert not np.array_equal(one, other)


def test_it_is_searched_voted_piped_and_cross_validated_over_processes():
    X, y = data(True)
    model = TabularClassifier(**SMALL, random_state=0)
    search = GridSearchCV(model, {"learning_rate": ["auto", 1e-6]}, cv=3).fit(X, y)
    assert search.best_params_ == {"learning_rate": "auto"}
    assert make_pipeline(StandardScaler(), model).fit(X, y).score(X, y) > 0.9
    assert VotingClassifier([("a", model), ("b", clone(model))], voting="soft").fit(X, y).score(X, y) > 0.9
    alone = cross_val_score(model, X, y, cv=3)
    assert np.array_equal(cross_val_score(model, X, y, cv=3, n_jobs=2), alone)  # in joblib's processes, equal bits


def test_weights_are_routed():
    X, y = data(True)
    weight = np.where(y == 2, 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        model = TabularClassifier(**SMALL, random_state=0).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        found = cross_validate(model, X, y, cv=3, params={"sample_weight": weight}, return_estimator=True)
    assert all(2 not in one.predict(X) for one in found["estimator"])  # a class without weight is never learnt


def test_frames_with_other_columns_are_refused_in_scikit_learn_s_words():
    import pandas as pd

    X, y = data(True)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = TabularClassifier(**SMALL, random_state=0).fit(frame, y)
    expected = "The feature names should match those that were passed during fit.\nFeature names "
    with pytest.raises(ValueError, match=f"{expected}unseen at fit time:\n- x\nFeature names seen at fit time, yet now"):
        model.predict(frame.rename(columns={"a": "x"}))
    with pytest.raises(ValueError, match=f"{expected}seen at fit time, yet now missing:\n- d\n"):
        model.predict(frame[list("abc")])
    with pytest.raises(ValueError, match=f"{expected}unseen at fit time:\n- e\n"):
        model.predict(frame.assign(e=1.0))


def built(kind):
    """What scikit-learn builds of a tabular estimator, and what it gives for rows: probabilities, or reals."""
    model = kind(**SMALL, random_state=0)
    if kind is TabularClassifier:
        return {
            "calibrated": (CalibratedClassifierCV(model, cv=2), "predict_proba"),
            "boosted": (AdaBoostClassifier(model, n_estimators=2, random_state=0), "predict_proba"),
            "bagged": (BaggingClassifier(model, n_estimators=2, random_state=0), "predict_proba"),
            "stacked": (StackingClassifier([("a", model)], LogisticRegression(), cv=2), "predict_proba"),
        }
    return {
        "boosted": (AdaBoostRegressor(model, n_estimators=2, random_state=0), "predict"),
        "bagged": (BaggingRegressor(model, n_estimators=2, random_state=0), "predict"),
        "voting": (VotingRegressor([("a", model), ("b", Ridge())]), "predict"),
        "stacked": (StackingRegressor([("a", model)], Ridge(), cv=2), "predict"),
    }


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (TabularClassifier, TabularRegressor) for name in built(kind)],
    ids=lambda one: getattr(one, "__name__", one),
)  # fmt: skip
def test_what_is_built_of_it_learns_and_has_the_same_bits_twice(kind, name):
    X, y = data(kind is TabularClassifier)
    y = y if kind is TabularClassifier else (y - y.mean()) / y.std()
    model, method = built(kind)[name]
    first = getattr(model.fit(X, y), method)(X)
    assert model.score(X, y) > 0.85
    assert np.array_equal(getattr(clone(model).fit(X, y), method)(X), first)
    if method == "predict_proba":
        np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-9)


def test_a_frame_of_words_goes_through_a_pipeline_that_puts_out_frames():
    """As it is: what comes before keeps its columns, and the estimator knows their names."""
    pandas = pytest.importorskip("pandas", reason="frames of pandas")
    X, y = data(True)
    frame = pandas.DataFrame({"word": np.array(["a", "b", "c"], object)[y], "number": X[:, 0]})
    columns = make_column_transformer(
        (StandardScaler(), ["number"]), remainder="passthrough", verbose_feature_names_out=False
    )
    model = make_pipeline(columns, TabularClassifier(**SMALL, random_state=0)).set_output(transform="pandas").fit(frame, y)
    assert list(model[-1].feature_names_in_) == ["number", "word"]
    assert model.score(frame, y) == 1.0


def test_what_matters_is_found_by_scikit_learn_s_inspection():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 3))
    model = TabularRegressor(**SMALL, random_state=0).fit(X, 3 * X[:, 1])
    means = permutation_importance(model, X, 3 * X[:, 1], n_repeats=2, random_state=0).importances_mean
    assert means.argmax() == 1
    assert means[1] > 10 * max(means[0], means[2])
    slopes = [np.diff(partial_dependence(model, X, [n], grid_resolution=3)["average"][0]) for n in range(3)]
    assert slopes[1].min() > 1
    assert np.abs(slopes[0]).max() < 0.5


@BOTH
def test_a_notebook_shows_it(kind):
    page = kind(hidden_layer_sizes=(17, 5))._repr_html_()
    for word in (kind.__name__, "hidden_layer_sizes", "(17, 5)", "Not fitted"):
        assert word in page, word

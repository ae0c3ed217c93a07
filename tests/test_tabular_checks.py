"""What users of scikit-learn do with estimators, done with the tabular ones; for its checks: test_estimator_checks.py."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")
pytest.importorskip("narwhals", reason="estimators take frames through narwhals")

from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import VotingClassifier
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

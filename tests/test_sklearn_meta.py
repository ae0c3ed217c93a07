"""What scikit-learn builds of estimators, built of ours and of theirs: the same numbers within 1e-6 for the same seed.

A case is a function of a pair of classes, a classifier and a regressor, that returns numbers. The bound is far above what
two orders of summation differ by in float64 after some dozens of steps, about 1e-13, and far below what another shuffle,
weight or fold does, about 1e-2: `test_the_bound_tells_seeds_apart` shows it.
"""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")
pytest.importorskip("scipy", reason="solver lbfgs is SciPy's")

import sklearn
from drop_in import OURS, THEIRS
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
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
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:scipy.optimize. The `disp` and `iprint` options:DeprecationWarning",  # which scikit-learn 1.6 passes
)

LATEST = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)  # ours have its numbers, whatever is installed
ours, theirs = SimpleNamespace(**OURS), SimpleNamespace(**THEIRS)
X, y = load_iris(return_X_y=True)
X, two = (X - X.mean(axis=0)) / X.std(axis=0), np.where(y == 1, "one", "other")
D, t = (part[:120] for part in load_diabetes(return_X_y=True))
D, t = D / D.std(axis=0), (t - t.mean()) / t.std()
weight = np.random.default_rng(0).uniform(0.2, 2, len(y))
SMALL = {"hidden_layer_sizes": (7,), "max_iter": 12, "random_state": 3, "learning_rate_init": 0.01, "batch_size": 32}
WEIGHTS = pytest.mark.skipif(
    "sample_weight" not in inspect.signature(theirs.classifier.fit).parameters, reason="their MLP takes weights from 1.7 on"
)


def small(of, **settings):
    return of.classifier(**SMALL | settings)


def real(of, **settings):
    return of.regressor(**SMALL | settings)


def grid(of):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(of)),
        {"mlpclassifier__hidden_layer_sizes": [(5,), (5, 4)], "mlpclassifier__solver": ["adam", "sgd", "lbfgs"]},
        cv=3,
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
    ).fit(X, y)
    results = search.cv_results_
    return search.best_index_, results["mean_test_accuracy"], results["mean_test_neg_log_loss"], search.predict_proba(X)


def halving(of):
    search = HalvingGridSearchCV(
        small(of), {"learning_rate_init": [0.001, 0.01, 0.1, 0.3], "alpha": [0, 1]}, resource="max_iter", max_resources=18,
        min_resources=2, cv=2, random_state=0, scoring="neg_log_loss",
    ).fit(X, y)  # fmt: skip
    return search.best_index_, search.cv_results_["n_resources"], search.cv_results_["mean_test_score"]


def randomized(of):
    search = RandomizedSearchCV(
        real(of), {"alpha": [0, 0.1, 1, 10], "activation": ["tanh", "relu"]}, n_iter=3, cv=2, random_state=1
    )
    search.fit(D, t)
    return search.cv_results_["mean_test_score"], search.predict(D)


def words(of):
    """A pipeline from a frame with words to sparse X, which scikit-learn's encoder makes."""
    pandas = pytest.importorskip("pandas", reason="a frame of words")
    frame = pandas.DataFrame({"word": np.array(["a", "b", "c"], object)[y], "number": X[:, 0]})
    columns = make_column_transformer((OneHotEncoder(), ["word"]), (StandardScaler(), ["number"]), sparse_threshold=1.0)
    return make_pipeline(columns, small(of)).fit(frame, two).predict_proba(frame)


def routed(of):
    """Weights that reach fit and score by metadata routing alone."""
    with config_context(enable_metadata_routing=True):
        model = small(of).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaled = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        found = cross_validate(scaled, X, y, cv=3, params={"sample_weight": weight}, return_estimator=True)
    return found["test_score"], [one.predict_proba(X) for one in found["estimator"]]


def boosted(of):
    steps = AdaBoostClassifier(small(of), n_estimators=3, random_state=0).fit(X, y, sample_weight=weight)
    return steps.estimator_weights_, steps.estimator_errors_, steps.predict_proba(X)


def dependence(of):
    one, other = small(of).fit(X, two), real(of).fit(D, t)
    return (
        partial_dependence(one, X, [2], grid_resolution=5, kind="both")["individual"],
        partial_dependence(other, D, [(2, 3)], grid_resolution=4)["average"],
    )


def importance(of):
    found = [
        permutation_importance(small(of, max_iter=30).fit(X, y), X, y, n_repeats=3, random_state=0, scoring="neg_log_loss"),
        permutation_importance(real(of).fit(D, t), D, t, n_repeats=2, random_state=0),
    ]
    return [one.importances for one in found]


def self_training(of):
    known = np.where(np.arange(len(y)) % 3 == 0, y, -1)
    return SelfTrainingClassifier(small(of, max_iter=40), max_iter=2).fit(X, known).predict_proba(X)


def chain(of):
    A, B = make_multilabel_classification(80, 5, n_classes=3, random_state=0)
    return ClassifierChain(small(of), cv=2, random_state=0).fit(A, B).predict_proba(A)


def target_units(of):
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), real(of)), transformer=StandardScaler())
    return model.fit(D, 1e6 + 1e4 * t).predict(D) / 1e4


def curves(of):
    sizes = learning_curve(
        small(of), X, y, train_sizes=[0.5, 1.0], cv=3, scoring="neg_log_loss", shuffle=True, random_state=0
    )
    values = validation_curve(real(of), D, t, param_name="alpha", param_range=[0, 10.0], cv=3)
    return *sizes[1:], *values


CASES = {
    "GridSearchCV of a pipeline": grid,
    "HalvingGridSearchCV over max_iter": halving,
    "RandomizedSearchCV": randomized,
    "ColumnTransformer to sparse X": words,
    "metadata routing": pytest.param(routed, marks=WEIGHTS),
    "AdaBoostClassifier": pytest.param(boosted, marks=WEIGHTS),
    "AdaBoostRegressor": lambda of: AdaBoostRegressor(real(of), n_estimators=3, random_state=0).fit(D, t).predict(D),
    "BaggingClassifier": lambda of: BaggingClassifier(small(of), n_estimators=3, random_state=0).fit(X, y).predict_proba(X),
    "BaggingRegressor": lambda of: (
        BaggingRegressor(real(of), n_estimators=3, max_features=5, random_state=0).fit(D, t).predict(D)
    ),
    "VotingClassifier": lambda of: (
        VotingClassifier([("a", small(of)), ("b", small(of, solver="lbfgs")), ("c", LogisticRegression())], voting="soft")
        .fit(X, y)
        .predict_proba(X)
    ),
    "VotingRegressor": lambda of: VotingRegressor([("a", real(of)), ("b", Ridge())]).fit(D, t).predict(D),
    "StackingClassifier": lambda of: (
        StackingClassifier([("a", small(of)), ("b", small(of, activation="tanh"))], cv=3).fit(X, y).predict_proba(X)
    ),
    "StackingRegressor": lambda of: StackingRegressor([("a", Ridge())], real(of), cv=3).fit(D, t).predict(D),
    "CalibratedClassifierCV": lambda of: [
        CalibratedClassifierCV(small(of), cv=3, ensemble=ensemble).fit(X, y).predict_proba(X) for ensemble in (True, False)
    ],
    "TunedThresholdClassifierCV": lambda of: (
        TunedThresholdClassifierCV(small(of), thresholds=20, cv=3, random_state=0).fit(X, two == "one").best_score_
    ),
    "OneVsRestClassifier": lambda of: OneVsRestClassifier(small(of)).fit(X, y).predict_proba(X),
    "ClassifierChain": chain,
    "MultiOutputRegressor": lambda of: MultiOutputRegressor(real(of)).fit(D, np.column_stack([t, t**2])).predict(D),
    "SelfTrainingClassifier": self_training,
    "TransformedTargetRegressor": target_units,
    "permutation_importance": importance,
    "partial_dependence": dependence,
    "learning_curve and validation_curve": curves,
    "cross_val_score": lambda of: (cross_val_score(small(of), X, two, cv=4), cross_val_score(real(of), D, t, cv=4)),
    "cross_val_predict": lambda of: cross_val_predict(small(of), X, y, cv=3, method="predict_log_proba"),
}  # fmt: skip


def flat(found):
    """All numbers of what a case returns, in a row."""
    if isinstance(found, list | tuple):
        return np.concatenate([flat(part) for part in found])
    return np.asarray(found, np.float64).reshape(-1)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(*getattr(case, "values", [case]), id=name, marks=getattr(case, "marks", ()))
        for name, case in CASES.items()
    ],
)
def test_it_gives_the_numbers_of_scikit_learn_s(case):
    found, expected = flat(case(ours)), flat(case(theirs))
    assert np.isfinite(expected).all()
    assert found.shape == expected.shape
    if not LATEST:
        assert np.isfinite(found).all()
        pytest.skip("the numbers are those of scikit-learn 1.9")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_bound_tells_seeds_apart():
    one, other = (small(theirs, random_state=seed).fit(X, y).predict_proba(X) for seed in (3, 4))
    assert np.abs(one - other).max() > 1e-2


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_columns_come_through_a_pipeline_with_set_output(library):
    frames = pytest.importorskip(library, reason="frames in and through")
    names = list("abcd")
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip(f"scikit-learn {sklearn.__version__} does not see the names of these frames itself")
    model = make_pipeline(StandardScaler(), small(ours)).set_output(transform=library).fit(frame, two)
    assert list(model[-1].feature_names_in_) == names
    assert list(model.classes_) == ["one", "other"]
    expected = make_pipeline(StandardScaler(), small(theirs)).fit(X, two).predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(frame), expected, atol=1e-6)
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        model[-1].predict(
            model[0].transform(frame).rename(**{"columns": {"a": "z"}} if library == "pandas" else {"mapping": {"a": "z"}})
        )


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_parameters_are_theirs_with_their_defaults_and_more_behind(kind):
    mine, other = OURS[kind](), THEIRS[kind]()
    assert {name: mine.get_params()[name] for name in other.get_params()} == other.get_params()
    here, there = (list(inspect.signature(one.__init__).parameters) for one in (OURS[kind], THEIRS[kind]))
    assert not LATEST or here[: len(there)] == there, "an argument by its place means the same"


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_a_clone_has_the_parameters_and_not_the_fit(kind):
    model = OURS[kind](**SMALL).fit(*((X, y) if kind == "classifier" else (D, t)))
    copy = clone(model.set_params(alpha=0.5, activation="tanh"))
    assert copy.get_params() == model.get_params()
    assert (copy.alpha, copy.activation, copy.max_iter) == (0.5, "tanh", SMALL["max_iter"])
    assert hasattr(model, "coefs_")
    assert not hasattr(copy, "coefs_")
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        copy.set_params(depth=3)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_a_notebook_shows_the_estimator(kind):
    model = make_pipeline(StandardScaler(), OURS[kind](hidden_layer_sizes=(17, 5), alpha=0.25))
    page = model._repr_html_()
    for word in (OURS[kind].__name__, "StandardScaler", "hidden_layer_sizes", "(17, 5)", "0.25", "Not fitted"):
        assert word in page, word
    model.fit(*((X, y) if kind == "classifier" else (D, t)))
    assert "<span>Fitted</span>" in model._repr_html_()
    assert repr(model[-1]).startswith(f"{OURS[kind].__name__}(")
    assert "alpha=0.25" in repr(model[-1])

"""scikit-learn's own checks of estimators, all of them, of all of ours; and nothing that they need may be missing."""

import importlib.metadata
import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Without these packages tests skip themselves: pandas, two of scikit-learn's checks; the others, files that need them.
NEEDED = {"numpy", "scikit-learn", "narwhals", "polars", "pandas", "pyarrow", "scipy", "distributed", "optuna"}


def distributions(extra, extras):
    """The names of the distributions that an extra of pyproject.toml brings, by itself and by the extras that it names."""
    for requirement in extras[extra]:
        name, inner = re.fullmatch(r"([\w-]+)(?:\[([\w,-]+)\])?.*", requirement).groups()
        if name == "numbafc":
            for one in inner.split(","):
                yield from distributions(one, extras)
        else:
            yield name.lower()


def brought():
    """What `pip install ".[test]"` brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"numpy", "numba", *distributions("test", project["optional-dependencies"])}


def test_the_extra_brings_all_that_tests_skip_without():
    assert brought() >= NEEDED


@pytest.mark.skipif(not os.environ.get("CI"), reason="a machine of one's own may have less: tests say what they skip")
@pytest.mark.parametrize("name", sorted(brought()))
def test_where_changes_are_checked_nothing_is_missing(name):
    assert importlib.metadata.version(name)


pytest.importorskip("sklearn", reason="the estimators are scikit-learn's")
pytest.importorskip("narwhals", reason="estimators take frames through narwhals")

from drop_in import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from numbafc.interop.sklearn import TabularClassifier, TabularRegressor  # noqa: E402

SMALL = {"hidden_layer_sizes": (16,), "epochs": 60, "n_threads": 1, "members": 1}
ESTIMATORS = [
    TabularClassifier(**SMALL),
    TabularRegressor(**SMALL),
    MLPClassifier(max_iter=100),
    MLPRegressor(max_iter=100),
    MLPClassifier(hidden_layer_sizes=(10,), solver="lbfgs", max_iter=20),
    MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", max_iter=20),
]
FAILING = {  # of the tabular ones, in strict marks: one that passes is seen
    "check_sample_weight_equivalence_on_dense_data": "a row twice may be in both parts, or twice in one minibatch",
}


def expected_failures(estimator):
    """The checks that an estimator cannot pass, each with its reason; those of scikit-learn's MLP are passed."""
    return FAILING if isinstance(estimator, TabularClassifier | TabularRegressor) else {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)

"""scikit-learn's own tests of its MLP, from the wheel that is installed, run on MLPClassifier and MLPRegressor of numbafc.

Its file `neural_network/tests/test_mlp.py` is read, its one line that imports the two classes is replaced by one that
imports ours, and each of its functions is a test here. Those that reach into what scikit-learn keeps private are expected
to fail, strictly: one that passes is seen, and so is any other that fails, such as a new one of a later version.
"""

from pathlib import Path

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="the tests are scikit-learn's")

from drop_in import MLPClassifier, MLPRegressor  # noqa: E402

FILE = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_mlp.py"
THEIRS, OURS = "from sklearn.neural_network import", "from drop_in import"
PRIVATE = {
    "test_fit": "makes a fitted estimator by hand, of a dozen attributes, private ones among them",
    "test_gradient": "calls _loss_grad_lbfgs with lists of arrays to work in; ours is compiled",
}


def suite():
    """The names of scikit-learn's file, run with our classes."""
    source = FILE.read_text(encoding="utf-8")
    assert source.count(f"\n{THEIRS} MLPClassifier, MLPRegressor\n") == 1, "scikit-learn imports its classes in another way"
    found = {"__name__": "numbafc_sklearn_suite", "__file__": str(FILE)}
    exec(compile(source.replace(THEIRS, OURS), FILE, "exec"), found)
    return found


SUITE = suite()
TESTS = {name: value for name, value in SUITE.items() if name.startswith("test_")}


def marked(name, test):
    """A test of theirs under our rules; what it warns of is no error there."""
    test = pytest.mark.filterwarnings("default")(test)
    return pytest.mark.xfail(reason=PRIVATE[name], strict=True)(test) if name in PRIVATE else test


globals().update({name: marked(name, test) for name, test in TESTS.items()})


@pytest.fixture(autouse=True)
def _the_same_numbers_each_time():
    """Many of them draw from NumPy's global generator."""
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture
def global_random_seed():
    """What scikit-learn's conftest.py has in a run without settings."""
    return 42


def test_the_suite_is_all_there_and_is_run_on_our_classes():
    assert len(TESTS) >= 35
    assert SUITE["MLPClassifier"] is MLPClassifier
    assert SUITE["MLPRegressor"] is MLPRegressor
    assert MLPClassifier.__module__.startswith("numbafc.interop.sklearn")
    assert MLPRegressor.__module__.startswith("numbafc.interop.sklearn")


def test_few_functions_are_excused_and_all_of_them_exist():
    assert len(PRIVATE) <= 6
    assert set(PRIVATE) <= set(TESTS), "a function that scikit-learn has no more needs no excuse"

"""MLPClassifier and MLPRegressor have the numbers of scikit-learn's own: loss curves, parameters, counts of epochs.

Learning rates, weights and inputs are bounded, so that nothing diverges and roundings do not grow: from 1e-16 to 1e-13
in up to 160 steps. (700 steps of Adam, of rate 0.01 and single samples, whose penalty has made all weights nearly 0, are
chaos.) What the curves are held to, 1e-6, is what the estimators promise.
"""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import sklearn.neural_network as theirs
from hypothesis import given
from hypothesis import strategies as st

from numbafc.interop import sklearn as ours

RNG = np.random.default_rng(0)
SAMPLES = 61
X = RNG.standard_normal((SAMPLES, 5))
SCORES = X @ RNG.standard_normal((5, 3)) + 0.3 * RNG.standard_normal((SAMPLES, 3))
WEIGHT = RNG.uniform(0.5, 2, SAMPLES)
TARGETS = {
    "two classes": np.where(SCORES[:, 0] > 0, "yes", "no"),
    "three classes": SCORES.argmax(axis=1) - 1,
    "labels": (SCORES > 0).astype(int),
    "real": SCORES[:, 0],
    "reals": SCORES,
    "counts": np.floor(np.exp(SCORES[:, 0] / 3)),
    "rows of counts": np.floor(np.exp(SCORES / 3)),
}
CURVES = "loss_curve_", "validation_scores_"
NUMBERS = "loss_", "best_loss_", "best_validation_score_", "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"


def both(kind, **settings):
    """scikit-learn's estimator for such targets, and ours."""
    name = "MLPRegressor" if TARGETS[kind].dtype.kind == "f" else "MLPClassifier"
    if "counts" in kind:
        settings["loss"] = "poisson"
    return tuple(getattr(package, name)(random_state=3, **settings) for package in (theirs, ours))


@contextmanager
def without_warnings():
    """Of training that has not converged, and so on; test_sklearn_mlp_use.py looks at them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def assert_equal(one, other, close, kept=True):
    """Attributes of the two, and, where it is known which epoch's they are, parameters."""
    for name in CURVES:
        curve, expected = getattr(other, name), getattr(one, name)
        if expected is None:
            assert curve is None, name
        else:
            np.testing.assert_allclose(curve, expected, **close, err_msg=name)
    for name in NUMBERS:
        value, expected = getattr(other, name), getattr(one, name)
        assert value == (
            expected if expected is None or isinstance(expected, str) else pytest.approx(expected, **_rel(close))
        )
    for ours_, theirs_ in zip([*other.coefs_, *other.intercepts_], [*one.coefs_, *one.intercepts_], strict=True):
        assert ours_.shape == theirs_.shape
        if kept:
            np.testing.assert_allclose(ours_, theirs_, **close)


def _rel(close):
    return {"rel": close["rtol"], "abs": close["atol"]}


SOLVERS = st.one_of(
    st.fixed_dictionaries(
        {
            "solver": st.just("sgd"),
            "learning_rate_init": st.sampled_from([0.002, 0.02]),
            "learning_rate": st.sampled_from(["constant", "invscaling", "adaptive"]),
            "power_t": st.sampled_from([0.2, 0.5]),
            "momentum": st.sampled_from([0, 0.5, 0.9]),
            "nesterovs_momentum": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "solver": st.just("adam"),
            "learning_rate_init": st.sampled_from([1e-3, 4e-3]),
            "beta_1": st.sampled_from([0.9, 0.5, 0]),
            "beta_2": st.sampled_from([0.999, 0.9]),
            "epsilon": st.sampled_from([1e-3, 1e-5]),
            "learning_rate": st.sampled_from(["constant", "adaptive"]),  # which Adam has not
        }
    ),
)
SETTINGS = {
    "hidden_layer_sizes": st.sampled_from([(), 7, (9, 6)]),
    "activation": st.sampled_from(["identity", "logistic", "tanh", "relu"]),
    "alpha": st.sampled_from([0, 1e-4, 0.5]),
    "batch_size": st.sampled_from(["auto", 7, 20, 1000]),
    "shuffle": st.booleans(),
    "tol": st.sampled_from([1e-4, 0.05]),
    "n_iter_no_change": st.sampled_from([1, 10]),
    "max_iter": st.just(6),
}


@given(
    st.sampled_from(sorted(TARGETS)),
    SOLVERS,
    st.fixed_dictionaries(SETTINGS),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["fit", "warm start", "partial_fit", "fit, partial_fit"]),
)
def test_the_numbers_are_scikit_learn_s(kind, solver, settings, stops_early, weighted, calls):
    stops_early = stops_early and "partial_fit" not in calls
    y, given_ = TARGETS[kind], {"sample_weight": WEIGHT} if weighted else {}
    pair = both(kind, **solver, **settings, early_stopping=stops_early, warm_start=calls == "warm start")
    first = {"classes": np.unique(y)} if "classes" in kind else {"classes": [0, 1, 2]} if kind == "labels" else {}
    with without_warnings():
        for model in pair:
            if calls != "partial_fit":
                model.fit(X, y, **given_)
            if calls == "warm start":
                model.fit(X, y, **given_)
            for _ in range(3 if "partial_fit" in calls else 0):
                model.partial_fit(X, y, **given_, **first)
    is_discrete = y.dtype.kind in "iU"  # of R² two epochs may be equal but for rounding: the best is either
    assert_equal(*pair, {"rtol": 1e-6, "atol": 1e-9}, kept=is_discrete or not stops_early)
    for method in ("predict", "predict_proba"):
        if hasattr(pair[0], method) and (is_discrete or not stops_early):
            expected, got = (getattr(model, method)(X) for model in pair)
            assert expected.dtype == got.dtype
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)
            else:
                np.testing.assert_array_equal(got, expected)


@given(
    st.sampled_from(sorted(TARGETS)),
    st.sampled_from([(), 7, (9, 6)]),
    st.sampled_from(["identity", "logistic", "tanh"]),
    st.sampled_from([1e-3, 0.5]),
    st.booleans(),
    st.sampled_from([1, 4]),
)
def test_so_are_those_of_lbfgs(kind, hidden, activation, alpha, weighted, iterations):
    """Of a few iterations: a line search doubles what roundings there are, and ends where no step is better."""
    pair = both(
        kind, solver="lbfgs", hidden_layer_sizes=hidden, activation=activation, alpha=alpha, max_iter=iterations, tol=1e-9
    )
    with without_warnings():
        for model in pair:
            model.fit(X, TARGETS[kind], WEIGHT if weighted else None)
    assert pair[1].n_iter_ == pair[0].n_iter_
    assert pair[1].loss_ == pytest.approx(pair[0].loss_, rel=1e-6)
    for got, expected in zip(pair[1].coefs_, pair[0].coefs_, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@given(st.sampled_from(sorted(TARGETS)), st.sampled_from(["identity", "logistic", "tanh", "relu"]), st.booleans())
def test_single_precision_stays_near_double(kind, activation, weighted):
    """Sums of N + T + B ≤ 80 terms err by 80·ε, ε = 2⁻²⁴ for each rounding, of numbers below 10, in forward and backward
    pass and update: 3·80·10·ε = 1.5e-4 of a step whose rate is 0.01, and 2·80·ε of a loss below 10. In 12 steps gradients
    that change by less than 5 times what parameters do let errors grow by 1.05¹² < 2. Together 2·12·0.01·1.5e-4·10 + 1e-4
    is below 5e-4. ε of the clipped logarithm is not reached."""
    y, settings = TARGETS[kind], {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0, "max_iter": 3}
    exact, _ = both(kind, **settings, activation=activation, batch_size=20, hidden_layer_sizes=8)
    _, single = both(kind, **settings, activation=activation, batch_size=20, hidden_layer_sizes=8)
    with without_warnings():
        for model, dtype in ((exact, np.float64), (single, np.float32)):
            model.fit(X.astype(dtype), y, WEIGHT if weighted else None)
    assert single.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(single.loss_curve_, exact.loss_curve_, rtol=0, atol=5e-4)


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_sparse_samples_are_those_samples(kind, monkeypatch):
    """Made dense at once, or a few minibatches at a time; and so in prediction."""
    from scipy.sparse import csc_array, csr_array

    from numbafc.interop.sklearn.mlp import batches

    some = np.where(np.abs(X) > 0.5, X, 0)
    for solver in ("adam", "lbfgs"):
        dense = both(kind, max_iter=3, batch_size=7, solver=solver)[1]
        with without_warnings():
            dense.fit(some, TARGETS[kind], WEIGHT)
            for limit, form in ((2**28, csr_array), (0, csr_array), (0, csc_array)):
                monkeypatch.setattr(batches, "DENSE", limit)
                monkeypatch.setattr(batches, "AT_ONCE", 20 * 5 * 8)
                sparse = both(kind, max_iter=3, batch_size=7, solver=solver)[1].fit(form(some), TARGETS[kind], WEIGHT)
                for one, other in zip(dense.coefs_, sparse.coefs_, strict=True):
                    np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)
                np.testing.assert_array_equal(sparse.predict(form(some)), sparse.predict(some))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_minibatches_of_one_sample(kind, solver):
    pair = both(kind, solver=solver, batch_size=1, max_iter=3, hidden_layer_sizes=(9, 6))
    with without_warnings():
        for model in pair:
            model.fit(X, TARGETS[kind], WEIGHT)
    assert_equal(*pair, {"rtol": 1e-6, "atol": 1e-9})


def test_zeros_among_weights_are_no_samples():
    """Full batches: a sample of weight 0 is as if it were not there."""
    weight = np.arange(SAMPLES) % 3
    for solver in ("adam", "lbfgs"):
        settings = {"solver": solver, "shuffle": False, "batch_size": SAMPLES, "max_iter": 5}
        one, other = (both("three classes", **settings)[1] for _ in range(2))
        with without_warnings():
            one.fit(X, TARGETS["three classes"], weight)
            kept = weight > 0
            other.fit(X[kept], TARGETS["three classes"][kept], weight[kept])
        assert one.loss_ == pytest.approx(other.loss_, rel=1e-9)


def test_a_minibatch_of_weight_0_is_no_step():
    """scikit-learn divides by 0 there."""
    weight = np.repeat([0, 1], [20, SAMPLES - 20])
    model = both("real", shuffle=False, batch_size=20, max_iter=2)[1]
    with without_warnings():
        model.fit(X, TARGETS["real"], weight)
    assert np.isfinite(model.loss_)
    assert len(model.loss_curve_) == 2


def test_what_diverges_goes_on_as_theirs_and_is_refused_in_the_end():
    pair = both("real", solver="sgd", learning_rate_init=1e3, activation="identity", max_iter=15)
    for model in pair:
        with without_warnings(), pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            model.fit(X, TARGETS["real"])
    pair = both("real", solver="sgd", learning_rate_init=1e3, activation="identity", max_iter=15, early_stopping=True)
    with without_warnings():
        for model in pair:
            model.fit(X, TARGETS["real"])
    assert len(pair[1].loss_curve_) == len(pair[0].loss_curve_)
    assert np.isnan(pair[1].validation_scores_[-1])
    for one, other in zip(pair[0].coefs_, pair[1].coefs_, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9)


def test_adaptive_rates_end_where_theirs_do():
    pair = both("two classes", solver="sgd", learning_rate="adaptive", learning_rate_init=0.01, tol=0.5, n_iter_no_change=1)
    with without_warnings():
        for model in pair:
            model.fit(X, TARGETS["two classes"])
    assert pair[1].n_iter_ == pair[0].n_iter_ < 200
    assert pair[1]._optimizer.learning_rate == pytest.approx(pair[0]._optimizer.learning_rate, rel=1e-12)
    np.testing.assert_allclose(pair[1].loss_curve_, pair[0].loss_curve_, rtol=1e-9)

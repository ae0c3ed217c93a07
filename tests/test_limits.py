"""Every setting at its limits: the first value that is taken, the first that is not, and what it is if nobody says."""

import dataclasses
import math

import numpy as np
import pytest

import numbafc as fc
from numbafc.nn import Cosine, OneCycle, OnPlateau, Step, optimizers, recipe, schedules, weights
from numbafc.nn.recipe import Regularization

UP = math.nextafter(0.0, 1.0)  # the smallest number above 0
BELOW_1, ABOVE_1 = math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)
POSITIVE = ([UP, 1.0, 1e300], [0.0, -UP, -1.0, math.inf, math.nan])
AT_LEAST_0 = ([0.0, UP, 1.0, 1e300], [-UP, -1.0, math.inf, math.nan])
SHARE = ([0.0, UP, BELOW_1], [-UP, -0.5, 1.0, 1.5, math.nan])
OPEN_SHARE = ([UP, BELOW_1], [0.0, -UP, -0.5, 1.0, 1.5, math.nan])
WHOLE = ([1, 2, 10**6], [0, -1])

LIMITS = [  # what is made, a setting of it, the values that are taken and those that are refused
    *((kind, "learning_rate", *POSITIVE) for kind in (fc.SGD, fc.Adam, fc.AdamW, fc.RMSprop, fc.Adagrad)),
    *((kind, "weight_decay", *AT_LEAST_0) for kind in (fc.SGD, fc.Adam, fc.AdamW, fc.RMSprop, fc.Adagrad)),
    *((kind, "epsilon", *POSITIVE) for kind in (fc.Adam, fc.AdamW, fc.RMSprop, fc.Adagrad)),
    *((kind, name, *SHARE) for kind in (fc.Adam, fc.AdamW) for name in ("beta1", "beta2")),
    *((kind, "momentum", *SHARE) for kind in (fc.SGD, fc.RMSprop)),
    (fc.RMSprop, "alpha", *SHARE),
    (Step, "every", *WHOLE),
    (Step, "gamma", [UP, 1.0], [0.0, -UP, ABOVE_1, 2.0, math.nan]),
    (Cosine, "warm_up", *SHARE),
    (Cosine, "final", *AT_LEAST_0),
    (OneCycle, "rise", *OPEN_SHARE),
    (OneCycle, "start", *AT_LEAST_0),
    (OneCycle, "final", *AT_LEAST_0),
    (OnPlateau, "factor", *OPEN_SHARE),
    (OnPlateau, "patience", *WHOLE),
    (recipe.make, "batch_size", *WHOLE),
    (recipe.make, "early_stopping", [None, *WHOLE[0]], WHOLE[1]),
    (recipe.make, "dropout", *SHARE),
    (recipe.make, "clip_norm", [None, *POSITIVE[0]], POSITIVE[1]),
    (recipe.make, "clip_sample_norm", [None, *POSITIVE[0]], POSITIVE[1]),
]


@pytest.mark.parametrize(("make", "name", "taken", "refused"), LIMITS, ids=lambda value: getattr(value, "__name__", None))
def test_a_setting_is_taken_up_to_its_limit_and_refused_from_there(make, name, taken, refused):
    for value in taken:
        made = make(**{name: value})
        if make is not recipe.make:
            assert getattr(made, name) == value
            assert type(getattr(made, name)) is type(value)
    for value in refused:
        with pytest.raises(ValueError, match=name):
            make(**{name: value})


def test_label_smoothing_and_seeds_have_limits_too():
    for smoothing in SHARE[0]:
        assert fc.MLP([2, 2], label_smoothing=smoothing).label_smoothing == smoothing
    for smoothing in SHARE[1]:
        with pytest.raises(ValueError, match="label_smoothing"):
            fc.MLP([2, 2], label_smoothing=smoothing)
    assert fc.MLP([2, 2], loss="mse", label_smoothing=0.0).label_smoothing == 0.0
    with pytest.raises(ValueError, match="label_smoothing goes with"):
        fc.MLP([2, 2], loss="mse", label_smoothing=0.1)
    assert fc.MLP([2, 2], seed=0).seed == 0
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        fc.MLP([2, 2], seed=-1)
    assert fc.MLP([1, 1, 1]).sizes == (1, 1, 1)


def test_what_is_recorded_of_a_recipe_is_what_was_asked_for():
    made = recipe.make(
        optimizer="sgd", learning_rate=0.5, schedule="step", batch_size=7, shuffle=False, early_stopping=3, dropout=0.25,
        clip_norm=2.0, clip_sample_norm=3.0, label_smoothing=0.125, seed=11,
    )  # fmt: skip
    assert made == recipe.Recipe(fc.SGD(0.5), Step(), 7, False, 3, Regularization(0.25, 2.0, 3.0, 0.125, 11))
    assert made.regularization.numbers == (0.25, 2.0, 3.0, 0.125, 0.0, 0.0)
    usual = recipe.make()
    assert usual == recipe.Recipe(fc.Adam(), fc.nn.Constant(), 32, True, None, Regularization())
    assert Regularization() == (0.0, 0.0, 0.0, 0.0, 0, 0.0, False)


def test_the_defaults_are_those_that_the_docstrings_name():
    assert fc.SGD() == fc.SGD(0.01, 0.0, False, 0.0)
    assert fc.AdamW() == fc.AdamW(0.001, 0.9, 0.999, 1e-8, 0.01)
    assert fc.RMSprop() == fc.RMSprop(0.01, 0.99, 1e-8, 0.0, 0.0)
    assert fc.Adagrad() == fc.Adagrad(0.01, 1e-10, 0.0)
    assert (Step(), Cosine(), OneCycle(), OnPlateau()) == (
        Step(10, 0.1),
        Cosine(0.0, 0.0),
        OneCycle(0.3, 0.04, 4e-6),
        OnPlateau(0.1, 10),
    )


@pytest.mark.parametrize("kind", [*optimizers.OURS, *fc.nn.SCHEDULES.values()])
def test_settings_stay_what_they_are(kind):
    """A training's recipe is compared with what is asked for later."""
    made = kind()
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, 0.5)
    assert made == kind()
    assert hash(made) == hash(kind())


def test_what_has_only_half_of_an_optimizer_or_a_schedule_is_refused():
    class Begins:
        def init(self, parameters):
            return {}

    class Steps:
        def update(self, parameters, gradients, state):
            pass

    for half in (Begins(), Steps()):
        with pytest.raises(TypeError, match="an instance with init and update"):
            optimizers.make(half, None)
    with pytest.raises(TypeError, match="an instance with factors"):
        schedules.make(Steps())
    assert optimizers.make("sgd", 0.5) == fc.SGD(0.5)
    assert optimizers.make("sgd", None) == fc.SGD()
    assert {optimizers.make(name, None) for name in optimizers.OPTIMIZERS} == {kind() for kind in optimizers.OURS}


@pytest.mark.parametrize(
    ("factors", "right"),
    [([1, 0], True), ([0.0, -0.0], True), ([1, 1e300], True), ([1], False), ([1, 1, 1], False), ([[1, 1]], False),
     ([1, -UP], False), ([1, math.inf], False), ([math.nan, 1], False)],
)  # fmt: skip
def test_factors_are_finite_and_not_below_0(factors, right):
    if right:
        np.testing.assert_array_equal(schedules.checked(factors, 2), factors)
        assert schedules.checked(factors, 2).dtype == np.float64
    else:
        with pytest.raises(ValueError, match="a schedule's factors must be 2 finite numbers"):
            schedules.checked(factors, 2)


def test_weights_of_classes_at_their_limits():
    y = np.array([0, 2, 2])
    np.testing.assert_array_equal(weights.class_weights({0: 0}, y, 3), [0, 1, 1])
    np.testing.assert_array_equal(weights.class_weights({2: 0.5, 0: 3}, y, 3), [3, 0.5, 0.5])
    np.testing.assert_array_equal(weights.class_weights([0, 9, 2], y, 3), [0, 2, 2])
    np.testing.assert_array_equal(weights.class_weights("balanced", y, 3), [1, 0.5, 0.5])  # class 1 has no sample
    for wrong in ({3: 1}, {-1: 1}, {0: -UP}, [1, 2, 3, 4], [0, 0, -UP], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="class"):
            weights.class_weights(wrong, y, 3)


def test_sample_weights_at_their_limits():
    net, X, y = fc.MLP([1, 2]), np.ones((2, 1)), np.array([0, 1])
    assert math.isfinite(net.loss(X, y, [0, UP]))
    assert net.loss(X, y, [0, 3]) == net.loss(X[1:], y[1:])
    for wrong in ([0, 0], [1, -UP], [1], [[1, 1]], [1, 1, 1]):
        with pytest.raises(ValueError, match="sample_weight"):
            net.loss(X, y, wrong)


@pytest.mark.parametrize(
    ("loss", "taken", "refused"),
    [
        ("cross_entropy", [0, 1, 2], [-1, 3]),
        ("binary_cross_entropy", [0.0, -0.0, UP, 0.5, 1.0], [-UP, ABOVE_1, 2.0]),
        ("poisson", [0.0, UP, 1e300], [-UP, -1.0]),
        ("mse", [-1e300, 0.0, 1e300], []),
    ],
)
def test_targets_at_their_limits(loss, taken, refused):
    """The one that is wrong is named, and the first of several."""
    net = fc.MLP([1, 3], loss=loss, dtype="float64")
    X = np.ones((3, 1))

    def of(first, second):
        y = [first, second, second]
        return np.array(y) if loss == "cross_entropy" else np.array([[0.5, one, 0.5] for one in y])

    for value in taken:
        net.score(X, of(value, value))
    for value in refused:
        with pytest.raises(ValueError, match=r"y must be .* at sample 1(, output 1)?\b"):
            net.score(X, of(taken[0], value))


METHODS = {  # what takes samples, and what goes with them
    "fit": lambda net, X: net.fit(X, [0, 1]),
    "standardize": lambda net, X: net.standardize(X),
    "outputs": lambda net, X: net.outputs(X),
    "predict": lambda net, X: net.predict(X),
    "predict_proba": lambda net, X: net.predict_proba(X),
    "loss": lambda net, X: net.loss(X, [0, 1]),
    "score": lambda net, X: net.score(X, [0, 1]),
    "gradients": lambda net, X: net.gradients(X, [0, 1]),
    "validation": lambda net, X: net.fit([[1.0, 2], [3, 4]], [0, 1], validation=(X, [0, 1])),
    "was_trained_on": lambda net, X: net.was_trained_on(X, [0, 1]),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_lists_and_refuses_other_shapes_and_what_is_no_number(method):
    call, rows = METHODS[method], [[1.0, 2], [3, 4]]
    results = []
    for X in (rows, np.array(rows), np.array(rows, np.float32), np.array(rows, int)):
        net = fc.MLP([2, 3])
        call(net, X)
        results.append((net.parameters.tobytes(), None if net.input_mean is None else net.input_mean.tobytes()))
    assert len(set(results)) == 1
    for wrong in (rows[0], [rows], [row[:1] for row in rows], [[*row, 0] for row in rows], [[1.0, math.nan], [3, 4]]):
        with pytest.raises(ValueError, match=r"X (of validation )?must"):
            call(fc.MLP([2, 3]), wrong)
    with pytest.raises(TypeError, match=r"X (of validation )?must be real numbers"):
        call(fc.MLP([2, 3]), [["a", "b"], ["c", "d"]])

"""MLPClassifier and MLPRegressor in use: pickles, files, callbacks, messages, and what goes beyond scikit-learn's own."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import compute_sample_weight

import numbafc as fc
from numbafc.interop.sklearn import MLPClassifier, MLPRegressor
from numbafc.nn import ACTIVATIONS, SCHEDULES

RNG = np.random.default_rng(0)
X = RNG.standard_normal((61, 5))
Y = np.array(["ash", "elm", "oak"])[(X @ RNG.standard_normal((5, 3))).argmax(axis=1)]
Z = X[:, :2] ** 2
WITH_CALLBACKS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**settings):
    return MLPClassifier(**{"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 1, **settings})


def regressor(**settings):
    return MLPRegressor(**{"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 1, **settings})


# ---- pickles and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", fc.RMSprop(), "lbfgs"])
def test_a_pickle_is_small_and_goes_on(solver):
    model = classifier(solver=solver).fit(np.tile(X, (200, 1)), np.tile(Y, 200))
    written = pickle.dumps(model)
    assert len(written) < 9000 < np.tile(X, (200, 1)).nbytes  # no data, and nothing compiled
    other = pickle.loads(written)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    if solver != "lbfgs":
        for one in (model, other, copy.deepcopy(other)):
            one.partial_fit(X, Y)
        np.testing.assert_array_equal(other.net_.parameters, model.net_.parameters)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "net_")


def test_from_a_memory_map_training_goes_on(tmp_path):
    model = classifier().fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    other = joblib.load(tmp_path / "model", mmap_mode="r")
    another = joblib.load(tmp_path / "model", mmap_mode="r")
    other.set_params(warm_start=True).fit(X, Y)
    assert (other.coefs_[0] != model.coefs_[0]).any()
    np.testing.assert_array_equal(another.partial_fit(X, Y).coefs_[0], model.partial_fit(X, Y).coefs_[0])


def test_a_pickle_that_was_changed_is_refused():
    model = classifier().fit(X, Y)
    model._optimizer.state["mean"] = np.zeros(3)
    with pytest.raises(ValueError, match="this pickle of a MLPClassifier is not whole"):
        pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("y", [Y, np.where(Y == "elm", "elm", "other"), np.stack([Y == "elm", X[:, 0] > 0], axis=1)])
def test_a_file_has_the_same_answers(tmp_path, y):
    model = classifier(activation="logistic").fit(X, y)
    model.save(tmp_path / "model.safetensors")
    net = fc.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(net.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    if y.ndim == 1:
        assert net.classes == tuple(model.classes_)
        np.testing.assert_array_equal(np.array(net.classes)[net.predict(X)], model.predict(X))


def test_a_model_of_one_class_is_no_file(tmp_path):
    model = MLPClassifier((4,), max_iter=2, random_state=0, tol=1e9, n_iter_no_change=1).fit(X, np.zeros(61))
    with pytest.raises(ValueError, match="needs two classes or more"):
        model.save(tmp_path / "model.safetensors")


def test_so_has_a_file_of_a_regressor(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    for model, y in ((regressor(), Z), (regressor(loss="poisson"), Z[:, 0])):
        model.fit(frame, y).save(tmp_path / "model.safetensors")
        net = fc.load(tmp_path / "model.safetensors")
        assert net.features == tuple("abcde")
        np.testing.assert_allclose(net.predict(X), model.predict(frame), rtol=1e-12)


def test_export_to_onnx(tmp_path):
    if not hasattr(fc.MLP, "export_onnx"):
        pytest.skip("MLP.export_onnx is not there yet")
    runtime = pytest.importorskip("onnxruntime")
    model = classifier().fit(X.astype(np.float32), Y)
    model.export_onnx(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    answers = session.run(None, {session.get_inputs()[0].name: X.astype(np.float32)})
    found = {output.name: answer for output, answer in zip(session.get_outputs(), answers, strict=True)}
    np.testing.assert_array_equal(found["label"], model.predict(X.astype(np.float32)))


def test_ctrl_c_ends_a_training_with_what_there_is(monkeypatch):
    epochs = []

    def interrupted(self, held):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(MLPClassifier, "_score_of", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = classifier(max_iter=9).fit(X, Y, X_val=X, y_val=Y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == (61,)


# ---- attributes -----------------------------------------------------------------------------------------------------


def test_coefficients_are_views_into_the_network():
    model = classifier().fit(X, Y)
    assert [W.shape for W in model.coefs_] == [(5, 9), (9, 3)]
    assert all(np.shares_memory(W, model.net_.parameters) for W in [*model.coefs_, *model.intercepts_])
    before = model.predict_proba(X)
    model.coefs_[0] = np.zeros((5, 9))
    model.intercepts_ = [np.zeros(9), np.array([1, 0, 0])]
    assert (before != model.predict_proba(X)).any()
    assert (model.predict(X) == "ash").all()
    assert not hasattr(classifier(), "coefs_")


def test_what_is_not_fitted_says_so():
    for call in (classifier().predict, classifier().predict_proba, regressor().predict, classifier().save):
        with pytest.raises(NotFittedError):
            call(X)


@pytest.mark.filterwarnings("error")
def test_messages_are_scikit_learn_s():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(5\) reached and the optimization hasn't converged"):
        classifier().fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        classifier(solver="lbfgs").fit(X, Y)
    with (
        pytest.warns(UserWarning, match="Got `batch_size` less than 1 or larger than sample size"),
        pytest.warns(ConvergenceWarning),
    ):
        classifier(batch_size=100).fit(X, Y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solver": "newton"}, "The 'solver' parameter of MLPClassifier must be a str among"),
        ({"dropout": 1.0}, "The 'dropout' parameter of MLPClassifier must be a float in the range"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes must be > 0, got \[3, 0\]"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "The validation set is too small. Increase 'validation_"),
        ({"solver": "lbfgs", "dropout": 0.1}, "schedules of the learning rate and validation data go with"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        classifier(**change).fit(X, Y)


def test_refusals_of_data():
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        classifier(early_stopping=True).partial_fit(X, Y, classes=np.unique(Y))
    with pytest.raises(AttributeError):
        _ = classifier(solver="lbfgs").partial_fit
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        classifier().fit(X, Y).partial_fit(X, np.where(Y == "elm", "fir", Y))
    with pytest.raises(ValueError, match="the network goes on with its layers"):
        classifier(warm_start=True).fit(X, Y).set_params(hidden_layer_sizes=(3,)).fit(X, Y)
    with pytest.raises(ValueError, match="X_val needs y_val, got None"):
        classifier().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="y must be at least 0 for the loss 'poisson'"):
        regressor(loss="poisson").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="needs to know the last epoch, which partial_fit has not"):
        classifier(learning_rate="cosine").partial_fit(X, Y, classes=np.unique(Y))
    with pytest.raises(TypeError, match="solver must be a name, or an instance of SGD, Adam"):
        classifier(solver=type("Mine", (fc.SGD,), {})()).fit(X, Y)
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported for partial_fit"):
        classifier(class_weight="balanced").partial_fit(X, Y, classes=np.unique(Y))
    for weight in (np.zeros(61), -np.ones(61)):
        with pytest.raises(ValueError):
            classifier().fit(X, Y, weight)


# ---- beyond scikit-learn's own --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        ({"class_weight": {"ash": -5}}, {}, "class_weight must have finite weights"),
        ({"class_weight": {"ash": np.nan}}, {}, "class_weight must have finite weights"),
        ({"class_weight": {"ash": 0, "elm": 0, "oak": 0}}, {}, "not all 0"),
        ({"solver": fc.SGD(0.1), "learning_rate": "adaptive"}, {}, "goes with solver='sgd'"),
        ({"solver": "lbfgs", "learning_rate": "cosine"}, {}, "schedules of the learning rate"),
        ({"hidden_layer_sizes": ["a"]}, {}, "must be whole numbers"),
        ({"hidden_layer_sizes": (8.5,)}, {}, "must be whole numbers"),
        ({}, {"sample_weight_val": np.ones(61)}, "sample_weight_val needs X_val"),
        ({}, {"X_val": X, "y_val": np.full(61, "yew")}, "yew"),
        ({}, {"X_val": X[:, :4], "y_val": Y}, "4 features"),
    ],
)
def test_what_is_refused_leaves_the_model_as_it_was(settings, given, message):
    require_refused(settings, lambda model: model.fit(X, Y, **given), message)


def require_refused(settings, call, message):
    """Require of a fitted model with such settings that the call is refused, and the model stays as it was."""
    model = MLPClassifier((4,), max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, Y)
    before = model.predict_proba(X)
    model.set_params(**settings)
    with pytest.raises(ValueError, match=message):
        call(model)
    np.testing.assert_array_equal(model.predict_proba(X), before)


RARE = np.where(np.arange(len(Y)) == 0, "yew", "ash")  # a class of one sample


@pytest.mark.parametrize(
    ("settings", "call", "message"),
    [
        ({"early_stopping": True}, lambda model: model.fit(X, RARE), "least populated class"),
        ({"early_stopping": True}, lambda model: model.partial_fit(X, Y), "does not support early_stopping"),
        ({"early_stopping": True, "validation_fraction": 0.02}, lambda model: model.fit(X[:12], Y[:12]), "validation set"),
        (
            {"activation": "tanh", "warm_start": True, "class_weight": {"ash": -1}},
            lambda model: model.fit(X, Y),
            "class_weight must have finite weights",
        ),
    ],
)
def test_what_is_refused_late_leaves_the_model_as_it_was(settings, call, message):
    require_refused(settings, call, message)


def test_class_weights_are_weights_of_samples():
    one, two = classifier(class_weight="balanced").fit(X, Y), classifier().fit(X, Y, compute_sample_weight("balanced", Y))
    np.testing.assert_array_equal(one.net_.parameters, two.net_.parameters)
    three = classifier(class_weight={"ash": 3.0}).fit(X, Y, np.full(61, 2.0))
    four = classifier().fit(X, Y, np.where(Y == "ash", 6.0, 2.0))
    np.testing.assert_array_equal(three.net_.parameters, four.net_.parameters)


def test_validation_data_are_measured_and_stop():
    watched = classifier(max_iter=9).fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:])
    assert len(watched.validation_scores_) == 9
    assert watched.validation_scores_[-1] == watched.score(X[40:], Y[40:])
    assert watched.best_validation_score_ == max(watched.validation_scores_)
    np.testing.assert_array_equal(watched.net_.parameters, classifier(max_iter=9).fit(X[:40], Y[:40]).net_.parameters)
    stopped = classifier(early_stopping=True, n_iter_no_change=2, max_iter=300, tol=0.1)
    stopped.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:])
    assert stopped.n_iter_ < 300
    one = classifier(warm_start=True).fit(X, Y, X_val=X[Y == "elm"], y_val=Y[Y == "elm"])  # not of all classes
    assert len(one.fit(X, Y, X_val=X[Y == "elm"], y_val=Y[Y == "elm"]).validation_scores_) == 10
    assert stopped.score(X[40:], Y[40:]) == stopped.best_validation_score_ == max(stopped.validation_scores_)
    assert regressor().fit(X, Z, X_val=X, y_val=Z).validation_scores_[-1] <= 1


def test_dropout_and_clipping_change_a_training_and_repeat_it():
    plain = classifier().fit(X, Y).net_.parameters
    for settings in ({"dropout": 0.5}, {"clip_norm": 0.01}):
        one, two = (classifier(**settings).fit(X, Y).net_.parameters for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert (one != plain).any()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("solver", ["adamw", "rmsprop", "adagrad", "lbfgs", fc.SGD(0.05, momentum=0.9)])
def test_activations_and_solvers_of_numbafc_learn(activation, solver):
    model = regressor(activation=activation, solver=solver, learning_rate_init=0.01, max_iter=30).fit(X, Z)
    untrained = regressor(activation=activation, max_iter=1, learning_rate_init=1e-9).fit(X, Z)
    assert model.loss_ < untrained.loss_
    assert model.net_.activation == activation


def test_adamw_takes_alpha_as_its_decay():
    net = regressor(solver="adamw", alpha=0.25, max_iter=1).fit(X, Z)
    assert net._optimizer.optimizer.weight_decay == 0.25
    assert net.loss_ == regressor(solver="adamw", alpha=0.5, max_iter=1, batch_size=61).fit(X, Z).loss_  # no penalty


@pytest.mark.parametrize("loss", ["absolute_error", "mae", "huber"])
def test_losses_of_numbafc(loss):
    model = regressor(loss=loss, alpha=0, learning_rate_init=0.01, batch_size=61, max_iter=4).fit(X, Z)
    before = regressor(loss=loss, alpha=0, learning_rate_init=0.01, batch_size=61, max_iter=3).fit(X, Z)
    assert model.loss_ == pytest.approx(before.as_network().loss(X, Z), rel=1e-12)  # that of an epoch's beginning


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_schedules_of_numbafc(schedule, solver):
    model = regressor(learning_rate=schedule, solver=solver, alpha=0, batch_size=7).fit(X, Z)
    same = regressor(learning_rate=SCHEDULES[schedule](), solver=solver, alpha=0, batch_size=7).fit(X, Z)
    np.testing.assert_array_equal(same.net_.parameters, model.net_.parameters)
    constant = regressor(solver=solver, alpha=0, batch_size=7).fit(X, Z)
    is_other = (constant.net_.parameters != model.net_.parameters).any()
    assert is_other == (schedule not in ("constant", "step", "on_plateau"))  # which begin later


def test_what_is_said_of_a_training(capsys):
    classifier(verbose=True, early_stopping=True, max_iter=3).fit(X, Y)
    said = capsys.readouterr().out
    assert said.count("Iteration") == said.count("Validation score") == 3
    classifier(verbose=2, max_iter=3).fit(X, Y)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.count("\rIteration") == 3
    classifier(verbose=True, solver="lbfgs", max_iter=3).fit(X, Y)
    assert capsys.readouterr().out.count("Iteration") == 3


def _threads_seen(monkeypatch):
    from numbafc.interop.sklearn.mlp import perceptron

    seen, train = [], perceptron.Perceptron._train
    monkeypatch.setattr(
        perceptron.Perceptron, "_train", lambda self, *told: (seen.append(fc.get_num_threads()), train(self, *told))
    )
    return seen


def test_threads_are_those_asked_for_and_one_in_a_worker(monkeypatch):
    seen, most = _threads_seen(monkeypatch), fc.get_num_threads()
    classifier().fit(X, Y)
    classifier(n_threads=1).fit(X, Y)
    assert seen == [most, 1]
    seen.clear()
    joblib.Parallel(2, "threading")(joblib.delayed(classifier(n_threads=n).fit)(X, Y) for n in (None, most))
    assert sorted(seen) == sorted([1, most])
    assert fc.get_num_threads() == most


class Recorder:
    """A callback that writes down what it hears, and stops after some tasks of a name."""

    def __init__(self, name="epoch", after=None):
        self.name, self.after, self.heard, self.scores = name, after, [], []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.heard.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return self.heard.count(f"end {self.name}") == self.after


@pytest.mark.skipif(not WITH_CALLBACKS, reason="callbacks are of scikit-learn 1.9")
@pytest.mark.parametrize(("solver", "task"), [("adam", "epoch"), ("sgd", "epoch"), ("lbfgs", "lbfgs-iter")])
def test_callbacks_hear_of_epochs_and_may_stop(solver, task):
    recorder = Recorder()
    model = classifier(solver=solver, max_iter=4).set_callbacks(recorder).fit(X, Y)
    begun = [name for name in recorder.heard if name == f"begin {task}"]
    assert len(begun) >= 4
    assert len(begun) == recorder.heard.count(f"end {task}")
    assert (recorder.heard[:2], recorder.heard[-2:]) == (["setup", "begin fit"], ["end fit", "teardown"])
    assert recorder.scores[-1] == model.score(X, Y)
    stopper = Recorder(task, after=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = classifier(solver=solver, max_iter=50).set_callbacks(stopper).fit(X, Y)
    assert stopped.n_iter_ == 2
    assert len(pickle.dumps(stopped)) < 20_000


@pytest.mark.skipif(not WITH_CALLBACKS, reason="callbacks are of scikit-learn 1.9")
def test_scikit_learn_s_own_callbacks(capsys):
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    classifier().set_callbacks(ProgressBar(), monitor).fit(X, Y)
    assert len(monitor.get_logs(select="most_recent").data_as_pandas) >= 5

"""Estimators in several ranks: the bits of one process, alike everywhere, and none ends alone. Ranks are threads."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_ranks import failing
from threads_as_ranks import together

import numbafc as fc
from numbafc.nn import passes, side_by_side
from numbafc.nn.communication import RankFailed

pytest.importorskip("narwhals")
sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402

from numbafc.interop.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor  # noqa: E402
from numbafc.interop.sklearn.mlp import batches  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size` less than 1:UserWarning"
)
RNG = np.random.default_rng(0)
X, WEIGHT = RNG.standard_normal((900, 5)), RNG.integers(0, 3, 900) + (np.arange(900) % 7 == 0)
TARGETS = {
    "classes": RNG.integers(0, 3, 900),
    "two": np.array(["no", "yes"])[RNG.integers(0, 2, 900)],
    "labels": RNG.integers(0, 2, (900, 3)),
    "reals": RNG.standard_normal((900, 2)),
    "counts": RNG.poisson(1.0, 900).astype(float),
}
SOLVERS = ["adam", "adamw", "sgd", fc.RMSprop(0.001, momentum=0.5), fc.SGD(0.001)]
MLPS = st.fixed_dictionaries(
    {
        "target": st.sampled_from(list(TARGETS)),
        "kind": st.sampled_from(["float32", "float64", "sparse", "sparse in parts"]),
        "samples": st.sampled_from([40, 257, 700, 900]),
        "weighted": st.booleans(),
        "validation": st.booleans(),
        "again": st.sampled_from(["", "warm_start", "partial_fit"]),
        "settings": st.fixed_dictionaries(
            {
                "solver": st.sampled_from(SOLVERS),
                "batch_size": st.sampled_from(["auto", 100, 256, 300, 600, 900]),
                "hidden_layer_sizes": st.sampled_from([(), (7,), (9, 4)]),
                "activation": st.sampled_from(["relu", "logistic", "gelu"]),
                "alpha": st.sampled_from([0.0, 0.1]),
                "learning_rate": st.sampled_from(["constant", "invscaling", "adaptive", "step"]),
                "early_stopping": st.booleans(),
                "shuffle": st.booleans(),
                "random_state": st.sampled_from([0, "generator"]),
            },
            optional={"dropout": st.just(0.3), "clip_norm": st.just(0.1)},
        ),
    }
)


def data_of(case):
    """X, y and weights."""
    n = case["samples"]
    rows = X[:n].astype("float32" if case["kind"] == "float32" else "float64")
    rows = sparse.csr_matrix(rows * (rows > 0)) if case["kind"].startswith("sparse") else rows
    return rows, TARGETS[case["target"]][:n], WEIGHT[:n] if case["weighted"] else None


def mlp_of(case):
    own = dict(case["settings"])
    if not isinstance(own["solver"], str) and own["learning_rate"] in ("invscaling", "adaptive"):
        own["learning_rate"] = "constant"
    if own["random_state"] == "generator":
        own["random_state"] = np.random.RandomState(5)
    if case["again"] == "partial_fit":
        own["early_stopping"] = False
    own |= {"warm_start": case["again"] == "warm_start", "max_iter": 3}
    if case["target"] in ("reals", "counts"):
        return MLPRegressor(loss="poisson" if case["target"] == "counts" else "squared_error", **own)
    return MLPClassifier(**own)


def bits_of_mlp(of):
    """What a training leaves: parameters, the optimizer's state, curves, and what random_state draws next."""
    arrays = [of.net_.parameters, *of._optimizer.state.values()]
    drawn = of.random_state.randint(2**31) if isinstance(of.random_state, np.random.RandomState) else 0
    curves = of.loss_curve_, of.validation_scores_, of.n_iter_, of.t_, of._optimizer.steps
    return repr((b"".join(array.tobytes() for array in arrays), curves, drawn))


def trained_mlp(case, comm=None):
    of, (rows, y, weight) = mlp_of(case), data_of(case)
    of.fit(rows, y, weight, comm=comm, **({"X_val": rows[:30], "y_val": y[:30]} if case["validation"] else {}))
    if case["again"]:
        (of.partial_fit if case["again"] == "partial_fit" else of.fit)(rows, y, weight, comm=comm)
    found = bits_of_mlp(of)
    return found if comm is None or comm.rank == 0 else found.rpartition(", ")[0]  # others' generators are their own


IN_PARTS = {
    "target": "reals", "kind": "sparse in parts", "samples": 900, "weighted": True, "validation": False, "again": "",
    "settings": {"batch_size": 50, "learning_rate": "constant", "solver": "sgd", "random_state": 0},
}  # fmt: skip


@example(IN_PARTS, 2)
@given(MLPS, st.sampled_from([1, 2, 3, 4]))
def test_an_mlp_has_the_bits_of_one_process(case, size):
    with pytest.MonkeyPatch.context() as patch:
        if case["kind"] == "sparse in parts":
            patch.setattr(batches, "DENSE", 0)
            patch.setattr(batches, "AT_ONCE", 2**14)
        alone = trained_mlp(case)
        found = together(size, lambda comm: trained_mlp(case, comm))
    assert found == [alone, *[alone.rpartition(", ")[0]] * (size - 1)]


TABLES = st.fixed_dictionaries(
    {
        "target": st.sampled_from(["classes", "two", "reals", "counts"]),
        "samples": st.sampled_from([40, 300, 900]),
        "weighted": st.booleans(),
        "validation": st.booleans(),
        "settings": st.fixed_dictionaries(
            {
                "members": st.sampled_from([1, 2, 3]),
                "batch_size": st.sampled_from(["auto", 100, 300, 600]),
                "validation_fraction": st.sampled_from([0.0, 0.2]),
                "early_stopping": st.booleans(),
                "random_state": st.sampled_from([0, "generator"]),
            }
        ),
    }
)
TABLE = {"target": "classes", "samples": 900, "weighted": False, "validation": False, "settings": {"members": 2}}


def table_of(case, **others):
    own = {"hidden_layer_sizes": (9,), "epochs": 3, "random_state": 0, **case["settings"], **others}
    if own["random_state"] == "generator":
        own["random_state"] = np.random.RandomState(5)
    return (TabularRegressor if case["target"] in ("reals", "counts") else TabularClassifier)(**own)


def bits_of_table(of):
    histories = [[record._replace(seconds=0) for record in history] for history in of.histories_]
    return repr(([net.parameters.tobytes() for net in of.nets_], of.best_epochs_, histories, of.table_.to_dict()))


def trained_table(case, comm=None):
    rows, y, weight = data_of(case | {"kind": "float64"})
    validation = {"X_val": rows[:30], "y_val": y[:30]} if case["validation"] else {}
    return bits_of_table(table_of(case).fit(rows, y, weight, comm=comm, **validation))


@settings(max_examples=25)
@given(TABLES, st.sampled_from([1, 2, 3, 4]))
def test_a_table_has_the_bits_of_one_process(case, size):
    assert together(size, lambda comm: trained_table(case, comm)) == [trained_table(case)] * size


MLP = {
    "target": "classes", "kind": "float64", "samples": 900, "weighted": False, "validation": False, "again": "",
    "settings": {"solver": "adam", "batch_size": 600, "random_state": 0, "learning_rate": "constant"},
}  # fmt: skip


@pytest.mark.parametrize("make", [lambda: mlp_of(MLP), lambda: table_of(TABLE)], ids=["mlp", "table"])
def test_ranks_without_a_seed_have_that_of_rank_0(make):
    def work(comm):
        of = make().set_params(random_state=None)
        of.fit(X, TARGETS["classes"], comm=comm)
        return bits_of_mlp(of) if hasattr(of, "net_") and hasattr(of, "t_") else bits_of_table(of)

    found = together(3, work)
    assert found == [found[0]] * 3


@pytest.mark.parametrize("make", [lambda: mlp_of(MLP), lambda: table_of(TABLE)], ids=["mlp", "table"])
def test_no_estimator_keeps_its_communicator(make):
    def work(comm):
        of = make().fit(X, TARGETS["classes"], comm=comm)
        again, new = pickle.loads(pickle.dumps(of)), clone(of)
        assert (again.predict(X) == of.predict(X)).all()
        assert new.get_params() == of.get_params()
        return sorted(vars(of))

    assert together(2, work) == [sorted(vars(make().fit(X, TARGETS["classes"])))] * 2


def otherwise(name, of, data):
    """An estimator and data of the rank that is not as the others are."""
    rows, y = data
    if name == "the checksum of X" or name == "the checksum of the samples":
        rows = rows[[1, 0, *range(2, len(rows))]]
    elif name == "the checksum of y":
        y = np.roll(y, 1)
    elif name == "the checksum of classes":
        y = y + 1
    elif name == "the checksum of parameters":
        of = copy.deepcopy(of)
        of.coefs_[0][0, 0] += 1
    elif name == "the estimator":
        of = type("Other", (type(of),), {})(**of.get_params())
    else:
        value = {"solver": fc.Adam(0.1), "random_state": None, "categorical": ["x0"]}.get(name, 0.05)
        of = clone(of).set_params(**{name: 7 if name in ("members", "batch_size") else value})
    return of, (rows, y)


CHANGED = {
    "mlp": ["alpha", "solver", "random_state", "batch_size", "the estimator", "the checksum of X", "the checksum of y",
            "the checksum of classes", "the checksum of parameters"],
    "table": ["members", "random_state", "label_smoothing", "categorical", "the estimator", "the checksum of the samples",
              "the checksum of classes"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in CHANGED.items() for name in names])
def test_a_rank_that_trains_otherwise_is_refused_by_name(kind, name):
    data = X, TARGETS["classes"]
    again = "" if name == "the checksum of classes" else "warm_start"
    of = mlp_of(MLP | {"again": again}).fit(*data) if kind == "mlp" else table_of(TABLE)

    def work(comm):
        mine, (rows, y) = otherwise(name, of, data) if comm.rank == 1 else (copy.deepcopy(of), data)
        before = dict(vars(mine))
        try:
            mine.fit(rows, y, comm=comm)
        finally:
            assert vars(mine) == before

    for error in together(3, work):
        assert isinstance(error, ValueError), error
        assert "rank 1 has" in str(error)
        assert f"for {name}, and rank 0" in str(error)
        assert len(str(error)) <= 300


BAD = {
    "y": {"y": [0, 1]},
    "X": {"X": X[:899]},
    "weight": {"sample_weight": -np.ones(900)},
    "validation": {"X_val": X},
    "n_threads": {"n_threads": 0},
    "random_state": {"random_state": "no"},
    "setting": {"early_stopping": True, "validation_fraction": 2.0},
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", ["mlp", "table"])
def test_what_one_rank_is_refused_ends_all_and_leaves_each_as_it_was(kind, bad):
    fitted = (mlp_of(MLP | {"again": "warm_start"}) if kind == "mlp" else table_of(TABLE)).fit(X, TARGETS["classes"])
    expected = fitted.predict_proba(X)

    def work(comm):
        of, given = copy.deepcopy(fitted), {"X": X, "y": TARGETS["classes"]}
        if comm.rank == 1:
            of.set_params(**{name: value for name, value in BAD[bad].items() if name in of.get_params()})
            given |= {name: value for name, value in BAD[bad].items() if name not in of.get_params()}
        before = dict(vars(of))
        try:
            of.fit(comm=comm, **given)
        finally:
            assert vars(of) == before
            assert (of.set_params(n_threads=None).predict_proba(X) == expected).all()

    found = together(3, work)
    assert isinstance(found[1], ValueError), found
    assert all(isinstance(found[rank], RankFailed | ValueError) and "rank 1" in str(found[rank]) for rank in (0, 2)), found


@settings(max_examples=15)
@given(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["", "warm_start", "partial_fit"]))
def test_an_mlp_that_fails_in_one_rank_is_as_it_was_in_all(rank, calls, again):
    data, error = (X, TARGETS["classes"]), MemoryError()
    fitted = [mlp_of(MLP | {"again": again}).set_params(batch_size=900) for _ in range(3)]  # three passes, or one
    if again:
        fitted = [of.fit(*data) for of in fitted]
    before = [dict(vars(of)) for of in fitted]
    parts = [bits_of_mlp(of) if again else "" for of in fitted]
    with pytest.MonkeyPatch.context() as patch:
        fails, local = failing(rank, 0 if again == "partial_fit" else calls, error)
        patch.setattr(passes, "pass_samples", fails)

        def work(comm):
            local.rank = comm.rank
            of = fitted[comm.rank]
            return (of.partial_fit if again == "partial_fit" else of.fit)(*data, comm=comm)

        found = together(3, work)
    assert found[rank] is error
    assert all(isinstance(one, RankFailed) for n, one in enumerate(found) if n != rank)
    assert [vars(of) for of in fitted] == before
    assert [bits_of_mlp(of) if again else "" for of in fitted] == parts


@pytest.mark.parametrize("members", [1, 2])
def test_a_table_that_fails_in_one_rank_is_as_it_was_in_all(members, monkeypatch):
    data = X, TARGETS["classes"]
    fitted = [table_of(TABLE, members=members, batch_size=600).fit(*data) for _ in range(2)]
    before, parts = [dict(vars(of)) for of in fitted], [bits_of_table(of) for of in fitted]
    error = ArithmeticError("in one rank")
    fails, local = failing(1, 2, error)
    monkeypatch.setattr(passes, "pass_samples", fails)
    epochs = side_by_side.Group.epochs

    def fails_too(*arguments):
        if local.rank == 1:
            raise error
        epochs(*arguments)

    monkeypatch.setattr(side_by_side.Group, "epochs", fails_too)

    def work(comm):
        local.rank = comm.rank
        return fitted[comm.rank].set_params(epochs=9).fit(*data, comm=comm)

    found = together(2, work)
    assert found[1] is error
    assert "rank 1 failed, which ends all: ArithmeticError: in one rank" in str(found[0])
    assert [{**vars(of), "epochs": 3} for of in fitted] == before
    assert [bits_of_table(of) for of in fitted] == parts


class Ends:
    """A callback of scikit-learn that ends a training after two epochs, or fails there; it keeps what it hears."""

    def __init__(self, heard, fails):
        self.heard, self.fails = heard, fails

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, *arguments, **named):
        pass

    def on_fit_task_end(self, *arguments, **named):
        self.heard.append("end")
        if self.fails and self.heard.count("end") == 2:
            raise ZeroDivisionError("no")
        return self.heard.count("end") == 2


@pytest.mark.parametrize("fails", [False, True])
def test_rank_0_alone_prints_and_has_its_callbacks_called(fails, capfd):
    pytest.importorskip("sklearn.callback")
    heard, of_rank = [[], [], []], [mlp_of(MLP).set_params(verbose=True, max_iter=9) for _ in range(3)]

    def work(comm):
        of = of_rank[comm.rank].set_callbacks(Ends(heard[comm.rank], fails))
        return of.fit(X, TARGETS["classes"], comm=comm).n_iter_

    found = together(3, work)
    assert capfd.readouterr().out.count("Iteration") == 2
    assert heard == [["setup", "end", "end", *([] if fails else ["end"]), "teardown"], [], []]  # the last one of fit itself
    if not fails:
        assert found == [2, 2, 2]
        return
    assert isinstance(found[0], ZeroDivisionError)
    assert all("rank 0 failed, which ends all: ZeroDivisionError: no" in str(error) for error in found[1:])
    assert not any(hasattr(of, "net_") or hasattr(of, "_callback_fit_ctx") for of in of_rank)


def test_lbfgs_is_refused_on_all():
    of = MLPClassifier(solver="lbfgs", max_iter=3)
    for error in together(2, lambda comm: clone(of).fit(X, TARGETS["classes"], comm=comm)):
        assert isinstance(error, ValueError)
        assert "comm goes with a solver of minibatches, not with 'lbfgs'" in str(error)
    assert together(1, lambda comm: clone(of).fit(X, TARGETS["classes"], comm=comm).n_iter_) == [3]


def test_a_plain_sum_of_what_ranks_have_has_other_bits(monkeypatch):
    """The planted fault that the tests above have to see."""
    from test_ranks import plain_allreduce

    from numbafc.nn import ranks

    alone = trained_mlp(MLP)
    monkeypatch.setattr(ranks.RankEpochs, "exchange", plain_allreduce)
    assert together(2, lambda comm: trained_mlp(MLP, comm))[0] != alone

"""Permutation importance: what it finds, and that columns of one source go together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import importance


def line(weights):
    """A network that is Σ w·x exactly, and samples of it."""
    net = fc.MLP([len(weights), 1], "identity", "mse", dtype="float64")
    net.weights[0][:] = weights
    X = np.random.default_rng(0).standard_normal((400, len(weights)))
    return net, X, net.predict(X)


def test_a_column_is_as_important_as_its_weight():
    net, X, y = line([3.0, 0.0, -1.0])
    found, samples, repeats = importance.of(net, X, y, {"a": [0], "b": [1], "c": [2]})
    assert [one.name for one in found] == ["a", "c", "b"]
    assert (samples, repeats) == (400, importance.REPEATS)
    # R² falls by 2·w²·var/Σ w²·var: the variance of a difference of two independent samples, up to what 400 of them vary
    np.testing.assert_allclose([one.mean for one in found], [1.8, 0.2, 0], rtol=0, atol=0.3)
    assert found[2] == ("b", 0.0, 0.0)


def test_columns_of_one_source_are_permuted_together(monkeypatch):
    """One-hot columns: together they matter, and what they say stays possible."""
    kinds = np.random.default_rng(0).integers(3, size=300)
    X = np.eye(3)[kinds]
    net = fc.MLP([3, 3], "identity", dtype="float64")
    net.weights[0][:] = 9 * np.eye(3)
    seen, score = [], importance.evaluation.score
    monkeypatch.setattr(
        importance.evaluation, "score", lambda net, rows, y: seen.append(rows.copy()) or score(net, rows, y)
    )
    (found,), _, _ = importance.of(net, X, kinds, {"kind": [0, 1, 2]})
    assert len(seen) == 1 + importance.REPEATS
    assert all((rows.sum(axis=1) == 1).all() for rows in seen)
    assert abs(found.mean - 2 / 3) < 0.1  # two thirds are another kind then; 300 samples, 5 times


@given(st.integers(1, 50), st.integers(1, 4), st.integers(0, 99))
def test_the_samples_stay_as_they_are_and_the_same_seed_says_the_same(n, columns, seed):
    net, X, y = line(np.arange(1.0, columns + 1))
    X, y = X[:n].copy(), y[:n].copy()
    before = X.copy(), y.copy(), net.parameters.copy()
    groups = {str(c): [c] for c in range(columns)}
    found = importance.of(net, X, y, groups, seed)
    assert found == importance.of(net, X, y, groups, seed)
    for one, other in zip(before, (X, y, net.parameters), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(found[0]) == columns
    assert [one.mean for one in found[0]] == sorted((one.mean for one in found[0]), reverse=True)


def test_large_networks_get_fewer_samples_and_permutations():
    net = fc.MLP([784, 256, 10])
    X = np.zeros((3000, 784), np.float32)
    groups = {str(c): [c] for c in range(3)}
    assert importance.of(net, X, np.zeros(3000, int), groups)[1:] == (655, 5)  # 4e9 flops

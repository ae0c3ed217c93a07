"""A frame with a network's own features in another order is taken by name, in every method; with others it is refused."""

import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc


class Frame:
    """What pandas' and polars' frames have in common."""

    def __init__(self, columns, values):
        self.columns, self.values = columns, np.asarray(values, np.float64)

    def __getitem__(self, names):
        return Frame(names, self.values[:, [list(self.columns).index(name) for name in names]])

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


RNG = np.random.default_rng(0)
A = RNG.standard_normal((9, 3)) * (1, 10, 100)
OTHER = Frame(["c", "a", "b"], A[:, [2, 0, 1]])


@pytest.fixture
def net():
    net = fc.MLP([3, 2], loss="mse", seed=1)
    net.features = ("a", "b", "c")
    return net


def test_columns_in_another_order_are_taken_by_name(net):
    for name in ("outputs", "predict"):
        assert_same_bits(getattr(net, name)(OTHER), getattr(net, name)(A), name)
    y = RNG.standard_normal((9, 2))
    assert net.score(OTHER, y) == net.score(A, y)
    assert net.loss(OTHER, y) == net.loss(A, y)
    assert_same_bits(net.gradients(OTHER, y).parameters, net.gradients(A, y).parameters, "gradients")
    net.standardize(OTHER)
    assert_same_bits(net.input_mean, A.astype(np.float32).mean(axis=0, dtype=np.float64).astype(np.float32), "mean")


def test_columns_without_names_and_networks_without_features_take_the_order_as_it_is(net):
    assert_same_bits(net.outputs(Frame(range(3), A)), net.outputs(A), "outputs")
    net.features = None
    assert_same_bits(net.outputs(OTHER), net.outputs(OTHER.values), "outputs")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b", "d"], r"X must have the columns 'c', as the network's features, got 'd'; name them"),
        (["a", "b", "b"], r"X must have the columns 'c', as the network's features, got 'a', 'b', 'b'; name them"),
        (["a", "b"], r"X must have the columns 'c', .*, got 'a', 'b'; name them as the features, or pass X.to_numpy"),
        ([f"{'n' * 100}{n}" for n in range(3)], r"X must have the columns 'a', 'b', 'c', .*, got 'n"),
    ],
)
def test_other_names_are_refused(net, columns, message):
    with pytest.raises(ValueError, match=message) as error:
        net.predict(Frame(columns, A[:, : len(columns)]))
    assert len(str(error.value)) < 300


def test_two_features_of_one_name_leave_the_order_open(net):
    net.features = ("a", "a", "b")
    with pytest.raises(ValueError, match=r"got 'b', 'a', 'a'"):
        net.predict(Frame(["b", "a", "a"], A))
    net.predict(Frame(["a", "a", "b"], A))

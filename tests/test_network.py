"""Network, the value below training and files, and MLP, which adds them."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc
from numbafc.nn import evaluation, recipe
from numbafc.nn.network import Network, set_layers

X, Y = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), np.arange(20) % 3


def test_a_network_is_a_value_that_can_be_asked():
    value, net = Network([4, 5, 3], seed=1), fc.MLP([4, 5, 3], seed=1)
    assert isinstance(net, Network)
    assert not {"fit", "save", "training"} & set(dir(value))
    assert_same_bits(evaluation.outputs(value, X), net.outputs(X), "outputs")
    assert evaluation.score(value, X, Y) == net.score(X, Y)
    assert evaluation.mean_loss(value, X, Y, None) == net.loss(X, Y)
    assert repr(value) == repr(net).replace("MLP", "Network")
    assert value.order.bit_generator.state == net.order.bit_generator.state


def test_other_layers_are_those_parameters_themselves():
    value, parameters = Network([1, 1]), np.arange(15, dtype=np.float32)
    set_layers(value, (4, 3), parameters)
    assert value.parameters is parameters
    assert [W.shape for W in value.weights] == [(3, 4)]


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_the_training_too(copied):
    assert copied(fc.MLP([4, 3])).training is None
    net = fc.MLP([4, 3])
    net.fit(X, Y, epochs=2)
    again = copied(net)
    assert again.training.done == 2
    assert type(again) is fc.MLP
    assert_same_bits(again.parameters, net.parameters, "parameters")


def test_save_is_a_function_and_a_method(tmp_path):
    net = fc.MLP([4, 3])
    net.fit(X, Y)
    for training in (True, False):
        fc.save(net, tmp_path / "function", training)
        net.save(tmp_path / "method", training=training)
        assert (tmp_path / "function").read_bytes() == (tmp_path / "method").read_bytes()
        assert (fc.load(tmp_path / "function").training is not None) == training


class Diverging(fc.SGD):
    def update(self, parameters, gradients, state):
        raise FloatingPointError("of somebody's own")


def test_an_error_of_an_optimizer_is_no_divergence():
    net = fc.MLP([4, 3])
    with pytest.raises(FloatingPointError, match="of somebody's own"):
        net.fit(X, Y, optimizer=Diverging())
    assert net.training is not None


@pytest.mark.parametrize(
    "name", sorted(recipe.SETTINGS.keys() - {"optimizer", "schedule"})
)  # instances of somebody's are theirs
def test_fit_checks_a_setting_as_it_is_declared(name):
    setting = recipe.SETTINGS[name]
    with pytest.raises((TypeError, ValueError), match=f"{name} must be") as declared:
        setting.check(name, -1)
    with pytest.raises(type(declared.value)) as of_fit:
        fc.MLP([4, 3]).fit(X, Y, **{name: -1})
    assert str(of_fit.value) == str(declared.value)
    assert setting.checked(name, setting.default) == setting.default

"""The L2 penalty of a training, and weights over their minibatch's own sum: compiled code has the bits of its definition,
and the definition is the formula's. The estimators of scikit-learn train by them."""

import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import clipping, passes, training
from numbafc.nn.optimizers import OURS
from numbafc.nn.recipe import Regularization, make
from numbafc.nn.results import LOSS_SUM, no_results

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((37, 5)), RNG.integers(0, 3, 37)
STEPS = [*[kind() for kind in OURS], fc.SGD(0.05, momentum=0.9, nesterov=True), fc.Adam(0.01, weight_decay=0.1)]


def recipe(optimizer, batch, l2, **others):
    made = make(optimizer=optimizer, batch_size=batch)
    return made.__class__(**{**vars(made), "regularization": Regularization(l2=l2, **others)})


def epoch(run, net, weight, asked):
    state, results = asked.optimizer.init(net.parameters), no_results()
    steps = asked.batches(len(X))
    run(net, X.astype(net.dtype), Y, weight, asked, state)(np.arange(len(X)), np.full(steps, 0.05), 0, results)
    return state, results


@given(
    st.sampled_from(STEPS),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1, 3, 16, 37]),
    st.sampled_from([0.0, 0.01, 3.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([(), (9,), (9, 7)]),
    st.sampled_from(["float32", "float64", None]),
)
def test_the_compiled_penalty_has_the_bits_of_its_definition(
    optimizer, dtype, batch, l2, batch_mean, clip, hidden, weighted
):
    weight = None if weighted is None else np.random.default_rng(1).integers(0, 3, 37).astype(weighted).astype(np.float64)
    asked, found = recipe(optimizer, batch, l2, batch_mean=batch_mean, clip_norm=clip), []
    for run in (training.compiled_epochs, training.python_epochs):
        net = fc.MLP([5, *hidden, 3], dtype=dtype)
        found.append((net.parameters, *epoch(run, net, weight, asked)))
    assert_same_bits(found[0][0], found[1][0], "parameters")
    np.testing.assert_array_equal(found[0][2], found[1][2])
    for name, state in found[1][1].items():
        assert_same_bits(found[0][1][name], state, name)


@given(st.sampled_from([0.5, 2.0]), st.booleans(), st.integers(0, 5))
def test_the_penalty_is_that_of_weights_over_the_total_weight(l2, batch_mean, seed):
    """One step of SGD of rate 1 leaves θ − g, with g = Σ w·∂l/∂W/Σw + l2·W/Σw, and no penalty of biases."""
    weight = np.random.default_rng(seed).uniform(0.5, 2, 37)
    weight /= 1 if batch_mean else weight.mean()
    net = fc.MLP([5, 9, 3], dtype="float64", seed=seed)
    before, total = net.parameters.copy(), weight.sum()
    plain = net.gradients(X, Y, weight)
    asked = recipe(fc.SGD(1.0), 37, l2, batch_mean=batch_mean)
    state, results = asked.optimizer.init(net.parameters), no_results()
    training.compiled_epochs(net, X, Y, weight, asked, state)(np.arange(37), np.ones(1), 0, results)
    W, b = net.views(before)
    scale = 1.0 if batch_mean else total / 37
    for after, was, dW in zip(net.weights, W, plain.weights, strict=True):
        np.testing.assert_allclose(was - after, dW * scale + l2 * was / total, rtol=1e-12, atol=1e-14)
    for after, was, db in zip(net.biases, b, plain.biases, strict=True):
        np.testing.assert_allclose(was - after, db * scale, rtol=1e-12, atol=1e-14)
    squares = sum((A**2).sum() for A in W)
    assert results[LOSS_SUM] / 37 == pytest.approx(plain.loss * scale + 0.5 * l2 * squares / total, rel=1e-12)


def test_the_loss_of_the_definition_has_the_penalty():
    net = fc.MLP([5, 9, 3], dtype="float64")
    flat, without = np.empty_like(net.parameters), np.empty_like(net.parameters)
    loss, _ = passes.step_gradients(net, X, Y, None, flat, Regularization(l2=2.0))
    plain, _ = passes.step_gradients(net, X, Y, None, without, Regularization())
    assert loss == pytest.approx(plain + sum((W**2).sum() for W in net.weights) / 37, rel=1e-14)
    assert_same_bits(flat, without, "gradients, to which the step adds the penalty's")


@given(st.integers(0, 70), st.sampled_from(["float32", "float64"]))
def test_a_sum_of_squares_is_in_float64(n, dtype):
    g = np.random.default_rng(n).integers(-8, 9, n).astype(dtype)
    assert clipping.squares(g) == float((g.astype(np.float64) ** 2).sum())  # exact: small integers

"""Training with JAX: an epoch is one compiled scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from .problems import BETA1, BETA2, EPSILON, Problem, Train, Trained, timed, views


def jax_trainer(given: Problem) -> Train:
    """An epoch is one compiled call, a scan over the minibatches, which takes the place of the parameters it is given."""
    import jax
    import jax.numpy as jnp

    if given.start.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    X, y = jax.device_put(given.X), jax.device_put(given.y.astype(np.int32))

    def loss(layers: Any, X: Any, y: Any) -> Any:
        for W, b in layers[:-1]:
            X = jax.nn.relu(X @ W.T + b)
        W, b = layers[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(X @ W.T + b), y[:, None], 1).mean()

    def sgd(layers: Any, gradients: Any, state: Any) -> Any:
        return jax.tree.map(lambda p, g: p - given.rate * g, layers, gradients), state

    def adam(layers: Any, gradients: Any, state: Any) -> Any:
        mean, square, step = state
        step += 1
        mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradients)
        square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, gradients)
        rate, rest = given.rate / (1 - BETA1**step), 1 - BETA2**step
        layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / rest) + EPSILON), layers, mean, square)
        return layers, (mean, square, step)

    update = adam if given.optimizer == "adam" else sgd

    def epoch(run: Any, X: Any, y: Any, order: Any) -> Any:
        def step(run: Any, chosen: Any) -> Any:
            layers, state = run
            value, gradients = jax.value_and_grad(loss)(layers, X[chosen], y[chosen])
            return update(layers, gradients, state), value

        run, losses = jax.lax.scan(step, run, order.reshape(-1, given.batch))
        return run, losses.mean()

    compiled = jax.jit(epoch, donate_argnums=0)

    def train(epochs: int, shuffle: bool) -> Trained:
        layers = [(jnp.array(W), jnp.array(b)) for W, b in views(given.start, given.sizes)]  # copies: they are given away
        zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)] if given.optimizer == "adam" else ()
        run: Any = layers, (*zeros, jnp.zeros((), X.dtype)) if zeros else ()

        def one(order: np.ndarray) -> float:
            nonlocal run
            run, mean = jax.block_until_ready(compiled(run, X, y, order.astype(np.int32)))
            return float(mean)

        seconds, mean = timed(given, epochs, shuffle, one)
        return Trained(seconds, mean, np.concatenate([np.ravel(part) for pair in run[0] for part in pair]))

    return train

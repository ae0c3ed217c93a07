"""A process that trains with one peer: `python -m perf.trainers NAME THREADS`, started by perf.peers with its environment.

Everybody trains the same network on the same data from the same weights: shuffled minibatches, gathered, forward, the mean
cross-entropy, backward, an update, each in the way in which its library is fast. A job (sizes, batch, steps, dtype,
optimizer, rate, epochs, shuffle, save) is answered with the seconds of each epoch and the last one's loss; save: a file
for the parameters, or None.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .peers import serve

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, the same for all


class Problem(NamedTuple):
    """What to train on, and how. X: (samples, N), whole minibatches; y: (samples,) classes; start: as MLP.parameters."""

    sizes: tuple[int, ...]
    batch: int
    X: np.ndarray
    y: np.ndarray
    start: np.ndarray
    optimizer: str
    rate: float


class Trained(NamedTuple):
    """What a run did. parameters: flat, as MLP.parameters."""

    seconds: list[float]  # of each epoch
    loss: float  # the mean of the last epoch's minibatches, as they were trained on
    parameters: np.ndarray


Train = Callable[[int, bool], Trained]  # (epochs, shuffle): always from the same start


def problem(sizes: tuple[int, ...], batch: int, steps: int, dtype: str, optimizer: str, rate: float) -> Problem:
    """The same numbers in every process: normal inputs, random classes, weights as in He et al., small biases."""
    rng = np.random.default_rng([*sizes, batch])
    X = rng.standard_normal((steps * batch, sizes[0]), np.float32)
    y = rng.integers(0, sizes[-1], len(X))
    start = np.empty(sum((N + 1) * T for N, T in itertools.pairwise(sizes)), np.float32)
    for W, b in views(start, sizes):
        W[:] = np.sqrt(2 / W.shape[1]) * rng.standard_normal(W.shape)
        b[:] = 0.1 * rng.standard_normal(b.shape)
    return Problem(sizes, batch, X.astype(dtype), y, start.astype(dtype), optimizer, rate)


def views(flat: np.ndarray, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (T, N) and b (T,) of each layer, in a flat array."""
    pairs, at = [], 0
    for N, T in itertools.pairwise(sizes):
        pairs.append((flat[at : at + T * N].reshape(T, N), flat[at + T * N : at + T * N + T]))
        at += T * N + T
    return pairs


def timed(given: Problem, epochs: int, shuffle: bool, epoch: Callable[[np.ndarray], float]) -> tuple[list[float], float]:
    """The seconds of each epoch and the last one's loss. epoch: trains on samples in an order, returns the mean loss."""
    rng, seconds, loss = np.random.default_rng(0), [], np.nan
    for _ in range(epochs):
        start = time.perf_counter()
        loss = epoch(rng.permutation(len(given.X)) if shuffle else np.arange(len(given.X)))
        seconds.append(time.perf_counter() - start)
    return seconds, loss


def numbafc_trainer(given: Problem) -> Train:
    import numbafc as fc

    net = fc.MLP(given.sizes, dtype=given.start.dtype)
    settings: dict[str, Any] = {"optimizer": given.optimizer, "learning_rate": given.rate, "batch_size": given.batch}

    def train(epochs: int, shuffle: bool) -> Trained:
        net.parameters[:] = given.start
        history = net.fit(given.X, given.y, **settings, epochs=epochs, shuffle=shuffle)
        return Trained(history.seconds, history[-1].loss, net.parameters)

    return train


# ---- NumPy ---------------------------------------------------------------------------------------------------------


class NumpyNetwork:
    """A careful loop: arrays made once, operations in place, one sample per column, so that sums over classes are vectors.

    kink: where relu's derivative changes; epsilon: Adam's. Others make the neighbours of a right answer (perf.reference).
    """

    def __init__(self, given: Problem, kink: float = 0.0, epsilon: float = EPSILON) -> None:
        self.kink, self.epsilon = kink, epsilon
        dtype, B = given.start.dtype, given.batch
        self.given, self.parameters = given, given.start.copy()
        self.gradients, self.scratch = np.empty_like(self.parameters), np.empty_like(self.parameters)
        self.layers, self.slopes = views(self.parameters, given.sizes), views(self.gradients, given.sizes)
        self.rows, self.columns = np.empty((B, given.sizes[0]), dtype), np.arange(B)
        self.H = [self.rows.T, *(np.empty((T, B), dtype) for T in given.sizes[1:])]
        self.deltas = [np.empty_like(H) for H in self.H]
        self.positive = [np.empty(H.shape, bool) for H in self.H]
        self.sums, self.share = np.empty(B, dtype), dtype.type(1 / B)
        self.begin()

    def begin(self) -> None:
        """Back to the start."""
        self.parameters[:] = self.given.start
        self.mean, self.square, self.step = np.zeros_like(self.parameters), np.zeros_like(self.parameters), 0

    def epoch(self, order: np.ndarray) -> float:
        """Train on the samples in this order."""
        total, B = 0.0, self.given.batch
        for first in range(0, len(order), B):
            chosen = order[first : first + B]
            np.take(self.given.X, chosen, axis=0, out=self.rows, mode="clip")  # "raise" would buffer
            self.forward()
            total += self.loss(self.given.y[chosen])
            self.backward()
            self.adam() if self.given.optimizer == "adam" else self.sgd()
        return total * B / len(order)

    def forward(self) -> None:
        for layer, (W, b) in enumerate(self.layers):
            Y = np.matmul(W, self.H[layer], out=self.H[layer + 1])
            Y += b[:, np.newaxis]
            if layer < len(self.layers) - 1:
                np.greater(Y, self.kink, out=self.positive[layer + 1])
                np.maximum(Y, 0, out=Y)

    def loss(self, classes: np.ndarray) -> float:
        """The mean cross-entropy; the last delta becomes its gradient."""
        Y, P, sums = self.H[-1], self.deltas[-1], self.sums
        Y -= Y.max(axis=0, out=sums)
        np.exp(Y, out=P)
        P /= P.sum(axis=0, out=sums)
        mean = float((np.log(sums) - Y[classes, self.columns]).mean())
        P[classes, self.columns] -= 1
        P *= self.share
        return mean

    def backward(self) -> None:
        for layer in reversed(range(len(self.layers))):
            delta, (dW, db) = self.deltas[layer + 1], self.slopes[layer]
            np.matmul(delta, self.H[layer].T, out=dW)
            delta.sum(axis=1, out=db)
            if layer:
                dX = np.matmul(self.layers[layer][0].T, delta, out=self.deltas[layer])
                dX *= self.positive[layer]

    def sgd(self) -> None:
        self.gradients *= self.given.rate
        self.parameters -= self.gradients

    def adam(self) -> None:
        g, m, v, scratch = self.gradients, self.mean, self.square, self.scratch
        self.step += 1
        m *= BETA1
        m += np.multiply(g, 1 - BETA1, out=scratch)
        v *= BETA2
        np.multiply(g, g, out=g)
        g *= 1 - BETA2
        v += g
        np.divide(v, 1 - BETA2**self.step, out=scratch)
        np.sqrt(scratch, out=scratch)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= self.given.rate / (1 - BETA1**self.step)
        self.parameters -= scratch


def numpy_trainer(given: Problem, **settings: float) -> Train:
    net = NumpyNetwork(given, **settings)

    def train(epochs: int, shuffle: bool) -> Trained:
        net.begin()
        return Trained(*timed(given, epochs, shuffle, net.epoch), net.parameters)

    return train


# ---- scikit-learn, PyTorch, JAX ------------------------------------------------------------------------------------


def sklearn_trainer(given: Problem) -> Train:
    """MLPClassifier.fit with warm_start, timed between the ends of its epochs: its checks of X and y are not counted.

    Rows of 0 and 1 for y, and softmax set by hand: two classes would get one logistic output, a smaller network.
    """
    from sklearn.neural_network import MLPClassifier

    class Watched(MLPClassifier):
        def _update_no_improvement_count(self, *args: Any) -> None:
            self.ends.append(time.perf_counter())  # of an epoch
            super()._update_no_improvement_count(*args)

    model = Watched(given.sizes[1:-1], solver=given.optimizer, alpha=0, batch_size=given.batch, warm_start=True, max_iter=1)
    model.set_params(learning_rate_init=given.rate, momentum=0, nesterovs_momentum=False)
    model.set_params(beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON, n_iter_no_change=10**9, random_state=0)
    rows = np.eye(given.sizes[-1], dtype=np.int64)[given.y]

    def fit(epochs: int, shuffle: bool) -> None:
        model.set_params(max_iter=epochs, shuffle=shuffle)
        model.ends = [time.perf_counter()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so few epochs do not converge
            model.fit(given.X, rows)

    fit(1, False)  # makes the arrays
    model.out_activation_ = "softmax"

    def train(epochs: int, shuffle: bool) -> Trained:
        for (W, b), coefficients, intercepts in zip(
            views(given.start, given.sizes), model.coefs_, model.intercepts_, strict=True
        ):
            coefficients[:], intercepts[:] = W.T, b
        fit(epochs, shuffle)
        pairs = zip(model.coefs_, model.intercepts_, strict=True)
        parameters = np.concatenate([part for W, b in pairs for part in (W.T.ravel(), b)])
        return Trained(np.diff(model.ends).tolist(), float(model.loss_), parameters)

    return train


def torch_trainer(given: Problem) -> Train:
    import torch

    X, y = torch.from_numpy(given.X), torch.from_numpy(given.y)
    layers: list[Any] = []
    for N, T in itertools.pairwise(given.sizes):
        layers += [torch.nn.Linear(N, T, dtype=X.dtype), torch.nn.ReLU()]
    model, loss = torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss()

    def optimizer() -> Any:  # fused: the fastest of its three forms
        if given.optimizer == "adam":
            return torch.optim.Adam(model.parameters(), given.rate, (BETA1, BETA2), EPSILON, fused=True)
        return torch.optim.SGD(model.parameters(), given.rate, fused=True)

    def train(epochs: int, shuffle: bool) -> Trained:
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(torch.from_numpy(given.start.copy()), model.parameters())
        update = optimizer()

        def epoch(order: np.ndarray) -> float:
            total = 0.0
            for chosen in torch.from_numpy(order).split(given.batch):
                update.zero_grad(set_to_none=True)
                value = loss(model(X.index_select(0, chosen)), y.index_select(0, chosen))
                value.backward()
                update.step()
                total += value.item()
            return total * given.batch / len(order)

        seconds, mean = timed(given, epochs, shuffle, epoch)
        return Trained(seconds, mean, torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy())

    return train


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


TRAINERS: dict[str, Callable[[Problem], Train]] = {
    "numbafc": numbafc_trainer,
    "numpy": numpy_trainer,
    "sklearn": sklearn_trainer,
    "torch": torch_trainer,
    "jax": jax_trainer,
}


class Trainer:
    """Answers jobs; the network of the job before is kept. make: the Problem; first: what it takes before sizes."""

    def __init__(self, make: Callable[..., Problem] = problem, *first: str) -> None:
        self.make, self.first, self.key = make, first, None

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        names = *self.first, "sizes", "batch", "steps", "dtype", "optimizer", "rate"
        key: Any = tuple(tuple(job[name]) if name == "sizes" else job[name] for name in names)
        if key != self.key:
            self.key, self.train = key, TRAINERS[name](self.make(*key))
        seconds, loss, parameters = self.train(job["epochs"], job["shuffle"])
        if job["save"]:
            np.save(job["save"], parameters)
        return {"seconds": seconds, "loss": loss}


if __name__ == "__main__":
    serve(Trainer())

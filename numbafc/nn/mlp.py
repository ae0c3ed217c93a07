"""MLP: a network of fully-connected layers, its parameters in one flat array.

Rows and columns: data come one sample per row, (samples, features), as everywhere in the ecosystem; the layers compute
with one sample per column. The turn is a transposed view, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from ..layer import forward, grad_b, grad_w, grad_x
from . import schedules
from .activations import ACTIVATIONS
from .losses import LOSSES, softmax
from .optimizers import Optimizer
from .training import Callback, History, train

CHUNK = 1024  # rows that pass through the network at a time in prediction: bounds memory, and no bit depends on it

# files/checkpoint.py, a room above this one, puts its writer here.
writers: dict[str, Callable[[MLP, str | PathLike[str]], None]] = {}


class NetworkGradients(NamedTuple):
    """The loss and its gradient. `parameters` is flat, like MLP.parameters; weights and biases are views into it."""

    loss: float
    parameters: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]


class MLP:
    """A multi-layer perceptron: h_0 = x, h_l = φ(W_l h_{l−1} + b_l), the last layer without φ.

    sizes: of the input, the hidden layers and the output, [784, 128, 10]. activation: φ, a name of ACTIVATIONS. loss:
    "cross_entropy" (outputs are logits, targets class indices), "binary_cross_entropy" (logits of independent labels,
    targets from 0 to 1), or for real targets "mse", "mae", "huber" or "poisson" (outputs are logarithms of counts).
    dtype: float32 or float64. seed: of the initial weights and of the order of samples; the same seed, data and settings
    give the same bits.

    parameters: one flat array, for each layer W (T, N) in row-major order, then b (T,). weights, biases: lists of views
    into it; change a layer with net.weights[0][:] = W.
    input_mean, input_scale: (features,) or None; inputs are standardised with them first (see standardize).
    classes: names of the outputs, for people and files, or None.
    Raises TypeError or ValueError. Initial weights: normal with variance 2/N for relu, leaky_relu and softplus (He et al.,
    ICCV 2015), else 1/N (LeCun et al., "Efficient BackProp", 1998); biases 0.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        loss: str = "cross_entropy",
        dtype: Any = "float32",
        seed: int = 0,
    ) -> None:
        self.sizes = tuple(checks.count(f"sizes[{n}]", size, 1) for n, size in enumerate(sizes))
        if len(self.sizes) < 2:
            raise ValueError(f"sizes must name at least the input and the output, [784, 10], got {list(sizes)}")
        self.activation = checks.choice("activation", activation, ACTIVATIONS)
        self.loss_name = checks.choice("loss", loss, LOSSES)
        self.dtype = checks.real_dtype(dtype)
        self.seed = checks.count("seed", seed)
        self.input_mean: np.ndarray | None = None
        self.input_scale: np.ndarray | None = None
        self.classes: tuple[str, ...] | None = None
        self._parameters = np.zeros(sum(T * N + T for N, T in self._layer_shapes()), self.dtype)
        rng = np.random.default_rng(self.seed)
        for W in self.weights:
            deviation = np.sqrt(ACTIVATIONS[activation].gain / W.shape[1])
            W[:] = deviation * rng.standard_normal(W.shape)
        self._order = np.random.default_rng([self.seed, 1])  # of samples: its own stream, whatever the sizes

    @property
    def parameters(self) -> np.ndarray:
        """All weights and biases, flat. The array itself: net.parameters[:] = … changes the network."""
        return self._parameters

    @property
    def weights(self) -> list[np.ndarray]:
        """Each layer's W, (T, N): views into parameters."""
        return self.views(self._parameters)[0]

    @property
    def biases(self) -> list[np.ndarray]:
        """Each layer's b, (T,): views into parameters."""
        return self.views(self._parameters)[1]

    def _layer_shapes(self) -> Iterable[tuple[int, int]]:
        """(N, T) of each layer."""
        return zip(self.sizes[:-1], self.sizes[1:], strict=True)

    def views(self, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The weights and biases inside a flat array that is laid out like `parameters`."""
        weights, biases, at = [], [], 0
        for N, T in self._layer_shapes():
            weights.append(flat[at : at + T * N].reshape(T, N))
            biases.append(flat[at + T * N : at + T * N + T])
            at += T * N + T
        return weights, biases

    # ---- data in, columns out ----

    def standardize(self, X: Any) -> None:
        """From now on inputs are (x − mean)/scale, with the mean and standard deviation of X: (samples, features).

        A feature that does not vary has scale 1.
        """
        X = self._rows(X)
        _require_samples("standardize", X)
        deviation = X.std(axis=0, dtype=np.float64)
        self.input_mean = X.mean(axis=0, dtype=np.float64).astype(self.dtype)
        varies = X.max(axis=0) > X.min(axis=0)  # rounding alone can give a constant a deviation
        self.input_scale = np.where(varies & (deviation > 0), deviation, 1).astype(self.dtype)

    def _rows(self, X: Any) -> np.ndarray:
        X = checks.real_values("X", X, self.dtype)
        if X.ndim != 2 or X.shape[1] != self.sizes[0]:
            raise ValueError(
                f"X must have shape (samples, {self.sizes[0]}), one sample per row, got {X.shape}; "
                "for a single sample pass X[np.newaxis, :]"
            )
        return X

    def columns(self, X: np.ndarray) -> np.ndarray:
        """Rows of samples as the columns the first layer takes, standardised."""
        if self.input_mean is not None and self.input_scale is not None:
            X = (X - self.input_mean) / self.input_scale
        return X.T

    # ---- one pass ----

    def forward_pass(self, X: np.ndarray) -> list[np.ndarray]:
        """All h_l, from X: (N, B) to the outputs (T, B)."""
        apply, H = ACTIVATIONS[self.activation].apply, [X]
        for layer, (W, b) in enumerate(zip(*self.views(self._parameters), strict=True)):
            Y = forward(W, H[-1], b)
            if layer < len(self.sizes) - 2:
                apply(Y)
            H.append(Y)
        return H

    def backward_pass(self, H: list[np.ndarray], dY: np.ndarray, gradients: np.ndarray) -> None:
        """Fill the flat gradients, from all h_l and the gradient of the outputs."""
        weights, biases = self.views(gradients)
        W = self.weights
        for layer in reversed(range(len(weights))):
            grad_w(dY, H[layer], out=weights[layer])
            grad_b(dY, out=biases[layer])
            if layer:
                dY = grad_x(dY, W[layer])
                ACTIVATIONS[self.activation].chain(dY, H[layer])

    # ---- use ----

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        batch_size: int = 32,
        epochs: int = 1,
        shuffle: bool = True,
        validation: tuple[Any, Any] | None = None,
        sample_weight: Any = None,
        callbacks: Iterable[Callback] = (),
        schedule: str | schedules.Schedule = "constant",
        early_stopping: int | None = None,
    ) -> History:
        """Train on X: (samples, features) and y: (samples,) class indices, or reals (samples, T), (samples,) where T = 1.

        optimizer: a name of OPTIMIZERS or an instance; learning_rate: its rate, if not the default. Minibatches have
        batch_size samples, the last one fewer; shuffle: in a new order each epoch. validation: (X, y) to measure after each
        epoch.
        sample_weight: (samples,), ≥ 0. callbacks: called with each epoch's EpochRecord; a true result ends the training.
        schedule: of the learning rate, a name or an instance (see schedules.py). early_stopping: end after so many epochs
        in which the loss, of validation if given, was no less than the best; the parameters are then the best epoch's.
        Returns a History. Raises TypeError or ValueError for bad data, FloatingPointError with epoch and batch where
        the loss stops being finite: the parameters are then those from before that epoch. Ctrl-C leaves the parameters of
        the last finished minibatch.
        """
        if not self._parameters.flags.writeable:
            raise ValueError("the parameters are read-only and cannot be trained; train a copy.deepcopy of the network")
        rows = self._rows(X)
        targets, weight = self._targets(y, len(rows)), self._weight(sample_weight, len(rows))
        _require_samples("fit", rows)
        held_out = None
        if validation is not None:
            held_out = self._rows(validation[0]), validation[1]
            self._targets(validation[1], len(held_out[0]))
            _require_samples("validation", held_out[0])
        return train(
            self,
            rows,
            targets,
            weight,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=checks.count("batch_size", batch_size, 1),
            epochs=checks.count("epochs", epochs),
            order=self._order if shuffle else None,
            validation=held_out,
            callbacks=tuple(callbacks),
            schedule=schedules.make(schedule),
            patience=None if early_stopping is None else checks.count("early_stopping", early_stopping, 1),
        )

    def outputs(self, X: Any) -> np.ndarray:
        """The last layer's outputs, (samples, T): logits, logarithms of counts, or predictions, as the loss has it."""
        rows = self._rows(X)
        Y = np.empty((len(rows), self.sizes[-1]), self.dtype)
        for first in range(0, len(rows), CHUNK):
            Y[first : first + CHUNK] = self.forward_pass(self.columns(rows[first : first + CHUNK]))[-1].T
        return Y

    def predict(self, X: Any) -> np.ndarray:
        """What the network says of each sample.

        "cross_entropy": its class index, (samples,). Otherwise (samples, T), or (samples,) where T = 1: labels 0 or 1 for
        "binary_cross_entropy", expected counts for "poisson", else the outputs.
        """
        Y = self.outputs(X)
        if LOSSES[self.loss_name].classifies:
            return Y.argmax(axis=1)
        Y = self._answers(Y)
        return Y[:, 0] if self.sizes[-1] == 1 else Y

    def _answers(self, Y: np.ndarray) -> np.ndarray:
        """Outputs in the targets' own units."""
        if self.loss_name == "binary_cross_entropy":
            return (Y > 0).astype(np.intp)
        if self.loss_name == "poisson":
            with np.errstate(over="ignore"):
                return np.exp(Y)
        return Y

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (samples, T): of the classes, softmax of the logits, or of each label, their sigmoid.

        Raises ValueError for the losses of real targets.
        """
        if LOSSES[self.loss_name].classifies:
            return softmax(self.outputs(X).T).T
        if self.loss_name == "binary_cross_entropy":
            P = self.outputs(X)
            ACTIVATIONS["sigmoid"].apply(P)
            return P
        raise ValueError(f"predict_proba needs a classifier, and this network's loss is {self.loss_name!r}; use predict")

    def loss(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The weighted mean of the samples' losses."""
        Y = self.outputs(X)
        _require_samples("loss", Y)
        targets, weight = self._targets(y, len(Y)), self._weight(sample_weight, len(Y))
        with np.errstate(all="ignore"):  # a loss may be infinite
            losses = LOSSES[self.loss_name].per_sample(Y.T, targets)
        return float(np.average(losses, weights=weight))

    def score(self, X: Any, y: Any) -> float:
        """Accuracy for classes, and over all labels; else R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², over all outputs."""
        Y = self.outputs(X)
        _require_samples("score", Y)
        targets = self._targets(y, len(Y))
        if LOSSES[self.loss_name].classifies:
            return float(np.mean(Y.argmax(axis=1) == targets))
        if self.loss_name == "binary_cross_entropy":
            return float(np.mean(self._answers(Y) == (targets > 0.5)))
        Y = self._answers(Y)
        residual = np.square(targets - Y, dtype=np.float64).sum()
        spread = np.square(targets - targets.mean(axis=0, dtype=np.float64)).sum()
        return float(1 - residual / spread) if spread else float(residual == 0)

    def gradients(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkGradients:
        """The loss on all samples as one batch, and its gradient with respect to every parameter."""
        rows = self._rows(X)
        _require_samples("gradients", rows)
        targets, weight = self._targets(y, len(rows)), self._weight(sample_weight, len(rows))
        flat = np.empty_like(self.parameters)
        loss = self.step_gradients(rows, targets, weight, flat)[0]
        return NetworkGradients(loss, flat, *self.views(flat))

    def step_gradients(
        self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, gradients: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Fill the flat gradients of the mean loss over the rows X; returns the loss and the outputs (T, B)."""
        loss = LOSSES[self.loss_name]
        H = self.forward_pass(self.columns(X))
        share = np.full(len(X), 1 / len(X)) if weight is None else weight / np.cumsum(weight)[-1]  # one sum, in order
        share = share.astype(self.dtype)
        losses = loss.per_sample(H[-1], targets).astype(np.float64)
        value = float(np.cumsum(losses * share)[-1])
        self.backward_pass(H, loss.gradient(H[-1], targets) * share, gradients)
        return value, H[-1]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all; numbafc.load reads it."""
        writers["safetensors"](self, path)

    def _targets(self, y: Any, samples: int) -> np.ndarray:
        targets = LOSSES[self.loss_name].targets(y, self.sizes[-1], self.dtype)
        if len(targets) != samples:
            raise ValueError(f"y has {len(targets)} samples but X has {samples}; give one target per row of X")
        return targets

    def _weight(self, sample_weight: Any, samples: int) -> np.ndarray | None:
        """The weights, (samples,), in float64: no sum of them overflows."""
        if sample_weight is None:
            return None
        weight = checks.real_values("sample_weight", sample_weight, np.dtype(np.float64))
        if weight.shape != (samples,) or (weight < 0).any() or not weight.any():
            raise ValueError(
                f"sample_weight must have shape ({samples},), no negative and at least one positive weight, got shape "
                f"{weight.shape}" + (f" with minimum {weight.min():g}" if weight.size else "")
            )
        return weight

    def __repr__(self) -> str:
        return (
            f"MLP({list(self.sizes)}, activation={self.activation!r}, loss={self.loss_name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed})"
        )


def _require_samples(name: str, rows: np.ndarray) -> None:
    if len(rows) == 0:
        raise ValueError(f"{name} needs at least one sample, got 0")

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
from . import initializers, passes, portable, recipe, samples
from .activations import ACTIVATIONS
from .attributes import REAL_LOSSES, Names, Order, Seed, Standardisation, Training, shuffles
from .losses import LOSSES, softmax
from .names import ActivationName, InitializerName, LossName, OptimizerName, ScheduleName
from .optimizers import Optimizer
from .progress import History, begin, resumed
from .recipe import WORD, Regularization, Usual, usual
from .schedules import Schedule
from .training import Callback, train
from .views import Views

CHUNK = 1024  # rows that pass through the network at a time in prediction: bounds memory, and no bit depends on it

# files/checkpoint.py, a room above this one, puts its writer here.
writers: dict[str, Callable[[MLP, str | PathLike[str], bool], None]] = {}


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
    dtype: float32 or float64. seed: of the initial weights, the order of samples and dropout; the same seed, data and
    settings give the same bits. label_smoothing: ε from 0 to below 1, for "cross_entropy": the target is (1 − ε) for the
    class, and ε/T more for each of the T classes (C. Szegedy et al., CVPR 2016). init: of the weights, "he_normal",
    "xavier_uniform" and so on (see initializers.py); "auto" is normal with variance 2/N for relu and its relatives, else
    1/N; biases begin at 0.

    parameters: one flat array, for each layer W (T, N) in row-major order, then b (T,). weights, biases: lists of views
    into it; change a layer with net.weights[0][:] = W, or net.weights[0] = W, which copies as well.
    input_mean, input_scale: (features,) or None; inputs are standardised with them first (see standardize).
    target_mean, target_scale: (T,) or None; likewise for real targets.
    classes, features: names of the outputs and of the inputs, for people and files, or None.
    training: how far the last fit has come (see training.py), or None; fit(resume=True) goes on from there.
    What is set later is checked and converted then (attributes.py). Raises TypeError or ValueError.
    """

    seed = Seed()
    input_mean, input_scale = Standardisation("input", "mean"), Standardisation("input", "scale")
    target_mean, target_scale = Standardisation("target", "mean"), Standardisation("target", "scale")
    classes, features = Names("output"), Names("input")
    training, order = Training(), Order()

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationName = "relu",
        loss: LossName = "cross_entropy",
        dtype: checks.RealDtype = "float32",
        seed: int = 0,
        *,
        label_smoothing: float = 0.0,
        init: InitializerName = "auto",
    ) -> None:
        self.sizes = tuple(checks.count(f"sizes[{n}]", size, 1) for n, size in enumerate(sizes))
        if len(self.sizes) < 2:
            raise ValueError(f"sizes must name at least the input and the output, [784, 10], got {list(sizes)}")
        checks.choice("activation", activation, ACTIVATIONS)
        self.activation: ActivationName = activation
        checks.choice("loss", loss, LOSSES)
        self.loss_name: LossName = loss
        self.dtype = checks.real_dtype(dtype)
        self.seed = seed
        self.input_mean = self.target_mean = None
        self.classes = self.features = self.training = None
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, 0, below=1)
        if label_smoothing and not LOSSES[loss].classifies:
            raise ValueError(f"label_smoothing goes with the loss 'cross_entropy', got it with {loss!r}; leave it out")
        checks.choice("init", init, initializers.INITIALIZERS)
        self.init: InitializerName = init
        count = sum(T * N + T for N, T in self._layer_shapes())
        try:
            self._parameters = np.zeros(count, self.dtype)
        except (ValueError, OverflowError, MemoryError):
            raise MemoryError(
                f"layers of these sizes have {checks.shown(count)} parameters, which fit in no memory; make them smaller"
            ) from None
        rng = np.random.default_rng(self.seed)
        for W in self.weights:
            initializers.fill(W, init, ACTIVATIONS[activation].gain, rng)
        self.order = shuffles(self.seed)

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
        return Views(weights), Views(biases)

    # ---- data in, columns out ----

    def standardize(self, X: Any, y: Any = None) -> None:
        """From now on inputs are (x − mean)/scale, with the mean and standard deviation of X: (samples, features).

        With y, (samples, T), so are the targets of "mse", "mae" and "huber": the network learns (y − mean)/scale, its loss
        is of that, and predictions and scores are in y's own units. A column that does not vary has scale 1.
        """
        X = samples.rows(self, X)
        samples.require("standardize", X)
        if y is not None and self.loss_name not in REAL_LOSSES:
            raise ValueError(
                f"targets are standardised for {', '.join(REAL_LOSSES)}, not for {self.loss_name!r}; leave y out"
            )
        of_targets = None if y is None else samples.mean_and_scale(samples.targets(self, y, len(X)), self.dtype)
        self.input_mean, self.input_scale = samples.mean_and_scale(X, self.dtype)
        if of_targets is not None:
            self.target_mean, self.target_scale = of_targets

    def columns(self, X: np.ndarray) -> np.ndarray:
        """Rows of samples as the columns the first layer takes, standardised."""
        if self.input_mean is not None and self.input_scale is not None:
            X = (X - self.input_mean) / self.input_scale
        return X.T

    # ---- use ----

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: OptimizerName | Optimizer = usual("adam"),  # noqa: B008
        learning_rate: float | None = usual(None),
        batch_size: int = usual(32),
        epochs: int = usual(1),
        shuffle: bool = usual(True),
        validation: tuple[Any, Any] | tuple[Any, Any, Any] | None = None,
        sample_weight: Any = None,
        callbacks: Iterable[Callback] = (),
        schedule: ScheduleName | Schedule = usual("constant"),  # noqa: B008
        early_stopping: int | None = usual(None),
        class_weight: Any = None,
        dropout: float = usual(0.0),
        clip_norm: float | None = usual(None),
        clip_sample_norm: float | None = usual(None),
        resume: bool = False,
    ) -> History:
        """Train on X: (samples, features) and y: (samples,) class indices, or reals (samples, T), (samples,) where T = 1.

        optimizer       a name of OPTIMIZERS or an instance. L2 regularisation is its weight_decay, AdamW's is decoupled
        learning_rate   of an optimizer's name, if not the default
        schedule        of the learning rate: a name of SCHEDULES or an instance
        batch_size      samples in a minibatch; the last one has fewer
        shuffle         in a new order each epoch
        validation      (X, y) to measure after each epoch, or (X, y, weights), whose loss is weighted. A loss that is NaN
                        is no better than another
        sample_weight   (samples,), ≥ 0. A minibatch of B samples has the loss Σ_s w[s]·l[s]/(B·mean of all w), so that
                        each sample counts by its weight in whichever minibatch it is; one of weights 0 is no step
        class_weight    "balanced", that is samples/(T·samples of the class); or a weight for each class; or a dict from
                        class to weight, 1 for the others
        dropout         p from 0 to below 1, of every hidden layer (dropout.py)
        clip_norm       the largest length of a minibatch's gradient, over all parameters (clipping.py)
        clip_sample_norm    of each sample's gradient, before their mean
        early_stopping  end after so many epochs whose loss, of validation if given, was no less than the best; the
                        parameters are then the best epoch's
        callbacks       called with each epoch's EpochRecord; a true result ends the training
        resume          go on with the fit that was interrupted, here or in the file this network is from, or to more
                        epochs: the bits are those of a run without a break. The data must be the same, and validation
                        where early stopping or the schedule looks at it; epochs is the number in all, if left out that
                        run's; other settings are that run's, and refused if they are given and are others. Schedules
                        that know their end, "cosine" and "one_cycle", refuse more epochs

        Without resume a second fit goes on from the parameters as they are, and with the next orders of samples; all else
        begins anew: the optimizer's state, the schedule, early stopping, and the sequence of dropout.

        Returns a History. Raises TypeError or ValueError for bad data, FloatingPointError with epoch and batch where
        the loss stops being finite: the parameters are then those from before that epoch. Ctrl-C leaves the parameters of
        the last finished minibatch.
        """
        if not self._parameters.flags.writeable:
            raise ValueError("the parameters are read-only and cannot be trained; train a copy.deepcopy of the network")
        settings: dict[str, Any] = {
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "shuffle": shuffle,
            "schedule": schedule,
            "early_stopping": early_stopping,
            "dropout": dropout,
            "clip_norm": clip_norm,
            "clip_sample_norm": clip_sample_norm,
        }
        said = recipe.given(settings)
        asked = recipe.make(**said, label_smoothing=self.label_smoothing, seed=self.seed)
        wanted = None if isinstance(epochs, Usual) else checks.count("epochs", epochs, 0, WORD)
        functions = _callbacks(callbacks)
        given = samples.of(self, X, y, sample_weight, class_weight)
        samples.require("fit", given.X)
        held_out = samples.held_out(self, validation)
        if checks.flag("resume", resume):
            progress = resumed(self, asked, said, wanted, given, held_out)
        else:
            progress = begin(self, asked, 1 if wanted is None else wanted, given, held_out)
        return train(self, given, progress, validation=held_out, callbacks=functions)

    def was_trained_on(self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> bool:
        """Whether these are, all, in this order and with these weights, the samples of the training in `training`."""
        given = samples.of(self, X, y, sample_weight, class_weight)
        return self.training is not None and self.training.is_of(given)

    def outputs(self, X: Any) -> np.ndarray:
        """The last layer's outputs, (samples, T): logits, logarithms of counts, or predictions of the targets as learnt."""
        rows = samples.rows(self, X)
        Y = np.empty((len(rows), self.sizes[-1]), self.dtype)
        for first in range(0, len(rows), CHUNK):
            Y[first : first + CHUNK] = passes.outputs(self, self.columns(rows[first : first + CHUNK])).T
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
        with np.errstate(all="ignore"):  # they may be infinite
            if self.loss_name == "poisson":
                return portable.exp(Y)
            if self.target_mean is not None and self.target_scale is not None:
                return Y * self.target_scale + self.target_mean
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
        """The weighted mean of the samples' losses; of standardised targets, if they are."""
        rows, run = samples.rows(self, X), LOSSES[self.loss_name]
        samples.require("loss", rows)
        targets = samples.standardised(self, samples.targets(self, y, len(rows)))
        weight = samples.weights(sample_weight, len(rows))
        losses = np.empty(len(rows))
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            Y = passes.outputs(self, self.columns(rows[part]))
            losses[part] = run.per_sample(Y, targets[part], self.label_smoothing)
        with np.errstate(all="ignore"):  # a loss may be infinite
            if weight is None:
                return portable.total(losses) / len(losses)
            return float(np.float64(portable.total(losses * weight)) / portable.total(weight))

    def score(self, X: Any, y: Any) -> float:
        """Accuracy for classes, and over all labels; else R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², over all outputs."""
        Y = self.outputs(X)
        samples.require("score", Y)
        targets = samples.targets(self, y, len(Y))
        if LOSSES[self.loss_name].classifies:
            return float(np.mean(Y.argmax(axis=1) == targets))
        if self.loss_name == "binary_cross_entropy":
            return float(np.mean(self._answers(Y) == (targets > 0.5)))
        with np.errstate(all="ignore"):
            residual = portable.total(np.square(targets - self._answers(Y), dtype=np.float64).reshape(-1))
            deviation = targets - portable.column_sums(targets) / len(targets)
            deviation[:, targets.max(axis=0) == targets.min(axis=0)] = 0  # which rounding may have given them
            spread = portable.total(np.square(deviation).reshape(-1))
            return float(1 - np.float64(residual) / spread) if spread else float(residual == 0)

    def gradients(self, X: Any, y: Any, sample_weight: Any = None) -> NetworkGradients:
        """The loss on all samples as one batch, and its gradient with respect to every parameter."""
        given = samples.of(self, X, y, sample_weight)
        samples.require("gradients", given.X)
        flat, smooth = np.empty_like(self.parameters), Regularization(label_smoothing=self.label_smoothing)
        loss = passes.step_gradients(self, given.X, given.targets, given.relative, flat, smooth)[0]
        return NetworkGradients(loss, flat, *self.views(flat))

    def save(self, path: str | PathLike[str], *, training: bool = True) -> None:
        """Write the network to a safetensors file, whole or not at all; numbafc.load reads it.

        training: with all that fit(resume=True) needs, if the optimizer and the schedule are numbafc's own.
        """
        writers["safetensors"](self, path, training)

    def __repr__(self) -> str:
        return (
            f"MLP({list(self.sizes)}, activation={self.activation!r}, loss={self.loss_name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed})"
        )


def _callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The functions that fit calls after each epoch. Raises TypeError."""
    if callable(callbacks) or not isinstance(callbacks, Iterable):
        kind = "a function" if callable(callbacks) else type(callbacks).__name__
        raise TypeError(f"callbacks must be a list of functions of an EpochRecord, got {kind}; pass callbacks=[function]")
    functions = tuple(callbacks)
    for n, function in enumerate(functions):
        if not callable(function):
            raise TypeError(f"callbacks[{n}] must be a function of an EpochRecord, got {type(function).__name__}")
    return functions

"""MLP: a network that is fitted, asked and saved by the names that programs use; what each does is in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from . import alike, communication, evaluation, own_rows, passes, rate_finder, recipe, samples, summary
from .course import Callback, moment_after
from .names import EpochMeasure, OptimizerName, RowsOfRanks, ScheduleName
from .network import Network
from .optimizers import Optimizer
from .progress import History, Progress, begin, resumed
from .rate_finder import RateCurve
from .recipe import SETTINGS, Regularization, usual
from .schedules import Schedule
from .training import callback_functions, train


class NetworkGradients(NamedTuple):
    """The loss and its gradient. `parameters` is flat, like MLP.parameters; weights, biases, scales are views into it."""

    loss: float
    parameters: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]

    @property
    def scales(self) -> np.ndarray:
        """The gradient of the inputs' factors, (N,); empty without scaling."""
        return self.parameters[: self.parameters.size - sum(A.size for A in (*self.weights, *self.biases))]


class MLP(Network):
    """A multi-layer perceptron: h_0 = x, h_l = φ(W_l h_{l−1} + b_l), the last layer without φ.

    sizes: of the input, the hidden layers and the output, [784, 128, 10]. activation: φ, a name of ACTIVATIONS. loss:
    "cross_entropy" (outputs are logits, targets class indices), "binary_cross_entropy" (logits of independent labels,
    targets from 0 to 1), or for real targets "mse", "mae", "huber" or "poisson" (outputs are logarithms of counts).
    dtype: float32 or float64. seed: of the initial weights, the order of samples and dropout; the same seed, data and
    settings give the same bits. label_smoothing: ε from 0 to below 1, for "cross_entropy": the target is (1 − ε) for the
    class, and ε/T more for each of the T classes (C. Szegedy et al., CVPR 2016). init: of the weights, "he_normal",
    "xavier_uniform" and so on (see initializers.py); "auto" is normal with variance 2/N for relu and its relatives, else
    1/N; biases begin at 0. With "ntp" weights have variance 1/N, biases 1, and the last layer is 0. scaling: h_0 = s ⊙ x,
    with a factor s for each input, which is trained and begins at 1.

    parameters: one flat array, with scaling s (N,), then for each layer W (T, N) in row-major order and b (T,). scales,
    weights, biases: a view, and lists of views, into it; change a layer with net.weights[0][:] = W, or net.weights[0] = W,
    which copies as well.
    input_mean, input_scale: (features,) or None; inputs are standardised with them first (see standardize).
    target_mean, target_scale: (T,) or None; likewise for real targets.
    classes, features: names of the outputs and of the inputs, for people and files, or None.
    table: what inputs and targets are in a table (fc.Table), or None; data frames are encoded by it in every method, and
    y may then be labels, or a frame with the target's columns.
    training: how far the last fit has come (see training.py), or None; fit(resume=True) goes on from there.
    What is set later is checked and converted then (attributes.py). Raises TypeError or ValueError.
    """

    @property
    def training(self) -> Progress | None:
        """The progress of the last fit, or None."""
        return self.__dict__.get("training")

    @training.setter
    def training(self, value: Progress | None) -> None:
        if not (value is None or isinstance(value, Progress)):
            got = type(value).__name__
            raise TypeError(f"training must be what fit left in another network's training, or None, got {got}")
        self.__dict__["training"] = value

    def __getstate__(self) -> dict[str, Any]:
        return {"training": None} | vars(self)  # older versions expect it in every pickle

    def __str__(self) -> str:
        return str(summary.of(self))

    def _repr_html_(self) -> str:
        return summary.of(self).to_html()

    def _keep(self, progress: Progress | None) -> None:
        self.training = progress

    def standardize(self, X: Any, y: Any = None, *, comm: Any = None, rows: RowsOfRanks = "shared") -> None:
        """Make inputs (x − mean)/scale from now on, with the mean and standard deviation of X: (samples, features).

        With y, (samples, T), so are the targets of "mse", "mae" and "huber": the network learns (y − mean)/scale, its loss
        is of that, and predictions and scores are in y's own units. A column that does not vary has scale 1. X may be None:
        inputs stay as they are, such as those that a table has scaled.

        comm, rows: of several processes, as in fit. With rows="own" each gives its own rows, and means and scales are those
        of all rows, to the bits of one process. An error of one rank ends it on all of them.
        """
        group = communication.group(comm)
        with communication.agreed(group):
            own_rows.require_alike(group, rows)
            with communication.agreed(group):
                X, y = samples.to_standardize(self, X, y)
            if group is not None:
                own_rows.require_same_kind(group, X=X, y=y)
            of_targets = None
            whole, targets = (own_rows.spread(group, rows, array) for array in (X, y))
            samples.require("standardize", targets if whole is None else whole)
            if targets is not None:
                dtype = np.dtype(np.float64) if self.table is not None else self.dtype
                of_targets = samples.mean_and_scale(targets, dtype)
            if whole is not None:
                self.input_mean, self.input_scale = samples.mean_and_scale(whole, self.dtype)
            if of_targets is not None:
                self.target_mean, self.target_scale = of_targets

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
        drop_last: bool = usual(False),
        best_epoch: EpochMeasure | None = usual(None),  # noqa: B008
        rate_factors: tuple[float, float, float] = usual((1.0, 1.0, 1.0)),
        ntp: bool = usual(False),
        time_limit: float | None = None,
        resume: bool = False,
        comm: Any = None,
        rows: RowsOfRanks = "shared",
    ) -> History:
        """Train on X: (samples, features) and y: (samples,) class indices, or reals (samples, T), (samples,) where T = 1.

        optimizer       a name of OPTIMIZERS or an instance. L2 regularisation is its weight_decay, AdamW's is decoupled
        learning_rate   of an optimizer's name, if not the default
        schedule        of the learning rate: a name of SCHEDULES or an instance
        batch_size      samples in a minibatch; the last one has fewer
        drop_last       leave it out, if it has; fewer samples than batch_size are one minibatch
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
        best_epoch      keep the parameters of the epoch with the best "loss", or "score", of validation, of equal ones the
                        last; with early_stopping these, too
        rate_factors    what the learning rate is times for the scales, the weights and the biases; 0 leaves them alone
        ntp             train as in the neural tangent parametrisation, W x/√N + b: for weights of N inputs the rate is
                        1/√N times as large, that of SGD 1/N times, with ε and the L2 coefficient that go with it
                        (rates.py). Weights begin so with init="ntp". Clipping is of gradients as they are
        time_limit      seconds from the call, after which no further epoch begins: the last one is finished, and history's
                        `ended` is "time_limit". The schedule is not bent to it: one that knows its end is cut off, as by
                        Ctrl-C, and resume goes on with the bits of a run without a limit
        callbacks       called with each epoch's EpochRecord; a true result ends the training
        resume          go on with the fit that was interrupted, here or in the file this network is from, or to more
                        epochs: the bits are those of a run without a break. The data must be the same, and validation
                        where early stopping or the schedule looks at it; epochs is the number in all, if left out that
                        run's; other settings are that run's, and refused if they are given and are others. Schedules
                        that know their end, "cosine", "one_cycle" and "coslog4", refuse more epochs
        comm            train together with the other processes of a communicator: one of mpi4py's, or
                        numbafc.interop.distributed.gloo(). All of them call fit alike, and end with the bits of one process
                        (ranks.py). callbacks are called, and time_limit is looked at, by rank 0 alone; validation is the
                        same everywhere. An error of one rank ends fit on all of them
        rows            of a communicator's processes: "shared", each has all of X, y and weights, such as a memory map, and
                        reads its part of each minibatch; or "own", each has its own rows of X, y and weights, which are one
                        data set in the order of the ranks

        Without resume a second fit goes on from the parameters as they are, and with the next orders of samples; all else
        begins anew: the optimizer's state, the schedule, early stopping, and the sequence of dropout.

        Returns a History. Raises TypeError or ValueError for bad data, FloatingPointError with epoch and batch where
        the loss stops being finite: the parameters are then those from before that epoch. Ctrl-C leaves the parameters of
        the last finished minibatch.
        """
        arguments, group = locals(), communication.group(comm)
        with communication.agreed(group):
            if not self.parameters.flags.writeable:
                raise ValueError("the parameters are read-only and cannot be trained; train a copy.deepcopy of the network")
            settings, until = recipe.given(arguments), moment_after(time_limit)
            wanted = settings.pop("epochs", None)
            asked = recipe.make(**settings, label_smoothing=self.label_smoothing, seed=self.seed)
            functions = callback_functions(callbacks)
            given = own_rows.given(group, rows, self, X, y, sample_weight, class_weight)
            samples.require("fit", given.X)
            held_out = samples.held_out(self, validation)
            if checks.flag("resume", resume):
                progress = resumed(self.training, asked, settings, wanted, given, held_out)
            else:
                progress = begin(self, asked, SETTINGS["epochs"].default if wanted is None else wanted, given, held_out)
        if group is not None:
            alike.require_same(group, self, progress)
        told: Any = {"keep": self._keep, "validation": held_out, "callbacks": functions, "until": until}
        return train(self, given, progress, group=group, **told)

    def find_rate(
        self,
        X: Any,
        y: Any,
        *,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 200,
        sample_weight: Any = None,
        class_weight: Any = None,
        **settings: Any,
    ) -> RateCurve:
        """Look for a learning rate: train on one minibatch after the other with growing rates (rate_finder.py).

        The network stays as it is. settings: those of fit that matter to a step, optimizer, batch_size, dropout and so on;
        of an optimizer's instance all but its learning rate. Returns a RateCurve: rates, losses, smoothed, suggestion, and
        plot(). Raises TypeError or ValueError.
        """
        return rate_finder.find(self, X, y, (lowest, highest, steps), (sample_weight, class_weight), settings)

    def was_trained_on(self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> bool:
        """Tell whether these are, all, in this order and with these weights, the samples of the training in `training`."""
        given = samples.of(self, X, y, sample_weight, class_weight)
        return self.training is not None and self.training.is_of(given)

    def outputs(self, X: Any) -> np.ndarray:
        """The last layer's outputs, (samples, T): logits, logarithms of counts, or predictions of the targets as learnt."""
        return evaluation.answers(self, X)

    def predict(self, X: Any) -> np.ndarray:
        """The network's answer to each sample.

        "cross_entropy": its class index, (samples,). Otherwise (samples, T), or (samples,) where T = 1: labels 0 or 1 for
        "binary_cross_entropy", expected counts for "poisson", else the outputs.
        """
        return evaluation.predictions(self, X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (samples, T): of the classes, softmax of the logits, or of each label, their sigmoid.

        Raises ValueError for the losses of real targets.
        """
        return evaluation.probabilities(self, X)

    def loss(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The weighted mean of the samples' losses; of standardised targets, if they are."""
        rows = samples.rows(self, X)
        samples.require("loss", rows)
        return evaluation.mean_loss(
            self, rows, samples.targets(self, y, len(rows)), samples.weights(sample_weight, len(rows))
        )

    def score(self, X: Any, y: Any) -> float:
        """Accuracy for classes, and over all labels; else R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)², over all outputs."""
        rows = samples.rows(self, X)
        samples.require("score", rows)
        return evaluation.score(self, rows, samples.targets(self, y, len(rows)))

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
        from ..files import save  # the one import of a room above: net.save(path) is fc.save(net, path) by another name

        save(self, path, training)

    def export_onnx(self, path: str | PathLike[str], opset: int = 17) -> None:
        """Write the network as an ONNX model, whole or not at all: for any runtime.

        With a table the model takes a column for each input, else samples (samples, N) in the network's dtype. It gives
        label and probabilities, or prediction. opset: the version of ONNX's operators, 13 to 24.
        """
        from ..files import export_onnx  # likewise

        export_onnx(self, path, opset)

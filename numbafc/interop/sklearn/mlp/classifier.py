"""MLPClassifier: classes, or labels, of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from ....nn import MLP, communication
from ....nn.activations import ACTIVATIONS
from ....nn.cross_entropy import softmax
from ....nn.losses import Loss
from .. import inputs, ranks
from ..training import Part
from . import losses, outputs, parameters
from .constructor import has_partial_fit
from .outputs import SPARSE
from .perceptron import REALS, Perceptron, fit


class MLPClassifier(ClassifierMixin, Perceptron):
    """scikit-learn's MLPClassifier, trained by numbafc.

    Parameters, attributes and numbers are those of sklearn.neural_network.MLPClassifier (1.9), and loss_curve_ for the same
    data and random_state, but for rounding. Beyond it:

    activation              any of numbafc's, too: "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "mish"
    solver                  "adamw", whose decay is alpha, "rmsprop", "adagrad", or an instance such as numbafc.Adam(0.01),
                            which has its own learning rate
    learning_rate           a schedule of numbafc's, for every solver of minibatches: "step", "cosine", "one_cycle",
                            "on_plateau", "coslog4", or an instance
    verbose                 2: one line, over and over
    class_weight            "balanced", or a dict from label to weight
    dropout                 p from 0 to below 1, of every hidden layer
    clip_norm               the largest length of a minibatch's gradient, without the penalty
    n_threads               of fit and predict; None: as set by numbafc, and 1 in a worker of joblib

    net_: the network, a numbafc.MLP. Sparse X of up to 256 MiB as dense rows is made dense once, other X by minibatches.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Perceptron._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    loss = "log_loss"

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dropout: float = 0.0,
        clip_norm: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.n_threads = n_threads

    @available_if(has_partial_fit)
    @ranks.agreeing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, comm: Any = None) -> Any:
        """Train for one epoch on these samples. classes: all there are, which the first call needs. comm: as in fit."""
        with communication.agreed(comm):
            if isinstance(self.class_weight, str):
                raise ValueError(
                    "class_weight 'balanced' is not supported for partial_fit, which does not see all samples; pass a "
                    "dict, as sklearn.utils.compute_class_weight computes it"
                )
            if _check_partial_fit_first_call(self, classes):
                self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        return fit(self, X, y, sample_weight, incremental=True, group=comm)

    def _checked(self, X: Any, y: Any, reset: bool, begins: bool, keeps: bool = False) -> tuple[Any, np.ndarray]:
        X, y = validate_data(self, X, y, accept_sparse=SPARSE, multi_output=True, dtype=REALS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if begins or not hasattr(self, "classes_"):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._require_known(unique_labels(y), keeps)
        return X, y

    def _weighted(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        return inputs.class_weights(self.class_weight, y, weight)

    def _require_known(self, classes: np.ndarray, all_of_them: bool) -> None:
        """Require that there are no other classes than before, or the same ones. Raises ValueError."""
        if all_of_them and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously got "
                f"{self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encoded(self, y: Any) -> np.ndarray:
        if self.out_activation_ == "softmax":
            return np.searchsorted(self.classes_, y)
        indicator = self._label_binarizer.transform(y)
        labels: np.ndarray = indicator.toarray() if issparse(indicator) else indicator
        return (labels > 0).astype(self.net_.dtype)

    def _outputs_of(self, y: np.ndarray) -> tuple[int, str, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return len(self.classes_), "softmax", "cross_entropy"
        labels = len(self.classes_) if self._label_binarizer.y_type_.startswith("multilabel") else 1
        return labels, "logistic", "binary_cross_entropy"

    def _loss(self) -> Loss:
        return losses.CLASSES if self.out_activation_ == "softmax" else losses.LABELS

    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        if self.n_outputs_ > 1:
            return None
        return np.where(targets[:, 0] > 0.5, "True", "False")  # in scikit-learn's messages

    def _score_of(self, held: Part) -> float:
        """Accuracy; of labels, the share of samples all of whose labels are right."""
        Y = outputs.through(self, held.X)
        if self.out_activation_ == "softmax":
            hits = Y.argmax(axis=1) == held.targets
        else:
            hits = ((self._probabilities(Y) > 0.5) == (held.targets > 0.5)).all(axis=1)
        return float(np.average(hits, weights=held.weight))

    def _probabilities(self, Y: np.ndarray) -> np.ndarray:
        if self.out_activation_ == "softmax":
            return softmax(Y.T).T
        ACTIVATIONS["sigmoid"].apply(Y)
        return Y

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each sample, (samples,), or an indicator of its labels, (samples, labels)."""
        Y = self._probabilities(outputs.of_data(self, X))
        return self._label_binarizer.inverse_transform(Y.ravel() if self.n_outputs_ == 1 else Y)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (samples, classes), in the order of classes_; of labels, of each by itself."""
        P = self._probabilities(outputs.of_data(self, X))
        return np.column_stack([1 - P, P]) if self.n_outputs_ == 1 else P

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of predict_proba."""
        P = self.predict_proba(X)
        return np.log(P, out=P)

    def as_network(self) -> MLP:
        """A network of its own with the same answers; of two classes it has two outputs. Its classes are words.

        Raises ValueError where all samples were of one class.
        """
        net = super().as_network()
        if len(self.classes_) < 2:
            raise ValueError(f"a network needs two classes or more, and all samples were of {self.classes_[0]!r:.60}")
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return net
        if self.out_activation_ == "logistic" and len(self.classes_) == 2:
            features, net = net.features, parameters.with_second_logit(net)
            net.features = features
        if net.sizes[-1] == len(self.classes_):
            net.classes = tuple(str(label) for label in self.classes_.tolist())
        return net

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

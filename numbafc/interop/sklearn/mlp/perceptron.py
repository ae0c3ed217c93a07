"""Perceptron: what MLPClassifier and MLPRegressor share, from checked input to a trained network and its answers."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ....nn import MLP, communication
from ....nn.communication import Group
from ....nn.losses import Loss
from ....nn.ranks import hearing
from ....nn.views import Views
from .. import base, inputs, ranks
from ..training import Part
from . import lbfgs, parameters
from .callbacks import CallbackSupportMixin, Tasks
from .constructor import Constraints, hidden_sizes, require_goes_together
from .solver import Solver, is_stochastic
from .training import Training

REALS = np.float64, np.float32


class Perceptron(CallbackSupportMixin, Constraints, BaseEstimator, abc.ABC):
    """A multi-layer perceptron of scikit-learn's. The classes made of it say what y and the outputs are."""

    net_: MLP

    # ---- what each says ---------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _checked(self, X: Any, y: Any, reset: bool, begins: bool, keeps: bool = False) -> tuple[Any, np.ndarray]:
        """X and y as they are, checked. Raises TypeError or ValueError.

        reset: whether features are those of X from now on; begins: likewise classes, and those of y; else y has no others
        than before, and, if keeps, all of them.
        """

    @abc.abstractmethod
    def _encoded(self, y: Any) -> np.ndarray:
        """Checked y as the engine takes it: classes, (samples,), or reals, (samples, T)."""

    @abc.abstractmethod
    def _outputs_of(self, y: np.ndarray) -> tuple[int, str, str]:
        """The number of outputs, their activation as scikit-learn calls it, and the loss as numbafc does."""

    @abc.abstractmethod
    def _loss(self) -> Loss:
        """The loss that is trained by."""

    @abc.abstractmethod
    def _score_of(self, held: Part) -> float:
        """The score of samples that are not trained on."""

    def _weighted(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        """The samples' weights in training."""
        return weight

    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """What the validation part is drawn by, or None."""
        return None

    # ---- fit --------------------------------------------------------------------------------------------------------

    @ranks.agreeing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        comm: Any = None,
    ) -> Any:
        """Train on X, (samples, features), dense or sparse, and y.

        y: a class for each sample, or an indicator of its labels; of a regressor reals, (samples,) or (samples, T).

        sample_weight: (samples,), ≥ 0. X_val, y_val, and their weights: what is measured after each epoch
        (validation_scores_), and what early_stopping stops by, in place of the share validation_fraction. Returns the
        estimator.

        comm: train together with the other processes of a communicator, one of mpi4py's, or
        numbafc.interop.distributed.gloo(), with a solver of minibatches. All of them call fit alike, with all samples, and
        get the estimator that one process gets, bit for bit. What random_state draws is rank 0's, which alone calls
        callbacks and prints; an error of one rank ends fit on all of them, and leaves the estimator as it was.
        """
        with communication.agreed(comm):
            given = inputs.validation(X_val, y_val, sample_weight_val)
        return fit(self, X, y, sample_weight, incremental=False, validation=given, group=comm)

    def _initialize(self, sizes: tuple[int, ...], loss: str, dtype: np.dtype, rs: Any, drawn: np.dtype) -> None:
        """Begin anew: a network with random parameters, and no curves."""
        net = parameters.network(sizes, self.activation, loss, drawn, rs)
        self.net_ = parameters.going_on(net, self.activation, loss, dtype)
        self.n_iter_, self.t_, self.n_layers_ = 0, 0, len(sizes)
        if is_stochastic(self.solver):
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_ = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _train(
        self,
        part: Part,
        weight: Any,
        given: Any,
        rs: Any,
        first: bool,
        incremental: bool,
        validation: Any,
        group: Group | None,
        begins: Callable[[], None],
    ) -> None:
        """Train on samples with such weights; part has those of scores. begins: called before what was there changes."""
        weighted = part._replace(weight=weight)
        if not is_stochastic(self.solver):
            tasks = Tasks(self, given, None)
            begins()
            lbfgs.fit(self, self._loss(), weighted, tasks)
            tasks.close()
            return
        with communication.agreed(group):
            if not incremental or not hasattr(self, "_optimizer"):
                self._optimizer = Solver(self, self.net_.parameters)
            self._optimizer.make_writable()
            if self.early_stopping and incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            rows, held = self._held_out(part, rs, validation)
            self._begin_curves(held is not None)
        ranks.require_same_data(group, self._begun(weighted, held))
        with hearing(group):
            with communication.agreed(group):
                told: Any = self._loss(), self._score_of, weighted, rows, held, rs, incremental, group
                training = Training(self, self._optimizer, *told)
                tasks = Tasks(self, given, self.max_iter, training.speaks)
            begins()
            training.run(tasks, first)
            with communication.agreed(group, hears=False):  # training is over
                tasks.close()

    def _begun(self, part: Part, held: Part | None) -> dict[str, Any]:
        """What all ranks that train together begin with."""
        solver = self._optimizer
        return {
            "X": part.X,
            "y": part.targets,
            "classes": getattr(self, "classes_", None),
            "the samples' weights": part.weight,
            "validation": None if held is None else list(held),
            "parameters": self.net_.parameters,
            "the optimizer's state": list(solver.state.values()),
            "the place in the training": repr((self.t_, solver.steps, solver.learning_rate, self.loss_curve_)),
        }

    def _begin_curves(self, measures: bool) -> None:
        """Make the curves that another solver, or other settings of the last call, did not."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_, self._no_improvement_count, self.best_loss_ = [], 0, np.inf
            self.validation_scores_ = self.best_validation_score_ = None
        if measures and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
        if not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _held_out(self, part: Part, rs: Any, validation: Part | None) -> tuple[np.ndarray | None, Part | None]:
        """The places of the samples that are trained on, and the samples that are measured."""
        if validation is not None:
            return None, validation
        if not self.early_stopping:
            return None, None
        rows, held = train_test_split(
            np.arange(len(part.targets)),
            random_state=rs,
            test_size=self.validation_fraction,
            stratify=self._strata(part.targets),
        )
        if len(held) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
        return rows, part.of(held)

    def _validation(self, X: Any, y: Any, sample_weight: Any) -> Part:
        """The validation data that fit was given."""
        X, y = self._checked(X, y, reset=False, begins=False)
        return Part(X.astype(self.net_.dtype, copy=False), self._encoded(y), inputs.weights(sample_weight, X.shape[0]))

    # ---- attributes, files ------------------------------------------------------------------------------------------

    @property
    def coefs_(self) -> Views:
        """Each layer's weights, (N, T): views into the network's; what is put into the list is copied there."""
        return Views(W.T for W in self.net_.weights)

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self.coefs_[:] = values

    @property
    def intercepts_(self) -> Views:
        """Each layer's biases, (T,): likewise."""
        return Views(self.net_.biases)

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self.intercepts_[:] = values

    def as_network(self) -> MLP:
        """A network of its own with the same answers, for files and for all that numbafc does with networks."""
        check_is_fitted(self)
        net = parameters.copied(self.net_)
        names = getattr(self, "feature_names_in_", None)
        net.features = None if names is None else tuple(map(str, names))
        return net

    def save(self, path: str | PathLike[str]) -> None:
        """Write as_network() to a safetensors file, which numbafc.load and the command `numbafc` read."""
        self.as_network().save(path, training=False)

    def export_onnx(self, path: str | PathLike[str], **options: Any) -> None:
        """Write as_network() to an ONNX file. options: those of MLP.export_onnx."""
        self.as_network().export_onnx(path, **options)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        parameters.require_whole(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def fit(
    of: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    incremental: bool,
    validation: tuple[Any, Any, Any] | None = None,
    group: Group | None = None,
) -> Any:
    """Train an estimator, for one epoch if incremental. Returns the estimator.

    validation: X, y and weights, or None. group: of ranks that train it together, if there are several.
    """
    with ExitStack() as stack:
        with communication.agreed(group):
            hidden = hidden_sizes(of.hidden_layer_sizes)
            require_goes_together(of, validation is not None, group is not None)
            rs = check_random_state(of.random_state)
            stack.enter_context(base.threads(of.n_threads))
        ranks.require_same_settings(group, of)
        rs = ranks.told_generator(group, rs)
        first = not hasattr(of, "net_") or (not of.warm_start and not incremental)
        begins = stack.enter_context(base.kept_where_it_fails(of))
        with communication.agreed(group):
            if group is not None and not first:
                _copy_what_changes(of)
            part, weight, given, held = _begin(of, (X, y, sample_weight), hidden, rs, first, incremental, validation)
        of._train(part, weight, given, rs, first, incremental, held, group, begins)
    if not np.isfinite(of.net_.parameters).all():
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            "preprocessed."
        )
    return of


def _begin(
    of: Any, given: tuple[Any, Any, Any], hidden: list[int], rs: Any, first: bool, incremental: bool, validation: Any
) -> tuple[Part, np.ndarray | None, tuple[Any, Any, Any], Part | None]:
    """Make an estimator's network, or go on with it.

    Returns the samples, their weights in training, X, y and weights as they were checked, and the validation data.
    """
    X, y, sample_weight = given
    X, y = of._checked(X, y, first, begins=not (of.warm_start or incremental), keeps=of.warm_start)
    weight, dtype = (
        inputs.weights(sample_weight, X.shape[0]),
        np.dtype(np.float64) if of.solver == "lbfgs" else X.dtype,
    )
    outputs, of.out_activation_, loss = of._outputs_of(y)
    sizes = (X.shape[1], *hidden, outputs)
    if first:
        of._initialize(sizes, loss, dtype, rs, X.dtype)
    elif of.net_.sizes != sizes:
        raise ValueError(
            f"the network goes on with its layers {of.net_.sizes}, got {sizes} from hidden_layer_sizes and y; "
            "set warm_start=False for new layers"
        )
    of.net_ = parameters.going_on(of.net_, of.activation, loss, dtype if of.solver == "lbfgs" else None)
    of.n_outputs_, dtype = outputs, of.net_.dtype
    part = Part(X.astype(dtype, copy=False), of._encoded(y), weight)
    weighted = of._weighted(y, weight)
    held = None if validation is None else of._validation(*validation)
    return part, weighted, (X, y, sample_weight), held


def _copy_what_changes(of: Any) -> None:
    """Go on with copies of what training changes in place: where a rank fails, the estimator has it as it was."""
    for name in ("net_", "_optimizer", "loss_curve_", "validation_scores_"):
        if hasattr(of, name):
            setattr(of, name, copy.deepcopy(getattr(of, name)))

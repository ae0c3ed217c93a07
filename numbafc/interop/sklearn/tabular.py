"""Tabular: what TabularClassifier and TabularRegressor share: a table fitted to the training part, networks, their mean."""

from __future__ import annotations

import abc
import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ... import checks
from ...nn import MLP, communication, realmlp, splits
from ...nn.communication import Group
from ...tables import Choices, Table
from . import base, inputs, ranks, training


class Tabular(BaseEstimator, abc.ABC):
    """An estimator of tables. The classes made of it say what targets are, and what a network's outputs mean."""

    _task: str
    table_: Table
    nets_: list[MLP]

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (256, 256, 256),
        epochs: int | str = "auto",
        learning_rate: float | str = "auto",
        batch_size: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        members: int = realmlp.MEMBERS,
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        dates: Sequence[str] = (),
        random_state: Any = None,
        n_threads: int | None = None,
        time_limit: float | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.members = members
        self.categorical = categorical
        self.numeric = numeric
        self.dates = dates
        self.random_state = random_state
        self.n_threads = n_threads
        self.time_limit = time_limit
        self.verbose = verbose

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
        """Train on a frame, or on an array of numbers in which NaN is missing.

        y: a target for each row. sample_weight: ≥ 0. X_val, y_val, and their weights: what the best epoch is chosen by, in
        place of the share validation_fraction of the rows. Returns the estimator. Raises TypeError or ValueError.

        comm: train together with the other processes of a communicator, one of mpi4py's, or
        numbafc.interop.distributed.gloo(). All of them call fit alike, with all rows, and get the estimator that one
        process gets, bit for bit. The seed that random_state stands for, time_limit and verbose are rank 0's; an error of
        one rank ends fit on all of them, and leaves the estimator as it was.
        """
        group = communication.several(comm)
        with base.kept_where_it_fails(self), ExitStack() as stack:
            with communication.agreed(group):
                if y is None:
                    raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
                stack.enter_context(base.threads(self.n_threads))
                outside, seed = inputs.validation(X_val, y_val, sample_weight_val), base.seed(self.random_state)
            ranks.require_same_settings(group, self)
            self._fit((X, y, sample_weight), outside, ranks.told_seed(group, seed), group)
        return self

    def _fit(
        self, given: tuple[Any, Any, Any], outside: tuple[Any, Any, Any] | None, seed: int, group: Group | None
    ) -> None:
        X, y, sample_weight = given
        with communication.agreed(group):
            frame = inputs.frame(self, X, reset=True)
            if len(frame) < 2:
                raise ValueError("training needs at least two samples, got 1 sample; give more rows")
            columns = self._begin(y, len(frame))
            weight = self._weights(sample_weight, y, len(frame))
            share = checks.fraction("validation_fraction", self.validation_fraction)
            strata, count = self._strata(columns), checks.count("members", self.members, 1)
            seeds = [seed + n for n in range(count)]
            parts = [splits.held_out(len(frame), 0.0 if outside else share, seed, strata) for seed in seeds]
            self.table_ = self._table(frame, columns, np.unique(np.concatenate([rows for rows, _ in parts])))
            everything = training.Part(self.table_.encode(frame, np.float32), self._numbers(columns), weight)
            others = self._outside(*outside) if outside else None
        classes, table = getattr(self, "classes_", None), json.dumps(self.table_.to_dict(), default=str)
        ranks.require_same_data(group, {"classes": classes, "the table's columns": table})
        trained = training.train(self, seeds, everything, parts, others, group)
        self.nets_, self.histories_, self.best_epochs_ = map(list, zip(*trained, strict=True))

    @abc.abstractmethod
    def _begin(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        """The targets' columns, checked, by their names. Sets what fit learns of them."""

    def _strata(self, columns: dict[str, np.ndarray]) -> np.ndarray | None:
        """What each sample is drawn by into the validation part, classes from 0, or None."""
        return None

    @abc.abstractmethod
    def _numbers(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """The targets as a network takes them."""

    def _weights(self, sample_weight: Any, y: Any, samples: int) -> np.ndarray | None:
        """The samples' weights in training, (samples,), or None."""
        return inputs.weights(sample_weight, samples)

    def _table(self, frame: Any, columns: dict[str, np.ndarray], rows: np.ndarray) -> Table:
        """The table of a frame and its targets, fitted to the training part."""
        choices = Choices(
            target=tuple(columns),
            categorical=tuple(self.categorical),
            numeric=tuple(self.numeric),
            dates=tuple(self.dates),
            task=self._task,
        )
        backend = frame.implementation
        series = [inputs.nw.new_series(name, values, backend=backend) for name, values in columns.items()]
        return Table.fit(frame.with_columns(*series), choices, rows=rows)

    def _outside(self, X: Any, y: Any, sample_weight: Any) -> training.Part:
        """The validation data that fit was given."""
        frame = inputs.frame(self, X, reset=False)
        targets = self._numbers(self._columns(y, len(frame)))
        weight = inputs.weights(sample_weight, len(frame))
        return training.Part(self.table_.encode(frame, np.float32), targets, weight)

    @abc.abstractmethod
    def _columns(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        """Other targets of the same kind as fit's, by their names."""

    def encoded(self, X: Any) -> np.ndarray:
        """X as the networks take it."""
        check_is_fitted(self)
        return self.table_.encode(inputs.frame(self, X, reset=False), np.float32)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "nets_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    @property
    def net_(self) -> MLP:
        """The network, the first of several; save it with net_.save(path), for numbafc.load and the command."""
        return self.nets_[0]

    @property
    def history_(self) -> Any:
        """The records of the training's epochs, of the first network of several."""
        return self.histories_[0]

    @property
    def best_epoch_(self) -> int:
        """The epoch, from 1, whose parameters the network has; that of the first of several."""
        return self.best_epochs_[0]

"""TabularRegressor: real targets of the rows of a table, one or several."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_consistent_length

from . import base
from .tabular import Tabular


class TabularRegressor(RegressorMixin, Tabular):
    """A regressor of tables as they are, by RealMLP-TD-S: words, dates and gaps need no pipeline, nor does it need tuning.

    hidden_layer_sizes, learning_rate, batch_size, epochs   "auto" is RealMLP-TD-S's, with fewer epochs for many rows
    early_stopping          end where the best epoch lies so far back that no better one is likely (nn/realmlp.py)
    validation_fraction     the share of the rows that the best epoch is chosen by; 0 trains on all rows to the last epoch
    members                 how many networks are trained, side by side on the threads, each with a seed and a validation
                            part of its own; predictions are their mean
    categorical, numeric, dates     names of columns that are to be taken so, whatever they look like
    random_state            the same number, data and settings give the same bits
    n_threads               of this training and prediction; as set by numbafc, if None
    time_limit              seconds after which training ends, with the best epoch so far
    verbose                 some lines about each training

    Targets (samples,) or (samples, T), which are learnt standardised; predictions are in their units.
    n_features_in_; feature_names_in_ of a frame; table_: the columns and what becomes of them (print table_.describe());
    nets_, histories_ and best_epochs_ of all members, net_, history_ and best_epoch_ of the first.
    """

    _task = "regression"

    def _begin(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        columns = self._columns(y, samples)
        self._one = _matrix(y, samples).ndim == 1
        return columns

    def _columns(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        values = _matrix(y, samples)
        values = values[:, np.newaxis] if values.ndim == 1 else values
        taken, names = set(getattr(self, "feature_names_in_", ())), []
        for name in _names(y, values.shape[1]):
            while name in taken:
                name += "_"
            taken.add(name)
            names.append(name)
        return {name: values[:, n] for n, name in enumerate(names)}

    def _numbers(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return np.column_stack(list(columns.values()))

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each row, (samples,) or (samples, T) as in fit: the mean of the networks'."""
        encoded = self.encoded(X)
        with base.threads(self.n_threads):
            mean = np.mean([net.predict(encoded) for net in self.nets_], axis=0, dtype=np.float64)
        return mean.reshape(-1) if self._one else mean.reshape(len(encoded), -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _matrix(y: Any, samples: int) -> np.ndarray:
    """Targets in float64, (samples,) or (samples, T). Raises TypeError or ValueError."""
    values: np.ndarray = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] == 0):
        raise ValueError(f"y should be a 1d array, or have a column for each target, got an array of shape {values.shape}")
    check_consistent_length(np.empty(samples), values)
    return values


def _names(y: Any, count: int) -> list[str]:
    """The targets' names: the columns of a frame, the name of a series, or "target", with a number where there are more."""
    columns = getattr(y, "columns", None)
    columns = getattr(y, "column_names", None) if columns is None else columns
    found: list[Any] = list(columns) if columns is not None else [getattr(y, "name", None)]
    if len(found) == count and all(isinstance(name, str) and name for name in found) and len(set(found)) == count:
        return found
    return ["target"] if count == 1 else [f"target{n}" for n in range(count)]

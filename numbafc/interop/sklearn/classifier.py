"""TabularClassifier: classes of the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite

from ...nn import realmlp
from . import base, inputs
from .tabular import Tabular

TARGET = "target"  # the name of labels that have none


class TabularClassifier(ClassifierMixin, Tabular):
    """A classifier of tables as they are, by RealMLP-TD-S: words, dates and gaps need no pipeline, nor does it need tuning.

    hidden_layer_sizes, learning_rate, batch_size, epochs   "auto" is RealMLP-TD-S's, with fewer epochs for many rows
    early_stopping          end where the best epoch lies so far back that no better one is likely (nn/realmlp.py)
    validation_fraction     the share of each class that the best epoch is chosen by; 0 trains on all rows to the last epoch
    members                 how many networks are trained, side by side on the threads, each with a seed and a validation
                            part of its own; the probabilities are their mean
    categorical, numeric, dates     names of columns that are to be taken so, whatever they look like
    label_smoothing         0.1 is better for accuracy, 0 for probabilities
    class_weight            "balanced", or a dict from label to weight
    random_state            the same number, data and settings give the same bits
    n_threads               of this training and prediction; as set by numbafc, if None
    time_limit              seconds after which training ends, with the best epoch so far
    verbose                 some lines about each training

    classes_; n_features_in_; feature_names_in_ of a frame; table_: the columns and what becomes of them (print
    table_.describe()); nets_, histories_ and best_epochs_ of all members, net_, history_ and best_epoch_ of the first.
    """

    _task = "classification"

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
        label_smoothing: float = 0.1,
        class_weight: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        time_limit: float | None = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            members=members,
            categorical=categorical,
            numeric=numeric,
            dates=dates,
            random_state=random_state,
            n_threads=n_threads,
            time_limit=time_limit,
            verbose=verbose,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def _begin(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        labels = _labels(y, samples)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got one class, {self.classes_[0]!r:.60}")
        spelt = _words(self.classes_)
        if len(set(spelt)) < len(spelt) or "" in spelt:
            raise ValueError("y has labels that differ in blanks alone, or are blank; give each class a label of its own")
        name = getattr(y, "name", None)
        name = name if isinstance(name, str) and name else TARGET
        taken = set(getattr(self, "feature_names_in_", ()))
        while name in taken:
            name += "_"
        return {name: _words(labels)}

    def _columns(self, y: Any, samples: int) -> dict[str, np.ndarray]:
        return {TARGET: _words(_labels(y, samples))}

    def _strata(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        (words,) = columns.values()
        return np.unique(words.astype(str), return_inverse=True)[1]

    def _numbers(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        (words,) = columns.values()
        known = {word: n for n, word in enumerate(self.table_.classes or ())}
        unknown = next((word for word in words if word not in known), None)
        if unknown is not None:
            raise ValueError(f"y_val has the label {unknown!r:.60}, which y has not: expected one of {list(known)!s:.120}")
        return np.array([known[word] for word in words], dtype=np.intp)

    def _weights(self, sample_weight: Any, y: Any, samples: int) -> np.ndarray | None:
        return inputs.class_weights(self.class_weight, _labels(y, samples), super()._weights(sample_weight, y, samples))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (samples, classes), in the order of classes_: the mean of the networks'."""
        encoded = self.encoded(X)
        known = {word: n for n, word in enumerate(self.table_.classes or ())}
        order = [known[word] for word in _words(self.classes_)]
        with base.threads(self.n_threads):
            each = [net.predict_proba(encoded) for net in self.nets_]
            mean = np.asarray(np.mean(each, axis=0, dtype=np.float64))
        return (mean / mean.sum(axis=1, keepdims=True))[:, order]  # float32's do not sum to 1 in float64

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, a label of classes_."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


def _labels(y: Any, samples: int) -> np.ndarray:
    """Labels as they are, (samples,). Raises ValueError."""
    labels = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    check_consistent_length(np.empty(samples), labels)
    return labels


def _words(labels: np.ndarray) -> np.ndarray:
    """Labels as a table spells them, which has no blanks around a cell."""
    return np.array([str(label).strip() for label in labels.tolist()], dtype=object)

"""X as estimators are given it: frames of pandas, polars or pyarrow, whose columns go by their names, or arrays of numbers.

scikit-learn's own validate_data looks at arrays. It would make a matrix of a frame, and words have no place in one: frames
are looked at here, and answered in its words.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import narwhals as nw
import numpy as np
from sklearn.utils import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, validate_data

BACKENDS: tuple[Literal["polars", "pandas", "pyarrow"], ...] = (
    "polars",
    "pandas",
    "pyarrow",
)  # in which a matrix becomes a frame: the first that is installed
SHOWN = 5  # names in a message


def frame(estimator: Any, X: Any, *, reset: bool) -> nw.DataFrame[Any]:
    """X as a frame with the columns of fit in their order. reset: whether this is fit, which decides on them.

    Sets n_features_in_, and feature_names_in_ where the columns have names. Raises TypeError or ValueError.
    """
    table = as_frame(X)
    if table is None:
        return _of_matrix(estimator, X, reset)
    if len(table) == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 is required.")
    names = _names(table)
    if reset:
        _remember(estimator, names, len(table.columns))
    fitted = getattr(estimator, "feature_names_in_", None)
    if names is not None and fitted is not None:
        _require(list(fitted), names)
        return table.select(*fitted)
    _require_count(estimator, len(table.columns))
    if names is not None or fitted is not None:
        given, known = ("X has", "was fitted without") if fitted is None else ("X does not have valid", "was fitted with")
        warnings.warn(f"{given} feature names, but {type(estimator).__name__} {known} feature names", stacklevel=3)
    return _renamed(table, list(fitted) if fitted is not None else positions(len(table.columns)))


def as_frame(X: Any) -> nw.DataFrame[Any] | None:
    """X with its rows counted from 0, if it is a frame of a library that narwhals knows; else None."""
    if type(X).__name__ == "LazyFrame" and hasattr(X, "collect"):
        X = X.collect()
    if hasattr(X, "reset_index") and hasattr(X, "columns"):  # pandas, which puts columns together by the rows' names
        X = X.reset_index(drop=True)
        if not all(isinstance(name, str) for name in X.columns):
            X = _words_or_positions(X)
    table = nw.from_native(X, eager_only=True, pass_through=True)
    return table if isinstance(table, nw.DataFrame) else None


def _words_or_positions(X: Any) -> Any:
    """A frame of pandas whose columns are called by numbers, with columns that narwhals takes. Raises TypeError."""
    words = [name for name in X.columns if isinstance(name, str)]
    if words:
        raise TypeError(
            f"Feature names are only supported if all input features have string names, got {words[0]!r:.40} and "
            "others; use X.columns = X.columns.astype(str)"
        )
    return X.set_axis([UNNAMED.format(n) for n in range(len(X.columns))], axis=1)


UNNAMED = "\0{}"  # of a column whose name is no word, until it has one


def positions(n: int) -> list[str]:
    """The names of columns without names, scikit-learn's own."""
    return [f"x{k}" for k in range(n)]


def _names(table: nw.DataFrame[Any]) -> list[str] | None:
    """The columns' names; None if they have none. Raises ValueError where two are one."""
    names = list(table.columns)
    if len(set(names)) < len(names):
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise ValueError(f"X has two columns called {twice!r:.60}; give each a name of its own")
    return None if names[:1] == [UNNAMED.format(0)] else names


def _renamed(table: nw.DataFrame[Any], names: Sequence[str]) -> nw.DataFrame[Any]:
    return table.rename(dict(zip(table.columns, names, strict=True)))


def _remember(estimator: Any, names: list[str] | None, count: int) -> None:
    """Keep what fit has seen of the columns, as scikit-learn does."""
    estimator.n_features_in_ = count
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _require(fitted: list[str], names: list[str]) -> None:
    """Refuse columns that fit has not seen, and those that are gone. In another order they are taken by name."""
    unseen, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    if not unseen and not missing:
        return
    message = "The feature names should match those that were passed during fit.\n"
    for heading, some in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
        if some:
            message += f"Feature names {heading}:\n" + "".join(f"- {name:.40}\n" for name in some[:SHOWN])
            message += "- ...\n" if len(some) > SHOWN else ""
    raise ValueError(message)


def _require_count(estimator: Any, count: int) -> None:
    if count != estimator.n_features_in_:
        raise ValueError(
            f"X has {count} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} features "
            "as input."
        )


def _of_matrix(estimator: Any, X: Any, reset: bool) -> nw.DataFrame[Any]:
    """A matrix of numbers, NaN where they are missing, as a frame."""
    try:
        X = validate_data(
            estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", order="F"
        )
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        raise ValueError(f"{error}: an array must be numbers; pass words in a data frame of pandas or polars") from None
    fitted = getattr(estimator, "feature_names_in_", None)
    names = positions(X.shape[1]) if fitted is None else list(fitted)
    backend = next((name for name in BACKENDS if importlib.util.find_spec(name)), None)
    if backend is None:
        raise ImportError(f"expected one of {', '.join(BACKENDS)}, found none: pip install 'numbafc[sklearn]'")
    return nw.from_dict({name: X[:, n] for n, name in enumerate(names)}, backend=backend)


def weights(sample_weight: Any, samples: int) -> np.ndarray | None:
    """The samples' weights in float64, (samples,), or None. Raises ValueError."""
    if sample_weight is None:
        return None
    like = np.empty((samples, 1))
    weight: np.ndarray = _check_sample_weight(sample_weight, like, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise ValueError("sample_weight must have a weight above 0, got only 0; leave out what does not count")
    return weight


def class_weights(class_weight: Any, y: Any, weight: np.ndarray | None) -> np.ndarray | None:
    """The samples' weights times those of their classes. Raises ValueError."""
    if class_weight is None:
        return weight
    of_classes: np.ndarray = compute_sample_weight(class_weight, y)
    if not (np.isfinite(of_classes) & (of_classes >= 0)).all() or not of_classes.any():
        raise ValueError(f"class_weight must have finite weights, 0 or more and not all 0, got {class_weight!s:.100}")
    return of_classes if weight is None else weight * of_classes


def validation(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any] | None:
    """The validation data that fit is given, or None. Raises ValueError where X or y is missing beside the others."""
    given = {"X_val": X, "y_val": y, "sample_weight_val": sample_weight}
    there = [name for name, values in given.items() if values is not None]
    for name in ("X_val", "y_val"):
        if there and name not in there:
            raise ValueError(f"{there[-1]} needs {name}, got None; pass both, or neither")
    return (X, y, sample_weight) if there else None

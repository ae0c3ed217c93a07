"""Frames, whose columns have names: taken in a network's order, never in their own in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SHOWN = 5  # names in a message


def by_name(X: Any, features: Sequence[str] | None) -> Any:
    """X, if it is a frame (of pandas or polars) with its columns in the order of a network's features, if it has them.

    Raises ValueError where it has other ones, or two of one name.
    """
    columns = getattr(X, "columns", None)
    if features is None or columns is None:
        return X
    found = list(columns)
    if not all(isinstance(name, str) for name in found) or found == list(features):  # numbers are no names
        return X
    if sorted(found) != sorted(features) or len(set(found)) < len(found):
        missing, others = differences(found, features, 20)
        raise ValueError(
            f"X must have the columns {missing}, as the network's features, got {others}; name them as the features, or "
            "pass X.to_numpy() with the columns in their order"
        )
    return X[list(features)]


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame, of pandas, polars, pyarrow or narwhals: what has columns with names."""
    return hasattr(X, "columns") and not isinstance(X, np.ndarray)


def differences(found: Sequence[str], expected: Sequence[str], most: int) -> tuple[str, str]:
    """What is missing and what is there instead, some names of each, in at most so many characters; all if none differ."""
    missing, others = set(expected) - set(found), set(found) - set(expected)
    return (
        _words([name for name in expected if name in missing] or expected, most),
        _words([name for name in found if name in others] or found, most),
    )


def _words(names: Sequence[str], most: int) -> str:
    return ", ".join(f"{name!r:.{most}}" for name in names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

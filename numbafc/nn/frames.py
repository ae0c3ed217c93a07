"""Frames, whose columns have names: taken in a network's order, never in their own in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        known, here = set(features), set(found)
        missing = [name for name in features if name not in here] or features
        others = [name for name in found if name not in known] or found
        raise ValueError(
            f"X must have the columns {_words(missing)}, as the network's features, got {_words(others)}; name them as the "
            "features, or pass X.to_numpy() with the columns in their order"
        )
    return X[list(features)]


def _words(names: Sequence[str]) -> str:
    return ", ".join(f"{name!r:.20}" for name in names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

"""Columns by their names: a table whose columns lie in another order than a model's is turned, never misread in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .invalid import InvalidFile

SHOWN = 5  # names in a message


def in_order(path: Path, X: np.ndarray, found: Sequence[str] | None, expected: Sequence[str] | None) -> np.ndarray:
    """X with its columns, named found, in the order of expected; as it is where one of them has no names.

    Raises InvalidFile where they are not the same names, or where two that are alike leave the order open.
    """
    if found is None or expected is None or list(found) == list(expected):
        return X
    place, known = {name: column for column, name in enumerate(found)}, set(expected)
    if len(found) != len(expected) or place.keys() != known or len(known) < len(found):
        missing = [name for name in expected if name not in place] or expected
        others = [name for name in found if name not in known] or found
        fix = "name the columns as the model does, and the target's with --target if it is not the last"
        raise InvalidFile(path, f"expected columns {_words(missing)}, as the model has, got {_words(others)}; {fix}")
    return X[:, [place[name] for name in expected]]


def _words(names: Sequence[str]) -> str:
    """Some of them."""
    return ", ".join(f"{name!r:.40}" for name in names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

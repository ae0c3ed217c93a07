"""Columns by their names: those of a table in another order than a model's are put into its order, and never misread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..nn.frames import differences
from .invalid import InvalidFile


def in_order(path: Path, X: np.ndarray, found: Sequence[str] | None, expected: Sequence[str] | None) -> np.ndarray:
    """X with its columns, named found, in the order of expected; as it is where one of them has no names.

    Raises InvalidFile where they are not the same names, or where two that are alike leave the order open.
    """
    if found is None or expected is None or list(found) == list(expected):
        return X
    place, known = {name: column for column, name in enumerate(found)}, set(expected)
    if len(found) != len(expected) or place.keys() != known or len(known) < len(found):
        missing, others = differences(found, expected, 40)
        fix = "name the columns as the model does, and the target's with --target if it is not the last"
        raise InvalidFile(path, f"expected columns {missing}, as the model has, got {others}; {fix}")
    return X[:, [place[name] for name in expected]]

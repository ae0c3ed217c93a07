"""Weights of samples by their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import checks


def class_weights(class_weight: Any, classes: np.ndarray, T: int) -> np.ndarray:
    """Each sample's weight, (samples,), in float64; class_weight as fit takes it. Raises TypeError or ValueError."""
    if isinstance(class_weight, str):
        checks.choice("class_weight", class_weight, ("balanced",))
        found = np.bincount(classes, minlength=T)
        return (len(classes) / (T * np.maximum(found, 1)))[classes]
    weight = np.ones(T)
    if isinstance(class_weight, Mapping):
        for c, value in class_weight.items():
            if not 0 <= checks.count("a class of class_weight", c) < T:
                raise ValueError(
                    f"class_weight has classes from 0 to {T - 1}, for the network has {T} outputs, got {checks.shown(c)}"
                )
            weight[c] = checks.number(f"class_weight[{c}]", value, 0)
    else:
        given = checks.real_values("class_weight", class_weight, np.dtype(np.float64))
        if given.shape != (T,) or (given < 0).any():
            raise ValueError(
                f"class_weight must be 'balanced', a dict from class to weight, or {T} weights, none negative, got shape "
                f"{given.shape}" + (f" with minimum {given.min():g}" if given.size else "")
            )
        weight = given
    return weight[classes]

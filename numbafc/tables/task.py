"""The task that a target of numbers sets: classes or a quantity, decided from all of it, for tables and arrays alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FEW = 20  # different whole numbers that may be classes without being 0, 1, 2, …
MOST_CLASSES = 1000
SAMPLES = 10  # of each class on average, where there are more than FEW


class Task(NamedTuple):
    """A decision: whether the target's values are classes, and a sentence about it, empty where nobody can doubt it."""

    classes: bool
    said: str


def decide(values: np.ndarray, task: str = "auto") -> Task:
    """Decide between classes and a quantity for finite numbers, (samples,).

    Classes are whole numbers of which there are few: 1 or 2 different ones; at most FEW, where half of the samples or more
    repeat another's, or where they are 0, 1, 2, … or 1, 2, 3, … without a gap and not all different; or 0, 1, 2, … without
    a gap, SAMPLES of each on average and at most MOST_CLASSES. All else is a quantity. The decision is said, with the
    option that settles it, wherever whole numbers might have been the other thing.

    Raises ValueError where the task was said, and the values cannot be that.
    """
    different = np.unique(values)
    count, samples = len(different), len(values)
    if task == "classification":
        if count > MOST_CLASSES:
            raise ValueError(
                f"expected at most {MOST_CLASSES} classes, got {count} different numbers; for a quantity pass "
                "--task regression"
            )
        return Task(True, "")
    whole = bool((different == np.rint(different)).all())
    if task == "regression" or not whole:
        return Task(False, "")
    if count <= 2 or count > MOST_CLASSES:
        return Task(count <= 2, "")
    got = f"{count} different whole numbers"
    if _are_classes(different, samples):
        return Task(True, f"{got}: classes; for a quantity pass --task regression")
    return Task(False, f"{got}: a quantity; for classes pass --task classification")


def _are_classes(different: np.ndarray, samples: int) -> bool:
    """Tell whether these whole numbers, in order, are few enough to be classes."""
    count = len(different)
    first, last = float(different[0]), float(different[-1])
    without_gap = last - first == count - 1 and first in (0, 1)
    if count <= FEW:
        return 2 * count <= samples or (without_gap and count < samples)
    return without_gap and first == 0 and SAMPLES * count <= samples

"""What a right training is: one in float64, and how far from it one in another precision or order may be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import trainers


class Reference(NamedTuple):
    """The parameters that training must reach, and for each W and b how far from them, as a norm, a right answer may be."""

    loss: float
    parts: list[np.ndarray]
    bounds: list[float]


def reference(given: trainers.Problem) -> Reference:
    """Train in float64, without shuffling, and find the bounds.

    The bound of a part θ is k·u·‖θ‖, for the rounding of θ in each of k steps with unit roundoff u, plus a thousandth of
    its update: the gradient's rounding is of order √N·u for each product on its way, 2e-6 for N = 1024 in float32.
    But where rounding puts a unit of relu on the other side of 0, its whole share of the gradient comes or goes. It does so
    to pre-activations, of order 1, within some √N·u of 0. So twice the distance to the runs with relu's kink 4·√N·u
    below and above 0 is allowed, too: for SGD up to 1.5 % of the update. Adam's ε stands beside √(v/(1 − β₂ⁿ)) in the
    paper and beside √v in scikit-learn, there up to 1/√(1 − β₂) times as large: the run with that is one more.
    """
    exact = given._replace(X=given.X.astype(np.float64), start=given.start.astype(np.float64))
    roundoff = float(np.finfo(given.start.dtype).eps) / 2
    kink = 4 * max(given.sizes) ** 0.5 * roundoff
    neighbours: list[dict[str, float]] = [{"kink": -kink}, {"kink": kink}]
    if given.optimizer == "adam":
        neighbours.append({"epsilon": trainers.EPSILON / (1 - trainers.BETA2) ** 0.5})
    right = trainers.numpy_trainer(exact)(1, False)
    others = [trainers.numpy_trainer(exact, **settings)(1, False) for settings in neighbours]
    parts, start = split(right.parameters, given.sizes), split(exact.start, given.sizes)
    bounds = []
    for n, (part, before) in enumerate(zip(parts, start, strict=True)):
        strays = [np.linalg.norm(split(other.parameters, given.sizes)[n] - part) for other in others]
        steps = len(given.X) // given.batch
        rounding = steps * roundoff * np.linalg.norm(part) + 1e-3 * np.linalg.norm(part - before)
        bounds.append(float(rounding + 2 * sum(strays)))
    return Reference(right.loss, parts, bounds)


def split(flat: np.ndarray, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Every W and b of flat parameters."""
    return [part for pair in trainers.views(flat, sizes) for part in pair]


def error_over_bound(expected: Reference, sizes: tuple[int, ...], loss: float, parameters: np.ndarray) -> float:
    """The largest error of any W or b, or of the loss, in units of its bound; unless it is at most 1, it is wrong."""
    errors = [abs(loss - expected.loss) / (1e-3 * expected.loss)]
    for found, part, bound in zip(split(parameters, sizes), expected.parts, expected.bounds, strict=True):
        errors.append(float(np.linalg.norm(found.astype(np.float64) - part)) / bound)
    return float(np.max(errors))  # NaN if one is

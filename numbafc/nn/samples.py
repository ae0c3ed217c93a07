"""Samples as a network takes them: rows in its dtype, targets as its loss needs them, weights; anything else is refused."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import checks
from . import frames
from .losses import LOSSES
from .weights import class_weights

if TYPE_CHECKING:
    from .mlp import MLP


class Samples(NamedTuple):
    """What a network is trained on."""

    X: np.ndarray  # (samples, N), not standardised
    targets: np.ndarray  # classes or reals, standardised
    weight: np.ndarray | None  # (samples,), in float64: no sum of them overflows

    @property
    def fingerprint(self) -> int:
        """A number that changes with the samples: all targets and weights, and at most some thousand rows."""
        some = np.ascontiguousarray(self.X[:: max(1, len(self.X) // 1024)])
        value = zlib.crc32(np.ascontiguousarray(self.targets).tobytes(), zlib.crc32(some.tobytes()))
        return value if self.weight is None else zlib.crc32(self.weight.tobytes(), value)


def of(net: MLP, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Samples:
    """What fit is given, checked. Raises TypeError or ValueError."""
    X = rows(net, X)
    y, weight = targets(net, y, len(X)), weights(sample_weight, len(X))
    if class_weight is not None:
        if not LOSSES[net.loss_name].classifies:
            raise ValueError(f"class_weight goes with the loss 'cross_entropy', not {net.loss_name!r}; use sample_weight")
        of_class = class_weights(class_weight, y, net.sizes[-1])
        weight = weights(of_class if weight is None else of_class * weight, len(X))
    return Samples(X, standardised(net, y), weight)


def rows(net: MLP, X: Any) -> np.ndarray:
    """X: (samples, N) in the network's dtype. Raises TypeError or ValueError."""
    X = checks.real_values("X", frames.by_name(X, net.features), net.dtype)
    if X.ndim != 2 or X.shape[1] != net.sizes[0]:
        raise ValueError(
            f"X must have shape (samples, {net.sizes[0]}), one sample per row, got {X.shape}; "
            "for a single sample pass X[np.newaxis, :]"
        )
    return X


def targets(net: MLP, y: Any, samples: int) -> np.ndarray:
    """One for each sample, in their own units. Raises TypeError or ValueError."""
    found = LOSSES[net.loss_name].targets(y, net.sizes[-1], net.dtype)
    if len(found) != samples:
        raise ValueError(f"y has {len(found)} samples but X has {samples}; give one target per row of X")
    return found


def standardised(net: MLP, targets: np.ndarray) -> np.ndarray:
    """Targets as the network learns them."""
    if net.target_mean is None or net.target_scale is None:
        return targets
    return (targets - net.target_mean) / net.target_scale


def weights(sample_weight: Any, samples: int) -> np.ndarray | None:
    """The weights, (samples,), in float64. Raises TypeError or ValueError."""
    if sample_weight is None:
        return None
    weight = checks.real_values("sample_weight", sample_weight, np.dtype(np.float64))
    if weight.shape != (samples,) or (weight < 0).any() or not weight.any():
        raise ValueError(
            f"sample_weight must have shape ({samples},), no negative and at least one positive weight, got shape "
            f"{weight.shape}" + (f" with minimum {weight.min():g}" if weight.size else "")
        )
    return weight


def mean_and_scale(A: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each column, 1 where it does not vary."""
    A = np.ascontiguousarray(A)  # so that columns are summed row by row, in one order
    deviation = A.std(axis=0, dtype=np.float64)
    varies = A.max(axis=0) > A.min(axis=0)  # rounding alone can give a constant a deviation
    scale = deviation.astype(dtype)  # which may be 0 where the deviation is not
    scale[~varies | (scale == 0)] = 1
    return A.mean(axis=0, dtype=np.float64).astype(dtype), scale


def require(name: str, rows: np.ndarray) -> None:
    """At least one. Raises ValueError."""
    if len(rows) == 0:
        raise ValueError(f"{name} needs at least one sample, got 0")

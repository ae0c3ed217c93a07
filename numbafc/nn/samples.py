"""Samples as a network takes them: rows in its dtype, targets as its loss needs them, weights; anything else is refused."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from . import frames, portable
from .attributes import REAL_LOSSES
from .losses import LOSSES
from .mapped import MappedRows
from .network import Network
from .weights import class_weights

ROWS = 1024  # of which a digest takes a copy, where they are not contiguous


class Samples(NamedTuple):
    """The samples that a network is trained on."""

    X: np.ndarray  # (samples, N), not standardised
    targets: np.ndarray  # classes or reals, standardised
    weight: np.ndarray | None  # (samples,), in float64: no sum of them overflows

    @property
    def relative(self) -> np.ndarray | None:
        """The weights over their mean, exactly 1 where all are equal: a sample counts alike in whichever minibatch it is.

        One sum, in order. A power of two times all weights changes no bit, and no sum of them overflows.
        """
        if self.weight is None or len(self.weight) == 0:
            return self.weight
        largest = self.weight.max()
        if (self.weight == largest).all():
            return np.ones(len(self.weight))
        part = self.weight / largest
        mean: np.ndarray = part / (np.cumsum(part)[-1] / len(part))
        return mean

    @property
    def digest(self) -> int:
        """A number that changes with any bit of the samples, read at a gigabyte a second."""
        value = 0
        for array in (self.X, self.targets, *(() if self.weight is None else (self.weight,))):
            for first in range(0, len(array), ROWS):
                value = zlib.crc32(np.ascontiguousarray(array[first : first + ROWS]).data, value)
        return value

    @property
    def fingerprint(self) -> int:
        """The digest of older versions, who know of the samples: all targets and weights, and at most some thousand rows.

        They divided a minibatch by its own weights, so they must not take weights for those of a training of theirs.
        """
        return self.old_fingerprint if self.weight is None else zlib.crc32(b"over their mean", self.old_fingerprint)

    @property
    def old_fingerprint(self) -> int:
        """The digest that still older versions wrote."""
        some = np.ascontiguousarray(self.X[:: max(1, len(self.X) // 1024)])
        value = zlib.crc32(np.ascontiguousarray(self.targets).data, zlib.crc32(some.data))
        return value if self.weight is None else zlib.crc32(np.ascontiguousarray(self.weight).data, value)


class HeldOut(NamedTuple):
    """The samples that a network is measured on after each epoch."""

    X: np.ndarray
    targets: np.ndarray  # in their own units
    weight: np.ndarray | None

    @property
    def digest(self) -> int:
        """A number that changes with any bit of them."""
        return Samples(*self).digest


def of(net: Network, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Samples:
    """The samples that fit is given, checked. Raises TypeError or ValueError."""
    X = rows(net, X)
    return of_checked(net, X, targets(net, y, len(X)), weights(sample_weight, len(X)), class_weight)


def of_checked(net: Network, X: Any, y: np.ndarray, weight: np.ndarray | None, class_weight: Any) -> Samples:
    """The samples of checked rows, targets in their own units, and weights. Raises TypeError or ValueError."""
    if class_weight is not None:
        if not LOSSES[net.loss_name].classifies:
            raise ValueError(f"class_weight goes with the loss 'cross_entropy', not {net.loss_name!r}; use sample_weight")
        of_class = class_weights(class_weight, y, net.sizes[-1])
        weight = weights(of_class if weight is None else of_class * weight, len(y))
    return Samples(X, standardised(net, y), weight)


def held_out(net: Network, validation: Any) -> HeldOut | None:
    """The samples that fit is given to measure, checked: (X, y), or (X, y, weights). Raises TypeError or ValueError."""
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        sized = isinstance(validation, tuple | list)
        got = f"{type(validation).__name__} of {len(validation)}" if sized else type(validation).__name__
        raise TypeError(f"validation must be a tuple (X, y), or (X, y, weights), got {got}; pass validation=(X, y)")
    X, y, *weight = validation
    X = rows(net, X, "the X of validation")
    require("validation", X)
    return HeldOut(X, targets(net, y, len(X)), weights(weight[0] if weight else None, len(X)))


def rows(net: Network, X: Any, name: str = "X") -> np.ndarray:
    """The rows X, (samples, N), in the network's dtype; a frame as the network's table encodes it, if it has one.

    Raises TypeError or ValueError.
    """
    if isinstance(X, MappedRows):  # who read the file has looked at its numbers
        X = X.astype(net.dtype)
    elif net.table is not None and frames.is_frame(X):
        X = net.table.encode(X, net.dtype)
    if not isinstance(X, MappedRows):
        X = checks.real_values(name, frames.by_name(X, net.features), net.dtype)
    if X.ndim != 2 or X.shape[1] != net.sizes[0]:
        raise ValueError(
            f"{name} must have shape (samples, {net.sizes[0]}), one sample per row, got {X.shape}; "
            "for a single sample pass X[np.newaxis, :]"
        )
    return X


def targets(net: Network, y: Any, samples: int) -> np.ndarray:
    """The targets, one for each sample, in their own units. Raises TypeError or ValueError."""
    if net.table is not None:
        y = net.table.as_targets(y, net.dtype)
    dtype = net.dtype if net.table is None or net.loss_name not in REAL_LOSSES else np.dtype(np.float64)
    found = LOSSES[net.loss_name].targets(y, net.sizes[-1], dtype)
    if len(found) != samples:
        raise ValueError(f"y has {len(found)} samples but X has {samples}; give one target per row of X")
    return found


def standardised(net: Network, targets: np.ndarray) -> np.ndarray:
    """Targets as the network learns them."""
    if net.target_mean is None or net.target_scale is None:
        return targets
    return ((targets - net.target_mean) / net.target_scale).astype(net.dtype, copy=False)


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


def to_standardize(net: Network, X: Any, y: Any) -> tuple[Any, np.ndarray | None]:
    """X and y, or None, as the network's means and scales are taken of them. Raises TypeError or ValueError."""
    if X is None and y is None:
        raise ValueError("standardize needs X, y or both, got neither")
    if y is not None and net.loss_name not in REAL_LOSSES:
        raise ValueError(f"targets are standardised for {', '.join(REAL_LOSSES)}, not for {net.loss_name!r}; leave y out")
    found = rows(net, X) if X is not None else None
    return found, None if y is None else targets(net, y, len(y) if found is None else len(found))


def mean_and_scale(A: Any, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each column, 1 where it does not vary."""
    mean, deviation = portable.mean_and_deviation(A)
    varies = A.max(axis=0) > A.min(axis=0)  # rounding alone can give a constant a deviation
    scale = deviation.astype(dtype)  # which may be 0 where the deviation is not
    scale[~varies | (scale == 0)] = 1
    return mean.astype(dtype), scale


def require(name: str, rows: np.ndarray) -> None:
    """Require at least one sample. Raises ValueError."""
    if len(rows) == 0:
        raise ValueError(f"{name} needs at least one sample, got 0")

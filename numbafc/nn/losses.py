"""Losses of a network's outputs Y: (T, B), one sample per column, and their gradients.

A loss is a number per sample, for all but "cross_entropy" the mean over the outputs. A batch has their weighted mean
L = Σ_s w[s]·l[s] / Σ_s w[s].

Outputs are arrays of float32 or float64 of any strides, others are a TypeError; targets are converted to their dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from .. import checks
from .._numba import Kernel, flat, flat_in, inner, kernel, named
from ..kernels import border, elementwise
from .cross_entropy import cross_entropy, outputs
from .targets import class_indices, reals, reals_between


class Loss(NamedTuple):
    """A loss: what a network is trained to make small."""

    name: str
    classifies: bool  # targets are classes, outputs are logits
    targets: Callable[[Any, int, np.dtype], np.ndarray]  # (y, T, dtype): y as the loss needs it, one sample per row
    run: Kernel  # both of the below, of flat arrays (see loss_types)

    def per_sample(self, Y: np.ndarray, targets: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
        """The losses l, (B,), of outputs Y (T, B), T ≥ 1.

        targets: class indices (B,), or reals (B, T), (B,) where T = 1. smoothing: ε of cross_entropy, from 0 to below 1.
        Raises TypeError or ValueError.
        """
        return self._both(Y, targets, smoothing)[0]

    def gradient(self, Y: np.ndarray, targets: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
        """The gradient ∂l[s]/∂Y[t,s], (T, B). Arguments and errors as in per_sample."""
        return self._both(Y, targets, smoothing)[1]

    def _both(self, Y: np.ndarray, targets: np.ndarray, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
        Y = outputs(Y)
        T, B = Y.shape
        if T == 0:
            raise ValueError(f"Y has shape {Y.shape}, but a loss needs at least one output; Y is (T, B)")
        if type(smoothing) is not float or not 0 <= smoothing < 1:
            smoothing = checks.fraction("smoothing", smoothing)
        wanted = _matching(self, targets, T, B, Y.dtype)
        dY, losses = np.empty((T, B), Y.dtype), np.empty(B, Y.dtype)
        if B > 0:
            arrays = *wanted, np.arange(B), dY.reshape(-1), losses, np.empty(2 * B, Y.dtype)
            self.run.unchecked(Y.reshape(-1), *arrays, smoothing)
        return losses, dY


def loss_types(real: Any) -> tuple[Any, ...]:
    """The types of (Y, classes, targets, samples, dY, losses, scratch, smoothing), the arguments of a loss.

    It fills losses[s] and dY[t,s] = ∂losses[s]/∂Y[t,s] of a batch whose sample s is samples[s]; the result is the number of
    hits. Y, dY: flat, (T, B). scratch: for 2·B numbers. A hit is a sample whose largest output is that of its class.
    """
    read = flat_in(real), flat_in(types.int64), flat_in(real), flat_in(types.int64)
    return *read, flat(real), flat(real), flat(real), types.float64


def _check_for(classifies: bool) -> Callable[..., None]:
    def check(Y, classes, targets, samples, dY, losses, scratch, smoothing):
        B = len(losses)
        if B == 0 or len(Y) == 0 or len(Y) % B != 0:
            raise ValueError(
                f"Y has {len(Y)} elements and losses has {B}; Y is (T, B) and losses (B,), neither of them empty"
            )
        T = len(Y) // B
        border.same_length("dY", dY, "Y", Y)
        border.same_length("samples", samples, "losses", losses)
        border.at_least("scratch", scratch, 2 * B, "two for each sample")
        border.indices("samples", samples, len(classes) if classifies else len(targets) // T, "targets")
        if classifies:
            border.indices("classes", classes[samples], T, "outputs")
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be from 0 to below 1, got {smoothing!r}")
        inputs = {"Y": Y, "classes": classes, "targets": targets, "samples": samples}
        border.no_shared_memory({"dY": dY, "losses": losses, "scratch": scratch}, inputs)

    return check


def _matching(loss: Loss, targets: Any, T: int, B: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Targets, split, that go with outputs (T, B): class indices that there are, or one real for each, even NaN.

    Raises TypeError or ValueError.
    """
    if type(targets) is not np.ndarray:
        checks.not_masked("targets", targets)
        targets = np.asarray(targets)
    if targets.dtype.kind not in ("iub" if loss.classifies else "fiub"):
        kind = "class indices, integers" if loss.classifies else "real numbers"
        raise TypeError(f"targets of {loss.name} must be {kind}, got dtype {targets.dtype!s:.40}")
    form = "(B,), one class index per sample" if loss.classifies else f"(B, {T}), one row per sample"
    if targets.shape != ((B,) if loss.classifies else (B, T)) and not (T == 1 and targets.shape == (B,)):
        got = f"shape {targets.shape}" if targets.ndim < 4 else f"{targets.ndim} axes"
        raise ValueError(f"targets have {got}, but Y has {T} outputs of {B} samples; targets are {form}")
    classes, reals = split_targets(loss, targets, dtype)
    border.indices("targets", classes, T, "outputs")
    return classes, reals


def split_targets(loss: Loss, targets: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Targets as compiled code takes them: class indices, and flat reals; one of them empty."""
    if loss.classifies:
        return border.in_order(targets, np.dtype(np.int64)), np.empty(0, dtype)
    if targets.dtype != dtype:
        with np.errstate(over="ignore"):  # what is too large for the dtype is infinite
            targets = targets.astype(dtype)
    return np.empty(0, np.int64), border.in_order(targets).reshape(-1)


# ---- losses that are a mean over the outputs: of y and its target z, with the derivative with respect to y ------------


@inner
def _mse(y, z):  # (y − z)²
    error = y - z
    return error * error, error + error


@inner
def _mae(y, z):  # |y − z|, of slope 0 at 0
    error = y - z
    return abs(error), np.sign(error)


@inner
def _huber(y, z):  # (y − z)²/2 where |y − z| ≤ 1, else |y − z| − 1/2
    error, half = y - z, type(y)(0.5)
    inside = abs(error) <= type(y)(1)
    return (half * error * error if inside else abs(error) - half), (error if inside else np.sign(error))


@inner
def _poisson(y, z):  # e^y − z·y: the expected count is e^y
    rate = elementwise.exp(y)
    return rate - z * y, rate - z


@inner
def _binary_cross_entropy(y, z):  # −z·log σ(y) − (1 − z)·log(1 − σ(y))
    one = type(y)(1)
    return z * elementwise.softplus(-y) + (one - z) * elementwise.softplus(y), elementwise.sigmoid(y) - z


def _mean_of(element: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[..., int]:
    def run(Y, classes, targets, samples, dY, losses, scratch, smoothing):
        B, real = len(losses), Y.dtype.type
        T = len(Y) // B
        for s in range(B):
            losses[s] = 0
        scale, numbers = real(1 / T), real(T)
        for t in range(T):
            for s in range(B):
                loss, slope = element(Y[t * B + s], targets[samples[s] * T + t])
                losses[s] += loss
                dY[t * B + s] = slope * scale
        for s in range(B):
            losses[s] /= numbers
        return 0

    return run


def make(name: str, run: Callable[..., int], targets: Callable[..., np.ndarray], classifies: bool = False) -> Loss:
    """The loss whose kernel does what `run` does (see loss_types)."""
    compiled = kernel(loss_types, parallel=False, check=_check_for(classifies))
    return Loss(name, classifies, targets, compiled(named(run, f"loss_{name}")))


LOSSES = {
    loss.name: loss
    for loss in (
        make("cross_entropy", cross_entropy, class_indices, classifies=True),
        make(
            "binary_cross_entropy",
            _mean_of(_binary_cross_entropy),
            reals_between(0, 1, "probabilities, from 0 to 1", "for labels such as -1 and 1 pass (y > 0)"),
        ),
        make("mse", _mean_of(_mse), reals),
        make("mae", _mean_of(_mae), reals),
        make("huber", _mean_of(_huber), reals),
        make(
            "poisson",
            _mean_of(_poisson),
            reals_between(0, np.inf, "counts, at least 0", "for other reals use the loss 'mse'"),
        ),
    )
}

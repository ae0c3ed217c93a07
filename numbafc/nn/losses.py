"""Losses of a network's outputs Y: (T, B), one sample per column, and their gradients.

A loss is a number per sample, for all but "cross_entropy" the mean over the outputs. A batch has their weighted mean
L = Σ_s w[s]·l[s] / Σ_s w[s].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import register_jitable
from numba.types import intp

from .. import checks
from .._jit import flat, kernel, stay_apart
from ..kernels import elementwise
from ..kernels.vector import span

CROSS_ENTROPY, MSE, BINARY_CROSS_ENTROPY, MAE, HUBER, POISSON = range(6)


class Loss(NamedTuple):
    """What a network is trained to make small."""

    name: str
    code: int  # what compiled code calls it
    classifies: bool  # targets are classes, outputs are logits
    targets: Callable[[Any, int, np.dtype], np.ndarray]  # (y, T, dtype): y as the loss needs it, one sample per row
    per_sample: Callable[..., np.ndarray]  # (Y, targets, label_smoothing=0): l, (B,)
    gradient: Callable[..., np.ndarray]  # (Y, targets, label_smoothing=0): ∂l[s]/∂Y[t,s], (T, B)


@register_jitable
def softmax_part(Y, B, S, top, total):
    """S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]} for logits of B samples, all flat. top and total: room for B numbers."""
    stay_apart()
    T = len(Y) // B
    for s in range(B):
        top[s], total[s] = Y[s], 0
    for t in range(1, T):
        row = span(Y, t * B, (t + 1) * B)
        for s in range(B):
            top[s] = row[s] if row[s] > top[s] or row[s] != row[s] else top[s]
    for t in range(T):
        row, to = span(Y, t * B, (t + 1) * B), span(S, t * B, (t + 1) * B)
        for s in range(B):
            to[s] = elementwise.exp(row[s] - top[s])
        for s in range(B):
            total[s] += to[s]
    for t in range(T):
        to = span(S, t * B, (t + 1) * B)
        for s in range(B):
            to[s] /= total[s]


@register_jitable
def _element(code, y, z):
    """The loss of an output y whose target is z, and its derivative with respect to y."""
    real = type(y)
    error, one, half = y - z, real(1), real(0.5)
    if code == MSE:  # (y − z)²
        return error * error, error + error
    if code == MAE:  # |y − z|, of slope 0 at 0
        return abs(error), np.sign(error)
    if code == HUBER:  # (y − z)²/2 where |y − z| ≤ 1, else |y − z| − 1/2
        inside = abs(error) <= one
        return (half * error * error if inside else abs(error) - half), (error if inside else np.sign(error))
    if code == POISSON:  # e^y − z·y: the expected count is e^y
        rate = elementwise.exp(y)
        return rate - z * y, rate - z
    # −z·log σ(y) − (1 − z)·log(1 − σ(y))
    return z * elementwise.softplus(-y) + (one - z) * elementwise.softplus(y), elementwise.sigmoid(y) - z


@register_jitable
def loss_part(code, smoothing, Y, classes, targets, samples, dY, losses, scratch):
    """losses[s] and ∂losses[s]/∂Y[t,s] of a batch whose sample s is samples[s]; returns the number of hits.

    Y, dY: flat, (T, B). scratch: room for 2·B numbers. A hit is a sample whose largest output is that of its class.
    smoothing: ε, with which cross_entropy's target is (1 − ε)·onehot(c) + ε/T (C. Szegedy et al., CVPR 2016).
    """
    stay_apart()
    B, hits = len(losses), 0
    T = len(Y) // B
    if code == CROSS_ENTROPY:  # l = −log S_c = log Σ_k e^{y_k} − y_c for the class c; ∂l/∂y = S − onehot(c)
        top, total = span(scratch, 0, B), span(scratch, B, 2 * B)
        softmax_part(Y, B, dY, top, total)
        for s in range(B):
            losses[s] = elementwise.log(total[s])
        target, rest = Y.dtype.type(1 - smoothing), Y.dtype.type(smoothing / T)
        if smoothing > 0:  # l = log Σ_k e^{y_k} − (1 − ε)·y_c − ε/T·Σ_k y_k
            for t in range(T):
                for s in range(B):
                    losses[s] -= rest * (Y[t * B + s] - top[s])
                    dY[t * B + s] -= rest
        for s in range(B):
            c = classes[samples[s]]
            losses[s] -= target * (Y[c * B + s] - top[s])
            dY[c * B + s] -= target
            best = 0
            while best < T - 1 and Y[best * B + s] != top[s]:
                best += 1
            hits += int(best == c)
    else:
        for s in range(B):
            losses[s] = 0
        share, numbers = Y.dtype.type(1 / T), Y.dtype.type(T)
        for t in range(T):
            for s in range(B):
                loss, slope = _element(code, Y[t * B + s], targets[samples[s] * T + t])
                losses[s] += loss
                dY[t * B + s] = slope * share
        for s in range(B):
            losses[s] /= numbers
    return hits


@kernel(
    lambda real: (
        flat(real),
        flat(types.int64),
        flat(real),
        flat(types.int64),
        flat(real),
        flat(real),
        flat(real),
        intp,
        types.float64,
    ),
    parallel=False,
)
def _evaluate(Y, classes, targets, samples, dY, losses, scratch, code, smoothing):
    loss_part(code, smoothing, Y, classes, targets, samples, dY, losses, scratch)


@kernel(lambda real: (flat(real), flat(real), flat(real), intp), parallel=False)
def _softmax(Y, S, scratch, T):
    B = Y.size // T
    softmax_part(Y, B, S, span(scratch, 0, B), scratch[B:])


def softmax(Y: np.ndarray) -> np.ndarray:
    """S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]}. The largest logit of a sample is subtracted first: e^y cannot overflow."""
    S = np.empty(Y.shape, Y.dtype)
    _softmax(np.ascontiguousarray(Y).reshape(-1), S.reshape(-1), np.empty(2 * Y.shape[1], Y.dtype), Y.shape[0])
    return S


def split_targets(loss: Loss, targets: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Targets as compiled code takes them: class indices, and flat reals; one of them empty."""
    if loss.classifies:
        return np.ascontiguousarray(targets, np.int64), np.empty(0, dtype)
    return np.empty(0, np.int64), np.ascontiguousarray(targets, dtype).reshape(-1)


def _both(loss: Loss, Y: np.ndarray, targets: np.ndarray, smoothing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each sample, (B,), and its gradient, (T, B)."""
    T, B = Y.shape
    dY, losses = np.empty((T, B), Y.dtype), np.empty(B, Y.dtype)
    parts = split_targets(loss, targets, Y.dtype)
    scratch = np.empty(2 * B, Y.dtype)
    arrays = np.ascontiguousarray(Y).reshape(-1), *parts, np.arange(B), dY.reshape(-1), losses, scratch
    _evaluate(*arrays, loss.code, smoothing)
    return losses, dY


def _classes(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
    """Class indices, (samples,), from 0 to T − 1. Raises TypeError or ValueError."""
    checks.not_masked("y", y)
    y = np.asarray(y)
    if y.ndim != 1:
        fix = "; for one column per class pass y.argmax(axis=1)" if y.ndim == 2 else ""
        raise ValueError(f"y must have shape (samples,), one class index per sample, got shape {y.shape}{fix}")
    if y.dtype.kind not in "iub":
        raise TypeError(f"y must be class indices, integers from 0 to {T - 1}, got dtype {y.dtype}; use y.astype(int)")
    wrong = np.flatnonzero((y < 0) | (y >= T))
    if len(wrong):
        raise ValueError(
            f"y must be from 0 to {T - 1}, for the network has {T} outputs, got {y[wrong[0]]} at sample {wrong[0]}"
        )
    return y.astype(np.intp)


def _real_targets(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
    """Real targets, (samples, T); (samples,) where T = 1. Raises TypeError or ValueError."""
    y = checks.real_values("y", y, dtype)
    if y.ndim == 1 and T == 1:
        y = y[:, np.newaxis]
    if y.ndim != 2 or y.shape[1] != T:
        raise ValueError(f"y must have shape (samples, {T}), one column per output of the network, got {y.shape}")
    return y


def _targets_between(low: float, high: float, words: str) -> Callable[[Any, int, np.dtype], np.ndarray]:
    def targets(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
        y = _real_targets(y, T, dtype)
        wrong = np.argwhere((y < low) | (y > high))
        if len(wrong):
            sample, output = wrong[0]
            raise ValueError(f"y must be {words}, got {y[sample, output]} at sample {sample}, output {output}")
        return y

    return targets


def _loss(name: str, code: int, classifies: bool, targets: Callable[[Any, int, np.dtype], np.ndarray]) -> Loss:
    return Loss(
        name,
        code,
        classifies,
        targets,
        lambda Y, y, smoothing=0.0: _both(LOSSES[name], Y, y, smoothing)[0],
        lambda Y, y, smoothing=0.0: _both(LOSSES[name], Y, y, smoothing)[1],
    )


LOSSES = {
    "cross_entropy": _loss("cross_entropy", CROSS_ENTROPY, True, _classes),
    "binary_cross_entropy": _loss(
        "binary_cross_entropy", BINARY_CROSS_ENTROPY, False, _targets_between(0, 1, "probabilities, from 0 to 1")
    ),
    "mse": _loss("mse", MSE, False, _real_targets),
    "mae": _loss("mae", MAE, False, _real_targets),
    "huber": _loss("huber", HUBER, False, _real_targets),
    "poisson": _loss("poisson", POISSON, False, _targets_between(0, np.inf, "counts, at least 0")),
}

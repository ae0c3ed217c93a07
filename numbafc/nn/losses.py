"""Losses of a network's outputs Y: (T, B), one sample per column, and their gradients.

A loss is a number per sample; a batch has their weighted mean L = Σ_s w[s]·l[s] / Σ_s w[s].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import checks


class Loss(NamedTuple):
    """What a network is trained to make small."""

    name: str
    classifies: bool  # targets are classes, outputs are logits
    targets: Callable[[Any, int, np.dtype], np.ndarray]  # (y, T, dtype): y as the loss needs it, one sample per row
    per_sample: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (Y, targets): l, (B,)
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (Y, targets): ∂l[s]/∂Y[t,s], (T, B)


def softmax(Y: np.ndarray) -> np.ndarray:
    """S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]}. The largest logit of a sample is subtracted first: e^y cannot overflow."""
    S = np.exp(Y - Y.max(axis=0))
    S /= S.sum(axis=0)
    return S


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


def _cross_entropy(Y: np.ndarray, y: np.ndarray) -> np.ndarray:
    """l = −log S_c = log Σ_k e^{y_k} − y_c for the class c."""
    shifted = Y - Y.max(axis=0)
    return np.log(np.exp(shifted).sum(axis=0)) - shifted[y, np.arange(len(y))]


def _cross_entropy_gradient(Y: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂l/∂y = S − onehot(c)."""
    S = softmax(Y)
    S[y, np.arange(len(y))] -= 1
    return S


def _real_targets(y: Any, T: int, dtype: np.dtype) -> np.ndarray:
    """Real targets, (samples, T); (samples,) where T = 1. Raises TypeError or ValueError."""
    y = checks.real_values("y", y, dtype)
    if y.ndim == 1 and T == 1:
        y = y[:, np.newaxis]
    if y.ndim != 2 or y.shape[1] != T:
        raise ValueError(f"y must have shape (samples, {T}), one column per output of the network, got {y.shape}")
    return y


def _mse(Y: np.ndarray, y: np.ndarray) -> np.ndarray:
    """l = Σ_t (Y[t] − y[t])² / T."""
    return np.square(Y - y.T).mean(axis=0)


def _mse_gradient(Y: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂l/∂Y[t] = 2·(Y[t] − y[t]) / T."""
    return (Y - y.T) * Y.dtype.type(2 / Y.shape[0])


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", True, _classes, _cross_entropy, _cross_entropy_gradient),
        Loss("mse", False, _real_targets, _mse, _mse_gradient),
    )
}

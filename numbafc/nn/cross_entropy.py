"""Softmax and cross-entropy, of logits Y: (T, B), one sample per column.

    S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]}
    l = −log S_c = log Σ_k e^{y_k} − y_c for the class c        ∂l/∂y = S − onehot(c)

The largest logit of a sample is subtracted first: e^y cannot overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.types import intp

from .. import checks
from .._numba import DTYPES, flat, flat_in, inner, kernel
from ..kernels import border, elementwise
from ..kernels.target import EXPONENTIALS
from ..kernels.vector import span


@inner
def _largest(Y, B, top, where):
    """Find top[s] = max_t Y[t,s] and where[s], the first t that has it, a real: exact for up to 2²⁴ outputs."""
    real = Y.dtype.type
    for s in range(B):
        top[s], where[s] = Y[s], real(0)
    for t in range(1, len(Y) // B):
        row, number = span(Y, t * B, (t + 1) * B), real(t)
        for s in range(B):
            y, most, place = row[s], top[s], where[s]
            larger = y > most or y != y
            top[s] = y if larger else most
            where[s] = number if larger else place


@inner
def _softmax_part(Y, B, S, top, total):
    """Fill S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]} from the largest logit of each of B samples. total: for B numbers."""
    T, rows = len(Y) // B, max(1, EXPONENTIALS // B)
    total[:] = 0
    for first in range(0, T, rows):
        last = min(first + rows, T)
        for t in range(first, last):
            row, to = span(Y, t * B, (t + 1) * B), span(S, t * B, (t + 1) * B)
            for s in range(B):
                to[s] = row[s] - top[s]
        part = span(S, first * B, last * B)
        for n in range(len(part)):
            part[n] = elementwise.exp(part[n])
        for t in range(first, last):
            to = span(S, t * B, (t + 1) * B)
            for s in range(B):
                total[s] += to[s]
    for t in range(T):
        to = span(S, t * B, (t + 1) * B)
        for s in range(B):
            to[s] /= total[s]


def cross_entropy(Y, classes, targets, samples, dY, losses, scratch, smoothing):
    """Fill losses and dY as losses.loss_types has them. The result is the number of hits.

    smoothing: ε, with which the target is (1 − ε)·onehot(c) + ε/T (C. Szegedy et al., CVPR 2016)."""
    B, hits, real = len(losses), 0, Y.dtype.type
    T = len(Y) // B
    top, total = span(scratch, 0, B), span(scratch, B, 2 * B)
    where = total  # until the sums need it
    _largest(Y, B, top, where)
    for s in range(B):
        hits += int(where[s] == classes[samples[s]])
    _softmax_part(Y, B, dY, top, total)
    for s in range(B):
        losses[s] = elementwise.log(total[s])
    target, rest = real(1 - smoothing), real(smoothing / T)
    if smoothing > 0:  # l = log Σ_k e^{y_k} − (1 − ε)·y_c − ε/T·Σ_k y_k
        for t in range(T):
            for s in range(B):
                losses[s] -= rest * (Y[t * B + s] - top[s])
                dY[t * B + s] -= rest
    for s in range(B):
        c = classes[samples[s]]
        losses[s] -= target * (Y[c * B + s] - top[s])
        dY[c * B + s] -= target
    return hits


def _check_softmax(Y, S, scratch, T):
    if T < 1 or len(Y) % T != 0:
        raise ValueError(f"Y has {len(Y)} elements, which are no whole number of samples with {T} outputs")
    border.same_length("S", S, "Y", Y)
    border.at_least("scratch", scratch, 2 * (len(Y) // T), "two for each sample")
    border.no_shared_memory({"S": S, "scratch": scratch}, {"Y": Y})


@kernel(lambda real: (flat_in(real), flat(real), flat(real), intp), parallel=False, check=_check_softmax)
def _softmax(Y, S, scratch, T):
    B = Y.size // T
    top, total = span(scratch, 0, B), span(scratch, B, 2 * B)
    _largest(Y, B, top, total)
    _softmax_part(Y, B, S, top, total)


def softmax(Y: np.ndarray) -> np.ndarray:
    """The softmax S[t,s] = e^{Y[t,s]} / Σ_k e^{Y[k,s]}. The largest logit is subtracted first: e^y cannot overflow.

    Y: (T, B), of float32 or float64. Returns S: (T, B). Raises TypeError or ValueError.
    """
    Y = outputs(Y)
    S = np.empty(Y.shape, Y.dtype)
    if Y.size:
        _softmax.unchecked(Y.reshape(-1), S.reshape(-1), np.empty(2 * Y.shape[1], Y.dtype), Y.shape[0])
    return S


def outputs(Y: Any) -> np.ndarray:
    """The outputs Y, (T, B), in order. Raises TypeError or ValueError."""
    if type(Y) is not np.ndarray or Y.dtype not in DTYPES or Y.ndim != 2:
        Y = checks.real_array("Y", Y)
        checks.axes("Y", Y, "(T, B), one sample per column", 2)
    return border.in_order(Y)

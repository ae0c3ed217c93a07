"""The norm of each sample's own gradient, in one compiled call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.types import intp

from .._numba import DTYPES, array_in, flat, interpreted, kernel
from .loops import squares_of_samples
from .target import STRIP


@kernel(lambda real: (array_in(real, 2), array_in(real, 2), flat(real), flat(real), flat(real), intp), parallel=False)
def _norms_of_gradients(dY, X, norms, inputs, acc, bias):
    """norms[s] = ‖dY[:,s]‖·sqrt(‖X[:,s]‖² + bias). inputs: (B,) and acc: STRIP, to work in. 0, or 1 where no shape fits."""
    B = X.shape[1]
    if dY.shape[1] != B or norms.shape[0] != B or inputs.shape[0] != B or acc.shape[0] != STRIP:
        return 1
    squares_of_samples(dY, norms, acc)
    squares_of_samples(X, inputs, acc)
    for s in range(B):
        norms[s] = np.sqrt(norms[s]) * np.sqrt(inputs[s] + norms.dtype.type(1) if bias else inputs[s])
    return 0


def grad_norms(dY: Any, X: Any, bias: bool) -> Any:
    """The norms, for plain arrays, or None where these do not fit."""
    if X.dtype not in DTYPES or interpreted():
        return None
    B, dtype = X.shape[1] if X.ndim == 2 else 1, X.dtype
    entry = _norms_of_gradients.entries.get(dtype.itemsize) or _norms_of_gradients.compile(dtype)
    try:
        norms = np.empty(B, dtype)
        answer = entry(dY, X, norms, np.empty(B, dtype), np.empty(STRIP, dtype), int(bias))
    except (TypeError, MemoryError, ValueError):  # because the arrays do not fit, perhaps
        return None
    return norms if answer == 0 else None

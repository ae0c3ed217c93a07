"""All gradients of the layer in one compiled call: each call from Python takes as long as a small product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.types import intp

from .._numba import DTYPES, array_in, array_out, flat, fma, interpreted, kernel
from .packing import FEW_SUMMANDS, aligned
from .products import (
    EXTRA,
    LARGE,
    MEAN,
    PARALLEL,
    TURN_A,
    TURN_X,
    TURN_Y,
    _own,
    grad_w_and_b,
    grad_x,
    on_one_thread,
    product_types,
)
from .vector import call_pointer, span

_product = call_pointer(product_types)


def _gradient_types(real):
    inputs, outputs = (array_in(real, 2),) * 3, (array_out(real, 2), array_out(real, 1), array_out(real, 2))
    return *inputs, *outputs, flat(real), intp, array_in(real, 1)


@kernel(_gradient_types, parallel=False)
def _gradients_on_one_thread(dY, X, W, dW, db, dX, work, flags, stored):
    """dW, db and dX by two calls of on_one_thread, whose answers are its own. flags: MEAN or 0; stored: where that is."""
    work = span(work, 0, len(work))  # a plain array, as on_one_thread takes it
    few = dY.shape[1] <= FEW_SUMMANDS  # then rows of dW are streams, if nothing is beside them
    flags, none = flags | TURN_X | (0 if few else EXTRA), work
    answer = _product(stored, 0, (dY, X, none, dW, db, work, flags, PARALLEL))
    if answer != 0:
        return answer
    for t in range(dY.shape[0] if few else 0):
        total = dY.dtype.type(0)
        for s in range(dY.shape[1]):
            total = fma(dY[t, s], dY.dtype.type(1), total)
        db[t] = total / dY.dtype.type(dY.shape[1]) if flags & MEAN else total
    if dY.shape[1] == 1:
        return _product(stored, 0, (dY, W, none, dX, work, work, TURN_A | TURN_Y, PARALLEL))
    return _product(stored, 0, (W, dY, none, dX, work, work, TURN_A, PARALLEL))


_gradients: dict[int, tuple[Any, np.ndarray]] = {}  # by itemsize: the compiled function, and where on_one_thread is


def gradients(flags, dY, X, W, dW, db, dX):
    """dW, db and dX, which are new arrays. flags: MEAN or none. Returns whether this was done, as product does."""
    own, compiled = _own.by_itemsize.get(W.itemsize), _gradients.get(W.itemsize)
    if own is None or compiled is None:
        if W.dtype not in DTYPES or interpreted():
            return False
        own = own or _own.add(W.dtype, np.empty(0, W.dtype))
        compiled = _gradients_on_one_thread.compile(W.dtype), on_one_thread.address(W.dtype)
        _gradients[W.itemsize] = compiled
    entry, stored = compiled
    try:
        answer = entry(dY, X, W, dW, db, dX, own[1], flags, stored)
        while answer > 0:
            answer = entry(dY, X, W, dW, db, dX, _own.add(W.dtype, aligned(answer, W.dtype))[1], flags, stored)
    except TypeError:
        return False
    if answer == LARGE:
        return grad_w_and_b(dY, X, dW, db, flags) and grad_x(dY, W, dX)
    return answer == 0

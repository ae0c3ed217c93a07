"""All gradients of the layer in one compiled call: each call from Python takes as long as a small product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.types import intp

from .._numba import DTYPES, array_in, array_out, flat, fma, interpreted, kernel
from .level2 import bring_level2
from .packing import aligned
from .product import (
    LARGE,
    MEAN,
    ROW_SUMS,
    TILES,
    TRANSPOSE_P,
    TRANSPOSE_Q,
    TRANSPOSE_R,
    WITHOUT_LEVEL2,
    on_one_thread,
    product_types,
)
from .target import FEW_SUMMANDS
from .tiled import grad_w_and_b, grad_x, workspaces
from .vector import bring_tiles, call_pointer, dispatch_for, span, tiles_asked_for

_product = call_pointer(product_types)


def _gradient_types(real):
    inputs, outputs = (array_in(real, 2),) * 3, (array_out(real, 2), array_out(real, 1), array_out(real, 2))
    return *inputs, *outputs, flat(real), intp, array_in(intp, 1)


@kernel(_gradient_types, parallel=False)
def _gradients_on_one_thread(dY, X, W, dW, db, dX, workspace, flags, pointers):
    """dW, db and dX by two calls of on_one_thread, whose answers are its own. flags: MEAN or 0; pointers: its address."""
    work = span(workspace, 0, len(workspace))  # a plain array, as on_one_thread takes it
    few = dY.shape[1] <= FEW_SUMMANDS  # then rows of dW are passes over those of X, if no sums are beside them
    flags, none = flags | TRANSPOSE_Q | (0 if few else ROW_SUMS), work
    answer = _product(pointers, 0, (dY, X, none, dW, db, work, flags, 0))
    if answer not in (0, TILES):
        return answer
    for t in range(dY.shape[0] if few else 0):
        total = dY.dtype.type(0)
        for s in range(dY.shape[1]):
            total = fma(dY[t, s], dY.dtype.type(1), total)
        db[t] = total / dY.dtype.type(dY.shape[1]) if flags & MEAN else total
    if dY.shape[1] == 1:
        answer = _product(pointers, 0, (dY, W, none, dX, work, work, TRANSPOSE_P | TRANSPOSE_R, 0))
    else:
        answer = _product(pointers, 0, (W, dY, none, dX, work, work, TRANSPOSE_P, 0))
    return TILES if answer == 0 and tiles_asked_for(dispatch_for(W)) != 0 else answer


_gradients: dict[int, tuple[Any, np.ndarray]] = {}  # by itemsize: the compiled function, and the address of on_one_thread


def gradients(flags, dY, X, W, dW, db, dX):
    """dW, db and dX, which are new arrays. flags: MEAN or none. Returns whether this was done, as product does."""
    kept, compiled = workspaces.by_itemsize.get(W.itemsize), _gradients.get(W.itemsize)
    if kept is None or compiled is None:
        if W.dtype not in DTYPES or interpreted():
            return False
        kept = workspaces.of(W.dtype)
        compiled = _gradients_on_one_thread.compile(W.dtype), on_one_thread.address(W.dtype)
        _gradients[W.itemsize] = compiled
    (entry, pointers), workspace = compiled, kept[1]
    try:
        while (answer := entry(dY, X, W, dW, db, dX, workspace, flags, pointers)) > 0 or answer == WITHOUT_LEVEL2:
            if answer == WITHOUT_LEVEL2:  # whatever is written is written anew
                bring_level2(W.dtype)
            else:
                workspace = workspaces.add(W.dtype, aligned(answer, W.dtype))[1]
    except TypeError:
        return False
    if answer == TILES:
        bring_tiles(W.dtype)
        return True
    if answer == LARGE:
        return grad_w_and_b(dY, X, dW, db, flags) and grad_x(dY, W, dX)
    return answer == 0

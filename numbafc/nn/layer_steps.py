"""The steps of a layer: some rows of H with φ and dropout, of dX with φ', or of dW with the update.

Products, φ, loss and update are kernels of their own, called by address: each is compiled once, when somebody needs it.
`run` is a Run (run.py). Which thread computes which rows changes no bit. The rows of a step are part
`part` of `parts` equal ones.
"""

from __future__ import annotations

import numpy as np

from .._numba import inner, noinline
from ..formulas import SUM_BLOCK
from ..kernels.epilogue import LENGTH_OF_SETTINGS, Epilogue
from ..kernels.product import (
    ANY_SIZE,
    EPILOGUE,
    ROW_SUMS,
    TRANSPOSE_P,
    TRANSPOSE_Q,
    TRANSPOSE_R,
    UNFIT,
    WITH_BIAS,
    product_types,
)
from ..kernels.target import PART
from ..kernels.threads import part_of
from ..kernels.vector import call_pointer, first_byte, matrix, span
from . import dropout
from .activations import APPLY, CHAIN, MULTIPLY, SLOPES, activation_types
from .memory import layer_at
from .updates import place_of, update_types

PRODUCT, PHI, LOSS, UPDATE = range(4)  # what is called by address, in the order of Run.pointers

_product, _phi, _update = call_pointer(product_types), call_pointer(activation_types), call_pointer(update_types)


@inner
def _rows(size, part, parts):
    """From where to where a part of the rows goes, whole tiles in each."""
    first, last = part_of((size + PART - 1) // PART, part, parts)
    return min(first * PART, size), min(last * PART, size)


@inner
def forward_rows(run, epilogue, depth, key, threshold, scale, B, part, parts):
    """Rows of H = φ(W H' + b). epilogue: that of φ, or BIAS. key, threshold, scale: of dropout."""
    noinline()
    layer, memory, last = layer_at(run.layers, depth), run.memory, depth == len(run.layers) - 1
    N, (t0, t1), (p0, p1) = layer.N, _rows(layer.T, part, parts), part_of(len(run.workspace), part, parts)
    b = layer.W + layer.T * N
    rows, columns = (B, N) if depth == 0 else (N, B)
    own, X = span(run.workspace, p0, p1), matrix(memory, layer.scaled, rows, columns, columns)
    W, b = matrix(run.parameters, layer.W + t0 * N, t1 - t0, N, N), span(run.parameters, b + t0, b + t1)
    Y = matrix(memory, layer.H + t0 * B, t1 - t0, B, B)
    flags, none, in_place = ANY_SIZE | (TRANSPOSE_Q if depth == 0 else 0), span(memory, 0, 0), layer.slopes == layer.H
    if epilogue != Epilogue.BIAS and not last and in_place:
        answer = _product(run.pointers, PRODUCT, (W, X, b, Y, none, own, flags | epilogue << EPILOGUE, 0))
        if answer != UNFIT:
            return answer
    answer = _product(run.pointers, PRODUCT, (W, X, b, Y, none, own, flags | WITH_BIAS, 0))
    if last:
        return answer
    H, S = span(memory, layer.H + t0 * B, layer.H + t1 * B), span(memory, layer.slopes + t0 * B, layer.slopes + t1 * B)
    _phi(run.pointers, PHI, (H, S, APPLY if in_place else SLOPES))
    if threshold > 0:
        dropout.drop_part(key, t0, threshold, scale, B, H, S)
    return answer


@inner
def input_rows(run, epilogue, depth, B, part, parts):
    """Rows of dH' = Wᵀ dY, through φ' of H', the output of the layer below. epilogue: that of φ', or NONE.

    Of the first layer, below which there is nothing, they are the gradient of s ⊙ X.
    """
    noinline()
    layer, below, memory = layer_at(run.layers, depth), layer_at(run.layers, max(depth - 1, 0)), run.memory
    N, T, (i0, i1), (p0, p1) = layer.N, layer.T, _rows(layer.N, part, parts), part_of(len(run.workspace), part, parts)
    own = span(run.workspace, p0, p1)
    W, dY = matrix(run.parameters, layer.W + i0, T, i1 - i0, N), matrix(memory, layer.dY, T, B, B)
    dX, none = matrix(memory, layer.dX + i0 * B, i1 - i0, B, B), span(memory, 0, 0)
    dH, H = span(memory, layer.dX + i0 * B, layer.dX + i1 * B), span(memory, below.slopes + i0 * B, below.slopes + i1 * B)
    flags, in_place = ANY_SIZE | TRANSPOSE_P, below.slopes == below.H
    if depth > 0 and epilogue != Epilogue.NONE and in_place and B > 1:
        answer = _product(run.pointers, PRODUCT, (W, dY, H, dX, none, own, flags | epilogue << EPILOGUE, 0))
        if answer != UNFIT:
            return answer
    if B == 1:
        answer = _product(run.pointers, PRODUCT, (dY, W, none, dX, none, own, flags | TRANSPOSE_R, 0))
    else:
        answer = _product(run.pointers, PRODUCT, (W, dY, none, dX, none, own, flags, 0))
    if depth > 0:
        _phi(run.pointers, PHI, (dH, H, CHAIN if in_place else MULTIPLY))
    return answer


@inner
def weight_rows(run, epilogue, waits, settings, depth, B, part, parts):
    """Rows of dW = dY H'ᵀ, with db, and, unless it waits, their update. epilogue: that of the update, or NONE.

    With factors of the inputs those of the first layer are of dY Xᵀ, X without factors, and wait for scale_columns.
    """
    noinline()
    layer, memory, parameters = layer_at(run.layers, depth), run.memory, run.parameters
    N, T, (t0, t1), (p0, p1) = layer.N, layer.T, _rows(layer.T, part, parts), part_of(len(run.workspace), part, parts)
    rows, columns = (B, N) if depth == 0 else (N, B)
    own, X = span(run.workspace, p0, p1), matrix(memory, layer.X, rows, columns, columns)
    dY = matrix(memory, layer.dY + t0 * B, t1 - t0, B, B)
    w0, w1, b0, b1 = layer.W + t0 * N, layer.W + t1 * N, layer.W + T * N + t0, layer.W + T * N + t1
    of_W, of_b = 2 * depth + 1, 2 * depth + 2  # their rows of settings
    waits = waits or layer.scaled != layer.X
    g, flags = layer.gradient, ANY_SIZE | ROW_SUMS | (0 if depth == 0 else TRANSPOSE_Q)
    dW, db = matrix(memory, g + t0 * N, t1 - t0, N, N), span(memory, g + T * N + t0, g + T * N + t1)
    if epilogue != Epilogue.NONE and not waits and B <= SUM_BLOCK:
        W, state = matrix(parameters, w0, t1 - t0, N, N), first_byte(run.first) - first_byte(parameters)
        at = place_of(settings, of_W)
        told = span(settings, at, at + LENGTH_OF_SETTINGS)
        answer = _product(run.pointers, PRODUCT, (dY, X, told, W, db, own, flags | epilogue << EPILOGUE, state))
        if answer != UNFIT:
            update_rows(run, settings, of_b, b0, b1, db)
            return answer
    answer = _product(run.pointers, PRODUCT, (dY, X, span(memory, 0, 0), dW, db, own, flags, 0))
    if not waits:
        update_rows(run, settings, of_W, w0, w1, span(memory, g + t0 * N, g + t1 * N))
        update_rows(run, settings, of_b, b0, b1, db)
    return answer


@inner
def scale_columns(run, waits, settings, sums, part, parts):
    """From G = dY Xᵀ of the first layer, X without factors, columns of dW and ds, and, unless it waits, their update.

    ds[i] = Σ_t W[t,i]·G[t,i], in float64 and in the order of t, and dW[t,i] = G[t,i]·s[i]. So no dX is needed.
    """
    noinline()
    layer, memory, parameters = layer_at(run.layers, 0), run.memory, run.parameters
    N, T, W, g = layer.N, layer.T, layer.W, layer.gradient
    (i0, i1), (t0, t1) = part_of(N, part, parts), part_of(T, part, parts)
    for i in range(i0, i1):
        sums[i] = 0
    for t in range(T):
        for i in range(i0, i1):
            sums[i] += np.float64(parameters[W + t * N + i]) * np.float64(memory[g + t * N + i])
    for t in range(T):
        for i in range(i0, i1):
            memory[g + t * N + i] *= parameters[i]
    for i in range(i0, i1):
        memory[g - N + i] = sums[i]
    if waits:
        return
    b, db = W + T * N, g + T * N
    if parts == 1:
        update_rows(run, settings, 1, W, b, span(memory, g, db))
    else:
        for t in range(T):
            update_rows(run, settings, 1, W + t * N + i0, W + t * N + i1, span(memory, g + t * N + i0, g + t * N + i1))
    update_rows(run, settings, 0, i0, i1, span(memory, g - N + i0, g - N + i1))
    update_rows(run, settings, 2, b + t0, b + t1, span(memory, db + t0, db + t1))


@inner
def update_rows(run, settings, row, first, last, g):
    """The step for parameters[first:last] and their gradient g, with the settings of a row of rate factors.

    States that an optimizer has not are empty.
    """
    noinline()
    one = span(run.first, min(first, run.first.size), min(last, run.first.size))
    other = span(run.second, min(first, run.second.size), min(last, run.second.size))
    at = place_of(settings, row)
    told = span(settings, at, at + LENGTH_OF_SETTINGS)
    _update(run.pointers, UPDATE, (span(run.parameters, first, last), g, one, other, told))

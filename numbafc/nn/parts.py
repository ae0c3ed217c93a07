"""One part of a layer: some rows of H with φ and dropout, of dX with φ', or of dW with the update.

Products, φ, loss and update are kernels of their own, called by address: each is compiled once, when somebody needs it.
Which thread computes which rows changes no bit. `network` is parameters, the two states of an optimizer, and the arena.
"""

from __future__ import annotations

from .._numba import inner, noinline
from ..formulas import SUM_BLOCK
from ..kernels.products import (
    ANY_SIZE,
    BIASED,
    EXTRA,
    MAXIMUM,
    MOVE,
    STEP,
    THROUGH,
    TURN_A,
    TURN_X,
    TURN_Y,
    UNFIT,
    product_types,
)
from ..kernels.vector import call_pointer, matrix, span
from ..kernels.vector.momentum import RATE
from . import dropout
from .activations import APPLY, CHAIN, MULTIPLY, SLOPES, activation_types
from .arena import D_, G_, H_, N_, S_, T_, W_
from .updates import update_types

# When parameters are updated: after all layers' gradients, after each layer's, or by the tiles of dW as they end,
# the last one with momentum.
LATER, BY_LAYER, IN_TILES, MOVING_IN_TILES = range(4)

# Who computes φ and φ': nobody, in the last layer; the kernel of the activation; or, for relu, the tiles as they end.
NO_PHI, BY_KERNEL, RELU_IN_TILES = range(3)

PRODUCT, PHI, LOSS, UPDATE = range(4)  # what is called by address, in the order of `calls`

_product, _phi, _update = call_pointer(product_types), call_pointer(activation_types), call_pointer(update_types)


@inner
def forward_rows(calls, hidden, drop, layer, first, network, B, part, parts, x_at, work):
    """Part `part` of the rows of H = φ(W H' + b). first: H' is rows of samples; drop: key, threshold, scale of dropout."""
    noinline()
    parameters, _, _, arena = network
    N, T, w, h, slopes = layer[N_], layer[T_], layer[W_], layer[H_], layer[S_]
    (t0, t1), room = _share(T, parts, part), len(work) // parts
    own = span(work, part * room, (part + 1) * room)
    A, b = matrix(parameters, w + t0 * N, t1 - t0, N, N), span(parameters, w + T * N + t0, w + T * N + t1)
    X = matrix(arena, x_at, B, N, N) if first else matrix(arena, x_at, N, B, B)
    Y = matrix(arena, h + t0 * B, t1 - t0, B, B)
    flags, none = BIASED | (TURN_X if first else 0), span(arena, 0, 0)
    if hidden == RELU_IN_TILES and slopes == h:
        answer = _product(calls, PRODUCT, (A, X, b, Y, none, own, flags | MAXIMUM, ANY_SIZE))
        if answer != UNFIT:
            return answer
    answer = _product(calls, PRODUCT, (A, X, b, Y, none, own, flags, ANY_SIZE))
    if hidden == NO_PHI:
        return answer
    H, S = span(arena, h + t0 * B, h + t1 * B), span(arena, slopes + t0 * B, slopes + t1 * B)
    _phi(calls, PHI, (H, S, APPLY if slopes == h else SLOPES))
    key, threshold, scale = drop
    if threshold > 0:
        dropout.drop_part(key, t0, threshold, scale, B, H, S)
    return answer


@inner
def input_rows(calls, hidden, layer, below, network, B, part, parts, work):
    """Part `part` of the rows of dH' = Wᵀ dY, through φ' of H', the output of the layer below."""
    noinline()
    parameters, _, _, arena = network
    N, T, w, to, h = layer[N_], layer[T_], layer[W_], below[D_], below[S_]
    (i0, i1), room = _share(N, parts, part), len(work) // parts
    own = span(work, part * room, (part + 1) * room)
    W, dY = matrix(parameters, w + i0, T, i1 - i0, N), matrix(arena, layer[D_], T, B, B)
    dX = matrix(arena, to + i0 * B, i1 - i0, B, B)
    none, dH, H = span(arena, 0, 0), span(arena, to + i0 * B, to + i1 * B), span(arena, h + i0 * B, h + i1 * B)
    if hidden == RELU_IN_TILES and h == below[H_] and B > 1:
        answer = _product(calls, PRODUCT, (W, dY, H, dX, none, own, TURN_A | THROUGH, ANY_SIZE))
        if answer != UNFIT:
            return answer
    if B == 1:
        answer = _product(calls, PRODUCT, (dY, W, none, dX, none, own, TURN_A | TURN_Y, ANY_SIZE))
    else:
        answer = _product(calls, PRODUCT, (W, dY, none, dX, none, own, TURN_A, ANY_SIZE))
    _phi(calls, PHI, (dH, H, CHAIN if h == below[H_] else MULTIPLY))
    return answer


@inner
def weight_rows(calls, now, settings, layer, first, network, B, part, parts, x_at, work):
    """Part `part` of the rows of dW = dY H'ᵀ, with db, and now, or later, the update of these rows of W and b."""
    noinline()
    parameters, _, _, arena = network
    N, T, w, g_at = layer[N_], layer[T_], layer[W_], layer[G_]
    (t0, t1), room = _share(T, parts, part), len(work) // parts
    own = span(work, part * room, (part + 1) * room)
    dY = matrix(arena, layer[D_] + t0 * B, t1 - t0, B, B)
    X = matrix(arena, x_at, B, N, N) if first else matrix(arena, x_at, N, B, B)
    dW, db = matrix(arena, g_at + t0 * N, t1 - t0, N, N), span(arena, g_at + T * N + t0, g_at + T * N + t1)
    flags = EXTRA | (0 if first else TURN_X)
    if now >= IN_TILES and B <= SUM_BLOCK:
        W, rate = matrix(parameters, w + t0 * N, t1 - t0, N, N), span(settings, RATE, RATE + 1)
        b, ending = (rate, STEP) if now == IN_TILES else (span(settings, 0, len(settings)), MOVE)
        answer = _product(calls, PRODUCT, (dY, X, b, W, db, own, flags | ending, ANY_SIZE))
        if answer != UNFIT:
            update_part(calls, settings, network, w + T * N + t0, w + T * N + t1, db)
            return answer
    answer = _product(calls, PRODUCT, (dY, X, span(arena, 0, 0), dW, db, own, flags, ANY_SIZE))
    if now != LATER:
        dw = span(arena, g_at + t0 * N, g_at + t1 * N)
        update_part(calls, settings, network, w + t0 * N, w + t1 * N, dw)
        update_part(calls, settings, network, w + T * N + t0, w + T * N + t1, db)
    return answer


@inner
def update_part(calls, settings, network, first, last, g):
    """The step for parameters[first:last] and their gradient g. States that an optimizer has not are empty."""
    noinline()
    parameters, one, other, _ = network
    one_part = span(one, min(first, one.size), min(last, one.size))
    other_part = span(other, min(first, other.size), min(last, other.size))
    _update(calls, UPDATE, (span(parameters, first, last), g, one_part, other_part, settings))


@inner
def _share(size, parts, part):
    """From where to where part `part` of so many equal ones goes, whole tiles of twelve rows in each."""
    tiles = (size + 11) // 12
    return min(part * tiles // parts * 12, size), min((part + 1) * tiles // parts * 12, size)

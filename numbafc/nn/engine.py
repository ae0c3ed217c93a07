"""Minibatches as one compiled call: gather, forward, loss, backward and update for each, without Python in between.

The formulas are those of layer.py, activations.py, losses.py and optimizers.py, and so are the bits: training.py's loop in
Python is the specification, and is tested against this. Everything lives in flat arrays with tables of offsets, so that no
signature depends on the number of layers:

    parameters  W (T, N) and b (T,) of each layer, one behind the other
    arena       H₀ as rows (B, N), then H_l (T_l, B) of each layer; two deltas (T, B); the gradient of one layer's W and b;
                shares and losses, (B,) each, and scratch for 2·B numbers
    layers      a row (N, T, where W begins in parameters, where H_l begins in arena) for each layer

A layer's gradient is used as soon as it is there: first dX through its old weights, then dW and the update, a part of the
rows in each thread. Which thread computes what changes no bit.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numba import prange, types
from numba.extending import register_jitable
from numba.types import intp

from .._jit import array_in, flat, get_num_threads, kernel, stay_apart
from ..kernels import products
from ..kernels.products import ANY_SIZE, BIASED, EXTRA, TURN_A, TURN_X, TURN_Y
from ..kernels.vector import call_stored, matrix, span
from . import activations, losses
from .optimizers import ADAGRAD, ADAM, ADAMW, MOMENTUM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, Compiled

N_, T_, W_, H_ = range(4)  # columns of `layers`
PARALLEL = 1_500_000  # multiply-adds of one product from which threads are worth their start
ROOM = products.CHUNK * (16 * products.GROUP + products.BAND + 16) + 256  # elements that a product packs, at most

CALL = 5e8  # flops of one call, about: between calls Python sees Ctrl-C

_compute = call_stored(products.product_types)


class Data(NamedTuple):
    """What there is to learn. classes or targets is empty; weight, mean and scale may be."""

    rows: np.ndarray  # (samples, N)
    classes: np.ndarray  # (samples,), int64
    targets: np.ndarray  # (samples·T,)
    weight: np.ndarray  # (samples,), float64
    mean: np.ndarray  # (N,)
    scale: np.ndarray  # (N,)


class Results(NamedTuple):
    """What minibatches did."""

    loss: float  # Σ loss·share
    hits: int
    share: float  # of all samples
    samples: int
    batches: int  # until the last one, or the one whose loss is not finite


@register_jitable
def _lines(elements):
    """So many elements as whole cache lines."""
    return (elements + 15) // 16 * 16


# ---- one update ----------------------------------------------------------------------------------------------------


@register_jitable
def _update(code, settings, parameters, g, first_state, second_state):
    """The step of optimizers.py for parameters and their gradient g. States that an optimizer has not are empty."""
    stay_apart()
    rate, decay, beta1, rest1, beta2, rest2, correction, epsilon, shrink = settings
    if decay != 0 and code != ADAMW:
        for n in range(len(g)):
            g[n] += decay * parameters[n]
    if code == ADAM:
        for n in range(len(g)):
            m = first_state[n] * beta1 + rest1 * g[n]
            v = second_state[n] * beta2 + rest2 * g[n] * g[n]
            first_state[n], second_state[n] = m, v
            parameters[n] -= rate * m / (np.sqrt(v / correction) + epsilon)
    elif code == ADAMW:
        for n in range(len(g)):
            m = first_state[n] * beta1 + rest1 * g[n]
            v = second_state[n] * beta2 + rest2 * g[n] * g[n]
            first_state[n], second_state[n] = m, v
            parameters[n] = shrink * parameters[n] - rate * m / (np.sqrt(v / correction) + epsilon)
    elif code == RMSPROP:
        for n in range(len(g)):
            v = first_state[n] * beta2 + rest2 * g[n] * g[n]
            first_state[n] = v
            parameters[n] -= rate * (g[n] / (np.sqrt(v) + epsilon))
    elif code == RMSPROP_MOMENTUM:
        for n in range(len(g)):
            v = first_state[n] * beta2 + rest2 * g[n] * g[n]
            u = second_state[n] * beta1 + g[n] / (np.sqrt(v) + epsilon)
            first_state[n], second_state[n] = v, u
            parameters[n] -= rate * u
    elif code == ADAGRAD:
        for n in range(len(g)):
            v = first_state[n] + g[n] * g[n]
            first_state[n] = v
            parameters[n] -= rate * (g[n] / (np.sqrt(v) + epsilon))
    elif code == MOMENTUM:
        for n in range(len(g)):
            v = first_state[n] * beta1 + g[n]
            first_state[n] = v
            parameters[n] -= rate * v
    elif code == NESTEROV:
        for n in range(len(g)):
            v = first_state[n] * beta1 + g[n]
            first_state[n] = v
            parameters[n] -= rate * (g[n] + beta1 * v)
    else:
        for n in range(len(g)):
            parameters[n] -= rate * g[n]


@register_jitable
def _update_part(code, settings, parameters, states, first, last, g):
    """The step for parameters[first:last]."""
    one, other = states
    _update(code, settings, span(parameters, first, last), g, span(one, first, last), span(other, first, last))


# ---- one part of a layer: some rows of the result ------------------------------------------------------------------


@register_jitable
def _forward_rows(stored, code, layer, first, parameters, arena, B, t0, t1, x_at, work):
    """Rows t0…t1 of H = φ(W H' + b). first: H' is rows of samples; code: of φ."""
    stay_apart()
    N, T, w, h = layer[0], layer[1], layer[2], layer[3]
    A, b = matrix(parameters, w + t0 * N, t1 - t0, N, N), span(parameters, w + T * N + t0, w + T * N + t1)
    X = matrix(arena, x_at, B, N, N) if first else matrix(arena, x_at, N, B, B)
    Y = matrix(arena, h + t0 * B, t1 - t0, B, B)
    flags = BIASED | (TURN_X if first else 0)
    answer = _compute(stored, (A, X, b, Y, span(arena, 0, 0), work, flags, ANY_SIZE))
    activations.apply_part(code, span(arena, h + t0 * B, h + t1 * B))
    return answer


@register_jitable
def _input_rows(stored, code, layer, parameters, arena, B, i0, i1, delta, to, h_at, work):
    """Rows i0…i1 of dH' = Wᵀ dY, through φ' of H'."""
    stay_apart()
    N, T, w = layer[0], layer[1], layer[2]
    W, dY = matrix(parameters, w + i0, T, i1 - i0, N), matrix(arena, delta, T, B, B)
    dX = matrix(arena, to + i0 * B, i1 - i0, B, B)
    none = span(arena, 0, 0)
    if B == 1:
        answer = _compute(stored, (dY, W, none, dX, none, work, TURN_A | TURN_Y, ANY_SIZE))
    else:
        answer = _compute(stored, (W, dY, none, dX, none, work, TURN_A, ANY_SIZE))
    activations.chain_part(code, span(arena, to + i0 * B, to + i1 * B), span(arena, h_at + i0 * B, h_at + i1 * B))
    return answer


@register_jitable
def _weight_rows(stored, code, settings, layer, first, parameters, states, arena, B, t0, t1, x_at, delta, g_at, work):
    """Rows t0…t1 of dW = dY H'ᵀ, with db, and the update of these rows of W and b."""
    stay_apart()
    N, T, w = layer[0], layer[1], layer[2]
    dY = matrix(arena, delta + t0 * B, t1 - t0, B, B)
    X = matrix(arena, x_at, B, N, N) if first else matrix(arena, x_at, N, B, B)
    dW, db = matrix(arena, g_at + t0 * N, t1 - t0, N, N), span(arena, g_at + T * N + t0, g_at + T * N + t1)
    flags = EXTRA | (0 if first else TURN_X)
    answer = _compute(stored, (dY, X, span(arena, 0, 0), dW, db, work, flags, ANY_SIZE))
    dw = span(arena, g_at + t0 * N, g_at + t1 * N)
    _update_part(code, settings, parameters, states, w + t0 * N, w + t1 * N, dw)
    _update_part(code, settings, parameters, states, w + T * N + t0, w + T * N + t1, db)
    return answer


@register_jitable
def _share(size, parts, part):
    """From where to where part `part` of so many equal ones goes, whole tiles of twelve rows in each."""
    tiles = (size + 11) // 12
    return min(part * tiles // parts * 12, size), min((part + 1) * tiles // parts * 12, size)


# ---- minibatches ---------------------------------------------------------------------------------------------------


@register_jitable
def _gather(rows, mean, scale, order, first, B, arena):
    """H₀: the samples of the batch as rows, standardised."""
    N = rows.shape[1]
    for s in range(B):
        sample, to = rows[order[first + s]], span(arena, s * N, (s + 1) * N)
        if mean.size > 0:
            for i in range(N):
                to[i] = (sample[i] - mean[i]) / scale[i]
        else:
            for i in range(N):
                to[i] = sample[i]


@register_jitable
def _settings(optimizer, rate, powers, like):
    """The numbers of an update, in the dtype of the parameters. optimizer: decay, β₁ or momentum, β₂, ε."""
    decay, beta1, beta2, epsilon = optimizer[0], optimizer[1], optimizer[2], optimizer[3]
    powers[0] *= beta1
    powers[1] *= beta2
    real = like.dtype.type
    numbers = real(rate), real(decay), real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)
    return numbers, real(rate / (1 - powers[0])), real(1 - powers[1]), real(epsilon), real(1 - rate * decay)


def _types(real: Any) -> tuple[Any, ...]:
    integers, doubles = flat(types.int64), flat(types.float64)
    data = types.Array(real, 2, "C", readonly=True), integers, flat(real), doubles, flat(real), flat(real)
    network = types.Array(types.int64, 2, "C"), flat(real), flat(real), flat(real), doubles
    room = flat(real), flat(real), array_in(real, 1)
    return *data, *network, *room, integers, doubles, doubles, integers, intp, intp, intp, doubles


def _minibatches(
    rows, classes, targets, weight, mean, scale, layers, parameters, one, other, powers, arena, work, stored,
    order, optimizer, rates, places, codes, batch_size, parts, results,
):  # fmt: skip
    """Train on order[0 : batch_size], order[batch_size : …] and so on, one minibatch for each rate.

    places: where the deltas (two), the gradient and the numbers per sample begin in arena. codes: activation + 16·loss +
    256·optimizer. results: += Σ loss·share, hits, Σ share, samples; the number of batches done; an unexpected answer.
    """
    activation, loss, update = codes % 16, codes // 16 % 16, codes // 256
    depth, states, room = len(layers), (one, other), work.size // parts
    for n in range(len(rates)):
        first = n * batch_size
        B = min(batch_size, len(order) - first)
        shares, values = arena[places[3] : places[3] + B], arena[places[3] + B : places[3] + 2 * B]
        scratch, mass = arena[places[3] + 2 * B : places[3] + 4 * B], 0.0
        for s in range(B):
            mass += weight[order[first + s]] if weight.size > 0 else 1.0
        for s in range(B):
            shares[s] = (weight[order[first + s]] if weight.size > 0 else 1.0) / mass if mass > 0 else 0.0
        if mass == 0:  # nobody in this batch counts
            results[4] += 1
            continue
        _gather(rows, mean, scale, order, first, B, arena)
        x_at, bad = 0, 0
        for depth_now in range(depth):
            layer = layers[depth_now]
            phi = activation if depth_now < depth - 1 else activations.IDENTITY
            T = layer[T_]
            if parts > 1 and layer[N_] * T * B >= PARALLEL:
                for p in prange(parts):
                    t0, t1 = _share(T, parts, p)
                    own = span(work, p * room, (p + 1) * room)
                    bad += _forward_rows(stored, phi, layer, depth_now == 0, parameters, arena, B, t0, t1, x_at, own)
            else:
                bad += _forward_rows(stored, phi, layer, depth_now == 0, parameters, arena, B, 0, T, x_at, work)
            x_at = layer[H_]
        T, delta, spare = layers[depth - 1, T_], places[0], places[1]
        outputs, slopes = span(arena, x_at, x_at + T * B), span(arena, delta, delta + T * B)
        hits = losses.loss_part(loss, outputs, classes, targets, span(order, first, first + B), slopes, values, scratch)
        value = 0.0
        for s in range(B):
            value += np.float64(values[s]) * np.float64(shares[s])
        if not np.isfinite(value):
            return
        results[0] += value * mass
        results[1] += hits
        results[2] += mass
        results[3] += B
        for t in range(T):
            row = span(arena, delta + t * B, delta + (t + 1) * B)
            for s in range(B):
                row[s] *= shares[s]
        numbers, corrected, correction, epsilon, shrink = _settings(optimizer, rates[n], powers, arena)
        rate, decay, beta1, rest1, beta2, rest2 = numbers
        rate = corrected if update in (ADAM, ADAMW) else rate
        settings = rate, decay, beta1, rest1, beta2, rest2, correction, epsilon, shrink
        for back in range(depth):
            depth_now = depth - 1 - back
            layer, x_at = layers[depth_now], layers[depth_now - 1, H_] if depth_now > 0 else 0
            N, T = layer[N_], layer[T_]
            split = parts > 1 and N * T * B >= PARALLEL
            if depth_now > 0 and split:
                for p in prange(parts):
                    i0, i1 = _share(N, parts, p)
                    own = span(work, p * room, (p + 1) * room)
                    bad += _input_rows(stored, activation, layer, parameters, arena, B, i0, i1, delta, spare, x_at, own)
            elif depth_now > 0:
                bad += _input_rows(stored, activation, layer, parameters, arena, B, 0, N, delta, spare, x_at, work)
            if split:
                for p in prange(parts):
                    t0, t1 = _share(T, parts, p)
                    own = span(work, p * room, (p + 1) * room)
                    bad += _weight_rows(
                        stored, update, settings, layer, depth_now == 0, parameters, states, arena, B, t0, t1, x_at, delta,
                        places[2], own,
                    )  # fmt: skip
            else:
                bad += _weight_rows(
                    stored, update, settings, layer, depth_now == 0, parameters, states, arena, B, 0, T, x_at, delta,
                    places[2], work,
                )  # fmt: skip
            delta, spare = spare, delta
        results[4] += 1
        if bad != 0:
            results[5] = bad
            return


_serial = kernel(_types, parallel=False)(_minibatches)
_parallel = kernel(_types)(_minibatches)


class Engine:
    """One training run: the arrays that its minibatches need, made once."""

    def __init__(
        self,
        sizes: tuple[int, ...],
        parameters: np.ndarray,
        codes: tuple[int, int],
        optimizer: Compiled,
        state: dict[str, np.ndarray],
        data: Data,
        batch_size: int,
    ) -> None:
        dtype, B = parameters.dtype, min(batch_size, len(data.rows))
        widest = max(sizes[1:])
        layers, w, h = np.empty((len(sizes) - 1, 4), np.int64), 0, _lines(B * sizes[0])
        for layer, (N, T) in zip(layers, itertools.pairwise(sizes), strict=True):
            layer[:] = N, T, w, h
            w, h = w + T * N + T, h + _lines(T * B)
        delta = _lines(widest * B)
        gradient = _lines(max(T * N + T for N, T in itertools.pairwise(sizes)))
        places = np.array([h, h + delta, h + 2 * delta, h + 2 * delta + gradient], np.int64)
        largest = max(N * T for N, T in itertools.pairwise(sizes)) * B
        self.parts = get_num_threads() if largest >= PARALLEL else 1
        self.minibatches = _parallel if self.parts > 1 else _serial
        self.batch_size, self.results = batch_size, np.zeros(6)
        self.steps_a_call = max(1, int(CALL // (6 * parameters.size * B)))
        none = np.empty(0, dtype)
        states = [state[name] for name in optimizer.states]
        arena, room = np.zeros(places[3] + 4 * B, dtype), (ROOM + 4 * (max(sizes) + B)) * self.parts
        self.network = layers, parameters, *states, *[none] * (2 - len(states)), state.get("powers", np.ones(2))
        self.room = arena, np.empty(room, dtype), products.stored_product(dtype)
        self.data = data
        self.settings = np.array(optimizer.settings)
        self.places = places
        self.codes = codes[0] + 16 * codes[1] + 256 * optimizer.code

    def epoch(self, order: np.ndarray, rates: np.ndarray) -> Results:
        """Train on minibatches in this order, with a learning rate for each. Ctrl-C is seen between calls of a moment."""
        self.results[:] = 0
        for first in range(0, len(rates), self.steps_a_call):
            last = min(first + self.steps_a_call, len(rates))
            samples = order[first * self.batch_size : last * self.batch_size]
            tail = (
                samples,
                self.settings,
                rates[first:last],
                self.places,
                self.codes,
                self.batch_size,
                self.parts,
                self.results,
            )
            self.minibatches(*self.data, *self.network, *self.room, *tail)
            if self.results[5]:
                raise RuntimeError(f"a product refused arrays of the engine ({self.results[5]}): a defect of numbafc")
            if self.results[4] < last:
                break
        loss, hits, mass, seen, done, _ = self.results.tolist()
        return Results(loss, int(hits), mass, int(seen), int(done))

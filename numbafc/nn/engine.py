"""Minibatches as one compiled call: gather, forward, loss, backward and update for each, without Python in between.

The formulas are those of layer.py, activations.py, losses.py and optimizers.py, and so are the bits: training.py's loop in
Python is the specification, and is tested against this. arena.py says where everything lies, parts.py computes some rows
of a layer.

A layer's gradient is used as soon as it is there: first dX through its old weights, then dW and the update, a part of the
rows in each thread. Only clipping has to wait for all layers. Which thread computes what changes no bit.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numba import prange, types
from numba.types import intp

from .. import checks
from .._numba import DTYPES, flat, flat_in, get_num_threads, inner, kernel, noinline
from ..kernels import border
from ..kernels.packing import aligned, whole_lines
from ..kernels.products import on_one_thread
from ..kernels.vector import call_pointer, gather, matrix, span
from ..kernels.vector.momentum import DISTANCE, NESTEROV, SETTINGS
from . import clipping, dropout, updates
from .activations import Activation
from .arena import D_, G_, H_, N_, ROOM, T_, places
from .losses import Loss, loss_types
from .optimizers import Compiled
from .parts import (
    BY_KERNEL,
    BY_LAYER,
    IN_TILES,
    LATER,
    LOSS,
    MOVING_IN_TILES,
    NO_PHI,
    RELU_IN_TILES,
    forward_rows,
    input_rows,
    update_part,
    weight_rows,
)
from .recipe import Regularization, regularizers
from .updates import settle

PARALLEL = 1_500_000  # multiply-adds of one product from which threads are worth their start
GATHERED = 16_384  # numbers of a batch from which threads gather a part each
CALL = 5e8  # flops of one call, about: between calls Python sees Ctrl-C

_loss = call_pointer(loss_types)


class Data(NamedTuple):
    """What there is to learn. classes or targets is empty; weight, mean and scale may be."""

    rows: np.ndarray  # (samples, N)
    classes: np.ndarray  # (samples,), int64
    targets: np.ndarray  # (samples·T,)
    weight: np.ndarray  # (samples,), float64, over their mean
    mean: np.ndarray  # (N,)
    scale: np.ndarray  # (N,)


def no_results() -> np.ndarray:
    """Σ weight·loss, hits, Σ weight, samples, batches until the last one or the one whose loss is not finite, 0."""
    return np.zeros(6)


@inner
def _gather(rows, mean, scale, chosen, s0, s1, arena):
    """Rows s0…s1 of H₀: the samples of a batch, standardised."""
    noinline()
    N = rows.shape[1]
    gather(rows, span(chosen, s0, s1), span(arena, s0 * N, s1 * N))
    for s in range(s0, s1 if mean.size > 0 else s0):
        sample = span(arena, s * N, (s + 1) * N)
        for i in range(N):
            sample[i] = (sample[i] - mean[i]) / scale[i]


@inner
def _clip_samples(layers, arena, B, longest, shares, sums):
    """All dY, as ∂l[s]/∂Y, become share[s]·dY[:,s], times what makes sample s's gradient no longer than `longest`."""
    noinline()
    total, of_dy, of_x = span(sums, 0, B), span(sums, B, 2 * B), span(sums, 2 * B, 3 * B)
    total[:] = 0
    for back in range(len(layers)):
        depth = len(layers) - 1 - back
        layer = layers[depth]
        N, T = layer[N_], layer[T_]
        of_dy[:], of_x[:] = 0, 0
        clipping.add_squares(matrix(arena, layer[D_], T, B, B), of_dy)
        if depth > 0:
            clipping.add_squares(matrix(arena, layers[depth - 1, H_], N, B, B), of_x)
        else:
            clipping.add_squares(matrix(arena, 0, B, N, N).T, of_x)
        for s in range(B):
            total[s] += of_dy[s] * (of_x[s] + 1)
    for s in range(B):
        shares[s] *= arena.dtype.type(clipping.factor(total[s], longest))
    for depth in range(len(layers)):
        T, delta = layers[depth, T_], layers[depth, D_]
        _scale_columns(span(arena, delta, delta + T * B), B, shares)


@inner
def _scale_columns(dY, B, shares):
    """dY[t,s] *= shares[s]."""
    noinline()
    for t in range(len(dY) // B):
        row = span(dY, t * B, (t + 1) * B)
        for s in range(B):
            row[s] *= shares[s]


def _types(real: Any) -> tuple[Any, ...]:
    integers, doubles, reals = flat_in(types.int64), flat_in(types.float64), flat_in(real)
    data = types.Array(real, 2, "C", readonly=True), integers, reals, doubles, reals, reals
    network = types.Array(types.int64, 2, "C", readonly=True), flat(real), flat(real), flat(real), flat(types.float64)
    room = flat(real), flat(real), reals, flat(types.float64), flat(types.int64)
    settings = integers, doubles, doubles, doubles, intp, intp, intp, intp, intp, intp, intp
    return *data, *network, *room, *settings, flat(types.float64)


def _minibatches(
    rows, classes, targets, weight, mean, scale, layers, parameters, one, other, powers, arena, work, calls, sums, answers,
    order, optimizer, regularization, rates, numbers_at, batch_size, parts, soonest, phi, seed, step, results,
):  # fmt: skip
    """Train on order[0 : batch_size], order[batch_size : …] and so on, one minibatch for each rate.

    numbers_at: where the settings and the numbers per sample begin in arena. calls: addresses of a product, φ, the loss and
    an update. answers: the sum of each thread's products' answers. step: how many minibatches there were before.
    results: += Σ weight·loss, hits, Σ weight, samples; the number of batches done; an unexpected answer.
    """
    dropped, longest, longest_sample, smoothing = regularizers(regularization)
    threshold, kept = dropout.limit(dropped), arena.dtype.type(1 / (1 - dropped))
    now = LATER if longest > 0 else soonest  # when to update
    turns = 2 if longest_sample > 0 else 1  # through the layers: all dX before the first dW, or each dX before its dW
    depth, network = len(layers), (parameters, one, other, arena)
    settings, at = span(arena, numbers_at, numbers_at + SETTINGS), numbers_at + SETTINGS
    for n in range(len(rates)):
        first = n * batch_size
        B = min(batch_size, len(order) - first)
        shares, values = span(arena, at, at + B), span(arena, at + B, at + 2 * B)
        scratch, mass = span(arena, at + 2 * B, at + 4 * B), 0.0
        for s in range(B):
            mass += weight[order[first + s]] if weight.size > 0 else 1.0
        for s in range(B):
            shares[s] = (weight[order[first + s]] if weight.size > 0 else 1.0) / np.float64(B)
        if mass == 0:  # nobody in this batch counts
            results[4] += 1
            continue
        chosen, x_at = span(order, first, first + B), 0
        if parts > 1 and rows.shape[1] * B >= GATHERED:
            for p in prange(parts):
                _gather(rows, mean, scale, chosen, B * p // parts, B * (p + 1) // parts, arena)
        else:
            _gather(rows, mean, scale, chosen, 0, B, arena)
        for depth_now in range(depth):
            layer, hidden = layers[depth_now], phi if depth_now < depth - 1 else NO_PHI
            N, T, drop = layer[N_], layer[T_], (dropout.stream(seed, step + n, depth_now), threshold, kept)
            if parts > 1 and N * T * B >= PARALLEL:
                for p in prange(parts):
                    answers[p] += forward_rows(calls, hidden, drop, layer, depth_now == 0, network, B, p, parts, x_at, work)
            else:
                answers[0] += forward_rows(calls, hidden, drop, layer, depth_now == 0, network, B, 0, 1, x_at, work)
            x_at = layer[H_]
        T, delta = layers[depth - 1, T_], layers[depth - 1, D_]
        outputs, slopes = span(arena, x_at, x_at + T * B), span(arena, delta, delta + T * B)
        wanted = span(classes, 0, classes.size), span(targets, 0, targets.size), chosen
        hits = _loss(calls, LOSS, (outputs, *wanted, slopes, values, scratch, smoothing))
        value = 0.0
        for s in range(B):
            value += np.float64(values[s]) * np.float64(shares[s])
        if not np.isfinite(value):
            return
        results[0] += value * np.float64(B)
        results[1] += hits
        results[2] += mass
        results[3] += B
        if turns == 1:
            _scale_columns(slopes, B, shares)
        settle(optimizer, rates[n], powers, settings)
        for turn in range(turns * depth):
            depth_now = depth - 1 - turn % depth
            layer, below = layers[depth_now], layers[max(depth_now - 1, 0)]
            x_at = below[H_] if depth_now > 0 else 0
            N, T = layer[N_], layer[T_]
            split = parts > 1 and N * T * B >= PARALLEL
            if depth_now > 0 and turn < depth:
                if split:
                    for p in prange(parts):
                        answers[p] += input_rows(calls, phi, layer, below, network, B, p, parts, work)
                else:
                    answers[0] += input_rows(calls, phi, layer, below, network, B, 0, 1, work)
            if turns == 2 and turn == depth - 1:
                _clip_samples(layers, arena, B, longest_sample, shares, sums)
            if turn >= (turns - 1) * depth:
                if split:
                    for p in prange(parts):
                        answers[p] += weight_rows(
                            calls, now, settings, layer, depth_now == 0, network, B, p, parts, x_at, work
                        )
                else:
                    answers[0] += weight_rows(calls, now, settings, layer, depth_now == 0, network, B, 0, 1, x_at, work)
        if now == LATER:
            g = span(arena, layers[0, G_], layers[0, G_] + len(parameters))
            clipping.shorten(g, longest, sums)
            update_part(calls, settings, network, 0, len(parameters), g)
        results[4] += 1
        for p in range(parts):
            results[5] += answers[p]
        if results[5] != 0:
            return


_serial = kernel(_types, parallel=False)(_minibatches)
_parallel = kernel(_types)(_minibatches)


def _in_order(data: Data) -> Data:
    """The data as compiled code reads them, copied where their memory is not in order or not aligned."""
    return Data(*map(border.in_order, data))


def _refuse_unfit(sizes: tuple[int, ...], parameters: np.ndarray, states: list[np.ndarray], loss: Loss, data: Data) -> None:
    """Every length and class that the loops rely on. Raises TypeError or ValueError."""
    if parameters.dtype not in DTYPES:
        raise TypeError(f"parameters must be float32 or float64, got {parameters.dtype!s:.40}; a network's own are")
    samples, classifies, needed = len(data.rows), loss.classifies, sum(N * T + T for N, T in itertools.pairwise(sizes))
    lengths = {
        "parameters": (parameters, [needed]),
        **{f"a state of the optimizer ({n})": (state, [needed]) for n, state in enumerate(states)},
        "classes": (data.classes, [samples if classifies else 0]),
        "targets": (data.targets, [0 if classifies else samples * sizes[-1]]),
        "weight": (data.weight, [0, samples]),
        "mean": (data.mean, [0, sizes[0]]),
        "scale": (data.scale, [len(data.mean)]),
    }
    for name, (array, allowed) in lengths.items():
        if array.ndim != 1 or len(array) not in allowed:
            raise ValueError(f"{name} must have shape ({allowed[-1]},), got {array.shape}; sizes are {sizes!r:.80}")
    checks.axes("rows", data.rows, f"(samples, {sizes[0]})", 2)
    checks.same_size(
        ("rows have {} columns", data.rows.shape[1]), ("the network has {} inputs", sizes[0]), "give one for each"
    )
    border.indices("classes", data.classes, sizes[-1], "outputs")


class Engine:
    """One training run: the arrays that its minibatches need, made once.

    Data of any strides are taken. Raises TypeError or ValueError where something does not fit the sizes.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        parameters: np.ndarray,
        activation: Activation,
        loss: Loss,
        optimizer: Compiled,
        state: dict[str, np.ndarray],
        data: Data,
        batch_size: int,
        regularization: Regularization,
    ) -> None:
        data, held = _in_order(data), [state[name] for name in optimizer.states]
        _refuse_unfit(sizes, parameters, held, loss, data)
        dtype, B = parameters.dtype, min(border.whole("batch_size", batch_size, 1), len(data.rows))
        none = np.empty(0, dtype)
        layers, end = places(sizes, B, not activation.in_h, regularization)
        largest = max(N * T for N, T in itertools.pairwise(sizes)) * B
        self.parts = get_num_threads() if largest >= PARALLEL else 1
        self._minibatches = _parallel if self.parts > 1 else _serial
        self.batch_size, self.data = B, data
        self.steps_a_call = max(1, int(CALL // (6 * parameters.size * B)))
        room = whole_lines(ROOM + 4 * (max(sizes) + B)) * self.parts
        arena = aligned(end + SETTINGS + 4 * B, dtype)
        arena[:] = 0
        self.network = layers, parameters, *held, *[none] * (2 - len(held)), state.get("powers", np.ones(2))
        sums = np.empty(3 * B + clipping.LANES)
        kernels = on_one_thread, activation.run, loss.run, optimizer.update
        calls = np.concatenate([kernel.address(dtype) for kernel in kernels])
        self.room = arena, aligned(room, dtype), calls, sums, np.zeros(self.parts, np.int64)
        self.settings = np.array(optimizer.settings), np.array(regularization.numbers)
        soonest = BY_LAYER
        if optimizer.in_tiles:
            soonest = MOVING_IN_TILES if held else IN_TILES
            settings = arena[end : end + SETTINGS]
            settings[NESTEROV] = optimizer.update is updates.nesterov
            settings[DISTANCE:].view(np.int64)[0] = held[0].ctypes.data - parameters.ctypes.data if held else 0
        phi = RELU_IN_TILES if activation.name == "relu" else BY_KERNEL
        self.numbers = end, B, self.parts, soonest, phi, regularization.seed
        self._minibatches.compile(dtype)

    def epoch(self, order: np.ndarray, rates: np.ndarray, step: int, results: np.ndarray) -> None:
        """Train on minibatches in this order, with a learning rate for each; those that results counts are done already.

        step: the number of minibatches before the epoch. Ctrl-C is seen between calls of a moment; results are then those
        of the minibatches that were finished. Raises ValueError for an order or rates of other lengths, or places that
        there are not.
        """
        order, rates = np.ascontiguousarray(order, np.int64), np.ascontiguousarray(rates, np.float64)
        minibatches, samples = -(-len(order) // self.batch_size), len(self.data.rows)
        if len(rates) != minibatches or results.shape != (6,) or not 0 <= results[4] <= minibatches:
            raise ValueError(
                f"{len(order)} samples are {minibatches} minibatches; rates must be one number for each, got {len(rates)}, "
                f"and results 6 numbers, the fifth of them how many are done, got shape {results.shape}"
            )
        if order.view(np.uint64).max(initial=0) >= max(samples, 1):  # what is negative is large so
            raise ValueError(f"order must be from 0 to {samples - 1}, places of the {samples} samples; it has others in it")
        for first in range(int(results[4]), len(rates), self.steps_a_call):
            last = min(first + self.steps_a_call, len(rates))
            chosen = order[first * self.batch_size : last * self.batch_size]
            arrays = *self.data, *self.network, *self.room, chosen, *self.settings, rates[first:last]
            self._minibatches.unchecked(*arrays, *self.numbers, step + first, results)
            if results[5]:
                raise RuntimeError(f"a product refused arrays of the engine ({results[5]}): a defect of numbafc")
            if results[4] < last:
                break

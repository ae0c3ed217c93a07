"""Minibatches as one compiled call, each in four phases: forward, loss, backward, update.

The formulas are those of layer.py, activations.py, losses.py and optimizers.py, and so are the bits: training.py's loop in
Python is the specification, and is tested against this. layer_steps.py computes some rows of a layer.

A layer's gradient is used as soon as it is there: first dX through its old weights, then dW and the update, a part of the
rows in each thread. Only clipping has to wait for all layers. Which thread computes what changes no bit.

The phases are inlined where they are called, once each: Numba makes parallel regions of loops in the kernel itself only.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from .._numba import inlined, inner, noinline
from ..kernels.target import PARALLEL, PARALLEL_GATHER
from ..kernels.vector import call_pointer, gather, matrix, span
from . import clipping, dropout
from .layer_steps import LOSS, forward_rows, input_rows, scale_columns, update_rows, weight_rows
from .losses import loss_types
from .memory import layer_at
from .results import DONE, HITS, LOSS_SUM, REFUSED, SAMPLES, WEIGHT
from .updates import prepare_step

_loss_kernel = call_pointer(loss_types)


@inner
def _gather(rows, mean, scale, chosen, s0, s1, run):
    """Rows s0…s1 of H₀: the samples of a batch, standardised; and of s ⊙ H₀, if there are factors of the inputs."""
    noinline()
    N, memory, z = rows.shape[1], run.memory, layer_at(run.layers, 0).scaled
    gather(rows, span(chosen, s0, s1), span(memory, s0 * N, s1 * N))
    for s in range(s0, s1 if mean.size > 0 else s0):
        sample = span(memory, s * N, (s + 1) * N)
        for i in range(N):
            sample[i] = (sample[i] - mean[i]) / scale[i]
    for s in range(s0, s1 if z > 0 else s0):
        sample, scaled = span(memory, s * N, (s + 1) * N), span(memory, z + s * N, z + (s + 1) * N)
        for i in range(N):
            scaled[i] = sample[i] * run.parameters[i]


@inlined
def _weigh(weight, chosen, factors, batch_mean):
    """factors[s] = weight/B of the chosen samples, or weight/Σ weight for batch_mean. Returns Σ weight."""
    B, total = len(chosen), 0.0
    for s in range(B):
        total += weight[chosen[s]] if weight.size > 0 else 1.0
    whole = total if batch_mean > 0 else np.float64(B)
    for s in range(B):
        factors[s] = (weight[chosen[s]] if weight.size > 0 else 1.0) / whole
    return total


@inlined
def _penalty(run, scratch, l2):
    """½·l2·Σ‖W‖² of all layers."""
    total = 0.0
    for depth in range(len(run.layers) if l2 > 0 else 0):
        layer = layer_at(run.layers, depth)
        W = span(run.parameters, layer.W, layer.W + layer.T * layer.N)
        total += clipping.sum_of_squares(W, scratch.sums)
    return 0.5 * l2 * total


@inlined
def _forward(data, run, scratch, chosen, choices, step):
    """H₀, and H of every layer."""
    B, parts = len(chosen), choices.parts
    rows, mean, scale, answers = data.rows, data.mean, data.scale, scratch.answers
    if parts > 1 and rows.shape[1] * B >= PARALLEL_GATHER:
        for p in prange(parts):
            _gather(rows, mean, scale, chosen, B * p // parts, B * (p + 1) // parts, run)
    else:
        _gather(rows, mean, scale, chosen, 0, B, run)
    threshold, kept = dropout.limit(choices.dropout), run.memory.dtype.type(1 / (1 - choices.dropout))
    epilogue, seed = choices.forward, choices.seed
    for depth in range(len(run.layers)):
        layer, key = layer_at(run.layers, depth), dropout.stream(seed, step, depth)
        if parts > 1 and layer.N * layer.T * B >= PARALLEL:
            for p in prange(parts):
                answers[p] += forward_rows(run, epilogue, depth, key, threshold, kept, B, p, parts)
        else:
            answers[0] += forward_rows(run, epilogue, depth, key, threshold, kept, B, 0, 1)


@inlined
def _loss(data, run, scratch, chosen, smoothing):
    """dY of the last layer, as ∂l[s]/∂Y. Returns Σ factor·l and the number of hits."""
    B, layer = len(chosen), layer_at(run.layers, len(run.layers) - 1)
    outputs, dY = span(run.memory, layer.H, layer.H + layer.T * B), span(run.memory, layer.dY, layer.dY + layer.T * B)
    targets = span(data.classes, 0, data.classes.size), span(data.targets, 0, data.targets.size), chosen
    losses = span(scratch.losses, 0, B)
    hits = _loss_kernel(run.pointers, LOSS, (outputs, *targets, dY, losses, span(scratch.of_loss, 0, 2 * B), smoothing))
    value = 0.0
    for s in range(B):
        value += np.float64(losses[s]) * np.float64(scratch.factors[s])
    return value, hits


@inner
def _scale_columns(dY, B, factors):
    """dY[t,s] *= factors[s]."""
    noinline()
    for t in range(len(dY) // B):
        row = span(dY, t * B, (t + 1) * B)
        for s in range(B):
            row[s] *= factors[s]


@inlined
def _scale_outputs(run, B, factors):
    """The last layer's dY, of each sample's own loss, becomes that of the minibatch's."""
    layer = layer_at(run.layers, len(run.layers) - 1)
    _scale_columns(span(run.memory, layer.dY, layer.dY + layer.T * B), B, factors)


@inner
def _clip_samples(layers, memory, B, longest, factors, sums):
    """All dY, as ∂l[s]/∂Y, become factors[s]·dY[:,s], times what makes sample s's gradient no longer than `longest`."""
    noinline()
    total, of_dy, of_x = span(sums, 0, B), span(sums, B, 2 * B), span(sums, 2 * B, 3 * B)
    total[:] = 0
    for back in range(len(layers)):
        depth = len(layers) - 1 - back
        layer = layer_at(layers, depth)
        of_dy[:], of_x[:] = 0, 0
        clipping.add_squares(matrix(memory, layer.dY, layer.T, B, B), of_dy)
        if depth > 0:
            clipping.add_squares(matrix(memory, layer.X, layer.N, B, B), of_x)
        else:
            clipping.add_squares(matrix(memory, layer.scaled, B, layer.N, layer.N).T, of_x)
        for s in range(B):
            total[s] += of_dy[s] * (of_x[s] + 1)
    layer = layer_at(layers, 0)
    if layer.scaled != layer.X:  # of a sample ds is x ⊙ dX
        for i in range(layer.N):
            for s in range(B):
                memory[layer.dX + i * B + s] *= memory[layer.X + s * layer.N + i]
        clipping.add_squares(matrix(memory, layer.dX, layer.N, B, B), total)
    for s in range(B):
        factors[s] *= memory.dtype.type(clipping.factor(total[s], longest))
    for depth in range(len(layers)):
        layer = layer_at(layers, depth)
        _scale_columns(span(memory, layer.dY, layer.dY + layer.T * B), B, factors)


@inner
def _parameter_rows(run, update, waits, scratch, again, depth, B, part, parts):
    """Rows of dW and db of a layer; or columns of the first one, which comes again where inputs have factors."""
    if again:
        scale_columns(run, waits, scratch.settings, scratch.sums, part, parts)
        return 0
    return weight_rows(run, update, waits, scratch.settings, depth, B, part, parts)


@inlined
def _backward(run, scratch, B, choices):
    """From dY of the last layer: of each layer dX, then dW and db, and, unless that has to wait, the update.

    Where samples' gradients are clipped, all dX come before the first dW. With factors of the inputs the first layer comes
    once more at the end.
    """
    layers, parts, answers = run.layers, choices.parts, scratch.answers
    clips, waits, back, update = choices.clip_sample_norm > 0, choices.clip_norm > 0, choices.backward, choices.update
    depths, rounds, scales = len(layers), 2 if clips else 1, int(layer_at(layers, 0).scaled > 0)  # through the layers
    for n in range(rounds * depths + scales):
        again = n == rounds * depths
        depth = 0 if again else depths - 1 - n % depths
        layer = layer_at(layers, depth)
        split = parts > 1 and layer.N * layer.T * B >= PARALLEL
        if n < depths and (depth > 0 or (clips and scales > 0)):
            if split:
                for p in prange(parts):
                    answers[p] += input_rows(run, back, depth, B, p, parts)
            else:
                answers[0] += input_rows(run, back, depth, B, 0, 1)
        if clips and n == depths - 1:
            factors = span(scratch.factors, 0, B)
            _clip_samples(layers, run.memory, B, choices.clip_sample_norm, factors, scratch.sums)
        if n >= (rounds - 1) * depths:
            if split:
                for p in prange(parts):
                    answers[p] += _parameter_rows(run, update, waits, scratch, again, depth, B, p, parts)
            else:
                answers[0] += _parameter_rows(run, update, waits, scratch, again, depth, B, 0, 1)


@inlined
def _update(run, scratch, longest):
    """The step that had to wait: of all gradients, no longer than `longest`."""
    first, settings = layer_at(run.layers, 0), scratch.settings
    g = first.gradient - first.W  # W's place is behind the factors of the inputs
    gradients = span(run.memory, g, g + len(run.parameters))
    clipping.shorten(gradients, longest, scratch.sums)
    if len(scratch.rates) == 1:
        update_rows(run, settings, 0, 0, len(run.parameters), gradients)
        return
    update_rows(run, settings, 0, 0, first.W, span(gradients, 0, first.W))
    for depth in range(len(run.layers)):
        layer = layer_at(run.layers, depth)
        w, b = layer.W, layer.W + layer.T * layer.N
        update_rows(run, settings, 2 * depth + 1, w, b, span(gradients, w, b))
        update_rows(run, settings, 2 * depth + 2, b, b + layer.T, span(gradients, b, b + layer.T))


def minibatches(memory, data, run, scratch, order, rates, choices, optimizer, powers, steps, results):
    """Train on order[0 : batch_size], order[batch_size : …] and so on, one minibatch for each rate.

    memory: run.memory again, for a kernel's dtype is that of its first argument. optimizer: its Hyperparameters, with their
    powers. steps: how many minibatches there were before.
    results: what becomes of results.py's numbers.
    """
    for n in range(len(rates)):
        first = n * choices.batch_size
        B = min(choices.batch_size, len(order) - first)
        chosen, factors = span(order, first, first + B), span(scratch.factors, 0, B)
        weight = _weigh(data.weight, chosen, factors, choices.batch_mean)
        if weight == 0:  # nobody in this batch counts
            results[DONE] += 1
            continue
        _forward(data, run, scratch, chosen, choices, steps + n)
        loss, hits = _loss(data, run, scratch, chosen, choices.label_smoothing)
        loss += _penalty(run, scratch, choices.l2) / weight
        if not np.isfinite(loss):
            return 0
        results[LOSS_SUM] += loss * np.float64(B)
        results[HITS] += hits
        results[WEIGHT] += weight
        results[SAMPLES] += B
        if choices.clip_sample_norm == 0:
            _scale_outputs(run, B, factors)
        prepare_step(optimizer, rates[n], powers, scratch.rates, scratch.settings, choices.l2 / weight)
        _backward(run, scratch, B, choices)
        if choices.clip_norm > 0:
            _update(run, scratch, choices.clip_norm)
        results[DONE] += 1
        for p in range(choices.parts):
            results[REFUSED] += scratch.answers[p]
        if results[REFUSED] != 0:
            return 0
    return 0

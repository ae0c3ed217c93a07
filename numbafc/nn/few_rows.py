"""A forward pass of few rows, all layers in one compiled call: between layers in Python a row takes longer than in them.

The products and φ are kernels of their own, called by address, as in training (layer_steps.py). What this call refuses,
such as rows that are not finite or work for several threads, goes the long way, which says what is wrong.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.types import intp

from .._numba import array_in, flat, flat_in, get_num_threads, inner, interpreted, kernel
from ..kernels.packing import aligned
from ..kernels.product import ANY_SIZE, EPILOGUE, UNFIT, WITH_BIAS, address, product_types
from ..kernels.target import FEW_SAMPLES, PARALLEL_READING
from ..kernels.tiled import workspaces
from ..kernels.vector import bring_tiles, call_pointer, matrix, span
from .activations import ACTIVATIONS, APPLY, activation_types
from .network import Network

PRODUCT, PHI = range(2)  # in the order of the pointers
NOT_FINITE = -100  # an answer besides those of products

_product, _phi = call_pointer(product_types), call_pointer(activation_types)


@inner
def _prepared(rows, mean, scale, scales, X):
    """How many of the inputs, rows: (B, N), are not finite. X: (N·B,), for them as columns, standardised if need be.

    scales: the factors of the inputs, or none.
    """
    (B, N), bad = rows.shape, 0
    for s in range(B):
        for i in range(N):
            x = rows[s, i]
            X[i * B + s] = x
            bad += int(x - x != 0)
    if len(mean) > 0:
        for i in range(N):
            for s in range(B):
                X[i * B + s] = (X[i * B + s] - mean[i]) / scale[i]
    for i in range(len(scales)):
        for s in range(B):
            X[i * B + s] *= scales[i]
    return bad


def _types(real):
    reals, numbers = flat_in(real), flat_in(intp)
    return array_in(real, 2), reals, numbers, reals, reals, flat(real), flat(real), flat(real), numbers, intp, intp


@kernel(_types, parallel=False)
def _forward(rows, parameters, sizes, mean, scale, Y, memory, workspace, pointers, flags, scales):
    """Y: (B·T,), the outputs of rows: (B, N). memory: for two layers' H.

    flags: of a product, with the epilogue of φ, or WITH_BIAS, and φ is a pass. scales: how many factors of the inputs the
    parameters begin with.

    Returns 0, or how much workspace a product needs, or why nothing was done.
    """
    any_size, hidden = flags & ANY_SIZE, flags & ~ANY_SIZE
    B, last, w, half = rows.shape[0], len(sizes) - 2, scales, len(memory) // 2
    none, workspace = span(memory, 0, 0), span(workspace, 0, len(workspace))  # as products take them
    if _prepared(rows, mean, scale, span(parameters, 0, scales), span(memory, 0, half)) > 0:
        return NOT_FINITE
    for layer in range(last + 1):
        N, T, at, to = sizes[layer], sizes[layer + 1], layer % 2 * half, (layer + 1) % 2 * half
        W, b = matrix(parameters, w, T, N, N), span(parameters, w + T * N, w + T * N + T)
        X, H = matrix(memory, at, N, B, B), matrix(memory, to, T, B, B)
        how, w = WITH_BIAS if layer == last else hidden, w + T * N + T
        answer = _product(pointers, PRODUCT, (W, X, b, H, none, workspace, how | any_size, 0))
        if answer == UNFIT:
            how = WITH_BIAS
            answer = _product(pointers, PRODUCT, (W, X, b, H, none, workspace, how | any_size, 0))
        if answer != 0:
            return answer
        if layer < last and how == WITH_BIAS:
            numbers = span(memory, to, to + T * B)
            _phi(pointers, PHI, (numbers, numbers, APPLY))
    T, at = sizes[last + 1], (last + 1) % 2 * half
    for s in range(B):
        for t in range(T):
            Y[s * T + t] = memory[at + t * B + s]
    return 0


class _Call(NamedTuple):
    """What calls for networks of these sizes have in common."""

    entry: Callable[..., int]
    sizes: np.ndarray
    pointers: np.ndarray
    epilogue: int  # of φ, as flags
    none: np.ndarray
    half: int  # of memory, for one row
    parameters: int  # how many
    largest: int  # multiply-adds of a layer, for one row


@functools.lru_cache(maxsize=256)
def _call(sizes: tuple[int, ...], activation: str, itemsize: int) -> _Call:
    dtype, phi = np.dtype(f"f{itemsize}"), ACTIVATIONS[activation]
    pointers = np.concatenate([address(dtype), phi.run.address(dtype)])
    entry, none = _forward.compile(dtype), np.empty(0, dtype)
    layers = list(itertools.pairwise(sizes))
    counts = max(sizes), sum(N * T + T for N, T in layers), max(N * T for N, T in layers)
    return _Call(entry, np.array(sizes, np.intp), pointers, int(phi.forward) << EPILOGUE, none, *counts)


def outputs(net: Network, rows: Any) -> np.ndarray | None:
    """The last layer's outputs, (samples, T), of a few rows (samples, N) in the network's dtype; None for anything else."""
    if type(rows) is not np.ndarray or rows.ndim != 2 or not 0 < len(rows) <= FEW_SAMPLES or interpreted():
        return None
    sizes, dtype = net.sizes, net.dtype
    if rows.dtype != dtype or type(sizes) is not tuple or rows.shape[1] != sizes[0]:
        return None
    entry, lengths, pointers, flags, none, half, parameters, largest = _call(sizes, net.activation, dtype.itemsize)
    B, mean, scale = len(rows), net.input_mean, net.input_scale
    if mean is None or scale is None:
        mean = scale = none
    elif not len(mean) == len(scale) == sizes[0]:
        return None
    scales = sizes[0] if net.scaling else 0
    if net.parameters.size != parameters + scales:
        return None
    if B * largest >= PARALLEL_READING:  # work for several threads, perhaps
        if get_num_threads() > 1:
            return None
        flags |= ANY_SIZE
    Y, memory = np.empty((B, sizes[-1]), dtype), np.empty(2 * half * B, dtype)
    while True:
        workspace = workspaces.of(dtype)[1]
        told = lengths, mean, scale, Y.reshape(-1), memory, workspace, pointers, flags, scales
        try:
            answer = entry(rows, net.parameters, *told)
        except TypeError:  # arrays that are not aligned
            return None
        if answer == 0:
            bring_tiles(dtype)
            return Y
        if answer < 0:
            return None
        workspaces.add(dtype, aligned(answer, dtype))

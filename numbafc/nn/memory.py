"""Where everything of a training run lies: flat arrays, and a table of where each layer's part begins.

So no signature depends on the number of layers:

    parameters  the factors s (N,) of the inputs, if there are any, then W (T, N) and b (T,) of each layer, one behind the
                other
    memory      H₀ as rows (B, N), likewise s ⊙ H₀ if there are factors, then H_l (T_l, B) of each layer, and, with dropout
                or where φ' is no function of H_l, its slopes (T_l, B); two dY (T, B); the gradient of s, and that of one
                layer's W and b

A layer's gradient is used as soon as it is there, so there is memory for one. Clipping has to wait: the length of the
gradient needs all layers' gradients, and the lengths of the samples' gradients need all layers' dY before the first dW, so
then there is memory for all. So do samples' lengths need dX of the first layer where there are factors.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from .._numba import inner
from ..kernels.packing import whole_lines
from ..kernels.target import FEW_ROWS, KC, MC, NC
from .recipe import Regularization


class Layer(NamedTuple):
    """A layer's sizes, and where its arrays begin: W in the parameters, the others in memory."""

    N: Any
    T: Any
    W: Any  # (T, N); b follows
    X: Any  # its input: H of the layer below, (N, B), or for the first layer samples, (B, N)
    scaled: Any  # s ⊙ X for the first layer, if there are factors; else X itself
    H: Any  # (T, B)
    slopes: Any  # (T, B), or H itself
    dY: Any  # (T, B)
    dX: Any  # dY of the layer below; of the first layer (N, B), where it is needed
    gradient: Any  # of W and b; those of the factors are before that of the first layer


DY, DX, GRADIENT = map(Layer._fields.index, ("dY", "dX", "gradient"))  # their columns in the table


@inner
def layer_at(layers, depth):
    """A row of the table by name."""
    return Layer(
        layers[depth, 0], layers[depth, 1], layers[depth, 2], layers[depth, 3],
        layers[depth, 4], layers[depth, 5], layers[depth, 6], layers[depth, 7], layers[depth, 8], layers[depth, 9],
    )  # fmt: skip


def places(
    sizes: tuple[int, ...], B: int, with_slopes: bool, regularization: Regularization, scaling: bool = False
) -> tuple[np.ndarray, int]:
    """The table, (layers, 10), each row a Layer; and how long memory is."""
    pairs, scales = list(itertools.pairwise(sizes)), sizes[0] if scaling else 0
    z = whole_lines(B * sizes[0]) if scaling else 0
    w, h = scales, z + whole_lines(B * sizes[0])
    begins: list[Layer] = []
    for depth, (N, T) in enumerate(pairs):
        hidden = depth < len(pairs) - 1
        slopes = hidden and (with_slopes or regularization.dropout > 0)
        x, scaled = (begins[-1].H, begins[-1].H) if begins else (0, z)
        begins.append(Layer(N, T, w, x, scaled, h, h + (whole_lines(T * B) if slopes else 0), 0, 0, 0))
        w, h = w + T * N + T, begins[-1].slopes + whole_lines(T * B)
    layers = np.array(begins, np.int64)
    if regularization.clip_sample_norm:
        ends = h + np.cumsum([whole_lines(T * B) for T in sizes[1:]])
        layers[:, DY] = [h, *ends[:-1]]
        layers[0, DX] = ends[-1]
        h = int(ends[-1]) + z
    else:
        one = whole_lines(max(sizes[1:]) * B)
        layers[:, DY] = h + one * (np.arange(len(layers)) % 2)
        h += 2 * one
    layers[1:, DX] = layers[:-1, DY]
    if regularization.clip_norm:
        layers[:, GRADIENT] = h + np.array([layer.W for layer in begins])
        return layers, h + int(whole_lines(w))
    layers[:, GRADIENT] = h + whole_lines(scales)
    return layers, h + int(whole_lines(scales) + whole_lines(max(T * N + T for N, T in pairs)))


def workspace_for_run(sizes: tuple[int, ...], B: int) -> int:
    """Elements that the products of one thread pack at most, for X and A, sum up by rows, or turn (kernels/packing.py)."""
    lanes = 16  # the most there are
    few = FEW_ROWS * (max(sizes) + B) + lanes * (max(sizes) + lanes)
    return int(whole_lines(KC * (lanes * NC + MC + lanes) + 256 + few))

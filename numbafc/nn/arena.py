"""Where everything of a training run lies: flat arrays with tables of offsets.

So no signature depends on the number of layers:

    parameters  W (T, N) and b (T,) of each layer, one behind the other
    arena       H₀ as rows (B, N), then H_l (T_l, B) of each layer, and, with dropout or where φ' is no function of H_l, its
                slopes (T_l, B); two deltas dY (T, B); the gradient of one layer's W and b; the settings of an update;
                shares and losses, (B,) each; scratch for 2·B numbers
    layers      a row for each layer: N, T, where W begins in parameters, where H_l, its slopes (H_l itself where there are
                none), dY and the gradient begin in arena

A layer's gradient is used as soon as it is there, so there is room for one. Clipping has to wait: the length of the
gradient needs all layers' gradients, and the lengths of the samples' gradients need all layers' dY before the first dW, so
then there is room for all.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..kernels.packing import BAND, CHUNK, GROUP, whole_lines
from .recipe import Regularization

N_, T_, W_, H_, S_, D_, G_ = range(7)  # columns of `layers`
ROOM = CHUNK * (16 * GROUP + BAND + 16) + 256  # elements that a product packs, at most


def places(sizes: tuple[int, ...], B: int, with_slopes: bool, regularization: Regularization) -> tuple[np.ndarray, int]:
    """The table of layers, and where the arena goes on."""
    layers, w, h = np.empty((len(sizes) - 1, 7), np.int64), 0, whole_lines(B * sizes[0])
    for depth, (N, T) in enumerate(itertools.pairwise(sizes)):
        hidden = depth < len(layers) - 1
        slopes = hidden and (with_slopes or regularization.dropout > 0)
        layers[depth, :5] = N, T, w, h, h + (whole_lines(T * B) if slopes else 0)
        w, h = w + T * N + T, layers[depth, S_] + whole_lines(T * B)
    if regularization.clip_sample_norm:
        ends = h + np.cumsum([whole_lines(T * B) for T in sizes[1:]])
        layers[:, D_] = [h, *ends[:-1]]
        h = int(ends[-1])
    else:
        delta = whole_lines(max(sizes[1:]) * B)
        layers[:, D_] = h + delta * (np.arange(len(layers)) % 2)
        h += 2 * delta
    if regularization.clip_norm:
        layers[:, G_] = h + layers[:, W_]
        return layers, h + whole_lines(w)
    layers[:, G_] = h
    return layers, h + whole_lines(max(T * N + T for N, T in itertools.pairwise(sizes)))

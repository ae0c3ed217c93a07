"""Passes through a network, one sample per column: forward, with dropout, and backward by the chain rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..layer import forward, grad_b, grad_w, grad_x
from . import clipping
from .activations import ACTIVATIONS
from .dropout import drop
from .losses import LOSSES, Loss
from .network import Network
from .recipe import Regularization


class Passed(NamedTuple):
    """What samples of a minibatch leave behind. One after the other they are a minibatch's: none depends on another."""

    losses: np.ndarray  # (B,), float64
    Y: np.ndarray  # the last layer's outputs, (T, B)
    deltas: list[np.ndarray]  # of each layer dY, (T, B), as the minibatch's gradients take it
    inputs: list[np.ndarray]  # of each layer X, (N, B), without factors of the inputs


def outputs(net: Network, X: np.ndarray) -> np.ndarray:
    """The last layer's outputs, (T, B), from X: (N, B)."""
    last, H = len(net.sizes) - 2, scaled(net, X)
    for layer, (W, b) in enumerate(net.layers(net.parameters)):
        H = forward(W, H, b)
        if layer < last:
            ACTIVATIONS[net.activation].apply(H)
    return H


def scaled(net: Network, X: np.ndarray) -> np.ndarray:
    """What the first layer takes, (N, B): s ⊙ X where inputs have factors, else X."""
    if not net.scaling:
        return X
    with np.errstate(all="ignore"):  # they may be infinite
        return X * net.scales[:, np.newaxis]


def training_pass(
    net: Network, X: np.ndarray, regularization: Regularization, step: int, place: int = 0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """All h_l with dropout, from X: (N, B), and what the chain rule needs of each: h_l itself, or its slopes.

    place: of the first sample in its minibatch.
    """
    X = scaled(net, X)
    activation, H, kept = ACTIVATIONS[net.activation], [X], [X]
    with_slopes = regularization.dropout > 0 or not activation.in_h
    for layer, (W, b) in enumerate(net.layers(net.parameters)):
        Y = forward(W, H[-1], b)
        H.append(Y)
        kept.append(Y)
        if layer < len(net.sizes) - 2 and with_slopes:
            kept[-1] = activation.slopes(Y)
            if regularization.dropout > 0:
                drop(Y, kept[-1], regularization.dropout, regularization.seed, step, layer, place)
        elif layer < len(net.sizes) - 2:
            activation.apply(Y)
    return H, kept


def backward_pass(net: Network, H: list[np.ndarray], kept: list[np.ndarray], dY: np.ndarray) -> list[np.ndarray]:
    """The gradients of all layers' W h + b, from that of the outputs and what training_pass gave."""
    deltas, weights = [dY], net.weights
    for layer in reversed(range(1, len(net.sizes) - 1)):
        dY = grad_x(dY, weights[layer])
        if kept[layer] is H[layer]:
            ACTIVATIONS[net.activation].chain(dY, H[layer])
        else:
            dY *= kept[layer]
        deltas.insert(0, dY)
    return deltas


def scale_gradients(net: Network, gradients: np.ndarray) -> None:
    """From G = dY Xᵀ where the flat gradients have that of the first W, X without factors, this gradient and ds.

    Since Y = W (s ⊙ X) + b, dW = dY (s ⊙ X)ᵀ has the elements G[t,i]·s[i], and ds[i] = Σ_t W[t,i]·G[t,i]: no dX is needed.
    """
    G, W, ds = net.views(gradients)[0][0], net.weights[0], np.zeros(net.sizes[0])
    with np.errstate(all="ignore"):
        for t in range(len(W)):
            ds += W[t].astype(np.float64) * G[t].astype(np.float64)
        G *= net.scales
        gradients[: len(ds)] = ds


def factors_of(net: Network, weight: np.ndarray | None, B: int, regularization: Regularization) -> tuple[float, np.ndarray]:
    """The total weight of B samples, and what each one's gradient counts in that of the minibatch, (B,)."""
    total = float(B) if weight is None else float(np.cumsum(weight)[-1])
    whole = total if regularization.batch_mean else B
    return total, (np.full(B, 1 / whole) if weight is None else weight / whole).astype(net.dtype)


def pass_samples(
    net: Network,
    X: np.ndarray,
    targets: np.ndarray,
    factors: np.ndarray,
    regularization: Regularization,
    step: int,
    place: int = 0,
    loss: Loss | None = None,
) -> Passed:
    """Forward and backward with the B rows X. factors: see factors_of. place: of the first one in its minibatch.

    loss: by which the network is trained, if it is not its own.
    """
    loss, smoothing = loss or LOSSES[net.loss_name], regularization.label_smoothing
    inputs = net.columns(X)
    H, kept = training_pass(net, inputs, regularization, step, place)
    losses = loss.per_sample(H[-1], targets, smoothing).astype(np.float64)
    dY = loss.gradient(H[-1], targets, smoothing)
    if regularization.clip_sample_norm:
        deltas = backward_pass(net, H, kept, dY)
        squares = clipping.sample_squares(deltas, H[:-1])
        if net.scaling:  # of a sample ds is x ⊙ dX
            squares = clipping.with_squares(squares, grad_x(deltas[0], net.weights[0]) * inputs)
        factors = factors * clipping.sample_factors(squares, regularization.clip_sample_norm).astype(net.dtype)
        deltas = [delta * factors for delta in deltas]
    else:
        deltas = backward_pass(net, H, kept, dY * factors)
    return Passed(losses, H[-1], deltas, [inputs, *H[1:-1]])


def loss_of(net: Network, losses: np.ndarray, factors: np.ndarray, total: float, l2: float) -> float:
    """The loss of a minibatch, from those of its samples, with the L2 penalty."""
    value = float(np.cumsum(losses * factors)[-1])
    if l2:
        value += 0.5 * l2 * sum(clipping.squares(W) for W in net.weights) / total
    return value


def sum_gradients(net: Network, passed: Passed, samples: slice, gradients: np.ndarray) -> None:
    """Fill the flat gradients with the sums over some of the samples; of the first W as scale_gradients takes it."""
    for dW, db, delta, h in zip(*net.views(gradients), passed.deltas, passed.inputs, strict=True):
        grad_w(delta[:, samples], h[:, samples], out=dW)
        grad_b(delta[:, samples], out=db)


def end_gradients(net: Network, gradients: np.ndarray, regularization: Regularization) -> None:
    """What the sums over a whole minibatch need to be its gradients: those of the inputs' factors, and clipping."""
    if net.scaling:
        scale_gradients(net, gradients)
    if regularization.clip_norm:
        clipping.clip(gradients, regularization.clip_norm)


def step_gradients(
    net: Network,
    X: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    gradients: np.ndarray,
    regularization: Regularization,
    step: int = 0,
) -> tuple[float, np.ndarray]:
    """Fill the flat gradients of L = Σ_s w[s]·l[s]/B over the B rows X; returns L and the outputs (T, B).

    An L2 penalty is in L, but not in the gradients: it is a decay of the step that follows (updates.py).

    weight: w, over their mean in all that is trained on (see samples.Samples.relative); None stands for 1.
    """
    total, factors = factors_of(net, weight, len(X), regularization)
    passed = pass_samples(net, X, targets, factors, regularization, step)
    value = loss_of(net, passed.losses, factors, total, regularization.l2)
    sum_gradients(net, passed, slice(None), gradients)
    end_gradients(net, gradients, regularization)
    return value, passed.Y

"""Training with NumPy, as a careful loop: with float64 it is what the others are compared with (perf.reference)."""

from __future__ import annotations

import numpy as np

from .problems import BETA1, BETA2, EPSILON, Problem, Train, Trained, timed, views


class NumpyNetwork:
    """A careful loop: arrays made once, operations in place, one sample per column, so that sums over classes are vectors.

    kink: where relu's derivative changes; epsilon: Adam's. Others make the neighbours of a right answer (perf.reference).
    """

    def __init__(self, given: Problem, kink: float = 0.0, epsilon: float = EPSILON) -> None:
        self.kink, self.epsilon = kink, epsilon
        dtype, B = given.start.dtype, given.batch
        self.given, self.parameters = given, given.start.copy()
        self.gradients, self.scratch = np.empty_like(self.parameters), np.empty_like(self.parameters)
        self.layers, self.slopes = views(self.parameters, given.sizes), views(self.gradients, given.sizes)
        self.rows, self.columns = np.empty((B, given.sizes[0]), dtype), np.arange(B)
        self.H = [self.rows.T, *(np.empty((T, B), dtype) for T in given.sizes[1:])]
        self.deltas = [np.empty_like(H) for H in self.H]
        self.positive = [np.empty(H.shape, bool) for H in self.H]
        self.sums, self.share = np.empty(B, dtype), dtype.type(1 / B)
        self.begin()

    def begin(self) -> None:
        """Back to the start."""
        self.parameters[:] = self.given.start
        self.mean, self.square, self.step = np.zeros_like(self.parameters), np.zeros_like(self.parameters), 0

    def epoch(self, order: np.ndarray) -> float:
        """Train on the samples in this order."""
        total, B = 0.0, self.given.batch
        for first in range(0, len(order), B):
            chosen = order[first : first + B]
            np.take(self.given.X, chosen, axis=0, out=self.rows, mode="clip")  # "raise" would buffer
            self.forward()
            total += self.loss(self.given.y[chosen])
            self.backward()
            self.adam() if self.given.optimizer == "adam" else self.sgd()
        return total * B / len(order)

    def forward(self) -> None:
        for layer, (W, b) in enumerate(self.layers):
            Y = np.matmul(W, self.H[layer], out=self.H[layer + 1])
            Y += b[:, np.newaxis]
            if layer < len(self.layers) - 1:
                np.greater(Y, self.kink, out=self.positive[layer + 1])
                np.maximum(Y, 0, out=Y)

    def loss(self, classes: np.ndarray) -> float:
        """The mean cross-entropy; the last delta becomes its gradient."""
        Y, P, sums = self.H[-1], self.deltas[-1], self.sums
        Y -= Y.max(axis=0, out=sums)
        np.exp(Y, out=P)
        P /= P.sum(axis=0, out=sums)
        mean = float((np.log(sums) - Y[classes, self.columns]).mean())
        P[classes, self.columns] -= 1
        P *= self.share
        return mean

    def backward(self) -> None:
        for layer in reversed(range(len(self.layers))):
            delta, (dW, db) = self.deltas[layer + 1], self.slopes[layer]
            np.matmul(delta, self.H[layer].T, out=dW)
            delta.sum(axis=1, out=db)
            if layer:
                dX = np.matmul(self.layers[layer][0].T, delta, out=self.deltas[layer])
                dX *= self.positive[layer]

    def sgd(self) -> None:
        self.gradients *= self.given.rate
        self.parameters -= self.gradients

    def adam(self) -> None:
        g, m, v, scratch = self.gradients, self.mean, self.square, self.scratch
        self.step += 1
        m *= BETA1
        m += np.multiply(g, 1 - BETA1, out=scratch)
        v *= BETA2
        np.multiply(g, g, out=g)
        g *= 1 - BETA2
        v += g
        np.divide(v, 1 - BETA2**self.step, out=scratch)
        np.sqrt(scratch, out=scratch)
        scratch += self.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= self.given.rate / (1 - BETA1**self.step)
        self.parameters -= scratch


def numpy_trainer(given: Problem, **settings: float) -> Train:
    net = NumpyNetwork(given, **settings)

    def train(epochs: int, shuffle: bool) -> Trained:
        net.begin()
        return Trained(*timed(given, epochs, shuffle, net.epoch), net.parameters)

    return train

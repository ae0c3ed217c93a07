"""scikit-learn's losses, as its loss_curve_ has them. `half` and so on are not numbafc's own (nn/losses.py) by a factor:

    squared_error   ½·mean over the outputs of (y − z)², and the gradient y − z of each output, that of their sum
    log_loss        of two classes or of labels: the sum over the labels; of more classes: cross-entropy
    poisson         half the deviance, z·log(z/p) − z + p with p = e^y: the sum over the outputs

Probabilities are at least the machine's ε, so that no label costs more than −log ε.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...._numba import inner
from ....kernels import elementwise
from ....nn import losses
from ....nn.cross_entropy import cross_entropy
from ....nn.losses import LOSSES, Loss

MOST_OF_DOUBLE, MOST_OF_SINGLE = 36.04365338911715, 15.942385152878742  # −log ε

_cross_entropy = inner(cross_entropy)


@inner
def _squared_error(y, z, most):
    error = y - z
    return type(y)(0.5) * error * error, error


@inner
def _log_loss(y, z, most):  # −z·log σ(y) − (1 − z)·log(1 − σ(y))
    one = type(y)(1)
    loss = z * elementwise.softplus(-y) + (one - z) * elementwise.softplus(y)
    return (most if loss > most else loss), elementwise.sigmoid(y) - z


@inner
def _deviance(y, z, most):
    rate = elementwise.exp(y)
    log = elementwise.log(z if z > 0 else type(y)(1))  # 0·log 0 is 0
    return z * (log - y) - z + rate, rate - z


def _of_outputs(element: Callable[[Any, Any, Any], tuple[Any, Any]], mean: bool) -> Callable[..., int]:
    """The loss of a sample, the sum over the outputs or, if mean, their mean; its gradient is that of the sum."""

    def run(Y, classes, targets, samples, dY, losses, scratch, smoothing):
        B, real = len(losses), Y.dtype.type
        T = len(Y) // B
        most, numbers = real(MOST_OF_DOUBLE if Y.itemsize == 8 else MOST_OF_SINGLE), real(T if mean else 1)
        for s in range(B):
            losses[s] = 0
        for t in range(T):
            for s in range(B):
                loss, slope = element(Y[t * B + s], targets[samples[s] * T + t], most)
                losses[s] += loss
                dY[t * B + s] = slope
        for s in range(B):
            losses[s] /= numbers
        return 0

    return run


def _of_classes(Y, classes, targets, samples, dY, losses, scratch, smoothing):
    hits, most = _cross_entropy(Y, classes, targets, samples, dY, losses, scratch, smoothing), MOST_OF_SINGLE
    if Y.itemsize == 8:
        most = MOST_OF_DOUBLE
    for s in range(len(losses)):
        if losses[s] > most:
            losses[s] = most
    return hits


def _like(own: str, name: str, run: Callable[..., int]) -> Loss:
    return losses.make(f"sklearn_{name}", run, LOSSES[own].targets, LOSSES[own].classifies)


SQUARED_ERROR = _like("mse", "squared_error", _of_outputs(_squared_error, mean=True))
LABELS = _like("binary_cross_entropy", "labels", _of_outputs(_log_loss, mean=False))
CLASSES = _like("cross_entropy", "classes", _of_classes)
POISSON = _like("poisson", "poisson", _of_outputs(_deviance, mean=False))

# What a regressor's loss is called, the loss that a network of it has, and the one that it is trained by.
OF_REGRESSORS: dict[str, tuple[str, Loss]] = {
    "squared_error": ("mse", SQUARED_ERROR),
    "poisson": ("poisson", POISSON),
    "absolute_error": ("mae", LOSSES["mae"]),
    "mae": ("mae", LOSSES["mae"]),
    "huber": ("huber", LOSSES["huber"]),
}

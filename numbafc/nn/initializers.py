"""Initial weights: random with mean 0 and a variance that keeps the size of signals, or of gradients, from layer to layer.

he_…        2/N        K. He et al., ICCV 2015: for relu and its relatives
lecun_…     1/N        Y. LeCun et al., "Efficient BackProp", 1998
xavier_…    2/(N + T)  X. Glorot, Y. Bengio, AISTATS 2010: between forward and backward
ntp         1/N        normally distributed, and biases by N(0, 1): W x/√N + b with W, b ~ N(0, 1), as the neural tangent
                       parametrisation has it (A. Jacot et al., NeurIPS 2018); the last layer is 0
…_normal    normally distributed        …_uniform   uniformly, from −√(3·variance) to √(3·variance)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

VARIANCES: dict[str, Callable[[int, int], float]] = {
    "he": lambda N, T: 2 / N,
    "lecun": lambda N, T: 1 / N,
    "xavier": lambda N, T: 2 / (N + T),
}
INITIALIZERS = ("auto", *(f"{name}_{form}" for name in VARIANCES for form in ("normal", "uniform")), "ntp")


def fill(W: np.ndarray, initializer: str, gain: int, rng: np.random.Generator) -> None:
    """Random weights for a layer, W (T, N). "auto": normal, with variance gain/N for the activation's gain."""
    T, N = W.shape
    name, _, form = initializer.partition("_")
    variance = gain / N if name == "auto" else VARIANCES["lecun" if name == "ntp" else name](N, T)
    if form == "uniform":
        W[:] = np.sqrt(3 * variance) * rng.uniform(-1, 1, W.shape)
    else:
        W[:] = np.sqrt(variance) * rng.standard_normal(W.shape)


def fill_layers(
    layers: Sequence[tuple[np.ndarray, np.ndarray]], initializer: str, gain: int, rng: np.random.Generator
) -> None:
    """Random weights for all layers, W (T, N) and b (T,), which are 0; biases too where the initializer has some."""
    for W, b in layers[:-1] if initializer == "ntp" else layers:
        fill(W, initializer, gain, rng)
        if initializer == "ntp":
            b[:] = rng.standard_normal(len(b))

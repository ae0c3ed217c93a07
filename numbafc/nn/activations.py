"""Activations h = φ(y), element by element, and the chain rule through them: dY = dH ⊙ φ'(Y).

Each derivative is written in h, so that a network keeps h alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Activation(NamedTuple):
    """φ and the chain rule through it, both in place."""

    name: str
    apply: Callable[[np.ndarray], None]  # Y becomes φ(Y)
    chain: Callable[[np.ndarray, np.ndarray], None]  # (dH, H): dH becomes dH ⊙ φ'


def _identity(Y: np.ndarray) -> None:
    """φ(y) = y, φ' = 1."""


def _identity_chain(dH: np.ndarray, H: np.ndarray) -> None:
    """dY = dH."""


def _relu(Y: np.ndarray) -> None:
    """φ(y) = max(y, 0); φ' = 1 for y > 0, else 0 (at 0 too, as PyTorch and scikit-learn have it)."""
    np.maximum(Y, 0, out=Y)


def _relu_chain(dH: np.ndarray, H: np.ndarray) -> None:
    """dY = dH where h > 0, else 0."""
    dH *= H > 0


def _tanh(Y: np.ndarray) -> None:
    """φ(y) = tanh y, φ' = 1 − h²."""
    np.tanh(Y, out=Y)


def _tanh_chain(dH: np.ndarray, H: np.ndarray) -> None:
    """dY = dH·(1 − h²)."""
    dH *= 1 - H * H


def _sigmoid(Y: np.ndarray) -> None:
    """φ(y) = 1/(1 + e^−y), φ' = h·(1 − h)."""
    np.negative(Y, out=Y)
    with np.errstate(over="ignore"):  # e^−y = ∞ is the right way to h = 0
        np.exp(Y, out=Y)
    Y += 1
    np.reciprocal(Y, out=Y)


def _sigmoid_chain(dH: np.ndarray, H: np.ndarray) -> None:
    """dY = dH·h·(1 − h)."""
    dH *= H * (1 - H)


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("identity", _identity, _identity_chain),
        Activation("relu", _relu, _relu_chain),
        Activation("tanh", _tanh, _tanh_chain),
        Activation("sigmoid", _sigmoid, _sigmoid_chain),
    )
}

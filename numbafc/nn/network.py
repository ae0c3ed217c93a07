"""Network: the value that fit changes and predict reads, without training and files: layers, their parameters, and names.

Rows and columns: data come one sample per row, (samples, features), as everywhere in the ecosystem; the layers compute
with one sample per column. The transpose is a view, in `columns`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from .. import checks
from . import initializers
from .activations import ACTIVATIONS
from .attributes import Names, Order, Seed, Standardisation, TableOf, shuffles
from .losses import LOSSES
from .names import ActivationName, InitializerName, LossName
from .views import Views


class Network:
    """The layers h_l = φ(W_l h_{l−1} + b_l), the last without φ, and what belongs to them. mlp.py documents each of it."""

    scaling = False  # networks that older versions pickled have none
    seed = Seed()
    input_mean, input_scale = Standardisation("input", "mean"), Standardisation("input", "scale")
    target_mean, target_scale = Standardisation("target", "mean"), Standardisation("target", "scale")
    classes, features = Names("output"), Names("input")
    table = TableOf()
    order = Order()

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationName = "relu",
        loss: LossName = "cross_entropy",
        dtype: checks.RealDtype = "float32",
        seed: int = 0,
        *,
        label_smoothing: float = 0.0,
        init: InitializerName = "auto",
        scaling: bool = False,
    ) -> None:
        self.sizes = tuple(checks.count(f"sizes[{n}]", size, 1) for n, size in enumerate(sizes))
        if len(self.sizes) < 2:
            raise ValueError(f"sizes must name at least the input and the output, [784, 10], got {list(sizes)}")
        checks.choice("activation", activation, ACTIVATIONS)
        self.activation: ActivationName = activation
        checks.choice("loss", loss, LOSSES)
        self.loss_name: LossName = loss
        self.dtype = checks.real_dtype(dtype)
        self.seed = seed
        self.input_mean = self.target_mean = None
        self.classes = self.features = self.table = None
        self.label_smoothing = checks.fraction("label_smoothing", label_smoothing)
        if label_smoothing and not LOSSES[loss].classifies:
            raise ValueError(f"label_smoothing goes with the loss 'cross_entropy', got it with {loss!r}; leave it out")
        checks.choice("init", init, initializers.INITIALIZERS)
        self.init: InitializerName = init
        self.scaling = checks.flag("scaling", scaling)
        self._parameters = self._initial()
        self.order = shuffles(self.seed)

    def _initial(self) -> np.ndarray:
        """Parameters as they are before any training. Raises MemoryError."""
        count = count_parameters(self.sizes, self.scaling)
        try:
            parameters = np.zeros(count, self.dtype)
        except (ValueError, OverflowError, MemoryError):
            raise MemoryError(
                f"layers of these sizes have {checks.shown(count)} parameters, which fit in no memory; make them smaller"
            ) from None
        rng = np.random.default_rng(self.seed)
        parameters[: self.sizes[0] if self.scaling else 0] = 1
        initializers.fill_layers(list(self.layers(parameters)), self.init, ACTIVATIONS[self.activation].gain, rng)
        return parameters

    @property
    def parameters(self) -> np.ndarray:
        """All scales, weights and biases, flat. The array itself: net.parameters[:] = … changes the network."""
        return self._parameters

    @property
    def scales(self) -> np.ndarray:
        """The factor s of each input, (N,), a view into parameters; empty without scaling."""
        return self._parameters[: self.sizes[0] if self.scaling else 0]

    @property
    def weights(self) -> list[np.ndarray]:
        """Each layer's W, (T, N): views into parameters."""
        return self.views(self._parameters)[0]

    @property
    def biases(self) -> list[np.ndarray]:
        """Each layer's b, (T,): views into parameters."""
        return self.views(self._parameters)[1]

    def views(self, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The weights and biases inside a flat array that is laid out like `parameters`."""
        layers = list(self.layers(flat))
        return Views(W for W, _ in layers), Views(b for _, b in layers)

    def layers(self, flat: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """W (T, N) and b (T,) of each layer, views into a flat array that is laid out like `parameters`."""
        N = self.sizes[0]
        w = N if self.scaling else 0
        for T in self.sizes[1:]:
            b = w + T * N
            yield flat[w:b].reshape(T, N), flat[b : b + T]
            w, N = b + T, T

    def columns(self, X: np.ndarray) -> np.ndarray:
        """Rows of samples as columns, standardised: what the first layer takes, or what scales are multiplied with."""
        if self.input_mean is not None and self.input_scale is not None:
            X = (X - self.input_mean) / self.input_scale
        return X.T

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({list(self.sizes)}, activation={self.activation!r}, loss={self.loss_name!r}, "
            f"dtype={self.dtype.name!r}, seed={self.seed})"
        )


def count_parameters(sizes: Sequence[int], scaling: bool) -> int:
    """How many parameters layers of these sizes have, with a factor for each input or without."""
    return sum(T * N + T for N, T in itertools.pairwise(sizes)) + (sizes[0] if scaling else 0)


def set_layers(net: Network, sizes: tuple[int, ...], parameters: np.ndarray) -> None:
    """Give a network other layers, with their parameters: a flat array that becomes its own."""
    net.sizes, net._parameters = sizes, parameters

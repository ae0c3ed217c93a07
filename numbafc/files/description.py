"""A network as tensors and a description that JSON can hold, and back: what a file claims is compared with what it holds.

scales                                  the factors of the inputs, if there are any
layers.0.weight, layers.0.bias, …       the other parameters, by PyTorch's names
input.mean, input.scale, target.mean, … the standardisation, if there is one
training.…                              what fit(resume=True) needs: the optimizer's state and others (progress.py)
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import checks
from ..nn import MLP
from ..nn.attributes import shuffles
from ..nn.network import set_layers
from ..tables import Table
from . import progress

FORMAT = 3  # one number up for whatever an older reader would misunderstand
PLAIN = 2  # of a network that older versions read as it is
READABLE = 1, 2, 3  # 1 had no targets' standardisation, training, label_smoothing and init; 2 had no table


def contents(net: MLP, training: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the description of a network."""
    tensors = _tensors(net)
    for name, mean, scale in standardisations(net):
        if mean is not None and scale is not None:
            tensors |= {f"{name}.mean": mean, f"{name}.scale": scale}
    description: dict[str, Any] = {
        "format": PLAIN if net.table is None else FORMAT,
        "sizes": net.sizes,
        "activation": net.activation,
        "loss": net.loss_name,
        "dtype": net.dtype.name,
        "seed": net.seed,
        "label_smoothing": net.label_smoothing,
        "init": net.init,
        "scaling": net.scaling,
        "classes": net.classes,
        "features": net.features,
    }
    if net.table is not None:
        description["table"] = net.table.to_dict()
    order = shuffles(net.seed).bit_generator.state
    if training and net.training is not None and progress.can_be_written(net.training):
        description["training"] = progress.describe(net.training)
        tensors |= {f"training.{name}": tensor for name, tensor in progress.tensors(net.training).items()}
        order = net.training.order
    if net.order.bit_generator.state != order:  # somebody set another one, or trained and saved without the training
        description["order"] = net.order.bit_generator.state
    return tensors, description


def standardisations(net: MLP) -> list[tuple[str, np.ndarray | None, np.ndarray | None]]:
    """The mean and the scale of the inputs, and those of the targets."""
    return [("input", net.input_mean, net.input_scale), ("target", net.target_mean, net.target_scale)]


def restore(description: dict[str, Any], tensors: dict[str, np.ndarray], table: Table | None = None) -> MLP:
    """The network of a description and its tensors, with a table that is known, or its own.

    Raises one of container.CONTRADICTIONS where they disagree.
    """
    net = MLP(
        [1, 1],  # the sizes come when there are parameters for them
        description["activation"],
        description["loss"],
        description["dtype"],
        description["seed"],
        label_smoothing=description.get("label_smoothing", 0.0),
        init=description.get("init", "auto"),
        scaling=description.get("scaling", False),
    )
    set_layers(net, *_parameters(description["sizes"], tensors, net.dtype, net.scaling))
    if "input.mean" in tensors:
        net.input_mean, net.input_scale = _standardisation(tensors, "input", net.sizes[:1], net.dtype)
    net.table = Table.from_dict(description["table"]) if "table" in description else table  # since format 3
    if "target.mean" in tensors:
        dtype = net.dtype if net.table is None else np.dtype(np.float64)
        net.target_mean, net.target_scale = _standardisation(tensors, "target", net.sizes[-1:], dtype)
    net.classes = _names("classes", description["classes"], net.sizes[-1], "outputs")
    net.features = _names("features", description.get("features"), net.sizes[0], "inputs")  # younger than format 2
    if "training" in description:
        prefix = "training."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        net.training = progress.restore(description["training"], own, net)
        net.order.bit_generator.state = net.training.order
    if "order" in description:  # younger than format 2
        net.order.bit_generator.state = progress.order_of(description["order"])
    return net


def _parameters(
    described: Any, tensors: dict[str, np.ndarray], dtype: np.dtype, scaling: bool
) -> tuple[tuple[int, ...], np.ndarray]:
    """The sizes, and the parameters that a file holds for all of them: nothing is made before they are seen."""
    if not isinstance(described, list) or len(described) < 2:
        raise ValueError(f"sizes must be a list of 2 or more, got {described!r:.80}")
    sizes = tuple(checks.count("a size", size, 1) for size in described)
    parts = [_matching(tensors, "scales", sizes[:1], dtype)] if scaling else []
    for n, (N, T) in enumerate(itertools.pairwise(sizes)):
        for kind, shape in (("weight", (T, N)), ("bias", (T,))):
            parts.append(_matching(tensors, f"layers.{n}.{kind}", shape, dtype).reshape(-1))
    return sizes, np.concatenate(parts)


def _tensors(net: MLP) -> dict[str, np.ndarray]:
    """The parameters as tensors by PyTorch's names."""
    return ({"scales": net.scales} if net.scaling else {}) | {
        f"layers.{n}.{kind}": tensor
        for n, pair in enumerate(zip(net.weights, net.biases, strict=True))
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def _names(name: str, names: Any, count: int, of: str) -> tuple[str, ...] | None:
    """Names of all inputs or outputs, if they have any. Raises ValueError."""
    if names is None:
        return None
    if not (isinstance(names, list) and all(isinstance(one, str) for one in names)):
        raise ValueError(f"{name} must be a list of words, got {names!r:.80}")
    if len(names) != count:
        raise ValueError(f"{len(names)} {name} for {count} {of}")
    return tuple(names)


def _matching(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"{name} is missing, which should have shape {shape}")
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != dtype:
        raise ValueError(f"{name} has shape {tensor.shape}, {tensor.dtype}; expected {shape}, {dtype}")
    return tensor


def _standardisation(
    tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """A mean and a scale, of which no number spoils every prediction."""
    mean, scale = (_matching(tensors, f"{name}.{kind}", shape, dtype) for kind in ("mean", "scale"))
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and scale.all()):
        raise ValueError(f"{name}.mean and {name}.scale must be finite, and no scale 0")
    return mean, scale

"""Networks from modules, and modules from networks: equal outputs, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ...files.weights import from_weights
from ...nn import MLP
from ...nn.network import set_layers
from . import data, losses, memory
from .standardising import Factors, Standardise, Unstandardise
from .structure import ACTIVATIONS, Structure, structure_of

MODULES = {name: (kind, settings) for kind, (name, settings) in ACTIVATIONS.items()}
_IMPLIED: dict[Any, str] = {nn.Softmax: "cross_entropy", nn.LogSoftmax: "cross_entropy", nn.Sigmoid: "binary_cross_entropy"}


def network(structure: Structure, loss: tuple[str, float], seed: int, parameters: np.ndarray) -> MLP:
    """A network of these layers, whose parameters are the array itself."""
    name, smoothing = loss
    of: dict[str, Any] = {"activation": structure.activation, "loss": name, "dtype": parameters.dtype, "seed": seed}
    net = MLP(structure.sizes, **of, label_smoothing=smoothing, scaling=structure.factors is not None)
    set_layers(net, structure.sizes, parameters)
    if structure.inputs is not None:
        net.input_mean, net.input_scale = (_numbers(structure.inputs, which) for which in ("mean", "scale"))
    if structure.outputs is not None:
        net.target_mean, net.target_scale = (_numbers(structure.outputs, which) for which in ("mean", "scale"))
    return net


def _numbers(module: nn.Module, which: str) -> np.ndarray:
    values: np.ndarray = getattr(module, which).detach().cpu().numpy()
    return values


def from_torch(module: nn.Module | Mapping[str, Any], *, loss: Any = None, activation: Any = None, seed: int = 0) -> MLP:
    """A network with a module's layers and a copy of its parameters: its outputs are the module's.

    module: an nn.Sequential as fit_module takes it; or a state dict, with the activation of its hidden layers, as
    numbafc.from_weights takes both. loss: what the outputs mean, as fit_module takes it; None: that of the module's last
    layer, else "mse", with which predictions are the outputs. seed: of trainings of the network. Raises TypeError or
    ValueError.
    """
    if isinstance(module, Mapping):
        of: Any = losses.loss_of("mse" if loss is None else loss, None)[0]
        weights = {name: data.array(name, values) for name, values in module.items()}
        net = from_weights(weights, activation=activation, loss=of)
        net.seed = seed
        return net
    if activation is not None:
        raise ValueError("activation goes with a state dict, got a module, which has its own; leave it out")
    structure = structure_of(module)
    ending = structure.ending
    named = (_IMPLIED.get(type(ending), "mse"), 0.0) if loss is None else losses.loss_of(loss, ending)
    values = [parameter.detach().cpu().reshape(-1).numpy() for parameter in memory.parameters_of(structure).values()]
    return network(structure, named, seed, np.concatenate(values).astype(memory.dtype_of(structure), copy=False))


def to_torch(net: MLP) -> nn.Sequential:
    """An nn.Sequential with a network's layers and a copy of its parameters: its outputs are the network's.

    Standardised inputs and targets, and factors of the inputs, are modules of their own before and behind the layers. Where
    the network was made by a table, the module takes what the table encodes. Raises TypeError.
    """
    if not isinstance(net, MLP):
        raise TypeError(f"net must be an MLP, got {type(net).__name__}; of several members convert each")
    modules: list[nn.Module] = []
    if net.input_mean is not None:
        modules.append(Standardise(net.input_mean, net.input_scale))
    if net.scaling:
        modules.append(Factors(net.scales))
    for n, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        if n > 0 and net.activation != "identity":
            kind, settings = MODULES[net.activation]
            modules.append(kind(**settings))
        linear = nn.Linear(W.shape[1], W.shape[0], dtype=getattr(torch, net.dtype.name), device="meta")
        linear.weight, linear.bias = (nn.Parameter(torch.from_numpy(np.array(values))) for values in (W, b))
        modules.append(linear)
    if net.target_mean is not None and net.target_scale is not None:
        modules.append(Unstandardise(net.target_mean.astype(net.dtype), net.target_scale.astype(net.dtype)))
    return nn.Sequential(*modules)

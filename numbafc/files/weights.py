"""Networks of plain weights: arrays, state dicts of PyTorch, kernels of Keras and Flax, safetensors of a module.

A layer's W is (T, N), a row for each output, as PyTorch has it; kernels of Keras and Flax are (N, T), a column for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..nn import ACTIVATIONS, LOSSES, MLP
from ..nn.names import ActivationName, LossName
from ..nn.network import set_layers
from . import container
from .invalid import InvalidFile
from .opening import enough_memory

Pairs = Sequence[tuple[Any, Any]]
EXPECTED = "weights must be pairs (W, b) of each layer, arrays in a row, a state dict, or the path of a safetensors file"
NUMBER = re.compile(r"\d+")


def from_weights(
    weights: Any, *, activation: ActivationName, loss: LossName = "cross_entropy", in_out: bool = False
) -> MLP:
    """The network with these weights: pairs (W, b), the first layer's first, W (T, N) and b (T,), or None for zeros.

    weights: also arrays in a row, W₁, b₁, W₂, …, as Keras' get_weights gives them; a state dict of PyTorch or Flax'
    parameters; or the path of a safetensors file with 0.weight, 0.bias, 2.weight and so on. Layers with numbers in their
    names go by these, others in their order. activation: of the hidden layers, which weights do not tell. loss: what the
    outputs are learnt by. in_out: each W is a kernel (N, T), as Keras has it; one that is called kernel is taken so.

    The dtype is float64 where a weight has it, else float32. Raises TypeError or ValueError, InvalidFile for a file.
    """
    if not isinstance(weights, str | PathLike):
        pairs, kernels = _pairs(weights, ordered=True)
        return _network(pairs, activation, loss, checks.flag("in_out", in_out) or kernels)
    with enough_memory(weights):
        metadata, tensors = container.read(Path(weights))
    if container.ENTRY in metadata:
        raise InvalidFile(weights, "a network that numbafc saved, with all that it is; numbafc.load reads it")
    checks.choice("activation", activation, ACTIVATIONS)
    checks.choice("loss", loss, LOSSES)
    try:
        pairs, kernels = _pairs(tensors, ordered=False)
        return _network(pairs, activation, loss, checks.flag("in_out", in_out) or kernels)
    except (TypeError, ValueError) as error:
        raise InvalidFile(weights, str(error)) from None


def of_layers(pairs: Pairs, activation: str, loss: str, dtype: np.dtype, factors: np.ndarray | None = None) -> MLP:
    """The network of layers that fit, W (T, N) and b (T,). factors: of the inputs, (N,), if there are any."""
    parts = [] if factors is None else [factors.astype(dtype)]
    parts += [part.astype(dtype).reshape(-1) for pair in pairs for part in pair]
    net = MLP([1, 1], activation, loss, dtype, scaling=factors is not None)  # type: ignore[arg-type]
    set_layers(net, (pairs[0][0].shape[1], *(W.shape[0] for W, _ in pairs)), np.concatenate(parts))
    return net


def _network(pairs: Pairs, activation: str, loss: str, in_out: bool) -> MLP:
    """The network of checked layers. Raises TypeError or ValueError."""
    given = [
        (_array(f"W of layer {n}", W), None if b is None else _array(f"b of layer {n}", b))
        for n, (W, b) in enumerate(pairs)
    ]
    double = any(array is not None and array.dtype.str[1:] == "f8" for pair in given for array in pair)
    dtype = np.dtype(np.float64 if double else np.float32)
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    for n, (W, b) in enumerate(given):
        if W.ndim != 2 or 0 in W.shape:
            raise ValueError(f"W of layer {n} must be (T, N), neither of them 0, got shape {W.shape}")
        W = W.T if in_out else W
        T, N = W.shape
        b = np.zeros(T) if b is None else b
        if b.shape != (T,) or (layers and layers[-1][0].shape[0] != N):
            raise ValueError(_misfit(n, W, b, layers[-1][0].shape[0] if layers else N, in_out))
        W, b = (checks.real_values(f"{name} of layer {n}", array, dtype) for name, array in (("W", W), ("b", b)))
        layers.append((W, b))
    return of_layers(layers, activation, loss, dtype)


def _misfit(n: int, W: np.ndarray, b: np.ndarray, before: int, in_out: bool) -> str:
    form, other = ("(N, T)", "in_out=False for W (T, N)") if in_out else ("(T, N)", "in_out=True for kernels (N, T)")
    T, N = W.shape
    got = f"layer {n} has W for {N} inputs and {T} outputs, as {form}, b of shape {b.shape}, and {before} inputs come"
    return f"{got}; pass the layers in order, or {other}"


def _array(name: str, value: Any) -> np.ndarray:
    """A weight as an array; a tensor of PyTorch without what autograd keeps. Raises TypeError."""
    checks.not_masked(name, value)
    value = value.detach() if hasattr(value, "detach") else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # on another device, or of a dtype that NumPy has not
        raise TypeError(f"{name} must be an array on the CPU, of float32 or float64, got {error!s:.100}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype!s:.40}")
    return array


# ---- what people have -------------------------------------------------------------------------------------------------


def _pairs(weights: Any, ordered: bool) -> tuple[Pairs, bool]:
    """The layers' pairs, and whether they are kernels. ordered: whether a dict's order is that of the layers."""
    if isinstance(weights, Mapping):
        return _of_mapping(weights, ordered)
    if isinstance(weights, np.ndarray | bytes) or not hasattr(weights, "__iter__"):
        raise TypeError(f"{EXPECTED}, got {type(weights).__name__}")
    given = list(weights)
    if given and all(isinstance(one, tuple | list) and len(one) == 2 for one in given):
        return [tuple(one) for one in given], False
    pairs: list[tuple[Any, Any]] = []
    for one in given:
        axes = getattr(one, "ndim", None)
        if axes == 2:
            pairs.append((one, None))
        elif axes == 1 and pairs and pairs[-1][1] is None:
            pairs[-1] = pairs[-1][0], one
        else:
            raise TypeError(f"{EXPECTED}, got {type(one).__name__} among them")
    if not pairs:
        raise ValueError(f"{EXPECTED}, got nothing")
    return pairs, False


def _of_mapping(weights: Mapping[Any, Any], ordered: bool) -> tuple[Pairs, bool]:
    """Layers by their names: 0.weight and 0.bias, or a layer's own mapping of kernel and bias."""
    while len(weights) == 1 and isinstance(inner := next(iter(weights.values())), Mapping) and "kernel" not in inner:
        weights = inner  # Flax has all of it behind "params"
    flat = _flat(weights)
    layers: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        layer, _, kind = name.rpartition(".")
        if kind not in ("weight", "kernel", "bias"):
            raise ValueError(
                f"{name!r:.60} is no weight of a fully-connected layer; expected names such as 0.weight and 0.bias"
            )
        layers.setdefault(layer, {})[kind] = value
    names = _in_order(list(layers), ordered)
    kinds = {kind for one in layers.values() for kind in one} - {"bias"}
    lone = next((name for name, one in layers.items() if not {"weight", "kernel"} & one.keys()), None)
    if len(kinds) != 1 or lone is not None:
        raise ValueError(
            f"expected a weight of each layer, got {f'{lone!r:.40} without one' if lone is not None else 'none'}"
        )
    (kind,) = kinds
    return [(layers[name][kind], layers[name].get("bias")) for name in names], kind == "kernel"


def _flat(weights: Mapping[Any, Any]) -> dict[str, Any]:
    """The arrays by their names, with a point between those of a layer and of what is in it."""
    found: dict[str, Any] = {}
    for name, value in weights.items():
        inner = {f"{name}.{kind}": one for kind, one in value.items()} if isinstance(value, Mapping) else {str(name): value}
        found |= inner
    return found


def _in_order(names: list[str], ordered: bool) -> list[str]:
    """Names that differ in one number, by it; others as they are, if they are ordered. Raises ValueError if not."""
    numbers = [NUMBER.findall(name) for name in names]
    alike = len({(NUMBER.sub("#", name), len(own)) for name, own in zip(names, numbers, strict=True)}) == 1
    varying = [place for place in range(len(numbers[0])) if len({own[place] for own in numbers}) > 1] if alike else []
    if len(varying) == 1:
        return sorted(names, key=lambda name: int(NUMBER.findall(name)[varying[0]][:18]))
    if len(names) > 1 and not ordered:
        shown = ", ".join(f"{name!r:.30}" for name in sorted(names)[:4])
        raise ValueError(f"the order of the layers {shown} is not in their names; read them and pass pairs (W, b) in order")
    return names

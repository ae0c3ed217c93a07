"""A module's layers as numbafc sees them: h_l = φ(W_l h_{l−1} + b_l), one φ and one dropout; anything else is named."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from torch import nn

from ...nn.activations import LEAK
from .linear import Linear
from .standardising import Factors, Standardise, Unstandardise

# numbafc's name of each activation, with the settings that it has there; others are refused by name.
ACTIVATIONS: dict[type[nn.Module], tuple[str, dict[str, Any]]] = {
    nn.ReLU: ("relu", {}),
    nn.Tanh: ("tanh", {}),
    nn.Sigmoid: ("sigmoid", {}),
    nn.LeakyReLU: ("leaky_relu", {"negative_slope": LEAK}),
    nn.ELU: ("elu", {"alpha": 1.0}),
    nn.SELU: ("selu", {}),
    nn.Softplus: ("softplus", {"beta": 1.0, "threshold": 20.0}),
    nn.GELU: ("gelu", {"approximate": "none"}),
    nn.SiLU: ("silu", {}),
    nn.Mish: ("mish", {}),
}
LINEARS = nn.Linear, Linear
ENDINGS = nn.Softmax, nn.LogSoftmax, nn.Sigmoid  # of probabilities, which a loss of numbafc's has in it


class Structure(NamedTuple):
    """What an nn.Sequential consists of."""

    linears: list[nn.Linear]
    activation: str  # of the hidden layers; "relu" where there are none
    dropout: float
    ending: nn.Module | None  # one of ENDINGS behind the last layer
    flattens: bool  # inputs of more axes
    factors: Factors | None
    inputs: Standardise | None
    outputs: Unstandardise | None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the inputs, the hidden layers and the outputs."""
        return self.linears[0].in_features, *(linear.out_features for linear in self.linears)


def structure_of(module: nn.Module) -> Structure:
    """The layers of a Sequential, nested or not. Raises TypeError or ValueError, which name what does not fit."""
    leaves: list[tuple[str, nn.Module]] = [("it", module)] if type(module) in LINEARS else list(_leaves(module, ""))
    for name, leaf in leaves:
        _require_plain(name, leaf)
    leaves = [(name, leaf) for name, leaf in leaves if type(leaf) is not nn.Identity]
    places = [n for n, (_, leaf) in enumerate(leaves) if type(leaf) in LINEARS]
    if not places:
        raise ValueError(f"the module must have a Linear layer, got none in {type(module).__name__}; add nn.Linear(N, T)")
    flattens, inputs, factors = _before(leaves[: places[0]])
    ending, outputs = _behind(leaves[places[-1] + 1 :])
    hidden = [leaves[first + 1 : last] for first, last in itertools.pairwise(places)]
    activation, dropout = _between(hidden, [leaves[place][0] for place in places])
    linears: list[Any] = [leaves[place][1] for place in places]
    for n, (before, after) in enumerate(itertools.pairwise(linears)):
        if before.out_features != after.in_features:
            raise ValueError(
                f"layer {leaves[places[n]][0]} has {before.out_features} outputs, but layer {leaves[places[n + 1]][0]} "
                f"takes {after.in_features}; give both the same size"
            )
    return Structure(linears, activation, dropout, ending, flattens, factors, inputs, outputs)


def _leaves(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules that a Sequential calls one after the other, with their names."""
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        kind, where = type(module).__name__, f" at {path}" if path else ""
        raise TypeError(
            f"expected an nn.Sequential of Linear layers and activations, got {kind}{where}; its forward could do "
            "anything, so pass the nn.Sequential in it, or write it as one"
        )
    _require_no_hooks(path or "the module", module)
    for name, child in module._modules.items():  # each as often as it is called; named_children() has it once
        inside = f"{path}.{name}" if path else name
        if type(child) in ACTIVATIONS or type(child) in KNOWN:
            yield inside, child
        elif isinstance(child, nn.Sequential):
            yield from _leaves(child, inside)
        else:
            _refuse(inside, child)


KNOWN = *LINEARS, nn.Identity, nn.Dropout, nn.Flatten, *ENDINGS, Standardise, Factors, Unstandardise


def _refuse(name: str, module: nn.Module, why: str = "") -> NoReturn:
    kind = type(module).__name__
    known = ", ".join(kind.__name__ for kind in (*ACTIVATIONS, nn.Dropout, nn.Flatten, nn.Identity))
    raise ValueError(f"{kind} ({name}) {why or f'is no layer that numbafc has: it takes Linear, {known}'}"[:400])


def _require_no_hooks(name: str, module: nn.Module) -> None:
    hooks = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    if any(getattr(module, hook, None) for hook in hooks):
        raise ValueError(
            f"{type(module).__name__} ({name}) has hooks, which nothing would call; remove them, or train it by PyTorch"
        )


def _require_plain(name: str, leaf: nn.Module) -> None:
    """Require a leaf to be what its class is, with settings that numbafc has."""
    _require_no_hooks(name, leaf)
    if "forward" in vars(leaf):
        _refuse(name, leaf, "has a forward of its own, which nothing would call; make it a module of PyTorch's")
    if type(leaf) in ACTIVATIONS:
        for setting, expected in ACTIVATIONS[type(leaf)][1].items():
            if getattr(leaf, setting) != expected:
                _refuse(
                    name, leaf, f"must have {setting}={expected!r}, got {getattr(leaf, setting)!r}; use that, or no other"
                )
    elif type(leaf) in LINEARS and leaf.bias is None:
        _refuse(name, leaf, "has no bias, and numbafc's layers have one; make it with bias=True")
    elif type(leaf) is nn.Flatten and (leaf.start_dim, leaf.end_dim) != (1, -1):
        _refuse(name, leaf, f"must flatten all but the samples, got start_dim={leaf.start_dim}, end_dim={leaf.end_dim}")
    elif type(leaf) in (nn.Softmax, nn.LogSoftmax) and leaf.dim not in (1, -1):
        _refuse(name, leaf, f"must be over the outputs, got dim={leaf.dim}; use dim=1")


def _before(leaves: list[tuple[str, nn.Module]]) -> tuple[bool, Standardise | None, Factors | None]:
    """What stands before the first layer."""
    flattens, inputs, factors = False, None, None
    for name, leaf in leaves:
        if type(leaf) is nn.Flatten and inputs is factors is None:
            flattens = True
        elif type(leaf) is Standardise and inputs is factors is None:
            inputs = leaf
        elif type(leaf) is Factors and factors is None:
            factors = leaf
        elif type(leaf) is not nn.Dropout or leaf.p:
            _refuse(
                name, leaf, "stands before the first Linear layer, where numbafc has nothing of the kind; move it behind"
            )
    return flattens, inputs, factors


def _behind(leaves: list[tuple[str, nn.Module]]) -> tuple[nn.Module | None, Unstandardise | None]:
    """What stands behind the last layer."""
    ending, outputs = None, None
    for name, leaf in leaves:
        if type(leaf) in ENDINGS and ending is outputs is None:
            ending = leaf
        elif type(leaf) is Unstandardise and ending is outputs is None:
            outputs = leaf
        else:
            _refuse(name, leaf, "stands behind the last Linear layer, where numbafc has nothing of the kind; leave it out")
    return ending, outputs


def _between(hidden: list[list[tuple[str, nn.Module]]], names: list[str]) -> tuple[str, float]:
    """The activation and the dropout of all hidden layers."""
    found: set[tuple[str, float]] = set()
    for n, leaves in enumerate(hidden):
        activation, dropout = "identity", 0.0
        for place, (name, leaf) in enumerate(leaves):
            if type(leaf) in ACTIVATIONS and place == 0:
                activation = ACTIVATIONS[type(leaf)][0]
            elif type(leaf) is nn.Dropout and place == len(leaves) - 1:
                dropout = float(leaf.p)
            elif type(leaf) is not nn.Flatten:
                where = f"stands between the layers {names[n]} and {names[n + 1]}"
                _refuse(name, leaf, f"{where}, where an activation and then a Dropout may be, one of each")
        found.add((activation, dropout))
    if len(found) > 1:
        said = "; ".join(f"{activation}, dropout {dropout:g}" for activation, dropout in sorted(found))
        raise ValueError(f"all hidden layers must have one activation and one dropout, got {said:.200}; make them alike")
    return found.pop() if found else ("relu", 0.0)

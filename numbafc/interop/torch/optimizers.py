"""PyTorch's optimizers as numbafc's, their settings and their state: a training goes on from either side to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ...nn import SGD, Adagrad, Adam, AdamW, RMSprop
from ...nn.optimizers import Optimizer


class _Kind(NamedTuple):
    """An optimizer of PyTorch's: numbafc's with the same formula, what it must not do, and its state's names in both."""

    make: Callable[[dict[str, Any]], Optimizer]
    must: dict[str, Any]
    states: dict[str, str]


def _betas(kind: Any) -> Callable[[dict[str, Any]], Optimizer]:
    return lambda own: kind(
        learning_rate=_number(own["lr"]),
        beta1=_number(own["betas"][0]),
        beta2=_number(own["betas"][1]),
        epsilon=own["eps"],
        weight_decay=own["weight_decay"],
    )


def _number(value: Any) -> float:
    return float(value)  # learning rates may be tensors


def _sgd(own: dict[str, Any]) -> Optimizer:
    return SGD(_number(own["lr"]), own["momentum"], own["nesterov"], own["weight_decay"])


def _rmsprop(own: dict[str, Any]) -> Optimizer:
    return RMSprop(_number(own["lr"]), own["alpha"], own["eps"], own["momentum"], own["weight_decay"])


def _adagrad(own: dict[str, Any]) -> Optimizer:
    return Adagrad(_number(own["lr"]), own["eps"], own["weight_decay"])


_NEVER = {"maximize": False, "differentiable": False, "amsgrad": False, "centered": False, "dampening": 0, "lr_decay": 0}
_MOMENTS = {"mean": "exp_avg", "square": "exp_avg_sq"}
KINDS: dict[type, _Kind] = {
    torch.optim.SGD: _Kind(_sgd, _NEVER, {"velocity": "momentum_buffer"}),
    torch.optim.Adam: _Kind(_betas(Adam), _NEVER | {"decoupled_weight_decay": False}, _MOMENTS),
    torch.optim.AdamW: _Kind(_betas(AdamW), _NEVER, _MOMENTS),
    torch.optim.RMSprop: _Kind(_rmsprop, _NEVER, {"square": "square_avg", "velocity": "momentum_buffer"}),
    torch.optim.Adagrad: _Kind(_adagrad, _NEVER, {"square": "sum"}),
}


def ours(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> Optimizer:
    """numbafc's optimizer with the settings of one of PyTorch's. Raises TypeError or ValueError."""
    kind = KINDS.get(type(optimizer))
    if kind is None:
        names = ", ".join(known.__name__ for known in KINDS)
        raise TypeError(
            f"optimizer must be a name or an optimizer of numbafc's, or one of {names}, got {type(optimizer).__name__:.40}"
        )
    if len(optimizer.param_groups) != 1:
        raise ValueError(f"optimizer must have one group of parameters, got {len(optimizer.param_groups)}; make one of all")
    own = optimizer.param_groups[0]
    if {id(parameter) for parameter in own["params"]} != {id(parameter) for parameter in parameters}:
        raise ValueError(
            "optimizer must be of the module's parameters, all of them and no others; pass module.parameters()"
        )
    for setting, value in kind.must.items():
        if setting in own and own[setting] != value:
            raise ValueError(
                f"{type(optimizer).__name__} must have {setting}={value!r}, got {own[setting]!r:.40}; numbafc has none such"
            )
    return kind.make(own)


def steps(optimizer: torch.optim.Optimizer) -> int:
    """How many steps an optimizer has made; 1 where it has a state and does not count. 0: there is no state."""
    return max((int(state.get("step", 1)) for state in optimizer.state.values()), default=0)


def state_of(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], step: Any) -> dict[str, np.ndarray]:
    """PyTorch's state as numbafc has it; step: numbafc's optimizer. Raises ValueError where some of it is missing."""
    kind, compiled, found = KINDS[type(optimizer)], step.compiled(), {}
    for name in compiled.states:
        theirs = kind.states[name]
        arrays = [optimizer.state.get(parameter, {}).get(theirs) for parameter in parameters]
        if any(array is None for array in arrays):
            raise ValueError(f"the state of {type(optimizer).__name__} has no {theirs} for some parameters; begin anew")
        found[name] = np.concatenate([array.detach().numpy().reshape(-1) for array in arrays])
    if compiled.powers:
        made = {int(optimizer.state[parameter]["step"]) for parameter in parameters}
        if len(made) > 1:
            raise ValueError(f"{type(optimizer).__name__} has made other numbers of steps for some parameters; begin anew")
        (count,) = made
        betas = optimizer.param_groups[0]["betas"]  # multiplied up, as a training does
        found["powers"] = np.array([np.cumprod(np.full(count, float(beta)))[-1] if count else 1.0 for beta in betas])
    return found


def write(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], state: dict[str, Any], made: int) -> None:
    """Fill PyTorch's state with numbafc's, after so many steps in all."""
    kind, first = KINDS[type(optimizer)], 0
    for parameter in parameters:
        own, last = optimizer.state[parameter], first + parameter.numel()
        for name, theirs in kind.states.items():
            if name in state:
                own[theirs] = torch.from_numpy(state[name][first:last].copy()).view(parameter.shape)
        if type(optimizer) is not torch.optim.SGD:
            own["step"] = torch.tensor(float(made))
        first = last

"""PyTorch's losses as numbafc names them; what a loss has that numbafc's has not is refused by name."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from torch import nn
from torch.nn import functional

from ...nn import LOSSES

_MODULES: dict[type[nn.Module], tuple[str, dict[str, Any]]] = {
    nn.CrossEntropyLoss: ("cross_entropy", {"weight": None, "ignore_index": -100}),
    nn.NLLLoss: ("cross_entropy", {"weight": None, "ignore_index": -100}),
    nn.BCEWithLogitsLoss: ("binary_cross_entropy", {"weight": None, "pos_weight": None}),
    nn.BCELoss: ("binary_cross_entropy", {"weight": None}),
    nn.MSELoss: ("mse", {}),
    nn.L1Loss: ("mae", {}),
    nn.HuberLoss: ("huber", {"delta": 1.0}),
    nn.SmoothL1Loss: ("huber", {"beta": 1.0}),
    nn.PoissonNLLLoss: ("poisson", {"log_input": True, "full": False}),
}
_FUNCTIONS: dict[Any, Any] = {
    functional.cross_entropy: nn.CrossEntropyLoss,
    functional.nll_loss: nn.NLLLoss,
    functional.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
    functional.binary_cross_entropy: nn.BCELoss,
    functional.mse_loss: nn.MSELoss,
    functional.l1_loss: nn.L1Loss,
    functional.huber_loss: nn.HuberLoss,
    functional.smooth_l1_loss: nn.SmoothL1Loss,
    functional.poisson_nll_loss: nn.PoissonNLLLoss,
}
_ENDINGS: dict[Any, Any] = {nn.LogSoftmax: nn.NLLLoss, nn.Sigmoid: nn.BCELoss}  # which loss goes with which last module
_HINTS = {
    "weight": "pass fit_module class_weight or sample_weight, which count relative to the mean of all samples",
    "pos_weight": "pass fit_module sample_weight",
    "ignore_index": "leave those samples out",
}


def loss_of(loss: Any, ending: nn.Module | None) -> tuple[str, float]:
    """numbafc's name of a loss, and its label smoothing.

    loss: a name of numbafc's, a loss module of PyTorch's or its function. ending: the module behind the last layer.
    Raises TypeError or ValueError.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a loss of PyTorch's, got {loss!r:.40}")
        if ending is not None:
            raise ValueError(
                f"the module ends with {type(ending).__name__}, which the loss {loss!r} has in it; leave that module out"
            )
        return loss, 0.0
    module = _FUNCTIONS[loss]() if isinstance(loss, FunctionType) and loss in _FUNCTIONS else loss
    if type(module) not in _MODULES:
        got = f"the class {loss.__name__}; call it" if isinstance(loss, type) else type(loss).__name__
        names = ", ".join(kind.__name__ for kind in _MODULES)
        raise TypeError(f"loss must be a name of numbafc's ({', '.join(LOSSES)}) or one of {names}, got {got:.40}")
    name, expected = _MODULES[type(module)]
    _require_goes_with(module, ending)
    for setting, value in ({"reduction": "mean"} | expected).items():
        if getattr(module, setting) != value if value is not None else getattr(module, setting) is not None:
            hint = _HINTS.get(setting, f"use {setting}={value!r}")
            got = "a tensor" if value is None else repr(getattr(module, setting))
            raise ValueError(f"{type(module).__name__} must have {setting}={value!r}, got {got}; {hint}")
    return name, float(getattr(module, "label_smoothing", 0.0))


def _require_goes_with(loss: nn.Module, ending: nn.Module | None) -> None:
    """Require that the loss takes what the module puts out. Raises ValueError."""
    kind, behind = type(loss), None if ending is None else type(ending)
    if (behind is not None or kind in _ENDINGS.values()) and _ENDINGS.get(behind) is not kind:
        got = "ends with a Linear layer" if behind is None else f"ends with {behind.__name__}"
        goes = {nn.NLLLoss: "LogSoftmax", nn.BCELoss: "Sigmoid"}.get(kind, "no activation")
        raise ValueError(
            f"{kind.__name__} goes with {goes} behind the last Linear layer, and the module {got}; the usual pairs are "
            "CrossEntropyLoss or BCEWithLogitsLoss with none, NLLLoss with LogSoftmax, BCELoss with Sigmoid"
        )

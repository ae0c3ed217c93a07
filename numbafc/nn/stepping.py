"""A step of the optimizer as Python makes it: with the minibatch's learning rate, and rate factors where there are any."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from . import optimizers, rates
from .network import Network
from .recipe import Recipe

StepFunction = Callable[[np.ndarray, float, float], None]  # gradients, learning rate, total weight of the minibatch


def rate_factors(net: Network, recipe: Recipe) -> np.ndarray:
    """The table of rate factors (rates.py)."""
    step: Any = recipe.optimizer
    return rates.table(net.sizes, recipe.rate_factors, recipe.ntp, step, recipe.regularization.l2 > 0)


def stepper(net: Network, recipe: Recipe, state: dict[str, Any]) -> StepFunction:
    """The function that makes a step of the network's parameters and of the optimizer's state, in place."""
    optimizer, l2 = recipe.optimizer, recipe.regularization.l2
    now: Any = copy.copy(optimizer) if type(optimizer) in optimizers.OURS else optimizer
    spans = [slice(*ends) for ends in rates.spans(net.sizes, net.scaling)]
    factors = rate_factors(net, recipe) if recipe.has_rates else rates.NONE

    def step(gradients: np.ndarray, rate: float, total_weight: float) -> None:
        if now is not optimizer:
            object.__setattr__(now, "learning_rate", rate)  # 0 is no setting, but may be a rate
        if recipe.has_rates:
            now.update_spans(net.parameters, gradients, state, spans, factors, l2 / total_weight)
        else:
            now.update(net.parameters, gradients, state)

    return step

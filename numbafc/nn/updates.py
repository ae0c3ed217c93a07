"""Updates of parameters as compiled loops: a formula of one element (optimizers.py), its settings by name, and a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._numba import Kernel, flat, flat_in, inner, kernel, named
from ..kernels import border
from ..kernels.epilogue import LENGTH_OF_SETTINGS


class Hyperparameters(NamedTuple):
    """The numbers that an optimizer holds; 0 where it has none such."""

    decay: float = 0.0
    momentum: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0  # the α of RMSprop, too
    epsilon: float = 0.0
    nesterov: float = 0.0  # 1, or 0
    epsilon_hat: float = 0.0  # 1, or 0: ε is of √v, not of √v̂ (D. Kingma, J. Ba, ICLR 2015, behind algorithm 1)


class Settings(NamedTuple):
    """The settings of a step, in the dtype of the parameters. They begin with StepSettings, which the microkernel reads."""

    rate: Any
    decay: Any
    momentum: Any
    nesterov: Any
    smallest: Any  # normal number
    beta1: Any
    rest1: Any  # 1 − β₁
    beta2: Any
    rest2: Any  # 1 − β₂
    corrected_rate: Any  # rate/(1 − β₁ⁿ) at step n
    correction: Any  # 1/(1 − β₂ⁿ)
    shrink: Any  # 1 − rate·decay
    epsilon: Any


@inner
def prepare_step(numbers, rate, powers, factors, settings, penalty):
    """Fill settings for the next step: as many as there are rows of factors (rates.py), one behind the other.

    numbers: Hyperparameters; powers: β₁ⁿ and β₂ⁿ, which are advanced. penalty: the coefficient of the step's L2 penalty.
    """
    beta1, beta2 = numbers.beta1, numbers.beta2
    powers[0] *= beta1
    powers[1] *= beta2
    correction = 1 / (1 - powers[1])
    epsilon = numbers.epsilon * (np.sqrt(correction) if numbers.epsilon_hat > 0 else 1.0)
    for row in range(len(factors)):
        of_decay = rate * factors[row, 0]
        step = of_decay * factors[row, 1]
        told = Settings(
            step, numbers.decay * factors[row, 3] + penalty * factors[row, 4], numbers.momentum, numbers.nesterov,
            2.0**-126 if settings.itemsize == 4 else 2.0**-1022,
            beta1, 1 - beta1, beta2, 1 - beta2, step / (1 - powers[0]), correction, 1 - of_decay * numbers.decay,
            epsilon * factors[row, 2],
        )  # fmt: skip
        for n in range(len(told)):
            settings[row * LENGTH_OF_SETTINGS + n] = told[n]


@inner
def place_of(settings, row):
    """Where those of a row of factors begin; there may be one row for all."""
    return row * LENGTH_OF_SETTINGS if len(settings) > LENGTH_OF_SETTINGS else 0


@inner
def _by_name(s):
    return Settings(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12])


def settings_for(
    numbers: Hyperparameters,
    rate: float,
    powers: np.ndarray,
    dtype: np.dtype,
    factors: np.ndarray | None = None,
    penalty: float = 0.0,
) -> np.ndarray:
    """Settings of one step, as a kernel takes them, for each row of factors; powers are advanced."""
    factors = np.ones((1, 5)) if factors is None else factors
    settings = np.zeros(len(factors) * LENGTH_OF_SETTINGS, dtype)
    with np.errstate(all="ignore"):  # what is too large for the dtype is infinite
        prepare_step(numbers, rate, powers, factors, settings, penalty)
    return settings


def update_types(real: Any) -> tuple[Any, ...]:
    """(θ, g, first state, second state, settings); states that an optimizer has not are not looked at."""
    return flat(real), flat_in(real), flat(real), flat(real), flat_in(real)


def _loop(formula: Callable[..., Any], states: int) -> Callable[..., int]:
    """The formula for each element. It takes θ, g, the states and Settings, and returns θ and the states."""

    def without(parameters, g, first, second, settings):
        s = _by_name(settings)
        for n in range(len(g)):
            parameters[n] = formula(parameters[n], g[n], s)
        return 0

    def with_one(parameters, g, first, second, settings):
        s = _by_name(settings)
        for n in range(len(g)):
            parameters[n], first[n] = formula(parameters[n], g[n], first[n], s)
        return 0

    def with_two(parameters, g, first, second, settings):
        s = _by_name(settings)
        for n in range(len(g)):
            parameters[n], first[n], second[n] = formula(parameters[n], g[n], first[n], second[n], s)
        return 0

    return (without, with_one, with_two)[states]


def update(name: str, formula: Callable[..., Any], states: int) -> Kernel:
    """The kernel of an update. states: how many arrays as long as the parameters the formula has, up to two."""

    def check(parameters, g, first, second, settings):
        border.same_length("g", g, "parameters", parameters)
        held = dict(list({"first": first, "second": second}.items())[:states])
        for which, state in held.items():
            border.same_length(which, state, "parameters", parameters)
        border.at_least("settings", settings, len(Settings._fields), "those that prepare_step() fills in")
        border.no_shared_memory({"parameters": parameters, **held}, {"g": g, "settings": settings})

    return kernel(update_types, parallel=False, check=check)(named(_loop(formula, states), f"update_{name}"))

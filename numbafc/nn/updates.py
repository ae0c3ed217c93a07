"""The updates of optimizers.py, compiled: for a part of the parameters θ, their gradient g, and the optimizer's state.

Each has the bits of its definition there. settings: the numbers that settle() gives, in the dtype of the parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._numba import flat, flat_in, inner, kernel
from ..kernels import border
from ..kernels.vector.momentum import DECAY, MOMENTUM, RATE, SMALLEST

# Behind those that momentum in tiles needs, too. The β₁ of Adam is where a momentum is.
CORRECTED_RATE, SHRINK, REST1, BETA2, REST2, CORRECTION, EPSILON = range(5, 12)
BETA1 = MOMENTUM


@inner
def settle(optimizer, rate, powers, settings):
    """Fills settings for the next step. optimizer: weight_decay, β₁ or momentum, β₂ or α, ε; powers: β₁ⁿ, β₂ⁿ, advanced."""
    decay, beta1, beta2, epsilon = optimizer[0], optimizer[1], optimizer[2], optimizer[3]
    powers[0] *= beta1
    powers[1] *= beta2
    settings[RATE], settings[CORRECTED_RATE] = rate, rate / (1 - powers[0])
    settings[DECAY], settings[SHRINK] = decay, 1 - rate * decay
    settings[BETA1], settings[REST1], settings[BETA2], settings[REST2] = beta1, 1 - beta1, beta2, 1 - beta2
    settings[CORRECTION], settings[EPSILON] = 1 / (1 - powers[1]), epsilon
    settings[SMALLEST] = 2.0**-126 if settings.itemsize == 4 else 2.0**-1022


def update_types(real: Any) -> tuple[Any, ...]:
    """(θ, g, first state, second state, settings); states that an optimizer has not are not looked at."""
    return *(flat(real),) * 4, flat_in(real)


def _update(states: int) -> Any:
    """Decorator: the update is a kernel. states: how many it has, of the two."""

    def check(parameters, g, first, second, settings):
        border.same_length("g", g, "parameters", parameters)
        held = {"first": first, "second": second}
        held = {name: held[name] for name in list(held)[:states]}
        for name, state in held.items():
            border.same_length(name, state, "parameters", parameters)
        border.at_least("settings", settings, EPSILON + 1, "those that settle() fills in")
        border.apart({"parameters": parameters, "g": g, **held}, {"settings": settings})

    return kernel(update_types, parallel=False, check=check)


@inner
def _decayed(parameters, g, settings):
    """g becomes g + weight_decay·θ."""
    decay = settings[DECAY]
    if decay != 0:
        for n in range(len(g)):
            g[n] += decay * parameters[n]


@inner
def _settled(x, before, smallest):
    """x, or 0 where it is below the smallest normal number and no longer grows."""
    return type(x)(0) if abs(x) < smallest and abs(x) <= abs(before) else x


@_update(states=0)
def plain(parameters, g, first, second, settings):
    _decayed(parameters, g, settings)
    rate = settings[RATE]
    for n in range(len(g)):
        parameters[n] -= rate * g[n]
    return 0


@_update(states=1)
def momentum(parameters, g, velocity, second, settings):
    _decayed(parameters, g, settings)
    rate, mu, smallest = settings[RATE], settings[BETA1], settings[SMALLEST]
    for n in range(len(g)):
        v = _settled(velocity[n] * mu + g[n], velocity[n], smallest)
        velocity[n] = v
        parameters[n] -= rate * v
    return 0


@_update(states=1)
def nesterov(parameters, g, velocity, second, settings):
    _decayed(parameters, g, settings)
    rate, mu, smallest = settings[RATE], settings[BETA1], settings[SMALLEST]
    for n in range(len(g)):
        v = _settled(velocity[n] * mu + g[n], velocity[n], smallest)
        velocity[n] = v
        parameters[n] -= rate * (g[n] + mu * v)
    return 0


@inner
def _adam_step(g, mean, square, n, settings):
    """m and v of one parameter, and what is subtracted from it."""
    m = _settled(mean[n] * settings[0] + settings[1] * g[n], mean[n], settings[7])
    v = _settled(square[n] * settings[2] + settings[3] * g[n] * g[n], square[n], settings[7])
    mean[n], square[n] = m, v
    return settings[4] * m / (np.sqrt(v * settings[5]) + settings[6])


@inner
def _adam_settings(settings):
    s = settings
    return s[BETA1], s[REST1], s[BETA2], s[REST2], s[CORRECTED_RATE], s[CORRECTION], s[EPSILON], s[SMALLEST]


@_update(states=2)
def adam(parameters, g, mean, square, settings):
    _decayed(parameters, g, settings)
    numbers = _adam_settings(settings)
    for n in range(len(g)):
        parameters[n] -= _adam_step(g, mean, square, n, numbers)
    return 0


@_update(states=2)
def adamw(parameters, g, mean, square, settings):
    shrink, numbers = settings[SHRINK], _adam_settings(settings)
    for n in range(len(g)):
        step = _adam_step(g, mean, square, n, numbers)
        parameters[n] = shrink * parameters[n] - step
    return 0


@inner
def _rmsprop_settings(settings):
    s = settings
    return s[RATE], s[BETA2], s[REST2], s[EPSILON], s[SMALLEST]


@_update(states=1)
def rmsprop(parameters, g, square, second, settings):
    _decayed(parameters, g, settings)
    rate, alpha, rest, epsilon, smallest = _rmsprop_settings(settings)
    for n in range(len(g)):
        v = _settled(square[n] * alpha + rest * g[n] * g[n], square[n], smallest)
        square[n] = v
        parameters[n] -= rate * (g[n] / (np.sqrt(v) + epsilon))
    return 0


@_update(states=2)
def rmsprop_momentum(parameters, g, square, velocity, settings):
    _decayed(parameters, g, settings)
    rate, alpha, rest, epsilon, smallest = _rmsprop_settings(settings)
    mu = settings[BETA1]
    for n in range(len(g)):
        v = _settled(square[n] * alpha + rest * g[n] * g[n], square[n], smallest)
        u = _settled(velocity[n] * mu + g[n] / (np.sqrt(v) + epsilon), velocity[n], smallest)
        square[n], velocity[n] = v, u
        parameters[n] -= rate * u
    return 0


@_update(states=1)
def adagrad(parameters, g, square, second, settings):
    _decayed(parameters, g, settings)
    rate, epsilon = settings[RATE], settings[EPSILON]
    for n in range(len(g)):
        v = square[n] + g[n] * g[n]
        square[n] = v
        parameters[n] -= rate * (g[n] / (np.sqrt(v) + epsilon))
    return 0

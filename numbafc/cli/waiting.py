"""What a training waits for before its first step: kernels that are in no cache yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _numba
from .._numba import Kernel, ahead
from ..kernels.target import PARALLEL
from ..kernels.threads import _on_threads
from ..nn import ACTIVATIONS, LOSSES, MLP
from ..nn.engine import kernels_of, parts_of

BESIDE = 2  # so many kernels are worth a process, which takes half a second to begin


def of_training(net: MLP, asked: dict[str, Any], samples: int) -> list[Kernel]:
    """The kernels that a training calls, and that have to be compiled first. The slowest come first."""
    recipe = net.training.recipe if net.training is not None and "resume" in asked else None
    step = recipe.optimizer if recipe is not None else asked["optimizer"]
    batch = recipe.batch_size if recipe is not None else asked["batch_size"]
    if not hasattr(step, "compiled"):
        return []
    parts = parts_of(net.sizes, min(batch, samples))
    kernels = kernels_of(ACTIVATIONS[net.activation], LOSSES[net.loss_name], step.compiled(), parts)
    if _numba.get_num_threads() > 1 and max(np.multiply(net.sizes[:-1], net.sizes[1:])) * samples >= PARALLEL:
        kernels.insert(2, _on_threads)  # for the scores of all samples
    return ahead.missing(kernels, net.dtype)


@contextlib.contextmanager
def compiling(kernels: list[Kernel], dtype: np.dtype, tell: Callable[[str, bool], None]) -> Iterator[None]:
    """Meanwhile, kernels are compiled side by side, and `tell` hears the name of each that is waited for, and its end."""

    def hear(kernel: Kernel, done: bool) -> None:
        tell(kernel.function.__name__.strip("_"), done)

    first, *rest = [*kernels, None]
    others = [kernel for kernel in rest if kernel is not None]
    beside = ahead.compiled_beside(others, dtype) if len(kernels) >= BESIDE else contextlib.nullcontext()
    _numba.compilations.append(hear)
    try:
        with beside:
            yield
    finally:
        _numba.compilations.remove(hear)

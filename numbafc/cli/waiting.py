"""What a training waits for before its first step: kernels that are in no cache yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _numba
from .._numba import Kernel, ahead
from ..nn import ACTIVATIONS, LOSSES, MLP, OPTIMIZERS, Members, realmlp, side_by_side
from ..nn.engine import kernels_of, parts_of

USUAL_ACTIVATION = "relu"  # of the option that was not given


def of_training(net: MLP | Members, asked: dict[str, Any], samples: int) -> list[Kernel]:
    """The kernels that a training calls, and that have to be compiled first. asked: the settings of fit."""
    recipe = net.training.recipe if net.training is not None and "resume" in asked else None
    step, batch = (asked[n] if recipe is None else getattr(recipe, n) for n in ("optimizer", "batch_size"))
    if isinstance(net, Members):
        own = [*_kernels(net.activation, net.loss_name, step, 1), *side_by_side.kernels_of(len(net))]
        return ahead.missing(own, net.dtype)
    parts = parts_of(net.sizes, min(batch, samples))
    return ahead.missing(_kernels(net.activation, net.loss_name, step, parts), net.dtype)


def _kernels(activation: str, loss: str, step: Any, parts: int) -> list[Kernel]:
    return kernels_of(ACTIVATIONS[activation], LOSSES[loss], step.compiled(), parts)


def beside(given: dict[str, Any], recipe: str) -> contextlib.AbstractContextManager[None]:
    """Meanwhile another process compiles what a training with these options will most likely wait for.

    Before any data are read, so that it is done when they are. The first kernel, which takes longest, is compiled here.
    recipe: that of the training; what it has of its own for classes and for reals is compiled for classes.
    """
    loss = "cross_entropy" if given["loss"] == "auto" else given["loss"]
    dtype, activation = np.dtype(given["dtype"]), given["activation"]
    if recipe == "realmlp" and activation == USUAL_ACTIVATION:
        activation = realmlp.network(LOSSES[loss].classifies)["activation"]
    first, *others = _kernels(activation, loss, OPTIMIZERS[given["optimizer"]](), 1)
    needed = ahead.missing([first, *others], dtype)
    return ahead.compiled_beside([kernel for kernel in needed if kernel is not first], dtype)


@contextlib.contextmanager
def told(tell: Callable[[str, bool], None]) -> Iterator[None]:
    """Meanwhile, `tell` hears the name of each kernel that is waited for, and then that it is there."""

    def hear(kernel: Kernel, done: bool) -> None:
        tell(kernel.function.__name__.strip("_"), done)

    _numba.compilations.append(hear)
    try:
        yield
    finally:
        _numba.compilations.remove(hear)

"""What a training run works with, in named tuples: as Python hands it to the compiled loops, which read it by name."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.types import float64, int64, intp

from .._numba import flat, flat_in
from .updates import Hyperparameters


class Data(NamedTuple):
    """What there is to learn. classes or targets is empty; weight, mean and scale may be."""

    rows: np.ndarray  # (samples, N)
    classes: np.ndarray  # (samples,), int64
    targets: np.ndarray  # (samples·T,)
    weight: np.ndarray  # (samples,), float64, over their mean
    mean: np.ndarray  # (N,)
    scale: np.ndarray  # (N,)


class Scratch(NamedTuple):
    """What the phases hand on, besides the arrays of layers."""

    settings: Any  # of an update, for each row of rate factors
    rates: Any  # (1 or spans, 5), float64: rate factors (rates.py)
    factors: Any  # (B,): what each sample's gradient counts in that of the minibatch
    losses: Any  # (B,)
    of_loss: Any  # (2·B,): the loss's own
    sums: Any  # float64: squares of gradients, and gradients of the factors of inputs
    answers: Any  # int64: the sum of each thread's products' answers


class Choices(NamedTuple):
    """What is the same for all minibatches."""

    batch_size: Any
    parts: Any  # of a layer's rows, for as many threads
    forward: Any  # the epilogue of hidden layers: that of φ, or BIAS, and then φ is a pass
    backward: Any  # likewise of φ', or NONE
    update: Any  # likewise of the update, or NONE
    seed: Any  # of dropout
    dropout: Any
    clip_norm: Any
    clip_sample_norm: Any
    label_smoothing: Any
    l2: Any
    batch_mean: Any  # 1, or 0


class Run(NamedTuple):
    """What the steps of all layers work with; memory.py says where what lies."""

    pointers: Any  # addresses of on_one_thread, φ, the loss and the update
    layers: Any  # the table
    parameters: Any
    first: Any  # the states of the optimizer, as long as the parameters, or empty
    second: Any
    memory: Any
    workspace: Any  # of products: what they pack, for each thread


def minibatch_types(real: Any) -> tuple[Any, ...]:
    def table(of: Any) -> Any:
        return types.Array(of, 2, "C", readonly=True)

    reals, doubles = flat(real), flat(float64)
    read = table(real), flat_in(int64), flat_in(real), flat_in(float64), flat_in(real), flat_in(real)
    run = flat_in(intp), table(int64), reals, reals, reals, reals, reals
    scratch = reals, table(float64), reals, reals, reals, doubles, flat(int64)
    choices, numbers = (intp,) * 6 + (float64,) * 6, (float64,) * len(Hyperparameters._fields)
    tuples = (read, Data), (run, Run), (scratch, Scratch), (choices, Choices), (numbers, Hyperparameters)
    data, run, scratch, choices, numbers = (types.BaseTuple.from_types(*one) for one in tuples)
    return reals, data, run, scratch, flat_in(int64), flat_in(float64), choices, numbers, doubles, intp, doubles

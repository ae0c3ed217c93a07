"""Rate factors: what the learning rate of each span of the flat parameters is multiplied by.

The spans are the factors of the inputs, s, then W and b of each layer. A row of factors for each:

    rate     the learning rate times it, the decoupled decay's too
    step     what the rate of a step is times besides
    epsilon  ε times it
    decay    the coefficient of the optimizer's weight decay times it
    penalty  likewise of the L2 penalty of a training: 0 for biases

The neural tangent parametrisation (A. Jacot et al., NeurIPS 2018) computes W x/√N + b. Here V = W/√N is kept, so products
are as always, and training V does what training W would, up to rounding:

    The gradient is g' = ∂l/∂V = √N·g, where g = ∂l/∂W.
    Adam's means of g' and g'² are √N·m and N·v, so with ε' = √N·ε its quotient √N·m̂/(√(N·v̂) + √N·ε) is that of W. V has to
    change by what W changes over √N: the step is r/√N. So for AdamW, RMSprop and Adagrad, which divide by a root of
    squares too.
    SGD changes W by r·g, so V has to change by (r/√N)·g'/√N: the step is r/N, and likewise with momentum.
    L2 regularisation adds λ·W to g; √N·(g + λ·W) is g' + λ·N·V: the coefficient is N·λ.
    Decoupled decay is (1 − r·λ)·W, so (1 − r·λ)·V: it is not changed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .compiled import CompiledOptimizer


class Factors(NamedTuple):
    """A row of factors."""

    rate: float = 1.0
    step: float = 1.0
    epsilon: float = 1.0
    decay: float = 1.0
    penalty: float = 1.0


RATE, STEP, EPSILON, DECAY, PENALTY = range(5)  # its columns
USUAL = (1.0, 1.0, 1.0)  # rate_factors: of scales, weights and biases
NONE = np.array([Factors()])  # one row for all spans


def table(
    sizes: tuple[int, ...],
    rate_factors: tuple[float, ...],
    ntp: bool,
    optimizer: CompiledOptimizer,
    penalised: bool = False,
) -> np.ndarray:
    """The rows of all spans, in the order of the parameters; without rate factors one for all of them.

    The first row is that of the factors of the inputs, if there are any or not. penalised: with an L2 penalty of weights.
    """
    if rate_factors == USUAL and not ntp and not penalised:
        return NONE
    of_scales, of_weights, of_biases = rate_factors
    rows = [Factors(of_scales, penalty=0.0)]
    for N in sizes[:-1]:
        root = math.sqrt(N)
        of_step = 1 / root if optimizer.scale_free else 1 / N
        rows.append(Factors(of_weights, of_step, root, float(N), float(N)) if ntp else Factors(of_weights))
        rows.append(Factors(of_biases, penalty=0.0))
    return np.array(rows)


def spans(sizes: tuple[int, ...], scaling: bool) -> Iterator[tuple[int, int]]:
    """From where to where each span goes, in the order of the table's rows."""
    last = sizes[0] if scaling else 0
    yield 0, last
    for N, T in itertools.pairwise(sizes):
        for size in (T * N, T):
            yield last, last + size
            last += size

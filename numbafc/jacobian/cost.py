"""What the gradient of the weights costs: through the full Jacobian, and by the shortcut."""

from __future__ import annotations

from typing import NamedTuple

from .. import checks


class Cost(NamedTuple):
    """What one way holds in memory, and how often it multiplies and adds."""

    elements: int
    bytes: int
    multiply_adds: int

    @property
    def gib(self) -> float:
        """The memory in GiB (2³⁰ bytes)."""
        return self.bytes / 2**30


class JacobianCost(NamedTuple):
    """The long way DL(Y)·DY(W) next to the shortcut dW = dY Xᵀ."""

    long_way: Cost
    shortcut: Cost

    @property
    def ratio(self) -> float:
        """How many times more multiply-adds the long way takes: T. (1 where there is nothing to multiply.)"""
        return self.long_way.multiply_adds / self.shortcut.multiply_adds if self.shortcut.multiply_adds else 1.0


def jacobian_cost(T: int, N: int, B: int = 1, dtype: checks.RealDtype = "float32") -> JacobianCost:
    """The cost of dW for T outputs, N inputs and B samples, by the formulas.

    long_way: the Jacobian (T·B, T·N) has T²·N·B elements, and as many multiply-adds go into DL(Y)·DY(W).
    shortcut: dW has T·N elements and takes T·N·B multiply-adds (for one sample plain multiplications).
    For one sample the long way costs T times as much, in time and in memory.
    """
    T, N, B = checks.count("T", T), checks.count("N", N), checks.count("B", B)
    itemsize = checks.real_dtype(dtype).itemsize
    full, gradient = T * T * N * B, T * N
    return JacobianCost(Cost(full, full * itemsize, full), Cost(gradient, gradient * itemsize, gradient * B))

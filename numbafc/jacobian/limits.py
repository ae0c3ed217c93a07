"""How large a dense Jacobian may be. Set numbafc.jacobian.MAX_BYTES to change it."""

from __future__ import annotations

import math
import sys

import numpy as np

MAX_BYTES = 1 << 30  # 1 GiB: a dense Jacobian above it is a mistake far more often than a wish


def check_size(shape: tuple[int, int], dtype: np.dtype, instead: str) -> None:
    """Raises MemoryError, with the size and what to use instead, for a dense Jacobian over the limit, or ValueError."""
    if max(shape) > sys.maxsize:
        raise ValueError(f"a dense Jacobian of shape {shape} has a longer axis than arrays can have; use {instead}")
    limit = sys.modules[__package__].MAX_BYTES  # the name that users set is the package's
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > limit:
        raise MemoryError(
            f"a dense Jacobian of shape {shape} takes {nbytes} bytes ({nbytes / 2**30:.2f} GiB), above the limit "
            f"numbafc.jacobian.MAX_BYTES = {limit} ({limit / 2**30:.2f} GiB); use {instead}"
        )


def zeros(shape: tuple[int, int], dtype: np.dtype, instead: str) -> np.ndarray:
    """A dense Jacobian of zeros. Raises MemoryError over the limit, before allocating."""
    check_size(shape, dtype, instead)
    return np.zeros(shape, dtype)

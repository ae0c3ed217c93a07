"""The bits of a float64 as a whole number, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic, overload

from .options import INNER


def as_integer(x: np.float64) -> np.int64:
    """The 64 bits of x as a whole number."""
    return np.float64(x).view(np.int64)


def as_real(bits: np.int64) -> np.float64:
    """The float64 that has these bits."""
    return np.int64(bits).view(np.float64)


def _reinterpret(source: Any, target: Any) -> Any:
    """An intrinsic that takes the bits of one type as those of the other."""

    @intrinsic
    def reinterpret(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(target))

        return (target(source), codegen) if value == source else None

    return reinterpret


_bits_of, _real_of = _reinterpret(types.float64, types.int64), _reinterpret(types.int64, types.float64)


@overload(as_integer, jit_options=INNER)
def _compiled_as_integer(x):
    return lambda x: _bits_of(x)


@overload(as_real, jit_options=INNER)
def _compiled_as_real(bits):
    return lambda bits: _real_of(bits)

"""fma: one rounding, in plain Python and in compiled code."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from .options import INNER


def fma(a: np.floating, b: np.floating, c: np.floating) -> Any:
    """a·b + c rounded once (IEEE-754 fusedMultiplyAdd), in the dtype of c.

    a, b, c: NumPy scalars of one dtype, float32 or float64. Inside a compiled function the same name is the processor's
    instruction. Python 3.11 has no math.fma, so the plain form is spelled out below.
    """
    single = isinstance(c, np.float32)
    return type(c)((_fma_single if single else _fma_double)(float(a), float(b), float(c)))


def _fma_single(a: float, b: float, c: float) -> float:
    """The float64 whose rounding to float32 is that of the exact a·b + c, for a, b, c that float32 represents.

    The product of two float32 is exact in float64. The sum is rounded to odd: where it is inexact, the neighbour with an
    odd last bit is taken, which keeps it off every tie of the second rounding (S. Boldo, G. Melquiond, "Emulation of
    FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Trans. Computers 57, 2008).
    """
    product = a * b
    total = product + c
    if not math.isfinite(total):
        return total
    part = total - product
    error = (product - (total - part)) + (c - part)
    last_bit = struct.pack("<d", total)[0] & 1
    if error != 0.0 and last_bit == 0:
        return math.nextafter(total, math.copysign(math.inf, error))
    return total


def _fma_double(a: float, b: float, c: float) -> float:
    """a·b + c in exact integers, rounded by Python's integer division, which is correctly rounded."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return a * b + c
    if not math.isfinite(c):
        return c
    (an, ad), (bn, bd), (cn, cd) = a.as_integer_ratio(), b.as_integer_ratio(), c.as_integer_ratio()
    numerator = an * bn * cd + cn * ad * bd
    if numerator == 0:  # the sign of an exact zero: that of a·b + c if a factor is zero, else + (cancellation)
        return a * b + c if a == 0.0 or b == 0.0 else 0.0
    try:
        return numerator / (ad * bd * cd)
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


@intrinsic
def _llvm_fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """LLVM's fma on scalars; a vectorised loop turns it into the vector instruction."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = args[2].type
        name = "llvm.fma.f32" if real == ir.FloatType() else "llvm.fma.f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(real, [real] * 3), name), args)

    return (c(c, c, c), codegen) if c in (types.float32, types.float64) else None


@overload(fma, jit_options=INNER)
def _compiled_fma(a, b, c):  # Numba compares the arguments with those of the lambda: no annotations
    return lambda a, b, c: _llvm_fma(a, b, c)

"""How arrays reach compiled code: lent for the time of a call, read straight from NumPy's own fields.

Numba's way takes 50 ns an array: it finds out the type, then allocates a record that counts references. A kernel of this
package needs neither, for its caller holds the arrays and its signature is known. Lent arrays are checked on the way in,
so that a kernel never reads what it does not understand: TypeError for another dtype or number of axes.
"""

from __future__ import annotations

import struct
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import ArrayModel
from numba.extending import NativeValue, register_model, unbox
from numba.np.numpy_support import as_dtype

I8, I32, INTP = ir.IntType(8), ir.IntType(32), ir.IntType(8 * struct.calcsize("P"))
POINTER = ir.PointerType()

# Where the fields are: PyArrayObject_fields and PyArray_Descr of NumPy's ndarraytypes.h, part of its binary interface.
HEAD, WORD = object.__basicsize__, struct.calcsize("P")
DATA, AXES, LENGTHS, STRIDES, DESCR, FLAGS = (
    HEAD,
    HEAD + WORD,
    HEAD + 2 * WORD,
    HEAD + 3 * WORD,
    HEAD + 5 * WORD,
    HEAD + 6 * WORD,
)
BYTE_ORDER, TYPE_NUMBER = HEAD + WORD + 2, HEAD + WORD + 4
CONTIGUOUS, ALIGNED = 0x0001, 0x0100  # NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED
NATIVE = ord("=")


class Lent(types.Array):
    """The type of an array that a kernel is lent. A matrix may be lent one vector: it is its only column.

    An axis of length 0 or 1 gets the step of one element, whatever NumPy says: nobody takes that step.
    """


register_model(Lent)(ArrayModel)


def lent(kind: Any) -> Any:
    """The type of the argument, as it is lent."""
    if type(kind) is types.Array:
        return Lent(kind.dtype, kind.ndim, kind.layout, readonly=not kind.mutable)
    return kind


@unbox(Lent)
def _unbox(kind: Any, array: Any, c: Any) -> NativeValue:
    build, bits = c.builder, kind.dtype.bitwidth

    def field(start: Any, offset: int, of: Any) -> Any:
        return build.load(build.gep(start, [ir.Constant(INTP, offset)], source_etype=I8), typ=of, align=of_size(of))

    def of_size(of: Any) -> int:
        return WORD if of is POINTER else of.width // 8

    def equal(value: Any, expected: int) -> Any:
        return build.icmp_signed("==", value, ir.Constant(value.type, expected))

    array = build.bitcast(array, POINTER)
    descr, axes = field(array, DESCR, POINTER), field(array, AXES, I32)
    dtype, needed = as_dtype(kind.dtype), ALIGNED | (CONTIGUOUS if kind.layout == "C" else 0)
    right = build.and_(equal(field(descr, TYPE_NUMBER, I32), dtype.num), equal(field(descr, BYTE_ORDER, I8), NATIVE))
    flags = build.and_(field(array, FLAGS, I32), ir.Constant(I32, needed))
    right = build.and_(right, equal(flags, needed))
    vector = equal(axes, 1)
    right = build.and_(right, build.or_(equal(axes, kind.ndim), vector) if kind.ndim == 2 else equal(axes, kind.ndim))
    with build.if_then(build.not_(right), likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", f"a kernel takes aligned arrays of {dtype} with {kind.ndim} axes")

    # nothing is followed where it may lead nowhere: without axes there are no lengths
    lengths, strides = (build.select(right, field(array, place, POINTER), array) for place in (LENGTHS, STRIDES))
    size, one = ir.Constant(INTP, bits // 8), ir.Constant(INTP, 1)
    shape, steps, items = [], [], one
    for axis in range(kind.ndim):
        # a vector has no second length: where it would be, the first is read instead
        place = build.select(vector, ir.Constant(INTP, 0), ir.Constant(INTP, axis * WORD))
        length = build.load(build.gep(lengths, [place], source_etype=I8), typ=INTP, align=WORD)
        step = build.load(build.gep(strides, [place], source_etype=I8), typ=INTP, align=WORD)
        if axis == 1:
            length = build.select(vector, one, length)
        shape.append(length)
        steps.append(build.select(build.icmp_signed(">", length, one), step, size))
        items = build.mul(items, length)
    result = c.context.make_array(kind)(c.context, build)
    result.data = build.bitcast(field(array, DATA, POINTER), result.data.type)
    result.shape, result.strides = cgutils.pack_array(build, shape), cgutils.pack_array(build, steps)
    result.itemsize, result.nitems = size, items
    result.meminfo, result.parent = (ir.Constant(value.type, None) for value in (result.meminfo, result.parent))
    return NativeValue(result._getvalue(), is_error=build.not_(right))

"""How arrays reach compiled code: borrowed for the time of a call, read straight from NumPy's own fields.

Numba's way takes 50 ns an array: it finds out the type, then allocates a record that counts references. A kernel of this
package needs neither, for its caller holds the arrays and its signature is known. They are checked on the way in, so
that a kernel never reads what it does not understand and never writes what nobody may: TypeError for what is no ndarray,
for another dtype or number of axes, and for a read-only array where the kernel writes.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
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
# NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED, NPY_ARRAY_WRITEABLE
CONTIGUOUS, ALIGNED, WRITEABLE = 0x0001, 0x0100, 0x0400
NATIVE = ord("=")

# Where an object's type is: the last word of its head. Compiled code knows these two by name, so it can be kept in the
# cache: the linker puts in where they are in this process. What is no ndarray is never read: NOTHING is, in its place.
TYPE = HEAD - WORD
NOTHING = np.empty(0, np.bool_)
llvm.add_symbol("numbafc_ndarray", id(np.ndarray))
llvm.add_symbol("numbafc_nothing", id(NOTHING))


class Borrowed(types.Array):
    """The type of an array that a kernel borrows. For a matrix it may borrow a vector, which is its only column.

    An axis of length 0 or 1 gets the step of one element, whatever NumPy says: nobody takes that step.
    """


register_model(Borrowed)(ArrayModel)


def borrowed(kind: Any) -> Any:
    """The type of an argument whose array is borrowed."""
    if type(kind) is types.Array:
        return Borrowed(kind.dtype, kind.ndim, kind.layout, readonly=not kind.mutable)
    if isinstance(kind, types.NamedTuple | types.NamedUniTuple):
        return types.BaseTuple.from_types([borrowed(one) for one in kind.types], kind.instance_class)
    return kind


def is_array(value: Any) -> bool:
    """Whether the value is an ndarray, and no masked one."""
    return type(value) is np.ndarray or (isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray))


class Wanted(NamedTuple):
    """What a kernel takes for an array of its signature; to be asked in Python, with words for the answer."""

    dtype: np.dtype
    axes: int
    flags: int

    def __str__(self) -> str:
        words = "contiguous " * bool(self.flags & CONTIGUOUS) + "writeable " * bool(self.flags & WRITEABLE)
        return f"{words}aligned arrays of {self.dtype} with {self.axes} axes"

    def fits(self, value: Any) -> bool:
        """What _fits finds out, too; a masked array does not, for its mask would be ignored."""
        return (
            is_array(value)
            and value.dtype == self.dtype
            and (value.ndim == self.axes or (value.ndim, self.axes) == (1, 2))
            and value.flags.num & self.flags == self.flags
        )

    def got(self, value: Any) -> str:
        """What the value is, which does not fit."""
        if not is_array(value):
            return f"{type(value).__name__:.60}"
        states = {CONTIGUOUS: "not contiguous", WRITEABLE: "read-only", ALIGNED: "unaligned"}
        states = {flag: word for flag, word in states.items() if self.flags & flag > value.flags.num & flag}
        shown = f"{value.dtype!s:.40} with {value.ndim} axes"
        return f"{shown}, {' and '.join(states.values())}; pass a copy" if states else shown


def wanted(kind: Any) -> Wanted:
    """What is taken for an argument of this type."""
    flags = ALIGNED | CONTIGUOUS * (kind.layout == "C") | WRITEABLE * kind.mutable
    return Wanted(as_dtype(kind.dtype), kind.ndim, flags)


@unbox(Borrowed)
def _unbox(kind: Any, array: Any, c: Any) -> NativeValue:
    """Numba's array of an object, or TypeError."""
    build = c.builder
    array = _or_nothing(build, build.bitcast(array, POINTER))
    fits, vector = _fits(build, array, kind)
    with build.if_then(build.not_(fits), likely=False):
        c.pyapi.err_set_string("PyExc_TypeError", f"a kernel takes {wanted(kind)}")
    shape, steps, items = _shape(build, array, kind, fits, vector)
    result = c.context.make_array(kind)(c.context, build)
    result.data = build.bitcast(_field(build, array, DATA, POINTER), result.data.type)
    result.shape, result.strides = cgutils.pack_array(build, shape), cgutils.pack_array(build, steps)
    result.itemsize, result.nitems = _itemsize(kind), items
    result.meminfo, result.parent = (ir.Constant(value.type, None) for value in (result.meminfo, result.parent))
    return NativeValue(result._getvalue(), is_error=build.not_(fits))


def _or_nothing(build: Any, array: Any) -> Any:
    """The object if it is an ndarray, or of a class made from it, such as a memory map; NOTHING in place of all else."""

    def known(name: str) -> Any:
        if name not in build.module.globals:
            ir.GlobalVariable(build.module, I8, name)  # defined elsewhere
        return build.bitcast(build.module.globals[name], POINTER)

    of, ndarray = _field(build, array, TYPE, POINTER), known("numbafc_ndarray")
    exact = build.icmp_unsigned("==", of, ndarray)
    is_array = cgutils.alloca_once_value(build, exact)
    with build.if_then(build.not_(exact), likely=False):
        asks = ir.FunctionType(I32, [POINTER, POINTER])
        subtype = build.call(cgutils.get_or_insert_function(build.module, asks, "PyType_IsSubtype"), [of, ndarray])
        build.store(build.icmp_signed("!=", subtype, ir.Constant(I32, 0)), is_array)
    return build.select(build.load(is_array), array, known("numbafc_nothing"))


def _fits(build: Any, array: Any, kind: Any) -> tuple[Any, Any]:
    """Whether the array is what is wanted, and whether it is a vector."""

    def equal(value: Any, expected: int) -> Any:
        return build.icmp_signed("==", value, ir.Constant(value.type, expected))

    takes = wanted(kind)
    descr, axes = _field(build, array, DESCR, POINTER), _field(build, array, AXES, I32)
    fits = build.and_(
        equal(_field(build, descr, TYPE_NUMBER, I32), takes.dtype.num),
        equal(_field(build, descr, BYTE_ORDER, I8), NATIVE),
    )
    flags = build.and_(_field(build, array, FLAGS, I32), ir.Constant(I32, takes.flags))
    fits = build.and_(fits, equal(flags, takes.flags))
    vector = equal(axes, 1)
    return build.and_(fits, build.or_(equal(axes, 2), vector) if kind.ndim == 2 else equal(axes, kind.ndim)), vector


def _shape(build: Any, array: Any, kind: Any, fits: Any, vector: Any) -> tuple[list[Any], list[Any], Any]:
    """The lengths of all axes, the steps along them in bytes, and the number of elements."""
    # nothing is followed where it may lead nowhere: without axes there are no lengths
    lengths, strides = (build.select(fits, _field(build, array, place, POINTER), array) for place in (LENGTHS, STRIDES))
    one = ir.Constant(INTP, 1)
    shape, steps, items = [], [], one
    for axis in range(kind.ndim):
        # a vector has no second length: where it would be, the first is read instead
        place = build.select(vector, ir.Constant(INTP, 0), ir.Constant(INTP, axis * WORD))
        length = build.load(build.gep(lengths, [place], source_etype=I8), typ=INTP, align=WORD)
        step = build.load(build.gep(strides, [place], source_etype=I8), typ=INTP, align=WORD)
        if axis == 1:
            length = build.select(vector, one, length)
        shape.append(length)
        steps.append(build.select(build.icmp_signed(">", length, one), step, _itemsize(kind)))
        items = build.mul(items, length)
    return shape, steps, items


def _field(build: Any, start: Any, offset: int, of: Any) -> Any:
    """A field of a C structure, by its place in bytes and its type."""
    align = WORD if of is POINTER else of.width // 8
    return build.load(build.gep(start, [ir.Constant(INTP, offset)], source_etype=I8), typ=of, align=align)


def _itemsize(kind: Any) -> Any:
    return ir.Constant(INTP, kind.dtype.bitwidth // 8)

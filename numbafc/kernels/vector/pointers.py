"""Pointers: addresses, parts of arrays and functions, without the questions that Numba's own slices and calls ask.

An address, and a matrix that may be transposed, has one type whatever it comes from, so what takes it is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, type_callable

from ..._numba import cgutils, impl_ret_borrowed
from . import table
from .function import I8, I64, POINTER, i64


class Strided(NamedTuple):
    """Numbers, or rows of them: the address of the first, and the bytes from one to the next."""

    start: Any
    step: Any


class Operand(NamedTuple):
    """A matrix as the microkernel reads it: the address of its first number, the bytes from row to row and from k to k."""

    start: Any
    row: Any
    k: Any


def numbers_of(builder: Any, kind: Any, value: Any) -> list[Any]:
    """The numbers in a value of compiled code, one by one, whatever tuples they are in."""
    if not isinstance(kind, types.BaseTuple):
        return [value]
    parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
    return [number for part in parts for number in numbers_of(builder, *part)]


def caller(name: str, make: Callable[..., Any], level2: bool = False) -> Any:
    """An intrinsic f(like, task) that calls a function of the table for the dtype of an array (table.py).

    make: makes the Function, from a module, tiles and bits. level2: whether only level2.py calls it. task: a tuple of its
    arguments, in tuples or not.
    """
    place = table.add(name, make, level2)

    @intrinsic
    def call(typingctx: Any, like: Any, task: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            numbers = numbers_of(builder, signature.args[1], args[1])
            kind = ir.FunctionType(ir.VoidType(), [number.type for number in numbers]).as_pointer()
            word = table.word_of(builder, table.table_for(builder, signature.args[0]), i64(place))
            builder.call(builder.load(word, align=8, typ=kind), numbers)
            return context.get_dummy_value()

        return types.void(like, task), codegen

    return call


@intrinsic
def address(typingctx: Any, base: Any, offset: Any) -> Any:
    """The address `offset` bytes into an array, or behind another address: one type for whatever is read."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, start = signature.args[0], args[0]
        if isinstance(kind, types.Array):
            start = context.make_array(kind)(context, builder, start).data
        there = builder.gep(builder.bitcast(start, POINTER), [args[1]], source_etype=I8)
        return builder.bitcast(there, context.get_value_type(types.voidptr))

    return types.voidptr(base, types.intp), codegen


@intrinsic
def first_byte(typingctx: Any, A: Any) -> Any:
    """Where an array begins, as a number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, I64)

    return types.intp(A), codegen


@intrinsic
def transposed_if(typingctx: Any, condition: Any, A: Any) -> Any:
    """The matrix, or its transpose where the condition is not 0: one type for both."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[1]
        given = context.make_array(kind)(context, builder, args[1])
        result = context.make_array(signature.return_type)(context, builder)
        for field in ("data", "itemsize", "nitems", "meminfo", "parent"):
            setattr(result, field, getattr(given, field))
        swaps = builder.icmp_signed("!=", args[0], i64(0))
        for field in ("shape", "strides"):
            one, other = cgutils.unpack_tuple(builder, getattr(given, field), 2)
            both = builder.select(swaps, other, one), builder.select(swaps, one, other)
            setattr(result, field, cgutils.pack_array(builder, both))
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    return types.Array(A.dtype, 2, "A", readonly=not A.mutable)(types.intp, A), codegen


def span(A: Any, first: Any, last: Any) -> Any:
    """A[first:last] of a contiguous array, 0 ≤ first ≤ last ≤ len(A): in compiled code a slice without the questions."""
    return A[first:last]


@type_callable(span)
def _span_type(context: Any) -> Any:
    return lambda A, first, last: types.Array(A.dtype, 1, "C", readonly=not A.mutable)


@lower_builtin(span, types.Array, types.Integer, types.Integer)
def _span(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    first, last = (context.cast(builder, args[n], signature.args[n], types.intp) for n in (1, 2))
    given = context.make_array(signature.args[0])(context, builder, args[0])
    result = context.make_array(signature.return_type)(context, builder)
    result.data = builder.gep(given.data, [first], source_etype=context.get_value_type(signature.return_type.dtype))
    result.nitems = builder.sub(last, first)
    result.shape = cgutils.pack_array(builder, [result.nitems])
    result.strides = cgutils.pack_array(builder, [given.itemsize])
    result.itemsize, result.meminfo, result.parent = given.itemsize, given.meminfo, given.parent
    return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())


@intrinsic
def matrix(typingctx: Any, A: Any, at: Any, rows: Any, columns: Any, row: Any) -> Any:
    """A matrix inside a contiguous array: its first element is A[at], and its rows begin `row` elements apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = context.make_array(signature.args[0])(context, builder, args[0])
        result = context.make_array(signature.return_type)(context, builder)
        result.data = builder.gep(given.data, [args[1]], source_etype=context.get_value_type(A.dtype))
        result.shape = cgutils.pack_array(builder, args[2:4])
        result.strides = cgutils.pack_array(builder, (builder.mul(args[4], given.itemsize), given.itemsize))
        result.itemsize, result.nitems = given.itemsize, builder.mul(args[2], args[3])
        result.meminfo, result.parent = given.meminfo, given.parent
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    n = types.intp
    return types.Array(A.dtype, 2, "A", readonly=not A.mutable)(A, n, n, n, n), codegen


@intrinsic
def row_of(typingctx: Any, A: Any, t: Any) -> Any:
    """Row t of a matrix whose rows are in one piece, as a contiguous array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = context.make_array(signature.args[0])(context, builder, args[0])
        result = context.make_array(signature.return_type)(context, builder)
        start = builder.mul(args[1], cgutils.unpack_tuple(builder, given.strides, 2)[0])
        there = builder.gep(builder.bitcast(given.data, POINTER), [start], source_etype=I8)
        result.data = builder.bitcast(there, given.data.type)
        result.nitems = cgutils.unpack_tuple(builder, given.shape, 2)[1]
        result.shape, result.strides = (cgutils.pack_array(builder, [one]) for one in (result.nitems, given.itemsize))
        result.itemsize, result.meminfo, result.parent = given.itemsize, given.meminfo, given.parent
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    return types.Array(A.dtype, 1, "C", readonly=not A.mutable)(A, types.intp), codegen


def call_pointer(argument_types: Callable[[Any], tuple[Any, ...]]) -> Any:
    """An intrinsic f(pointers, which, (…)) that calls the Kernel whose address is number `which` in an array of them, or
    word `which` of a table (dispatch_for).

    argument_types: from Numba's scalar type to the types of the Kernel's arguments, the first of which is an array of it.
    The Kernel returns intp. So kernels share compiled code.
    """

    @intrinsic
    def call(typingctx: Any, pointers: Any, which: Any, arguments: Any) -> Any:
        kinds = argument_types(arguments[0].dtype)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            of_table = pointers == types.voidptr
            data = args[0] if of_table else context.make_array(pointers)(context, builder, args[0]).data
            kind = context.call_conv.get_function_type(types.intp, kinds).as_pointer()
            at = builder.gep(builder.bitcast(data, POINTER), [args[1]], source_etype=I64)
            function = builder.load(at, align=8, typ=kind)
            values = cgutils.unpack_tuple(builder, args[2])
            return context.call_conv.call_function(builder, function, types.intp, kinds, values)[1]

        return types.intp(pointers, types.intp, types.Tuple(kinds)), codegen

    return call

"""Copies: rows of X into panels and of A into bands, and the chosen samples of a minibatch side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from ..target import COPY_AHEAD, GATHER_BYTES, GATHER_ROWS
from .function import I64, POINTER, Function, i64
from .pointers import Strided, caller
from .sizes import tiles_of


class CopyTask(NamedTuple):
    """The arguments of a copy: from where to where, and `rows` rows of `count` numbers. Steps in bytes.

    out has room for whole vectors.
    """

    X: Strided
    count: Any
    rows: Any
    out: Strided


class CopyFunction(Function):
    """`rows` rows of `width` numbers, x_step and out_step bytes apart; whole vectors are written to out."""

    def build(self) -> Any:
        """The function."""
        return self.define("copy", [POINTER, I64, I64, I64, POINTER, I64])

    def body(self, x, x_step, width, rows, out, out_step) -> None:
        build, lanes = self.builder, self.sizes.lanes
        with cgutils.for_range(build, rows) as row:
            source = self.at(x, build.mul(row.index, x_step))
            target = self.at(out, build.mul(row.index, out_step))
            whole = build.sdiv(width, i64(lanes))
            ahead = self.at(source, build.mul(x_step, i64(COPY_AHEAD)))
            with cgutils.for_range(build, whole) as vector:
                offset = build.mul(vector.index, i64(lanes * self.size))
                self.prefetch(self.at(ahead, offset))
                self.store(self.load(self.at(source, offset)), self.at(target, offset))
            rest = build.srem(width, i64(lanes))
            with build.if_then(build.icmp_signed(">", rest, i64(0))):
                offset = build.mul(whole, i64(lanes * self.size))
                inside = self.first(rest)
                self.store(self.load(self.at(source, offset), inside), self.at(target, offset))


class GatherFunction(Function):
    """The rows of X that are chosen, `width` numbers each, one behind the other."""

    def build(self) -> Any:
        """The function."""
        return self.define("gather", [POINTER, I64, POINTER, I64, POINTER])

    def body(self, x, width, chosen, count, out) -> None:
        build, lanes = self.builder, self.sizes.lanes
        whole, rest = build.sdiv(width, i64(lanes)), build.srem(width, i64(lanes))
        tail, step = build.mul(whole, i64(lanes * self.size)), build.mul(width, i64(self.size))
        rows_ahead = build.add(build.sdiv(i64(GATHER_BYTES), step), i64(GATHER_ROWS))
        last, inside = build.sub(count, i64(1)), self.first(rest)

        def row(place: Any) -> Any:
            number = build.load(build.gep(chosen, [place], source_etype=I64), align=8, typ=I64)
            return self.at(x, build.mul(number, step))

        with cgutils.for_range(build, count) as s:
            source, target = row(s.index), self.at(out, build.mul(s.index, step))
            later = build.add(s.index, rows_ahead)
            ahead = row(build.select(build.icmp_signed("<", later, last), later, last))
            with cgutils.for_range(build, whole) as vector:
                offset = build.mul(vector.index, i64(lanes * self.size))
                self.prefetch(self.at(ahead, offset))
                self.store(self.load(self.at(source, offset)), self.at(target, offset))
            with build.if_then(build.icmp_signed(">", rest, i64(0))):
                self.prefetch(self.at(ahead, tail))
                self.store(self.load(self.at(source, tail), inside), self.at(target, tail), inside)


# copy(like, CopyTask(…)): out[k, j] = X[k, j], `rows` rows of `count` numbers
copy = caller("copy", CopyFunction)


@intrinsic
def gather(typingctx: Any, X: Any, chosen: Any, out: Any) -> Any:
    """out[s, :] = X[chosen[s], :]; all C-contiguous, out flat, and a row of X not empty."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, order, to = (
            context.make_array(kind)(context, builder, arg) for kind, arg in zip(signature.args, args, strict=True)
        )
        width = cgutils.unpack_tuple(builder, given.shape, 2)[1]
        function = GatherFunction(builder.module, *tiles_of(signature.args[0])).build()
        pointers = [builder.bitcast(array.data, POINTER) for array in (given, order, to)]
        builder.call(function, [pointers[0], width, pointers[1], order.nitems, pointers[2]])
        return context.get_dummy_value()

    return types.void(X, chosen, out), codegen

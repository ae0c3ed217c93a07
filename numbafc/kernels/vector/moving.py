"""What moves X into panels, and A into bands: a copy of rows, and one that turns them on the way; and samples together."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from .function import I64, POINTER, Function, i64
from .sizes import tile_of
from .squares import SquareFunction
from .views import start_of

AHEAD = 8  # rows that a copy asks for before it needs them: no prefetcher follows steps across pages
ROWS_AHEAD, BYTES_AHEAD = 2, 2048  # what a gathering asks for before it needs it: so many rows, and at least so many bytes


class TransposeFunction(SquareFunction):
    """out[k, j] = X[j, k] for up to `lanes` j, by squares of lanes × lanes that are turned in registers.

    `columns` vectors along k are loaded from X, of `rows` numbers each, and `rows` vectors along j are stored.
    """

    def build(self) -> Any:
        """The function."""
        return self.define("transpose", [POINTER, I64, I64, I64, POINTER, I64])

    def body(self, x, x_step, columns, rows, out, out_step) -> None:
        build, lanes = self.builder, self.sizes.lanes
        # a column that is not there is read where the first one is, which always is, and its lane is never used
        offsets = [
            build.select(build.icmp_signed("<", i64(j), columns), build.mul(x_step, i64(j)), i64(0)) for j in range(lanes)
        ]
        starts = [self.at(x, offset) for offset in offsets]
        whole = build.sdiv(rows, i64(lanes))
        with cgutils.for_range(build, whole) as square:
            k0 = build.mul(square.index, i64(lanes))
            at = build.mul(k0, i64(self.size))
            to = self.at(out, build.mul(out_step, k0))
            for k, vector in enumerate(self.columns([self.at(start, at) for start in starts])):
                self.store(vector, self.at(to, build.mul(out_step, i64(k))))
        k0 = build.mul(whole, i64(lanes))
        left, at, to = build.sub(rows, k0), build.mul(k0, i64(self.size)), self.at(out, build.mul(out_step, k0))
        with build.if_then(build.icmp_signed(">", left, i64(0))):
            for k, vector in enumerate(self.columns([self.at(start, at) for start in starts], self.below(left))):
                with build.if_then(build.icmp_signed("<", i64(k), left)):
                    self.store(vector, self.at(to, build.mul(out_step, i64(k))))


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
            ahead = self.at(source, build.mul(x_step, i64(AHEAD)))
            with cgutils.for_range(build, whole) as vector:
                offset = build.mul(vector.index, i64(lanes * self.size))
                self.prefetch(self.at(ahead, offset))
                self.store(self.load(self.at(source, offset)), self.at(target, offset))
            rest = build.srem(width, i64(lanes))
            with build.if_then(build.icmp_signed(">", rest, i64(0))):
                offset = build.mul(whole, i64(lanes * self.size))
                inside = build.icmp_signed("<", self.lane, self.splat(rest))
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
        rows_ahead = build.add(build.sdiv(i64(BYTES_AHEAD), step), i64(ROWS_AHEAD))
        last, inside = build.sub(count, i64(1)), build.icmp_signed("<", self.lane, self.splat(rest))

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


def _mover(function: type[TransposeFunction] | type[CopyFunction]) -> Any:
    """An intrinsic f(X, x_at, x_step, count, rows, out, out_at, out_step) that calls a function from X to out.

    Offsets and steps in bytes. out has room for whole vectors.
    """

    @intrinsic
    def move(typingctx: Any, X, x_at, x_step, count, rows, out, out_at, out_step):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, to = (start_of(context, builder, signature, args, n, n + 1) for n in (0, 5))
            builder.call(function(builder.module, *tile_of(signature.args[0])).build(), [x, *args[2:5], to, args[7]])
            return context.get_dummy_value()

        n = types.intp
        return types.void(X, n, n, n, n, out, n, n), codegen

    return move


transpose = _mover(TransposeFunction)  # out[k, j] = X[j, k]: `count` vectors along k, of `rows` numbers each
copy_rows = _mover(CopyFunction)  # out[k, j] = X[k, j]: `rows` rows of `count` numbers


@intrinsic
def gather(typingctx: Any, X: Any, chosen: Any, out: Any) -> Any:
    """out[s, :] = X[chosen[s], :]; all C-contiguous, out flat, and a row of X not empty."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, order, to = (
            context.make_array(kind)(context, builder, arg) for kind, arg in zip(signature.args, args, strict=True)
        )
        width = cgutils.unpack_tuple(builder, given.shape, 2)[1]
        function = GatherFunction(builder.module, *tile_of(signature.args[0])).build()
        pointers = [builder.bitcast(array.data, POINTER) for array in (given, order, to)]
        builder.call(function, [pointers[0], width, pointers[1], order.nitems, pointers[2]])
        return context.get_dummy_value()

    return types.void(X, chosen, out), codegen

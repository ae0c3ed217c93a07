"""What moves X into panels, and A into bands: a copy of rows, and one that turns them on the way."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .function import I64, POINTER, Function, i64
from .sizes import tile_of
from .squares import SquareFunction
from .views import start_of

AHEAD = 8  # rows that a copy asks for before it needs them: no prefetcher follows steps across pages


class TransposeFunction(SquareFunction):
    """out[k, j] = X[j, k] for one square of lanes × lanes, through registers.

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
        vectors = self.columns([self.at(x, offset) for offset in offsets], self.below(rows))
        for k, vector in enumerate(vectors):
            with build.if_then(build.icmp_signed("<", i64(k), rows)):
                self.store(vector, self.at(out, build.mul(out_step, i64(k))))


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

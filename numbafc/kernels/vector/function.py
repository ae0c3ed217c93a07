"""A function of vectors in LLVM's IR: what the microkernel, the copies, gemv and axpyf have in common.

Each is written for one dtype and one width of a register, and is in a module once, whoever calls it.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..._numba import cgutils
from ..target import Tiles

I8, I32, I64 = (ir.IntType(bits) for bits in (8, 32, 64))
POINTER = ir.PointerType()


def i64(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


class Function(abc.ABC):
    """An LLVM function on vectors, made once in a module. Subclasses give its name, its arguments and its body."""

    def __init__(self, module: Any, sizes: Tiles, bits: int) -> None:
        self.module, self.sizes, self.bits, self.size = module, sizes, bits, bits // 8
        self.scalar: Any = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, sizes.lanes)
        self.kind = f"v{sizes.lanes}f{bits}"
        self.lane = ir.Constant(ir.VectorType(I64, sizes.lanes), list(range(sizes.lanes)))

    def define(self, name: str, arguments: list[Any]) -> Any:
        """The function `name`: what the module has of it, or the body that `body` builds."""
        name = f"numbafc_{name}_{self.kind}"
        if name not in self.module.globals:
            self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), name)
            self.function.linkage = "internal"
            for attribute in ("noinline", "nounwind"):
                self.function.attributes.add(attribute)
            for argument in self.function.args:
                if argument.type is POINTER:
                    argument.add_attribute("noalias")
            self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
            self.body(*self.function.args)
            self.builder.ret_void()
        return self.module.globals[name]

    @abc.abstractmethod
    def body(self, *arguments: Any) -> None:
        """Build the function's code."""

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset], source_etype=I8)

    def buffer(self) -> Any:
        """A place for a vector on the stack. To be asked for in the first block of the function."""
        place = self.builder.alloca(self.vector)
        place.type = POINTER  # as all pointers here: llvmlite would take it for one of whole vectors
        return place

    def prefetch(self, pointer: Any, write: int = 0, keep: int = 3) -> None:
        """Ask for data. keep: 3 brings it into the L1 cache, 2 into the L2 cache."""
        hints = ir.Constant(I32, write), ir.Constant(I32, keep), ir.Constant(I32, 1)
        self.call("llvm.prefetch.p0", ir.VoidType(), pointer, *hints)

    def below(self, limit: Any) -> Callable[[Any], Any]:
        """From a vector of places to a mask: which are below the limit."""

        def below(places: Any) -> Any:
            return self.builder.icmp_signed("<", places, self.splat(limit, places.type.count))

        return below

    def first(self, count: Any) -> Any:
        """A mask of the first `count` lanes. It is made of integers as wide as numbers: AVX2 need not narrow it then."""
        build, lanes, kind = self.builder, self.sizes.lanes, ir.IntType(self.bits)
        some = build.select(build.icmp_signed("<", count, i64(lanes)), count, i64(lanes))
        limit = some if self.bits == 64 else build.trunc(some, kind)
        return build.icmp_signed("<", ir.Constant(ir.VectorType(kind, lanes), list(range(lanes))), self.splat(limit))

    def splat(self, value: Any, lanes: int | None = None) -> Any:
        lanes = lanes or self.sizes.lanes
        kind = ir.VectorType(value.type, lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), None)
        return self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)

    def call(self, name: str, returns: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(returns, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.module, kind, name), arguments)

    def number(self, pointer: Any) -> Any:
        """One number."""
        return self.builder.load(pointer, align=self.size, typ=self.scalar)

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """A vector; lanes outside the mask are 0, and not touched in memory."""
        if mask is None:
            return self.builder.load(pointer, align=self.size, typ=self.vector)
        name = f"llvm.masked.load.{self.kind}.p0"
        nothing = ir.Constant(self.vector, None)
        return self.call(name, self.vector, pointer, ir.Constant(I32, self.size), mask, nothing)

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
        else:
            name = f"llvm.masked.store.{self.kind}.p0"
            self.call(name, ir.VoidType(), value, pointer, ir.Constant(I32, self.size), mask)

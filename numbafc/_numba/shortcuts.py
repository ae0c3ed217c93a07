"""What Numba finds out again and again while a kernel is compiled is found out once, with the same answers.

A kernel has dozens of functions, and Numba treats each as if it were the first: a third of all that Python calls meanwhile
(8.4 million times for on_one_thread without the shortcuts, 5.7 with them, counted by cProfile). Each stands for a function
of Numba's, gives what that gives, and is there only while a kernel is compiled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from numba import types
from numba.core.base import BaseContext
from numba.core.compiler_lock import global_compiler_lock
from numba.core.ir import Inst, Loc, Var
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.registry import cpu_target
from numba.core.targetconfig import TargetConfig
from numba.core.transforms import canonicalize_cfg
from numba.core.types.functions import BaseFunction


def _refresh(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Contexts are refreshed where something has been registered since, and nothing is imported for it.

    Numba imports its own modules and goes through all that is registered for each function, and wherever it looks for
    something the first time.
    """
    target = cpu_target.target_context
    original(target)

    def registered() -> int:
        return sum(len(items) for one in contexts for registry in one._registries for items in _lists(registry))

    contexts = target, target.typing_context
    known = [registered()]

    def refresh(context: Any) -> None:
        if context._registries is not target._registries:
            original(context)
        elif registered() != known[0]:
            for one in contexts:
                for registry in list(one._registries):
                    one.install_registry(registry)
            known[0] = registered()

    return refresh


def _lists(registry: Any) -> list[Any]:
    """What is registered: of a registry of types, and of one of implementations."""
    names = "functions", "attributes", "globals", "getattrs", "setattrs", "casts", "constants"
    return [getattr(registry, name) for name in names if hasattr(registry, name)]


def _type_of_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """The type of an operator of the same numbers is the same. Numba asks the rules of lists, sets and dates each time."""
    known: dict[Any, Any] = {}

    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        operator = getattr(getattr(self, "typing_key", None), "__module__", None) == "_operator"
        if kws or not operator or not all(isinstance(one, _NUMBERS) for one in args):
            return original(self, context, args, kws)
        key = context, id(self), tuple(args)
        if key not in known:
            known[key] = self, original(self, context, args, kws)
        return known[key][1]

    return get_call_type


_NUMBERS = types.Number | types.Boolean | types.IntegerLiteral | types.BooleanLiteral


def _same_options(original: Callable[..., Any]) -> Callable[..., Any]:
    """Options are compared for every call of a function: those set alike are alike."""

    def same(self: Any, other: Any) -> Any:
        alike = isinstance(other, TargetConfig) and type(self) is type(other) and self._values == other._values
        return alike or original(self, other)

    return same


def _hash_of_options(original: Callable[..., Any]) -> Callable[..., Any]:
    """A hash of the names of options: all of one class have it."""
    known: dict[type, int] = {}

    def hashed(self: Any) -> int:
        if type(self) not in known:
            known[type(self)] = original(self)
        return known[type(self)]

    return hashed


def _lifetimes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Where variables end is found out when somebody asks; which are there at the start of a block, for generators only."""

    def run(self: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
        code = self.func_ir
        if code.is_generator:
            original(self, emit_dels, extend_lifetimes)
            return
        code.blocks = canonicalize_cfg(code.blocks)
        code.variable_lifetime = VariableLifetime(code.blocks)
        code.generator_info = None
        if emit_dels:
            self._insert_var_dels(extend_lifetimes=extend_lifetimes)

    return run


def _variables(original: Callable[..., Any]) -> Callable[..., Any]:
    """The variables in a part of an instruction: most parts are names, numbers and places in the source."""

    def variables(self: Any, value: Any) -> Any:
        if type(value) not in (dict, list, tuple):
            return original(self, value)
        found: list[Any] = []
        for part in value.values() if type(value) is dict else value:
            if type(part) is Var:
                found.append(part)
            elif type(part) not in _WITHOUT_VARIABLES:
                found += variables(self, part)
        return found

    return variables


_WITHOUT_VARIABLES = {str, int, float, bool, type(None), Loc}

SHORTCUTS: list[tuple[Any, str, Callable[[Any], Any]]] = [
    (BaseContext, "refresh", _refresh),
    (BaseFunction, "get_call_type", _type_of_call),
    (TargetConfig, "__eq__", _same_options),
    (TargetConfig, "__hash__", _hash_of_options),
    (Inst, "_rec_list_vars", _variables),
    (PostProcessor, "run", _lifetimes),
]


@contextlib.contextmanager
def shortcuts() -> Iterator[None]:
    """Compile with them. Nobody else compiles meanwhile."""
    with global_compiler_lock, contextlib.ExitStack() as stack:
        for owner, name, shortcut in SHORTCUTS:
            original = vars(owner)[name]
            stack.callback(setattr, owner, name, original)
            setattr(owner, name, shortcut(original))
        yield

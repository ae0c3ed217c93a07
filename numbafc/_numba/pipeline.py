"""How what only kernels call is compiled: as a part of kernels, which is never run by itself.

Numba makes a library of every function: optimised with all that it calls, then machine code with a way in from Python. A
kernel is optimised with all that it calls once more, so of all that its parts need nothing but their code before that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.registry import cpu_target

from .threads import uninterrupted

# Passes of Numba's that change nothing in these functions: they have no closures, generators, literal lists, `with`, or
# expressions of whole arrays, and call nothing that is inlined.
LEFT_OUT = {
    untyped_passes.WithLifting,
    untyped_passes.InlineClosureLikes,
    untyped_passes.RewriteDynamicRaises,
    untyped_passes.MakeFunctionToJitFunction,
    untyped_passes.InlineInlinables,
    untyped_passes.FindLiterallyCalls,
    untyped_passes.LiteralUnroll,
    untyped_passes.LiteralPropagationSubPipelinePass,
    typed_passes.InlineOverloads,
    typed_passes.NopythonRewrites,
    typed_passes.NoPythonSupportedFeatureValidation,
    typed_passes.AnnotateTypes,
    typed_passes.DumpParforDiagnostics,
}


def begin() -> None:
    """Make what all compilations of this process share, before two threads ask for it."""
    uninterrupted(lambda: cpu_target.target_context)


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Numba's own modules are imported once, and not again while a kernel is compiled: only what is new in them is seen.

    It does so for each function, and wherever it looks for something the first time: a tenth of the time of a kernel.
    """

    def see(context: Any) -> None:
        for registry in list(context._registries):
            context.install_registry(registry)

    with global_compiler_lock:  # nobody else compiles meanwhile
        load = CPUContext.load_additional_registries
        cpu_target.target_context.refresh()
        try:
            CPUContext.load_additional_registries = see
            yield
        finally:
            CPUContext.load_additional_registries = load


class _NoEngine:
    """The codegen of what is not in the engine: there is no place for a function's environment."""

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing to set."""


class Part(JITCodeLibrary):
    """A library that is linked into others and becomes no machine code."""

    codegen = _NoEngine()

    def _optimize_functions(self, ll_module: Any) -> None:
        """Not yet: the kernel's passes see everything at once."""
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Link what it calls; whoever links this optimises."""
        self._raise_if_finalized()
        seen = set()
        for library in self._linking_libraries:
            if library not in seen:
                self._reload_init.update(library._reload_init)
                seen.add(library)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """0: there is none."""
        self._ensure_finalized()
        return 0


class PartCompiler(CompilerBase):
    """The pipeline of functions that are parts of kernels."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.flags.no_cpython_wrapper = True
        if state.library is None:
            state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        pipeline = DefaultPassBuilder.define_nopython_pipeline(state)
        pipeline.passes = [step for step in pipeline.passes if step[0] not in LEFT_OUT]
        return [pipeline]

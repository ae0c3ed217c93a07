"""How kernels without parallel regions are compiled, and what only kernels call: their parts, which are never run alone.

Numba makes a library of every function: optimised with all that it calls, then machine code with a way in from Python. A
kernel is optimised with all that it calls once more, so of all that its parts need nothing but their code before that.
"""

from __future__ import annotations

from typing import Any

from llvmlite.binding import Linkage
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numba.core.registry import cpu_target
from numba.core.targetconfig import ConfigStack

from .threads import uninterrupted

# Passes of Numba's that change nothing in these functions: they have no closures, generators, literal lists, `with`, or
# expressions of whole arrays. Parts call nothing that is inlined, kernels do (options.inlined).
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


class _NoEngine:
    """The codegen of what is not in the engine: there is no place for a function's environment."""

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing to set."""


class _Late(JITCodeLibrary):
    """A library whose functions are not optimised one by one: the kernel's passes see everything at once."""

    _linking_libraries: list[Any]
    _shared_module: Any

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class Part(_Late):
    """A library that is linked into others and becomes no machine code."""

    codegen = _NoEngine()

    def finalize(self) -> None:
        """Make its functions such as several libraries may have. What it calls is linked by who links this."""
        self._raise_if_finalized()
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.external:
                function.linkage = "linkonce_odr"
        self._finalize_dynamic_globals()
        self._reload_init.update(*(library._reload_init for library in self._linking_libraries))
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """This and all that it calls, for a library that knows nothing of parts."""
        self._ensure_finalized()
        if self._shared_module is None:
            self._shared_module = self._final_module.clone()
            _link(self._shared_module, self._linking_libraries)
        return self._shared_module

    def get_pointer_to_function(self, name: str) -> int:
        """0: there is none."""
        self._ensure_finalized()
        return 0


class Whole(_Late):
    """The library of a kernel. All parts that it has are linked into it, each once."""

    def finalize(self) -> None:
        """Link its parts, and theirs; optimise, and make machine code."""
        self._reload_init.update(*(library._reload_init for library in self._linking_libraries))
        _link(self._final_module, self._linking_libraries)
        self._linking_libraries = []
        super().finalize()


def _link(module: Any, libraries: list[Any]) -> None:
    """Link libraries into a module, and what those that are parts call."""
    found, left = set(), libraries[::-1]
    while left:
        library = left.pop()
        if library not in found:
            found.add(library)
            of_part = isinstance(library, Part)
            left += library._linking_libraries[::-1] if of_part else []
            module.link_in(library._final_module if of_part else library._get_module_for_linking(), preserve=True)


class _Steps(PassManager):
    """Passes one after the other, and nothing between them.

    Numba prints the code there for who debugs it (NUMBA_DEBUG_PRINT_AFTER), tells listeners, takes times, and checks what
    its own passes have done.
    """

    def _runPass(self, index: int, step: Any, state: Any) -> None:
        step.analysis = self._analysis
        step.run_initialization(state)
        step.run_pass(state)
        step.run_finalizer(state)


class PartCompiler(CompilerBase):
    """The pipeline of functions that are parts of kernels."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        state.flags.no_cpython_wrapper = True
        if state.library is None:
            state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return [_steps(state, LEFT_OUT)]


class KernelCompiler(CompilerBase):
    """The pipeline of kernels without parallel regions."""

    def define_pipelines(self) -> list[Any]:
        state = self.state
        if state.library is None:
            state.library = Whole(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        seen = ConfigStack().top()  # by what it calls: with the options of parts, or what both call is compiled twice
        seen.release_gil, seen.no_cpython_wrapper = False, True
        return [_steps(state, LEFT_OUT - {untyped_passes.InlineInlinables})]


def _steps(state: Any, left_out: set[Any]) -> Any:
    steps = _Steps("numbafc")  # the name that errors of Numba give
    steps.passes = [step for step in DefaultPassBuilder.define_nopython_pipeline(state).passes if step[0] not in left_out]
    steps.finalize()
    return steps

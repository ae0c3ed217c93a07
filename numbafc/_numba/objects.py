"""Functions that are written as a whole in LLVM's IR: made once for all kernels, without Numba, and called by address.

Their instructions are where they should be, so the simplest passes of LLVM are enough, and nothing of Numba's is: such a
function takes a twentieth of a second where it would take a fifth in a kernel. Each is an entry of the cache of its own.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba.core.registry import cpu_target

from .cache import kept
from .threads import uninterrupted

_one_thread = threading.RLock()
_addresses: dict[str, dict[str, int]] = {}


def _target_machine() -> Any:
    """LLVM's view of the processor, with the options that Numba gives to kernels."""
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    relocation = "static" if triple.startswith(("x86", "i686", "amd64")) else "default"
    options = {"reloc": relocation, "codemodel": "jitdefault", "jit": True, "opt": 3}
    return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, **options)


@functools.cache
def _maker() -> Any:
    return _target_machine()


@functools.cache
def _engine() -> Any:
    """Where machine code is put. It stays as long as the process."""
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())


Builds = Mapping[str, Callable[[Any], Any]]


def made(builds: Builds, machine: Any) -> Any:
    """The module with functions that are built in it, after LLVM's passes for a machine."""
    module = ir.Module()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    for build in builds.values():
        build(module).linkage = "external"
    code = llvm.parse_assembly(str(module))
    code.verify()
    passes = llvm.create_new_module_pass_manager()
    for add in (passes.add_sroa_pass, passes.add_instruction_combine_pass, passes.add_simplify_cfg_pass):
        add()
    passes.run(code, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(2)))
    return code


def assembly(builds: Builds, triple: str, cpu: str, features: str) -> str:
    """The assembly of functions for any processor that LLVM knows, for who looks at it."""

    def emitted() -> str:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=3)
        return machine.emit_assembly(made(builds, machine))

    return uninterrupted(emitted)


def addresses_of(name: str, builds: Builds) -> dict[str, int]:
    """Where functions are in this process: loaded from the cache, or made and kept there together.

    For who holds the lock `compiling`, or is waited for by who does: no fork meanwhile. name: of all of them. builds: by
    names that no other functions have, what makes each in a module, under its name, and returns it.
    """
    with _one_thread:
        if name not in _addresses:
            _addresses[name] = uninterrupted(lambda: _load(name, builds))
        return _addresses[name]


def _load(name: str, builds: Builds) -> dict[str, int]:
    def make() -> bytes:
        return bytes(_maker().emit_object(made(builds, _maker())))

    try:
        read = llvm.ObjectFileRef.from_data(kept(name, make))
    except RuntimeError:  # it is whole and ours, and LLVM cannot read it all the same
        read = llvm.ObjectFileRef.from_data(make())
    engine = _engine()
    engine.add_object_file(read)
    engine.finalize_object()
    return {one: int(engine.get_function_address(one)) for one in builds}


def shared(name: str, words: int) -> np.ndarray:
    """Whole numbers that compiled code knows by this name, 0 at first: the linker knows where they are in this process."""
    numbers = np.zeros(words, np.int64)
    llvm.add_symbol(name, numbers.ctypes.data)
    _kept_alive.append(numbers)
    return numbers


_kept_alive: list[np.ndarray] = []

"""What shortens compilations: the machine code is what it is without shortcuts, and Numba is as it was when it is done."""

import gc
import re

import pytest
from helpers import run_python

from numbafc._numba import shortcuts
from numbafc._numba.kernel import without_collections

# A small kernel, one that allocates, and one with a parallel region, of which the code is printed; then the one with the
# most parts. Of each without parallel regions: the functions that were compiled twice for the same arguments.
COMPILED = """
import collections, sys
import numpy as np
from numba.core import event
from numbafc._numba import shortcuts
from numbafc.kernels.loops import _block_product, _squared_norms
from numbafc.kernels.product import on_one_thread
from numbafc.nn.optimizers import Adam

class Compiled(event.Listener):
    def on_start(self, event):
        if not event.data["dispatcher"].py_func.__module__.startswith("numba."):
            counts[event.data["dispatcher"].py_func.__qualname__, event.data["args"]] += 1
    def on_end(self, event):
        pass

if sys.argv[1] == "without":
    shortcuts.SHORTCUTS.clear()
counts = collections.Counter()
event.register("numba:compile", Compiled())
kernels = [Adam().compiled().update, _squared_norms, _block_product, on_one_thread]
for kernel in kernels if sys.argv[1] == "with" else kernels[:-1]:
    kernel.compile(np.dtype(np.float32))
    ((_, code),) = kernel.dispatchers[4].inspect_asm().items()
    if kernel is not on_one_thread:
        print("".join(line for line in code.splitlines(True) if not line.lstrip().startswith((".file", ".ident"))))
    if not kernel.parallel:
        print("twice:", [name for name, count in counts.items() if count > 1], file=sys.stderr)
    counts.clear()
"""


def without_names(code):
    """The code with long names, in which places in memory and counts are, by the order in which they come."""
    order = {}
    return re.sub(r"[\w.$]{24,}", lambda name: f"name{order.setdefault(name[0], len(order))}", code)


def test_the_machine_code_is_what_it_is_without_them(tmp_path):
    found = {word: run_python(COMPILED, word, NUMBA_CACHE_DIR=str(tmp_path / word)) for word in ("with", "without")}
    assert found["with"].stderr == "twice: []\n" * 3
    assert found["without"].stderr == "twice: []\n" * 2
    assert len(found["with"].stdout) > 10_000
    assert without_names(found["with"].stdout) == without_names(found["without"].stdout)


def test_numba_is_as_it_was_afterwards():
    before = [vars(owner)[name] for owner, name, _ in shortcuts.SHORTCUTS]
    meanwhile = []

    def fail():
        with shortcuts.shortcuts():
            meanwhile.extend(vars(owner)[name] for owner, name, _ in shortcuts.SHORTCUTS)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert not any(one is other for one, other in zip(before, meanwhile, strict=True))
    assert all(one is vars(owner)[name] for one, (owner, name, _) in zip(before, shortcuts.SHORTCUTS, strict=True))


def test_no_collection_goes_through_what_the_compiler_made_and_frozen_objects_stay_frozen():
    def compiled():
        with without_collections(compiles=True):
            assert not gc.isenabled()
            return [[] for _ in range(100_000)]

    collections = gc.get_stats()[0]["collections"], gc.get_stats()[1]["collections"]
    made = compiled()
    young = len(gc.get_objects(0))
    assert (gc.get_stats()[0]["collections"], gc.get_stats()[1]["collections"]) == collections
    assert gc.isenabled()
    assert len(made) == 100_000
    assert young < 50_000
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        compiled()
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()

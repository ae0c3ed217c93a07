"""The ground floor: imports compile nothing, threads and forks are safe, bits are those of every instruction set."""

import gc
import importlib
import os
import platform

import numpy as np
import pytest
from helpers import compiled_formulas, run_python

import numbafc as fc


def test_an_import_compiles_and_writes_nothing(tmp_path):
    code = """
import sys
import numba
before = set(sys.modules)
from numba.core import event
with event.install_recorder("numba:compile") as seen:
    import numbafc, numbafc.nn, numbafc.files, numbafc.jacobian
print(len(seen.buffer))
extras = {"scipy", "sklearn", "torch", "hypothesis", "typer", "rich", "safetensors", "matplotlib"}
print(sorted(extras & (set(sys.modules) - before)))
"""
    done = run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.split("\n")[:2] == ["0", "[]"], done.stderr
    assert list(tmp_path.iterdir()) == []


LAYERS = ["workqueue", "omp"]
TWO_AT_ONCE = """
import threading
import numpy as np
import numbafc as fc
rng = np.random.default_rng(0)
W, X = rng.standard_normal((200, 300)), rng.standard_normal((300, 50))
expected = fc.forward(W, X).tobytes()
wrong = []
def work():
    for _ in range(60):
        if fc.forward(W, X).tobytes() != expected:
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
import numba
print(numba.threading_layer(), len(wrong))
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_four_python_threads_at_once_get_right_results(layer):
    done = run_python(TWO_AT_ONCE, NUMBA_THREADING_LAYER=layer)
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"{layer} is not on this machine")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{layer} 0\n"


FORK = """
import os, sys
import numpy as np
import numbafc as fc
W, X = np.ones((200, 300)), np.ones((300, 50))
fc.forward(W, X)
child = os.fork()
if child == 0:
    print("result", fc.forward(W, X).sum(), flush=True)
    assert fc.forward(W, X, kernel="loops").sum() == fc.forward(W, X).sum()
    os._exit(0)
_, status = os.waitpid(child, 0)
print("status", status, fc.forward(W, X).sum())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forked_child_computes(layer):
    done = run_python(FORK, NUMBA_THREADING_LAYER=layer, timeout=120, PYTHONWARNINGS="ignore")
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"{layer} is not on this machine")
    child, parent = done.stdout.splitlines()
    assert parent == f"status 0 {200 * 300 * 50}.0"
    assert child == f"result {200 * 300 * 50}.0"  # on one thread, under omp


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_before_the_first_call_computes():
    done = run_python(FORK.replace("fc.forward(W, X)\nchild", "child"), timeout=120, PYTHONWARNINGS="ignore")
    assert done.stdout.splitlines()[0] == f"result {200 * 300 * 50}.0", done.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_a_compilation_leaves_the_garbage_collection_as_it_was(enabled, monkeypatch):
    """It is off meanwhile, also where the compilation fails."""
    seen, works = [], []

    def compilation(work):
        works.append(work)
        if len(works) == 1:  # it gets ready
            return work()
        seen.append(gc.isenabled())
        raise ArithmeticError("in between")

    monkeypatch.setattr(importlib.import_module("numbafc._numba.kernel"), "uninterrupted", compilation)
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ArithmeticError, match="in between"):
            fc._numba.Kernel(run_python, lambda real: (real,), parallel=False).compile(np.dtype(np.float32))
        seen.append(gc.isenabled())
    finally:
        gc.enable()
    assert seen == [False, enabled]


def test_threads_are_counted():
    before = fc.get_num_threads()
    try:
        fc.set_num_threads(1)
        assert fc.get_num_threads() == 1
        fc.set_num_threads(np.int64(before))
        assert fc.get_num_threads() == before
    finally:
        fc.set_num_threads(before)


def test_the_compiled_specification_checks_its_bounds():
    """The bounds build of formulas.py sees an index outside, also in the helper that sums."""
    checked = compiled_formulas(boundscheck=True)
    W, X = np.ones((2, 3)), np.ones((3, 4))
    checked.forward(W, X, None, np.empty((2, 4)))
    with pytest.raises(IndexError):
        checked.forward(W, X, None, np.empty((2, 3)))
    with pytest.raises(IndexError):
        checked.forward(W, X[:2], None, np.empty((2, 4)))
    with pytest.raises(IndexError):
        checked.sum_of_products(np.ones(5), np.ones(4))


def test_no_formula_reads_or_writes_outside_its_arrays():
    checked = compiled_formulas(boundscheck=True)
    rng = np.random.default_rng(0)
    for T, N, B in [
        (1, 1, 1),
        (2, 3, 5),
        (3, 1, 2),
        (0, 2, 3),
        (2, 0, 3),
        (2, 3, 0),
        (2, 300, 1),
        (1, 2, 300),
        (300, 1, 2),
    ]:
        W, X, b, dY = (rng.standard_normal(shape) for shape in ((T, N), (N, B), T, (T, B)))
        checked.forward(W, X, b, np.empty((T, B)))
        checked.grad_w(dY, X, np.empty((T, N)))
        checked.grad_b(dY, np.empty(T))
        checked.grad_x(dY, W, np.empty((N, B)))
        checked.per_sample_grad_norms(dY, X, True, np.empty(B))
        checked.softmax_jacobian(b, np.empty((T, T)))
        if T * T * N * B < 10_000:
            checked.weight_jacobian(X, T, np.empty((T * B, T * N)))
            checked.bias_jacobian(T, B, np.empty((T * B, T)))
            checked.input_jacobian(W, B, np.empty((T * B, N * B)))
            checked.chain(W, X, np.empty((T, B)))


SMALL_RUN = """
import numpy as np
from numba.core import config
assert config.DISABLE_JIT
import numbafc as fc
from numbafc.testing import check_layer, LAYOUTS
check_layer(fc.forward, fc.backward, max_volume=300, max_examples=30, layouts=list(LAYOUTS))
for kernel in ("loops", "formula"):
    rng = np.random.default_rng(0)
    W, X, b, dY = (rng.standard_normal(shape, np.float32) for shape in ((3, 260), (260, 2), 3, (3, 2)))
    results = fc.forward(W, X, b, kernel=kernel), *fc.backward(dY, X, W, kernel=kernel)
    print(*(result.tobytes().hex() for result in results))
print(fc.per_sample_grad_norms(dY, X).tobytes().hex())
net = fc.MLP([3, 4, 2])
print(net.fit(np.eye(3), [0, 1, 1], epochs=2)[-1].epoch)
"""


def test_a_small_run_without_the_compiler_has_the_same_bits():
    done = run_python(SMALL_RUN, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    loops, formula, norms, epoch = done.stdout.splitlines()
    assert loops == formula
    rng = np.random.default_rng(0)
    W, X, b, dY = (rng.standard_normal(shape, np.float32) for shape in ((3, 260), (260, 2), 3, (3, 2)))
    compiled = [fc.forward(W, X, b), *fc.backward(dY, X, W)]
    assert loops.split() == [result.tobytes().hex() for result in compiled]
    assert norms == fc.per_sample_grad_norms(dY, X).tobytes().hex()
    assert epoch == "2"


RACE = """
import threading
import numpy as np
import numbafc as fc
errors = []
def work(dtype):
    try:
        for _ in range(10):
            dW, db, dX = fc.backward(np.ones((2, 4), dtype), np.ones((3, 4), dtype), np.ones((2, 3), dtype))
            assert (dW == 4).all() and (db == 4).all() and (dX == 2).all()
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=work, args=(dtype,)) for dtype in [np.float32, np.float64] * 3]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(errors)
"""


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_threads_that_compile_at_the_same_time_get_right_results(tmp_path, cache):
    if cache == "warm":
        run_python(RACE, NUMBA_CACHE_DIR=str(tmp_path))
    done = run_python(RACE, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "[]\n", done.stderr


OTHER = """
import numba
@numba.njit(parallel=True)
def other():
    total = 0
    for n in numba.prange(10):
        total += n
    return total
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("start", ["fc.get_num_threads()", "fc.set_num_threads(1)", "fc._numba.environment()", "other()"])
def test_a_child_is_safe_whoever_started_the_threads(start):
    code = OTHER + FORK.replace("fc.forward(W, X)\nchild", f"{start}\nchild")
    done = run_python(code, NUMBA_THREADING_LAYER="omp", timeout=120, PYTHONWARNINGS="ignore")
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip("omp is not on this machine")
    child, parent = done.stdout.splitlines()
    assert parent == f"status 0 {200 * 300 * 50}.0"
    assert child == f"result {200 * 300 * 50}.0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_waits_for_a_compilation_in_another_thread(tmp_path):
    code = """
import os, threading, time
import numpy as np
import numbafc as fc
thread = threading.Thread(target=lambda: fc.forward(np.ones((2, 3)), np.ones((3, 4))))
thread.start()
time.sleep(0.3)
child = os.fork()
if child == 0:
    fc.grad_x(np.ones((2, 4), np.float32), np.ones((2, 3), np.float32))
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
"""
    done = run_python(code, NUMBA_CACHE_DIR=str(tmp_path), timeout=120, PYTHONWARNINGS="ignore")
    assert done.stdout == "0\n", done.stderr


CPU_HASHES = """
import hashlib
import numpy as np
import numbafc as fc
digest = hashlib.sha256()
rng = np.random.default_rng(0)
if TILES:  # else tiles of one row stand for all that have not been asked for
    from numbafc.kernels.vector import all_tiles
    all_tiles(np.dtype("f4")), all_tiles(np.dtype("f8"))
for dtype in (np.float32, np.float64):
    for T, N, B in ((3, 300, 5), (17, 33, 65), (64, 64, 64), (300, 45, 260)):
        W, X, b, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((T, N), (N, B), T, (T, B)))
        for result in (fc.forward(W, X, b), *fc.backward(dY, X, W), fc.per_sample_grad_norms(dY, X)):
            digest.update(result.tobytes())
print(digest.hexdigest())
"""


def test_the_bits_are_those_of_every_instruction_set():
    """The same code for this processor, for AVX2 and for the least x86-64, where fma is a function of the C library."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the names of the instruction sets are those of x86-64")
    targets = [{}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}]
    if {"avx2", "fma"} <= set(fc._numba.environment()["cpu_features"]):
        targets.append({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"})
    codes = [f"TILES = {tiles}{CPU_HASHES}" for tiles in (True, False)]
    hashes = [run_python(code, **target) for target in targets for code in codes]
    assert len({done.stdout for done in hashes}) == 1, [done.stderr for done in hashes]
    assert len(hashes[0].stdout) == 65

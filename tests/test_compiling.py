"""Compilation is finished whatever signals and forks come meanwhile: a half compiled function would stay in the process."""

import os
import signal
import threading

import numpy as np
import pytest
from helpers import run_python

import numbafc as fc
from numbafc._numba import Kernel, compiling, threads

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and forks of POSIX")


class Alarm(Exception):
    """What a handler of somebody's raises."""


@pytest.mark.parametrize("times", [0, 1, 3])
def test_signals_are_raised_when_the_work_is_done(times):
    steps = []

    def work():
        for step in range(4):
            steps.append(step)
            if step < times:
                os.kill(os.getpid(), signal.SIGUSR1)
            threading.Event().wait(0.05)  # the handler runs in the main thread

    def handler(*_):
        steps.append("signal")
        raise Alarm

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        if times:
            with pytest.raises(Alarm):
                threads.uninterrupted(work)
        else:
            threads.uninterrupted(work)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [step for step in steps if step != "signal"] == [0, 1, 2, 3]
    assert steps.count("signal") == times


def test_what_goes_wrong_in_the_work_is_raised():
    def work():
        raise ArithmeticError("in between")

    with pytest.raises(ArithmeticError, match="in between"):
        threads.uninterrupted(work)
    seen = []

    def in_another_thread():
        with pytest.raises(ArithmeticError, match="in between"):
            threads.uninterrupted(work)
        seen.append(True)

    other = threading.Thread(target=in_another_thread)
    other.start()
    other.join()
    assert seen


def test_a_kernel_whose_compilation_failed_can_be_compiled_later():
    fail = [True]

    def types_of(real):
        if fail.pop():
            raise ArithmeticError("in between")
        return (real,)

    def twice(x):
        return x + x

    kernel = Kernel(twice, types_of, parallel=False)
    fail.append(True)
    with pytest.raises(ArithmeticError):
        kernel.compile(np.dtype(np.float64))
    fail[:] = [False]
    assert kernel.compile(np.dtype(np.float64))(2.0) == 4.0


# Ctrl-C, again and again, from the first call on until everything is compiled.
IMPATIENT = """
import os, signal, threading, time
import numpy as np
import numbafc as fc
done, inside, interruptions = threading.Event(), False, 0
def handler(*_):
    global inside
    if inside:
        inside = False
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, handler)
def press():
    while not done.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.03)
W, X = np.full((2, 3), 1.1), np.full((3, 4), 0.7)
thread = threading.Thread(target=press)
thread.start()
ready = False
while not ready:
    try:
        inside = True
        fc.forward(W, X, kernel="loops")
        fc.per_sample_grad_norms(W[:, :2], X[:, :2])
        inside, ready = False, True
    except KeyboardInterrupt:
        interruptions += 1
done.set()
thread.join()
same = fc.forward(W, X, kernel="loops").tobytes() == fc.forward(W, X, kernel="formula").tobytes()
print(interruptions > 0, same)
"""


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_ctrl_c_while_kernels_compile_leaves_a_process_that_works(tmp_path, start):
    """It left a KeyError, "duplicate registration", or a TypingError at every later call."""
    if start == "warm":
        run_python(IMPATIENT, NUMBA_CACHE_DIR=str(tmp_path))
    done = run_python(IMPATIENT, NUMBA_CACHE_DIR=str(tmp_path), timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "True True\n" or (start == "warm" and done.stdout.endswith(" True\n"))


# Forks, again and again, while another thread has its first products and its first fit; each child uses LLVM.
FORKS = """
import os, threading, time
import numpy as np
import numbafc as fc
from numbafc._numba import environment
def first():
    for dtype in (np.float32, np.float64):
        fc.forward(np.ones((2, 3), dtype), np.ones((3, 4), dtype), kernel="loops")
        fc.forward(np.ones((2, 3), dtype), np.ones((3, 4), dtype))
        fc.MLP([3, 4, 2], dtype=dtype).fit(np.eye(3, dtype=dtype), [0, 1, 1], epochs=2)
thread = threading.Thread(target=first)
thread.start()
stuck = forks = 0
while thread.is_alive():
    child = os.fork()
    if child == 0:
        environment()
        os._exit(0)
    forks += 1
    end = time.monotonic() + 20
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            stuck += 1
            break
        time.sleep(0.001)
    if stuck:
        break
thread.join()
print(stuck, forks)
"""


def test_a_child_forked_while_another_thread_compiles_or_loads_kernels_computes(tmp_path):
    """LLVM has a lock of its own, which a child had for ever if it was taken at that moment."""
    run_python(FORKS, NUMBA_CACHE_DIR=str(tmp_path), timeout=300, PYTHONWARNINGS="ignore")  # fills the cache
    forked = 0
    for _ in range(4):  # now the kernels are loaded: many short moments, in how many of which it forks is the machine's
        done = run_python(FORKS, NUMBA_CACHE_DIR=str(tmp_path), timeout=300, PYTHONWARNINGS="ignore")
        assert done.returncode == 0, done.stderr[-2000:]
        stuck, forks = map(int, done.stdout.split())
        assert stuck == 0
        forked += forks
    assert forked > 3


# A fork in the moment in which another thread starts Numba's threads, which takes a lock of Numba's.
STARTING = """
import os, threading, time
import numbafc as fc
from numba.np.ufunc import parallel
held = threading.Event()
def start():
    with parallel._backend_init_thread_lock:
        held.set()
        time.sleep(0.5)
thread = threading.Thread(target=start)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    fc.get_num_threads()
    os._exit(0)
end = time.monotonic() + 20
while (found := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
    time.sleep(0.01)
if found == (0, 0):
    os.kill(child, 9)
print(found == (child, 0))
"""


def test_a_child_forked_while_another_thread_starts_threads_computes():
    """The child waited for ever for whoever had the lock: one in fifty of those that were forked as a fit began."""
    assert run_python(STARTING, PYTHONWARNINGS="ignore").stdout == "True\n"


def test_what_is_compiled_waits_for_nothing_that_another_thread_compiles():
    rng = np.random.default_rng(0)
    (W, X, dY), net = rng.standard_normal((3, 400, 400), np.float32), fc.MLP((20, 30, 4))
    calls = [
        lambda: fc.forward(W, X[:, 0]),
        lambda: fc.forward(W[:3], X),
        lambda: [fc.forward(W, X) for _ in range(50)],  # with threads, if there are any
        lambda: fc.backward(dY, X, W),
        lambda: net.outputs(X[:1, :20]),
    ]
    held, done, release = (threading.Event() for _ in range(3))

    def hold():
        with compiling:
            held.set()
            release.wait(60)

    def call():
        for one in calls:
            one()
        done.set()

    call()
    done.clear()
    both = [threading.Thread(target=target) for target in (hold, call)]
    try:
        both[0].start()
        assert held.wait(60)
        both[1].start()
        assert done.wait(30)
    finally:
        release.set()
        for one in both:
            one.join()

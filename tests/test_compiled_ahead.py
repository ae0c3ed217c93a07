"""Tiles that are compiled by themselves, and kernels that another process or `numbafc compile` has compiled ahead."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import run_python

import numbafc as fc
from numbafc._numba import Kernel, ahead, flat, kernel
from numbafc.kernels import product

FOLDER = "numbafc-kernels"

# The bits of products of several heights and widths, and how many functions were compiled.
USE = """
import hashlib, json
import numpy as np
from numba.core import event
import numbafc as fc
digest = hashlib.sha256()
rng = np.random.default_rng(0)
with event.install_recorder("numba:compile") as seen:
    for T, N, B in ((3, 300, 5), (7, 20, 33), (17, 33, 65)):
        W, X, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((T, N), (N, B), T))
        for _ in range(2):
            digest.update(fc.forward(W, X, b, kernel="KERNEL").tobytes() + fc.grad_x(b[:, None] * X[:1], W).tobytes())
print(json.dumps({"bits": digest.hexdigest(), "compiled": len(seen.buffer)}))
"""
TILED = USE.replace("KERNEL", "tiled")


def use(cache, code=TILED):
    done = run_python(code, NUMBA_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """A folder with all that these products need, and the right bits."""
    cache = tmp_path_factory.mktemp("cache")
    bits = use(cache)["bits"]
    assert use(cache)["compiled"] == 0
    return cache, bits


@pytest.fixture
def cache(right, tmp_path):
    shutil.copytree(right[0], tmp_path / "cache")
    return tmp_path / "cache"


def objects(cache):
    """The files of functions that were written in LLVM's IR."""
    return sorted((cache / FOLDER).glob("numbafc_*.kernel"))


def test_tiles_of_one_row_do_the_work_of_those_that_are_not_there(cache, right):
    """To the same bits, in products and in trainings with an epilogue of a step."""
    none = (
        "from numbafc.kernels.vector import dispatch\nassert dispatch._bring_tile\ndispatch._bring_tile = lambda *_: None\n"
    )
    assert use(cache, none + TILED)["bits"] == right[1]
    fit = """
import numpy as np
import numbafc as fc
net = fc.MLP([20, 30, 17, 3], dtype="float32", seed=1)
X = np.random.default_rng(0).standard_normal((70, 20)).astype(np.float32)
net.fit(X, np.arange(70) % 3, optimizer=fc.SGD(0.1, momentum=0.9), epochs=3, batch_size=33)
print(net.parameters.tobytes().hex())
"""
    alone, with_all = (run_python(code, NUMBA_CACHE_DIR=str(cache)) for code in (none + fit, fit))
    assert len(alone.stdout) > 1000, alone.stderr
    assert alone.stdout == with_all.stdout


@pytest.mark.parametrize("damage", ["cut", "a bit", "empty", "another's"])
def test_a_damaged_object_is_never_run_and_is_made_again(cache, right, damage):
    files = objects(cache)
    assert len(files) > 4
    contents = [path.read_bytes() for path in files]
    for n, path in enumerate(files):
        content, half = contents[n], len(contents[n]) // 2
        damaged = {
            "cut": content[:half],
            "a bit": content[:half] + bytes([content[half] ^ 16]) + content[half + 1 :],
            "empty": b"",
            "another's": contents[n - 1],
        }
        path.write_bytes(damaged[damage])
    assert use(cache)["bits"] == right[1]
    assert use(cache) == {"bits": right[1], "compiled": 0}


def test_objects_of_other_sources_or_another_processor_are_not_taken(cache, right):
    """Their names and keys have both in them: what is put under the name of today's is no entry."""
    before = {path.name: path.read_bytes() for path in objects(cache)}
    other = run_python(
        TILED.replace("import hashlib", "import numbafc._numba.sources as s; s.AT_IMPORT = 'others'\nimport hashlib", 1),
        NUMBA_CACHE_DIR=str(cache),
    )
    assert json.loads(other.stdout)["bits"] == right[1], other.stderr
    assert json.loads(other.stdout)["compiled"] > 0
    assert {path.name: path.read_bytes() for path in objects(cache)} == before


# ---- numbafc compile ------------------------------------------------------------------------------------------------

# The command, for a few of all kernels: all would take a minute.
COMPILE = """
import sys
from numbafc import _numba
for name in [name for name in _numba.Kernel.by_name if "on_one_thread_serial" not in name and "_relu_" not in name]:
    del _numba.Kernel.by_name[name]
from numbafc.cli import app
app(["compile", "--to", sys.argv[1]], prog_name="numbafc")
"""
AS_ANOTHER = """
import os, warnings
warnings.simplefilter("error")
import numba.core.cpu, numba.np.arraymath
import numbafc as fc
if os.geteuid() == 0:
    os.setegid(65534), os.seteuid(65534)
from numbafc._numba import folder
folder._found.cache_clear()
exec(USE)
print(json.dumps({"bits": digest.hexdigest(), "compiled": len(seen.buffer), "place": str(folder.folder())}))
"""


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_process_that_can_only_read_what_was_compiled_ahead_compiles_nothing(right, tmp_path):
    with tempfile.TemporaryDirectory() as image:
        Path(image).chmod(0o755)
        to = Path(image) / "kernels"
        done = run_python(COMPILE, str(to))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert f"set NUMBA_CACHE_DIR to {to}" in done.stdout
        files = sorted((to / FOLDER).iterdir())
        assert len(objects(to)) > 30
        assert {path.suffix for path in files} == {".kernel"}
        assert all(path.stat().st_mode & 0o777 == 0o644 for path in files)
        for path in (to, to / FOLDER):
            path.chmod(0o555)
        blocked = {"HOME": str(tmp_path / "none"), "XDG_CACHE_HOME": str(tmp_path / "none")}
        found = run_python(AS_ANOTHER.replace("USE", repr(TILED)), NUMBA_CACHE_DIR=str(to), **blocked)
        assert found.returncode == 0, found.stderr
        result = json.loads(found.stdout.splitlines()[-1])
        assert (result["compiled"], result["bits"]) == (0, right[1])
        assert sorted((to / FOLDER).iterdir()) == files


# ---- the second process ---------------------------------------------------------------------------------------------


def children(pid):
    """The processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists() or ahead.cores() < 2, reason="reads /proc; needs two cores")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_when_the_command_is_stopped(tmp_path, number):
    command = subprocess.Popen(
        [sys.executable, "-m", "numbafc", "train"],
        cwd=tmp_path,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    others = until(lambda: children(command.pid))
    assert others
    time.sleep(1)
    command.send_signal(number)
    assert command.wait(60) != 0
    assert until(lambda: not any(map(is_running, others)), 20)


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_where_no_process_can_be_started_all_goes_on(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    assert ahead._started([]) is None
    with ahead.compiled_beside([product.on_one_thread], np.dtype(np.float32)):
        assert fc.forward(np.ones((1, 1)), np.ones((1, 1))) == 1


def test_nothing_in_the_current_folder_is_run(tmp_path, monkeypatch):
    """A program's own folder is in Python's path, and so is the current one: that of data from anywhere."""
    for name in ("json", "numpy", "numba", "contextlib"):
        (tmp_path / f"{name}.py").write_text("open('was run', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    process = ahead._started([["numbafc.kernels.overlaps.none", "float32"]])
    process.stdin.write(b"")
    assert process.wait(60) != 0, "there is no such kernel"
    process.stdin.close()
    assert not (tmp_path / "was run").exists()


KEEP = """
import os, sys
from pathlib import Path
from numbafc._numba import folder
private = Path(sys.argv[1])
place, made = folder.keep_in(private / "new" / "kernels")
(place / "one.kernel").write_bytes(b"")
assert folder.for_everybody(place, made) == 1
assert folder.closed(place) == private, folder.closed(place)
for path in (private, private / "new", place.parent, place):
    print(oct(path.stat().st_mode & 0o777))
private.chmod(0o777)
try:
    folder.keep_in(private)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_folders_that_were_there_before_stay_as_they_are():
    with tempfile.TemporaryDirectory() as image:
        Path(image).chmod(0o755)
        private = Path(image) / "private"
        private.mkdir(mode=0o700)
        (private / FOLDER).mkdir(mode=0o777)
        (private / FOLDER).chmod(0o777)
        done = run_python(KEEP, str(private))
    *modes, why = done.stdout.splitlines()
    assert modes == ["0o700", "0o755", "0o755", "0o755"], done.stderr
    assert why.startswith("kernels cannot be kept there: ")
    assert "write" in why


def test_a_kernel_is_there_when_all_that_it_calls_is():
    """Else a second call, after one that failed, would jump to nowhere."""
    asked = []

    def before(dtype):
        asked.append(dtype)
        if len(asked) == 1:
            raise MemoryError("no room for tiles")

    def length(A):
        return len(A)

    needing = kernel(lambda real: (flat(real),), parallel=False, before=before)(length)
    try:
        with pytest.raises(MemoryError, match="no room"):
            needing(np.ones(3))
        assert needing.entries == {}
        assert needing(np.ones(3)) == 3
        assert len(asked) == 2
    finally:
        Kernel.by_name.pop(needing.name)


def test_one_core_is_for_one_process(monkeypatch):
    started = []
    monkeypatch.setattr(ahead, "_started", lambda told: started.append(told))
    monkeypatch.setattr(ahead, "cores", lambda: 1)
    with ahead.compiled_beside([product.on_one_thread], np.dtype(np.float32)):
        pass
    monkeypatch.setattr(ahead, "cores", lambda: 2)
    with ahead.compiled_beside([], np.dtype(np.float32)):
        pass
    assert started == []
    with ahead.compiled_beside([product.on_one_thread], np.dtype(np.float32)):
        pass
    assert started == [[["numbafc.kernels.product.on_one_thread_serial", "float32"]]]

"""The cache of compiled kernels: never stale, never another's code, never fatal, whatever happens to its files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from helpers import run_python

import numbafc as fc
from numbafc._numba.entries import HEAD, packed, unpacked

PACKAGE = Path(fc.__file__).parent
FOLDER = "numbafc-kernels"

# The bits of products in both dtypes, from kernels that compile in a second, and whether they came from the cache.
USE = """
import json, sys
import numpy as np
import numbafc as fc
from numbafc.kernels import loops
found = {"hits": 0, "misses": 0, "bits": {}}
for dtype in (DTYPES):
    Y = fc.forward(np.full((2, 3), 1.1, dtype), np.full((3, 4), 0.7, dtype), kernel="loops")
    stats = loops._block_product_serial.dispatchers[Y.itemsize].stats
    found["hits"] += sum(stats.cache_hits.values())
    found["misses"] += sum(stats.cache_misses.values())
    found["bits"][dtype] = Y.tobytes().hex()
print(json.dumps(found))
"""
BOTH = USE.replace("DTYPES", '"float32", "float64"')


def of(*dtypes):
    """The code that computes in these."""
    return USE.replace("(DTYPES)", repr(dtypes))


def use(cache, code=BOTH, package=None, **environment):
    """What a process of its own computes, and how often it found a kernel."""
    if package is not None:
        environment["PYTHONPATH"] = str(package)
    done = run_python(code, NUMBA_CACHE_DIR=str(cache), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def started(cache, code, **options):
    """A process of its own that goes on by itself."""
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "-c", code],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def entries(cache):
    """The files of compiled kernels."""
    return sorted((cache / FOLDER).glob("*.kernel"))


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The right bits, and a folder with the kernels of both dtypes."""
    cache = tmp_path_factory.mktemp("cache")
    first = use(cache)
    assert (first["hits"], first["misses"]) == (0, 2)
    return cache, first["bits"]


@pytest.fixture
def cache(right, tmp_path):
    """A copy of that folder."""
    shutil.copytree(right[0], tmp_path / "cache")
    return tmp_path / "cache"


def test_a_second_process_takes_the_kernels_from_the_cache(cache, right):
    again = use(cache)
    assert (again["hits"], again["misses"], again["bits"]) == (2, 0, right[1])


def test_the_serial_and_the_parallel_build_do_not_take_each_other_s_code(tmp_path):
    """They are one Python function, and Numba's key does not hold the options: a serial kernel once started threads."""
    large = of("float64").replace(
        "np.full((2, 3), 1.1, dtype), np.full((3, 4), 0.7, dtype)", "np.ones((200, 300)), np.ones((300, 50))"
    )
    large = large.replace("_block_product_serial", "_block_product")
    for code, misses in ((of("float64"), 1), (large, 1), (of("float64"), 0), (large, 0)):
        assert use(tmp_path, code, NUMBA_NUM_THREADS="2")["misses"] == misses
    assert len(entries(tmp_path)) == 2


@pytest.mark.parametrize("setting", ["NUMBA_BOUNDSCHECK", "NUMBA_OPT"])
def test_code_of_other_settings_is_another_entry(cache, setting):
    assert use(cache, **{setting: "1"})["misses"] == 2
    assert use(cache)["hits"] == 2


def copied(to):
    """The package, to be changed."""
    shutil.copytree(PACKAGE, to / "numbafc", ignore=shutil.ignore_patterns("__pycache__"))
    return to


CHANGE = "    return lambda a, b, c: _llvm_fma(a, b, c)", "    return lambda a, b, c: _llvm_fma(a, b, b)"


def change(source):
    """Another fma: a·b + b."""
    path = source / "numbafc" / "_numba" / "fma.py"
    text = path.read_text(encoding="utf-8")
    assert text.count(CHANGE[0]) == 1
    path.write_text(text.replace(*CHANGE), encoding="utf-8")


def test_a_change_in_another_file_is_never_answered_from_the_cache(tmp_path):
    """Numba's key is the kernel's own file: a constant from formulas.py would stay as it was."""
    cache, source = tmp_path / "cache", copied(tmp_path / "source")
    before = use(cache, package=source)
    assert use(cache, package=source)["hits"] == 2
    change(source)
    after = use(cache, package=source)
    assert after["misses"] == 2
    assert after["bits"] != before["bits"]


def test_code_of_sources_that_changed_under_a_process_is_not_kept(tmp_path):
    """An editable install under a running session: its old code would be found by the processes of the new sources."""
    cache, source = tmp_path / "cache", copied(tmp_path / "source")
    imports, work = BOTH.split("found = {")
    code = f"import sys; sys.path.insert(0, {str(source)!r})\n{imports}print('imported', flush=True); input()\n"
    code += f"found = {{{work}"
    with started(cache, code, stdin=subprocess.PIPE) as old:
        assert old.stdout.readline() == "imported\n"
        change(source)
        out, errors = old.communicate("\n", timeout=120)
    assert old.returncode == 0, errors
    bits = json.loads(out.splitlines()[-1])["bits"]
    assert entries(cache) == []
    new = use(cache, package=source)
    assert new["misses"] == 2
    assert new["bits"] != bits


# ---- two processes, one empty cache ---------------------------------------------------------------------------------

# Each waits, before it writes, until the other is about to write too.
BARRIER = """
import os, pathlib, time
from numbafc._numba import entries
def meet(self, code, write=entries.Entry.write):
    here = pathlib.Path(os.environ["MEETING"])
    (here / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(here.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    write(self, code)
entries.Entry.write = meet
"""


def test_two_processes_that_fill_an_empty_cache_at_once_keep_their_code_apart(tmp_path, monkeypatch, right):
    """Numba's index gave both the same file: float32's code under float64's name, for good."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    monkeypatch.setenv("MEETING", str(meeting))
    both = [started(tmp_path, BARRIER + of(dtype)) for dtype in ("float32", "float64")]
    for process in both:
        _out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(list(meeting.iterdir())) == 2
    after = use(tmp_path)
    assert (after["hits"], after["bits"]) == (2, right[1])


def test_one_process_compiles_and_the_others_wait_for_it(tmp_path, right):
    processes = [started(tmp_path, BOTH) for _ in range(4)]
    found = []
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        found.append(json.loads(out))
    assert sum(one["misses"] for one in found) == 2
    assert sum(one["hits"] for one in found) == 6
    assert all(one["bits"] == right[1] for one in found)
    assert [path.suffix for path in (tmp_path / FOLDER).iterdir()] == [".kernel"] * 2  # no lock, nothing half written


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_who_waits_for_a_process_that_is_killed_goes_on(tmp_path, right):
    stuck = """
import time
from numbafc._numba import entries
wait = entries.Entry.wait
def stay(self):
    wait(self)
    print("locked", flush=True)
    time.sleep(600)
entries.Entry.wait = stay
"""
    holder = started(tmp_path, stuck + of("float32"))
    assert holder.stdout.readline() == "locked\n"
    waiting = started(tmp_path, of("float32"))
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.communicate(timeout=4)
    holder.kill()
    out, errors = waiting.communicate(timeout=120)
    holder.communicate()
    assert waiting.returncode == 0, errors
    assert json.loads(out)["misses"] == 1
    assert json.loads(out)["bits"]["float32"] == right[1]["float32"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_processes_killed_while_they_fill_the_cache_leave_whole_entries_or_none(tmp_path, right):
    """Eight of them, at moments spread over their work; a slow disk makes the moment of writing long."""
    slow = """
import os, time
fdopen = os.fdopen
def slowly(descriptor, mode):
    file = fdopen(descriptor, mode)
    write = file.write
    class Slow:
        def __enter__(self): return self
        def __exit__(self, *_): file.close()
        def write(self, content):
            for at in range(0, len(content), 4096):
                write(content[at : at + 4096]); file.flush(); time.sleep(0.02)
    return Slow() if mode == "wb" else file
os.fdopen = slowly
"""
    for moment in range(8):
        process = started(tmp_path, slow + BOTH)
        end = time.monotonic() + 60
        wanted = moment % 4  # from the lock to the file that is half written
        while time.monotonic() < end and process.poll() is None:
            names = [path.suffix for path in (tmp_path / FOLDER).glob("*")] if (tmp_path / FOLDER).exists() else []
            if (".lock" if wanted < 2 else ".new") in names:
                break
            time.sleep(0.005)
        time.sleep(0.1 * wanted)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in entries(tmp_path):
            content = path.read_bytes()
            assert packed(*key_and_code(content)) == content
    after = use(tmp_path)
    assert after["bits"] == right[1]
    assert use(tmp_path)["hits"] == 2
    assert {path.suffix for path in (tmp_path / FOLDER).iterdir()} == {".kernel"}


# ---- damaged files --------------------------------------------------------------------------------------------------


def key_and_code(content):
    """The two parts of an entry that is whole."""
    length = int.from_bytes(content[HEAD - 8 : HEAD], "little")
    return content[HEAD : HEAD + length], content[HEAD + length :]


def test_any_flipped_bit_any_cut_and_anything_behind_is_seen(right):
    seen = 0
    for path in entries(right[0]):
        content = path.read_bytes()
        key, code = key_and_code(content)
        assert unpacked(content, key) == code
        places = {*range(HEAD + 40), *range(len(content) - 40, len(content)), *range(0, len(content), len(content) // 400)}
        for place in places:
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            assert unpacked(bytes(damaged), key) is None, place
            assert unpacked(content[:place], key) is None, place
            seen += 1
        assert unpacked(content + b"\0", key) is None
        assert unpacked(content, key[:-1]) is None
        assert unpacked(content, key + content[HEAD + len(key) : HEAD + len(key) + 1]) is None
    assert seen > 800


def damaged(content, damage):
    """The bytes of an entry after something that happens to files."""
    half = len(content) // 2
    return {
        "truncated": content[:half],
        "empty": b"",
        "noise": bytes(len(content)),
        "a bit of the code": content[:half] + bytes([content[half] ^ 16]) + content[half + 1 :],
        "a bit of the key": content[: HEAD + 5] + bytes([content[HEAD + 5] ^ 1]) + content[HEAD + 6 :],
    }[damage]


@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "a bit of the code", "a bit of the key"])
def test_a_damaged_cache_is_compiled_again_and_healed(cache, right, damage):
    for path in entries(cache):
        path.write_bytes(damaged(path.read_bytes(), damage))
    first, second = use(cache), use(cache)
    assert (first["misses"], first["bits"]) == (2, right[1])
    assert (second["hits"], second["bits"]) == (2, right[1])


def test_an_entry_under_another_s_name_is_no_entry(cache, right):
    """float32's code under float64's name: kernels that are called by address are not even refused."""
    single, double = entries(cache)
    contents = single.read_bytes(), double.read_bytes()
    double.write_bytes(contents[0])
    single.write_bytes(contents[1])
    after = use(cache)
    assert (after["misses"], after["bits"]) == (2, right[1])
    assert use(cache)["hits"] == 2


def test_an_entry_that_is_a_link_is_no_entry(cache, right):
    for path in entries(cache):
        path.rename(path.with_suffix(".elsewhere"))
        path.symlink_to(path.with_suffix(".elsewhere"))
    after = use(cache)
    assert (after["misses"], after["bits"]) == (2, right[1])


# ---- folders --------------------------------------------------------------------------------------------------------


def test_a_full_disk_costs_no_result_and_leaves_nothing(tmp_path, right):
    """A limit on the size of files is met in the middle of a write, as the end of a disk is."""
    resource = pytest.importorskip("resource")
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, {resource.RLIM_INFINITY}))\n"
    full = use(tmp_path, limited + BOTH)
    assert (full["misses"], full["bits"]) == (2, right[1])
    assert list((tmp_path / FOLDER).iterdir()) == []


WARNED = """
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    exec(USE)
print(json.dumps({"said": [str(w.message) for w in seen if "numbafc" in str(w.message)], **found}))
"""


def in_a_package_without_folders(tmp_path, cache):
    """A process that can keep nothing beside the package: files stand where its folders would be."""
    copied(tmp_path)
    for path in (tmp_path / "numbafc").rglob("*.py"):
        (path.parent / "__pycache__").touch()
    (tmp_path / "file").touch()
    blocked = str(tmp_path / "file" / "below")
    code = WARNED.replace("USE", repr(BOTH))
    return use(cache or blocked, code, tmp_path, HOME=blocked, XDG_CACHE_HOME=blocked)


def test_without_a_folder_to_write_to_there_is_one_warning_and_no_cache(tmp_path, right):
    found = in_a_package_without_folders(tmp_path, None)
    assert found["bits"] == right[1]
    assert len(found["said"]) == 1
    assert "set NUMBA_CACHE_DIR to a folder that only you can write to" in found["said"][0]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(cache, right, tmp_path, mode):
    """Who may write to it could put code there, which every process of this user would run."""
    (cache / FOLDER).chmod(mode)
    found = in_a_package_without_folders(tmp_path, cache)
    assert (found["misses"], found["bits"]) == (2, right[1])
    assert f"others may write to it (mode {mode:o})" in found["said"][0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", ["the folder", "an entry"])
def test_what_belongs_to_another_user_is_refused(cache, right, tmp_path, what):
    if what == "an entry":
        os.chown(entries(cache)[0], 12345, 12345)
        assert (use(cache)["misses"], use(cache)["bits"]) == (1, right[1])
        return
    os.chown(cache / FOLDER, 12345, 12345)
    found = in_a_package_without_folders(tmp_path, cache)
    assert (found["misses"], found["bits"]) == (2, right[1])
    assert "belongs to another user (uid 12345)" in found["said"][0]


def test_a_folder_that_is_asked_for_is_the_only_one_that_is_read(tmp_path, right):
    """Kernels beside the package were taken although NUMBA_CACHE_DIR named an empty folder."""
    package = copied(tmp_path / "copy")
    (tmp_path / "asked").mkdir()
    for cache, misses in (("", 2), ("", 0), (tmp_path / "asked", 2), (tmp_path / "asked", 0)):
        found = use(cache, BOTH, package)
        assert (found["misses"], found["bits"]) == (misses, right[1]), cache


# As another user, once all modules are there: those of root's own environment are not for others to read.
AS_ANOTHER = """
import os, warnings
warnings.simplefilter("error")
exec(FIRST)
os.setegid(65534), os.seteuid(65534)
from numbafc._numba import folder
folder._found.cache_clear()
loops._block_product_serial.dispatchers.clear(), loops._block_product_serial.entries.clear()
exec(THEN)
assert folder.folder() is None
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("trusted", [True, False])
def test_kernels_that_root_has_put_there_are_read_by_everybody(tmp_path, right, trusted):
    """A container's image brings them: each process compiled them again, for the folder cannot be written."""
    copied(tmp_path)
    with tempfile.TemporaryDirectory() as image:
        use(image, BOTH, tmp_path)
        Path(image).chmod(0o755)
        (Path(image) / FOLDER).chmod(0o755 if trusted else 0o777)
        for path in entries(Path(image)):
            path.chmod(0o644)
        blocked = {"HOME": str(tmp_path / "none"), "XDG_CACHE_HOME": str(tmp_path / "none")}
        code = AS_ANOTHER.replace("FIRST", repr(of("float32"))).replace("THEN", repr(BOTH))
        if trusted:
            found = use(image, code, tmp_path, **blocked)
            assert (found["hits"], found["misses"], found["bits"]) == (2, 0, right[1])
        else:
            done = run_python(code, NUMBA_CACHE_DIR=image, PYTHONPATH=str(tmp_path), **blocked)
            assert "numbafc found no folder it may keep compiled kernels in" in done.stderr
        assert len(entries(Path(image))) == 2


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_the_folder_is_for_its_user_alone_whatever_the_umask(tmp_path):
    use(tmp_path, "import os; os.umask(0)\n" + of("float32"))
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in entries(tmp_path))

"""A file is replaced whole: the writer is killed before each of its calls, and loses power between any two of them."""

import os
import stat
from pathlib import Path

import pytest
from helpers import run_python

import numbafc as fc
from numbafc.files import replacing

# ---- killed ---------------------------------------------------------------------------------------------------------

# One process for each moment: a profile sees every function of C before it runs, write, fsync and rename among them.
KILLED = """
import os, sys
import numbafc as fc
from numbafc.files import checkpoint
path, planted = sys.argv[1:]
if planted:
    checkpoint.write_whole = lambda path, content: open(path, "wb").write(content)
old, new = fc.MLP([2, 3, 2], seed=1), fc.MLP([2, 3, 2], seed=2)
for net in (old, new):
    net.fit([[1, 2], [3, 4]], [0, 1])

def save(moment):
    "Until that many calls are made; the next one is named, and never made. What comes before writes nothing."
    made = 0
    def see(frame, event, function):
        nonlocal made
        made += event == "c_call"
        if made > moment:
            os.write(1, f"{function.__qualname__} ".encode())
            os._exit(42)                    # as kill -9 would: nothing is cleaned up
    write = checkpoint.write_whole
    def watched(path, content):
        sys.setprofile(see)
        write(path, content)
    checkpoint.write_whole = watched
    new.save(path)
    os._exit(0)

def is_there():
    back = fc.load(path)
    for name, net in (("old", old), ("new", new)):
        states = back.training.state["square"], net.training.state["square"]
        if back.parameters.tobytes() == net.parameters.tobytes() and states[0].tobytes() == states[1].tobytes():
            return name

seen, killed = [], True
while killed:
    old.save(path)
    child = os.fork()
    if child == 0:
        save(moment=len(seen))
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    seen.append(is_there())
print()
print(*seen)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_kill_before_any_call_leaves_the_old_or_the_new_network(tmp_path):
    done = run_python(KILLED, str(tmp_path / "net.safetensors"), "")
    assert done.returncode == 0, done.stderr
    names, seen = (line.split() for line in done.stdout.splitlines())
    renewed = seen.index("new")
    assert seen == ["old"] * renewed + ["new"] * (len(names) + 1 - renewed)
    written, flushed, renamed = map(names.index, ("BufferedWriter.write", "fsync", "replace"))
    assert written < flushed < renamed < renewed <= len(names) - 1 - names[::-1].index("fsync")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_writer_that_can_be_killed_is_seen(tmp_path):
    done = run_python(KILLED, str(tmp_path / "net.safetensors"), "in place")
    assert "InvalidFile" in done.stderr  # a file that is opened, and so empty, and not yet written


def test_what_a_killed_process_left_disturbs_nobody(tmp_path):
    (tmp_path / ".net.safetensors.abc").write_bytes(b"half a netw")
    net = fc.MLP([2, 2])
    net.save(tmp_path / "net.safetensors")
    assert fc.load(tmp_path / "net.safetensors").parameters.tobytes() == net.parameters.tobytes()


# ---- without power --------------------------------------------------------------------------------------------------

OLD, NEW = b"old content" * 100, b"the new content" * 200


class Disk:
    """What a file may be after a power cut: a file's content is safe once it was flushed, a rename once its folder was."""

    def __init__(self, path, monkeypatch):
        self.path, self.flushed, self.wrong = path, {}, []
        path.write_bytes(OLD)
        self.flushed[path.stat().st_ino] = OLD
        self.named = [path.stat().st_ino]  # files that may have the name
        self.fsync, self.replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", self.on_fsync)
        monkeypatch.setattr(os, "replace", self.on_replace)

    def on_fsync(self, descriptor):
        self.look("before fsync")
        self.fsync(descriptor)
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.named = [self.path.stat().st_ino]
        else:
            self.flushed[found.st_ino] = self.contents()[found.st_ino]
        self.look("after fsync")

    def on_replace(self, source, target):
        self.look("before rename")
        self.replace(source, target)
        self.named.append(self.path.stat().st_ino)
        self.look("after rename")

    def contents(self):
        return {file.stat().st_ino: file.read_bytes() for file in self.path.parent.iterdir()}

    def look(self, moment):
        """Every file that may have the name is whole, and flushed: what is not flushed may be lost, or a part of it."""
        now = self.contents()
        for file in self.named:
            flushed = self.flushed.get(file)
            if flushed not in (OLD, NEW) or now.get(file, flushed) != flushed:
                self.wrong.append(moment)

    def after(self, write):
        """The moments at which a power cut would do harm."""
        write(self.path, NEW)
        self.look("at the end")
        if len(self.named) > 1:
            self.wrong.append("the rename may be forgotten")
        assert self.path.read_bytes() == NEW
        return self.wrong


def test_a_power_cut_at_any_moment_leaves_the_old_or_the_new_file(tmp_path, monkeypatch):
    assert Disk(tmp_path / "file", monkeypatch).after(replacing.write_whole) == []


def in_place(path, content):
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def renamed_first(path, content):
    beside = path.with_name("beside")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        beside.replace(path)
        os.fsync(file.fileno())
    sync(path.parent)


def flushed_before_it_was_written(path, content):
    beside = path.with_name("beside")
    with beside.open("wb") as file:
        os.fsync(file.fileno())
        file.write(content)
    beside.replace(path)
    sync(path.parent)


def folder_forgotten(path, content):
    beside = path.with_name("beside")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("write", [in_place, renamed_first, flushed_before_it_was_written, folder_forgotten])
def test_a_writer_that_may_lose_the_file_is_seen(tmp_path, monkeypatch, write):
    assert Disk(tmp_path / "file", monkeypatch).after(write)

"""Where files are written: their modes, names of any length, mounted files, folders of any mode, what the killed leave.

And where a network goes when its place cannot be written.
"""

import errno
import inspect
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers import run_python

import numbafc as fc
from numbafc.files import elsewhere, load, replacing, require_savable, require_writable, save_elsewhere

OLD, NEW = b"old" * 1000, b"new" * 2000
as_somebody = pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def net():
    return fc.MLP([2, 3, 2], seed=1)


def litter(folder):
    """What is there under a hidden name."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


# ---- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000, 0o777])
def test_a_new_file_has_the_mode_of_any_new_file_and_a_replaced_one_keeps_its_own(tmp_path, mask):
    usual = os.umask(mask)
    try:
        replacing.write_whole(tmp_path / "new", NEW)
        (tmp_path / "old").write_bytes(OLD)
        for mode in (0o600, 0o644, 0o666, 0o640, 0o6755):
            (tmp_path / "old").chmod(mode)
            replacing.write_whole(tmp_path / "old", NEW)
            assert (tmp_path / "old").stat().st_mode & 0o7777 == mode
        assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o666 & ~mask
    finally:
        os.umask(usual)


def test_the_umask_is_never_touched(tmp_path, monkeypatch):
    """It belongs to the whole process: for a moment of umask 0 other threads' files could be written by everybody."""

    def touched(mask):
        raise AssertionError(f"the umask was set to {mask:o}")

    monkeypatch.setattr(os, "umask", touched)
    for path in (tmp_path / "a", tmp_path / "a"):
        replacing.write_whole(path, NEW)


def test_files_of_other_threads_keep_their_mode_while_files_are_replaced(tmp_path):
    usual, wrong, done = os.umask(0o022), [], threading.Event()

    def write():
        for n in range(100_000):
            handle = os.open(tmp_path / f"other{n % 2}", os.O_CREAT | os.O_WRONLY, 0o666)
            if os.fstat(handle).st_mode & 0o777 != 0o644:
                wrong.append(n)
            os.close(handle)
            (tmp_path / f"other{n % 2}").unlink()
            if done.is_set():
                return

    other = threading.Thread(target=write)
    try:
        other.start()
        for n in range(200):
            replacing.write_whole(tmp_path / f"{n}", b"x")
    finally:
        done.set()
        other.join()
        os.umask(usual)
    assert wrong == []


@as_somebody
def test_a_replaced_file_keeps_its_owner(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    os.chown(tmp_path / "file", 1234, 5678)
    replacing.write_whole(tmp_path / "file", NEW)
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_gid) == (1234, 5678)


def test_nobody_reads_a_private_file_s_new_content_before_it_is_in_place(tmp_path, monkeypatch):
    path, seen, usual = tmp_path / "file", [], os.fchmod
    path.write_bytes(OLD)
    path.chmod(0o600)
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: (seen.append(os.fstat(handle).st_mode), usual(handle, mode)))
    replacing.write_whole(path, NEW)
    assert [mode & 0o777 for mode in seen] == [0o600]


# ---- names and folders ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letters", ["n" * 246, "n" * 255, "ä" * 127, "😀" * 63 + "xyz"])
def test_the_longest_names_are_written(tmp_path, letters):
    path = tmp_path / letters
    require_writable(path)
    for content in (OLD, NEW):
        replacing.write_whole(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [letters]


def test_a_name_that_no_file_can_have_is_refused_before_the_work(tmp_path, net):
    path = tmp_path / ("n" * 256)
    for call in (require_writable, require_savable, net.save):
        with pytest.raises(OSError, match="File name too long; give it a shorter name") as error:
            call(path)
        assert error.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def refusals(path, replaced=()):
    """The words with which a place is refused before the work; they are those with which it is refused afterwards."""
    words = []
    for call in (require_writable, lambda path: replacing.write_whole(path, NEW)):
        with pytest.raises(OSError, match=r".") as error:
            call(path)
        assert error.value.filename == str(path)
        words.append(error.value.strerror)
    assert words[0] == words[1]
    return words[0]


def test_places_that_cannot_be_written_are_refused_before_the_work_as_after_it(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    os.mkfifo(tmp_path / "pipe")
    assert refusals(tmp_path / "none" / "file") == "No such file or directory; make its folder first"
    assert refusals(tmp_path / "file" / "file") == "Not a directory; what should be its folder is a file"
    assert refusals(tmp_path) == "is no regular file, so it cannot be replaced by one"
    assert refusals(tmp_path / "pipe") == "is no regular file, so it cannot be replaced by one"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusals(tmp_path / "loop") == "is no regular file, so it cannot be replaced by one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


def test_a_look_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "old").write_bytes(OLD)
    before = (tmp_path / "old").stat()
    require_writable(tmp_path / "old")
    require_writable(tmp_path / "new")
    after = (tmp_path / "old").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def saved_for_good(net, path):
    """Where the command saves a network: at the path, or elsewhere."""
    from pathlib import Path

    from numbafc.cli.places import Place, SavedElsewhere, save_for_good

    try:
        return save_for_good(Place(Path(path), True, None), net, Path(path))
    except SavedElsewhere as error:
        return error.path


def as_nobody(code, folder):
    """Run code, with `folder` and numbafc, as a user without rights; assertions in it count."""
    done = run_python(
        f"""
import errno, os, stat, sys
from pathlib import Path
import numbafc as fc
from numbafc.files import replacing, require_writable
{inspect.getsource(saved_for_good)}
folder = Path(sys.argv[1])
net = fc.MLP([2, 3, 2])
saved_for_good(net, folder / "warm.safetensors")
net.save(folder / "warm.safetensors")       # everything is imported before the rights are gone
fc.load(folder / "warm.safetensors")
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
def refused(path):
    words = []
    for call in (require_writable, net.save):
        try:
            call(path)
        except OSError as error:
            words.append(error.strerror)
    assert len(words) == 2 and words[0] == words[1], words
    return words[0]
{code}
""",
        str(folder),
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def open_folder(tmp_path):
    """A folder that everybody may enter and write to."""
    folder = tmp_path / "open"
    folder.mkdir()
    for above in (folder, tmp_path, *tmp_path.parents[:3]):
        if above.stat().st_uid == os.geteuid() and above != Path(above.root) and "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o011)
    folder.chmod(0o777)
    return folder


@as_somebody
def test_a_folder_that_can_be_written_but_not_read_is_enough(open_folder):
    as_nobody(
        """
os.mkdir(folder / "deep"); os.chmod(folder / "deep", 0o300)
require_writable(folder / "deep" / "m")
net.save(folder / "deep" / "m")
net.save(folder / "deep" / "m")
os.chmod(folder / "deep", 0o700)
assert os.listdir(folder / "deep") == ["m"], os.listdir(folder / "deep")
assert fc.load(folder / "deep" / "m").parameters.tobytes() == net.parameters.tobytes()
""",
        open_folder,
    )


@as_somebody
def test_a_writable_file_in_a_folder_that_is_not_is_refused_and_whole(open_folder):
    as_nobody(
        """
os.mkdir(folder / "deep")
net.save(folder / "deep" / "m")
before = (folder / "deep" / "m").read_bytes()
os.chmod(folder / "deep", 0o500)
words = refused(folder / "deep" / "m")
assert words == "Permission denied; a file is written beside it first: its folder must be writable, too", words
assert (folder / "deep" / "m").read_bytes() == before
os.chdir(folder)
saved = saved_for_good(net, folder / "deep" / "m")
assert saved == folder / "m-elsewhere.safetensors", saved
assert fc.load(saved).parameters.tobytes() == net.parameters.tobytes()
os.chmod(folder / "deep", 0o700)
""",
        open_folder,
    )


@as_somebody
def test_a_read_only_file_is_not_replaced(open_folder):
    as_nobody(
        """
net.save(folder / "m"); os.chmod(folder / "m", 0o444)
assert refused(folder / "m") == "is read-only; make it writable or choose another name"
""",
        open_folder,
    )


@as_somebody
def test_somebody_else_s_file_in_a_shared_folder_is_refused_before_the_work(open_folder):
    (open_folder / "m").write_bytes(OLD)
    (open_folder / "m").chmod(0o666)
    open_folder.chmod(0o1777)
    os.chown(open_folder, 1234, 1234)
    as_nobody('assert "in a shared folder" in refused(folder / "m")', open_folder)
    assert (open_folder / "m").read_bytes() == OLD


MOUNTED = f"""
import os, subprocess, sys
{inspect.getsource(saved_for_good)}
import numbafc as fc
from numbafc.files import require_writable, replacing
target, source, planted = sys.argv[1:]
subprocess.run(["mount", "--bind", source, target], check=True)
net, words = fc.MLP([2, 2]), []
if planted:
    replacing._is_mounted = lambda target: False
for call in (require_writable, net.save):
    try:
        call(target)
    except OSError as error:
        words.append(error.strerror)
print(*words, sep="\\n")
os.chdir(sys.argv[2] + ".folder")
print(saved_for_good(net, target).name, open(source).read(), sorted(os.listdir(os.path.dirname(target))))
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="no right to mount",
)
@pytest.mark.parametrize("planted", ["", "not seen"])
def test_a_mounted_file_is_refused_before_the_work(tmp_path, planted):
    target, source = tmp_path / "a mounted\\file", tmp_path / "source"
    target.write_bytes(b"")
    source.write_text("whole")
    (tmp_path / "source.folder").mkdir()
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-P", "-c", MOUNTED, str(target), str(source), planted],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    words = "Device or resource busy; a mounted file cannot be replaced: mount its folder, or choose another one"
    seen = done.stdout.splitlines()
    assert seen[:-1] == [words] * (1 if planted else 2), done.stderr  # the system itself says it, if only after the work
    assert seen[-1].startswith("a mounted\\file-elsewhere.safetensors whole ['a mounted")
    assert ".numbafc" not in seen[-1]


# ---- killed, interrupted, full --------------------------------------------------------------------------------------

LEFT = """
import os, sys
from numbafc.files import replacing
path, last = sys.argv[1], int(sys.argv[2])
for n in range(last):
    child = os.fork()
    if child == 0:
        os.fsync = lambda handle: os._exit(42)      # killed after it has written
        replacing.write_whole(path, b"never whole")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    print(len([name for name in os.listdir(os.path.dirname(path)) if name.startswith(".")]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_what_killed_writers_left_is_gone_after_the_next_save(tmp_path):
    path = tmp_path / "net"
    done = run_python(LEFT, str(path), "5")
    assert done.stdout.split() == ["1"] * 5, done.stderr  # it does not grow
    replacing.write_whole(path, NEW)
    assert [file.name for file in tmp_path.iterdir()] == ["net"]


def test_the_file_of_a_living_writer_is_left_alone(tmp_path):
    path = tmp_path / "net"
    with replacing._beside(path) as (one, _), replacing._beside(path) as (other, _):
        one.write(OLD)
        other.write(OLD)
        alive = litter(tmp_path)
        assert len(alive) == 2
        replacing.write_whole(path, NEW)
        assert litter(tmp_path) == alive
    assert litter(tmp_path) == []
    assert path.read_bytes() == NEW


def test_a_file_of_a_dead_writer_between_those_of_living_ones_is_cleared(tmp_path):
    path = tmp_path / "net"
    with replacing._beside(path), replacing._beside(path) as (_, name):
        alive = litter(tmp_path)
        dead = name.with_name(name.name[:-1] + "2")
        dead.write_bytes(b"half a netw")
        replacing.write_whole(path, NEW)
        assert litter(tmp_path) == alive


def test_more_writers_than_names_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "WRITERS", 1)
    with (
        replacing._beside(tmp_path / "net"),
        pytest.raises(OSError, match="1 processes are writing it already"),
    ):
        replacing.write_whole(tmp_path / "net", NEW)


def test_many_writers_of_one_file_leave_it_whole(tmp_path):
    path, contents = tmp_path / "net", [bytes([n]) * 50_000 for n in range(8)]
    errors = []

    def write(content):
        try:
            for _ in range(30):
                replacing.write_whole(path, content)
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    assert path.read_bytes() in contents
    assert [file.name for file in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize("name", ["fdopen", "fchmod", "fchown", "fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_whatever_stops_a_writer_the_old_file_is_whole_and_nothing_is_left(tmp_path, monkeypatch, name, error):
    path = tmp_path / "net"
    path.write_bytes(OLD)

    def stop(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, name, stop)
        with pytest.raises(type(error)):
            replacing.write_whole(path, NEW)
    assert path.read_bytes() == OLD
    assert [file.name for file in tmp_path.iterdir()] == ["net"]
    replacing.write_whole(path, NEW)
    assert path.read_bytes() == NEW


INTERRUPTED = """
import os, sys
os.fsync = lambda handle: None
from numbafc.files import replacing
path = sys.argv[1]
class Stop(BaseException): pass
def interrupted_at(moment):
    "Ctrl-C at that line of the writer."
    lines = 0
    def see(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename != replacing.__file__:
            return None
        if event == "line":
            lines += 1
            if lines > moment:
                sys.settrace(None)
                raise Stop
        return see
    sys.settrace(see)
    try:
        replacing.write_whole(path, b"new" * 1000)
    except Stop:
        return True
    finally:
        sys.settrace(None)
    return False
moment = 0
while True:
    with open(path, "wb") as file:
        file.write(b"old" * 1000)
    stopped = interrupted_at(moment)
    with open(path, "rb") as file:
        content = file.read()
    assert content in (b"old" * 1000, b"new" * 1000), (moment, content[:20])
    if not stopped:
        break
    moment += 1
replacing.write_whole(path, b"at last")
print(moment, *os.listdir(os.path.dirname(path)))
"""


def test_ctrl_c_at_any_line_leaves_a_whole_file(tmp_path):
    done = run_python(INTERRUPTED, str(tmp_path / "net"))
    assert done.returncode == 0, done.stderr
    moments, *left = done.stdout.split()
    assert int(moments) > 50
    assert left == ["net"]  # the next writer has cleared what the others could not


# ---- elsewhere ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The current folder, the home folder and the one for temporary files."""
    made = [tmp_path / name for name in ("here", "home", "temporary")]
    for folder in made:
        folder.mkdir()
    monkeypatch.chdir(made[0])
    monkeypatch.setenv("HOME", str(made[1]))
    monkeypatch.setattr(elsewhere.tempfile, "tempdir", str(made[2]))
    return made


def same(path, net):
    return load(path).parameters.tobytes() == net.parameters.tobytes()


def test_a_network_that_can_be_saved_is_saved_where_it_should_be(folders, net):
    assert saved_for_good(net, "m.safetensors") == Path("m.safetensors")
    assert same("m.safetensors", net)
    assert [path.name for path in folders[0].iterdir()] == ["m.safetensors"]


def test_one_that_cannot_goes_to_the_first_folder_that_takes_it_and_replaces_nothing(folders, net, monkeypatch, tmp_path):
    here, home, temporary = folders
    (here / "m-elsewhere.safetensors").write_bytes(OLD)
    path = tmp_path / "none" / "m.safetensors"
    assert saved_for_good(net, path) == here / "m-elsewhere-2.safetensors"
    assert saved_for_good(net, path) == here / "m-elsewhere-3.safetensors"
    assert (here / "m-elsewhere.safetensors").read_bytes() == OLD
    full, write = [here], replacing.write_whole

    def on_a_full_disk(place, content, *, new=False):
        if place.parent in full:
            raise OSError(errno.ENOSPC, "No space left on device", str(place))
        write(place, content, new=new)

    monkeypatch.setattr(elsewhere, "write_whole", on_a_full_disk)
    assert saved_for_good(net, path) == home / "m-elsewhere.safetensors"
    full.append(home)
    assert saved_for_good(net, path) == temporary / "m-elsewhere.safetensors"
    for saved in (here / "m-elsewhere-3.safetensors", home / "m-elsewhere.safetensors"):
        assert same(saved, net)
    assert all(litter(folder) == [] for folder in folders)
    full.append(temporary)
    with pytest.raises(FileNotFoundError, match="make its folder first"):  # what is wrong with the place asked for
        saved_for_good(net, path)
    with pytest.raises(OSError, match="No space left"):
        save_elsewhere(net, path)


@pytest.mark.parametrize("name", ["n" * 300, "m.onnx", "", "."])
def test_a_name_that_cannot_be_is_no_reason_to_lose_a_network(folders, net, name):
    saved = saved_for_good(net, name)
    assert saved.parent == folders[0]
    assert same(saved, net)


def test_folders_that_are_gone_are_passed_over(folders, net, monkeypatch, tmp_path):
    here, home, temporary = folders
    here.rmdir()
    shutil.rmtree(home)
    assert saved_for_good(net, tmp_path / "none" / "m") == temporary / "m-elsewhere.safetensors"


def test_names_end_somewhere(folders, net, monkeypatch):
    monkeypatch.setattr(elsewhere, "NAMES", 2)
    saved = [save_elsewhere(net, "m") for _ in range(3)]
    assert [path.parent.name for path in saved] == ["here", "here", "home"]


def test_a_training_that_no_file_can_hold_is_left_out_and_the_parameters_are_kept(folders, net, tmp_path):
    net.fit([[1, 2], [3, 4]], [0, 1])
    net.training.epochs = 10**20
    net.classes = ("a", "b")
    saved = saved_for_good(net, tmp_path / "m.safetensors")
    assert saved == folders[0] / "m-elsewhere.safetensors"
    assert same(saved, net)
    assert load(saved).training is None
    net.activation = "swish"
    with pytest.raises(ValueError, match=r"activation must be one of"):
        saved_for_good(net, tmp_path / "m.safetensors")
    assert [path.name for path in folders[0].iterdir()] == ["m-elsewhere.safetensors"]

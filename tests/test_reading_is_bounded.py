"""What a file says costs no more than what it holds, and a refusal is one short printable line, whatever is in the file.

No pipe is waited for, no device read without end, no memory taken that is not there; nothing grows with a file's square.
"""

import gzip
import importlib
import inspect
import io
import json
import os
import pickle
import pkgutil
import struct
import zipfile
from pathlib import Path

import helpers
import numpy as np
import pytest
from helpers import run_python
from hypothesis import given
from hypothesis import strategies as st

import numbafc
import numbafc as fc
from numbafc.files import InvalidFile, checkpoint, container, datasets, idx, naming, opening, shown, textfile
from numbafc.nn import initializers

MIB = 1 << 20


def most_allocated(call):
    """As helpers.most_allocated, without what is allocated once and for all."""
    call()
    return helpers.most_allocated(call)


# ---- exceptions -----------------------------------------------------------------------------------------------------


def exceptions():
    """Every exception class of the package."""
    for module in pkgutil.walk_packages(numbafc.__path__, "numbafc."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__.startswith("numbafc"):
                yield value


def assert_survives_pickle(kind):
    plain = kind.__init__ in {base.__init__ for base in (Exception, BaseException, KeyboardInterrupt)}  # takes anything
    wanted = () if plain else inspect.signature(kind).parameters.values()
    named = [one for one in wanted if one.kind is not one.VAR_KEYWORD]
    given = [15 if one.annotation == "int" else f"word {n}" for n, one in enumerate(named)]
    error = kind("words") if plain else kind(*given)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(error, protocol))
        assert (type(back), str(back), vars(back)) == (kind, str(error), vars(error))


def test_every_exception_of_ours_survives_pickle():
    found = set(exceptions())
    assert InvalidFile in found
    for kind in found:
        assert_survives_pickle(kind)


class Fragile(ValueError):
    def __init__(self, path, reason):
        super().__init__(f"{path}: {reason}")


def test_an_exception_that_does_not_survive_is_seen():
    with pytest.raises(TypeError, match="reason"):
        assert_survives_pickle(Fragile)


def test_a_pool_hands_back_that_a_file_is_bad(tmp_path):
    (tmp_path / "bad").write_bytes(b"bad")
    code = """
import multiprocessing, sys
import numbafc as fc
with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        pool.apply_async(fc.load, (sys.argv[1],)).get(timeout=20)
    except fc.files.InvalidFile as error:
        print(error)
"""
    done = run_python(code, str(tmp_path / "bad"))
    assert "bad: not a readable safetensors file" in done.stdout, done.stderr


# ---- pipes, devices, memory -----------------------------------------------------------------------------------------

READ = """
import sys
import numbafc as fc
from numbafc.files import InvalidFile, datasets
for path in sys.argv[1:]:
    for read in (fc.load, datasets.load, lambda path: datasets.load_samples(path, 2)):
        try:
            read(path)
        except InvalidFile as error:
            print(str(error).removeprefix(path))
"""
KINDS = ("x.csv", "x.npy", "x.npz", "x-ubyte", "x.gz", "x", "x.safetensors")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_is_no_regular_file_is_not_read(tmp_path, make):
    paths = [tmp_path / name for name in KINDS]
    for path in paths:
        make(path)
    done = run_python(READ, *map(str, paths), timeout=60)
    expected = ": is not a regular file, but a pipe or a device; copy what comes out of it into a file"
    assert done.stdout.splitlines() == [expected] * 3 * len(KINDS), done.stderr


def test_labels_in_a_pipe_are_not_waited_for(tmp_path):
    (tmp_path / "x-ubyte").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 1, 1) + b"ab")
    code = """
import sys
from numbafc.files import InvalidFile, datasets
try:
    datasets.load(sys.argv[1], labels=sys.argv[2])
except InvalidFile as error:
    print(error)
"""
    for name in ("labels", "labels.npy"):
        os.mkfifo(tmp_path / name)
        done = run_python(code, str(tmp_path / "x-ubyte"), str(tmp_path / name), timeout=60)
        assert f"{name}: is not a regular file" in done.stdout, done.stderr


def test_a_link_to_a_regular_file_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "y.csv").symlink_to(tmp_path / "x.csv")
    assert datasets.load(tmp_path / "y.csv").X.shape == (2, 1)
    with pytest.raises(IsADirectoryError):
        fc.load(tmp_path)


HUGE = 1 << 40  # bytes of a file with a hole in it


def with_hole(path, start):
    path.write_bytes(start)
    try:
        os.truncate(path, HUGE)
    except OSError:
        pytest.skip("no files so large here")
    if path.stat().st_blocks * 512 > MIB:
        pytest.skip("no holes in files here")


def npy_header(shape, descr="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def model_of(nbytes):
    """The beginning of a model's file of so many bytes."""
    header = {"layers.0.weight": {"dtype": "F32", "shape": [0], "data_offsets": [0, nbytes]}}
    while True:
        text = json.dumps(header).encode()
        header["layers.0.weight"]["data_offsets"][1] = nbytes - 8 - len(text)
        header["layers.0.weight"]["shape"][0] = (nbytes - 8 - len(text)) // 4
        if (again := json.dumps(header).encode()) == text:
            return struct.pack("<Q", len(text)) + text
        header = json.loads(again)


@pytest.mark.parametrize(
    ("name", "start", "error", "message"),
    [
        ("x.npy", npy_header(((HUGE - 128) // 80, 10)), MemoryError, r"x.npy: the target of shape .* takes 102 GiB"),
        ("x-ubyte", struct.pack(">BBBB2I", 0, 0, 8, 2, 2**20, 2**20 - 1), MemoryError, r"x-ubyte: an array of shape"),
        ("x.csv", b"1,2\n", InvalidFile, "x.csv: expected a table, got binary data of an unknown kind"),
        (
            "x.safetensors",
            model_of(HUGE),
            MemoryError,
            "x.safetensors: reading this model takes .* of memory, and .* are free",
        ),
        (
            "y.safetensors",
            model_of(HUGE // 2),
            InvalidFile,
            "y.safetensors: not a readable safetensors file .its tensors end",
        ),
    ],
)
def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path, name, start, error, message):
    with_hole(tmp_path / name, start)
    read = fc.load if name.endswith("safetensors") else datasets.load if name.endswith("csv") else reading(name)
    with pytest.raises(error, match=message) as raised:
        read(tmp_path / name)
    assert len(str(raised.value)) < 300


def reading(name):
    return idx.read if name.endswith("ubyte") else lambda path: datasets.load(path)


def test_no_more_memory_is_asked_for_than_is_free(tmp_path, monkeypatch):
    """0.1 MB of gzip may hold 95 MB of zeros: they are read where there is room for them, and for what becomes of them."""
    path = tmp_path / "x-ubyte"
    path.write_bytes(gzip.compress(struct.pack(">BBBB2I", 0, 0, 8, 2, 95_000, 1000) + bytes(95_000_000)))
    np.save(tmp_path / "y.npy", np.arange(95_000) % 2)
    assert path.stat().st_size < 100_000
    asked = []
    monkeypatch.setattr(opening, "free_memory", lambda: asked.append(None) or 94_999_999)
    with pytest.raises(
        MemoryError, match=r"an array of shape \(95000, 1000\) takes 90.6 MiB of memory, and 90.6 MiB are free"
    ):
        datasets.load(path, labels=tmp_path / "y.npy")
    monkeypatch.setattr(opening, "free_memory", lambda: 100_000_000)
    with pytest.raises(MemoryError, match=r"X of shape \(95000, 1000\) in float32 takes 362 MiB of memory, and 95.4 MiB"):
        datasets.load(path, labels=tmp_path / "y.npy")


def test_what_is_free_is_known(tmp_path, monkeypatch):
    free = opening.free_memory()
    if not opening.MACHINE.exists():
        pytest.skip("a system that does not say")
    assert 16 * MIB < free < 1 << 50
    limit = tmp_path / "memory.max"
    limit.write_text("123456789\n")
    monkeypatch.setattr(opening, "CONTAINER", (limit, tmp_path / "none"))
    assert opening.free_memory() == min(free, 123456789) or free < 200_000_000
    limit.write_text("max\n")
    assert opening._of_container(limit) is None
    (tmp_path / "meminfo").write_text("MemTotal: 5 kB\nMemAvailable:   3 kB\nSwapFree: 2 kB\n")
    monkeypatch.setattr(opening, "MACHINE", tmp_path / "meminfo")
    assert opening.free_memory() == 5 * 1024
    (tmp_path / "meminfo").write_text("nonsense")
    assert opening._of_machine() is None


def test_a_limit_of_the_process_is_known():
    code = """
import resource
from numbafc.files import opening
resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
assert (1 << 39) < opening._of_process() < (1 << 40)
resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 40))
assert opening._of_process() == 0
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_lack_of_memory_is_a_sentence_with_the_file(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n")

    def none(*_, **__):
        raise MemoryError

    monkeypatch.setattr(textfile, "_fast", none)
    for read in (datasets.load, lambda path: datasets.load_samples(path, 2)):
        with pytest.raises(MemoryError, match=r"x\.csv: it takes more memory than there is$"):
            read(path)
    fc.MLP([2, 2]).save(path := tmp_path / "m")
    monkeypatch.setattr(container, "_tensor", none)
    with pytest.raises(MemoryError, match=r"m: it takes more memory than there is$"):
        fc.load(path)


def test_a_library_that_panics_is_a_sentence(tmp_path, monkeypatch):
    fc.MLP([2, 2]).save(tmp_path / "m")
    panic = type("PanicException", (BaseException,), {})

    class Library:
        SafetensorError = ValueError

        def __init__(self, error):
            self.error = error

        def deserialize(self, _):
            raise self.error

    monkeypatch.setattr(container, "library", lambda: Library(panic("called `Option::unwrap()` on None")))
    with pytest.raises(InvalidFile, match=r"m: not a readable safetensors file .safetensors failed: called `Option"):
        fc.load(tmp_path / "m")
    monkeypatch.setattr(container, "library", lambda: Library(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fc.load(tmp_path / "m")


CUT_SHORT = """
import os, sys
import numbafc as fc
from numbafc.files import container
path, mapped = sys.argv[1:]
if mapped:
    from safetensors import safe_open
    with safe_open(path, framework="np") as file:
        os.truncate(path, 4096)
        file.get_tensor("layers.0.weight").sum()
size_of = container.size_of
def then_cut(file):
    size = size_of(file)
    os.truncate(path, 4096)
    return size
container.size_of = then_cut
try:
    fc.load(path)
except fc.files.InvalidFile as error:
    print(error)
"""


@pytest.mark.parametrize("mapped", ["", "mapped"])
def test_a_model_that_is_cut_short_while_it_is_read_is_refused(tmp_path, mapped):
    path = tmp_path / "m"
    fc.MLP([1000, 1000]).save(path)
    done = run_python(CUT_SHORT, str(path), mapped)
    if mapped:  # what a map does
        assert done.returncode == -7
    else:
        assert "m: not a readable safetensors file" in done.stdout, done.stderr


# ---- no squares, no fixed widths ------------------------------------------------------------------------------------


def test_one_long_cell_does_not_widen_all(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,a\n" * 75_000 + f"1,{'b' * 1000}\n")
    data = datasets.load(path)
    assert (len(data.X), data.classes) == (75_001, ("a", "b" * 1000))
    assert most_allocated(lambda: datasets.load(path)) < 30 * path.stat().st_size
    words = np.array(["a"] * 2000 + ["b" * 1000])
    np.savez(tmp_path / "x.npz", X=np.ones((2001, 1)), y=words)  # here the file itself is as large
    assert datasets.load(tmp_path / "x.npz").classes == ("a", "b" * 1000)
    np.savez(tmp_path / "x.npz", X=np.ones((2001, 1)), y=np.array(["a"] * 2000 + ["b" * 1001]))
    with pytest.raises(InvalidFile, match=r"a target of at most 1000 characters at row 2000 .from 0., got 1001"):
        datasets.load(tmp_path / "x.npz")


class Name(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_columns_in_another_order_are_found_in_one_go():
    names = [Name(f"column {n}") for n in range(2000)]
    X = np.arange(4000).reshape(2, 2000)
    Name.compared = 0
    back = naming.in_order(Path("x.csv"), X, names[::-1], [Name(str(name)) for name in names])
    np.testing.assert_array_equal(back, X[:, ::-1])
    assert Name.compared < 10 * len(names)
    with pytest.raises(InvalidFile, match="expected columns 'column 1999', as the model has, got 'other'"):
        naming.in_order(Path("x.csv"), X, [*names[:-1], Name("other")], names)
    assert Name.compared < 50 * len(names)


def safetensors_of(description, **arrays):
    import safetensors.numpy

    return safetensors.numpy.save(arrays, {"numbafc": json.dumps(description)})


def test_layers_without_parameters_cost_nothing(tmp_path, monkeypatch):
    """400 000 of them in a model of 1.9 MB took 8 seconds: as many were made, and filled with random numbers."""
    made, fill = [], initializers.fill
    monkeypatch.setattr(initializers, "fill", lambda W, *rest: (made.append(W.size), fill(W, *rest)))
    described = checkpoint.contents(fc.MLP([1, 1]), True)[1]
    few = {"layers.0.weight": np.ones((1, 1), np.float32), "junk": np.zeros(60_000, np.uint8)}
    (tmp_path / "m").write_bytes(safetensors_of(described | {"sizes": [1] * 20_000}, **few))
    made.clear()
    with pytest.raises(InvalidFile, match=r"layers\.0\.bias is missing, which should have shape \(1,\)"):
        fc.load(tmp_path / "m")
    assert sum(made) <= 1


def test_many_layers_are_read_and_only_then_made(tmp_path, monkeypatch):
    net = fc.MLP([1] * 1001, seed=3)
    net.save(tmp_path / "m")
    made, fill = [], initializers.fill
    monkeypatch.setattr(initializers, "fill", lambda W, *rest: (made.append(W.size), fill(W, *rest)))
    back = fc.load(tmp_path / "m")
    assert back.sizes == net.sizes
    assert back.parameters.tobytes() == net.parameters.tobytes()
    assert sum(made) <= 1  # what the file has is not made at random first


# ---- what is no text ------------------------------------------------------------------------------------------------


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800, 0xDFFF])
@pytest.mark.parametrize("order", "<>")
def test_what_is_no_character_is_refused_by_its_place(tmp_path, code, order):
    words = npy_header((3,), f"{order}U2") + struct.pack(f"{order}6I", 97, 0, 98, code, 99, 0)
    X = npy_header((3, 1)) + bytes(24)
    (tmp_path / "x.npz").write_bytes(npz(X=X, y=words))
    with pytest.raises(InvalidFile, match=r"expected y to hold text at row 1 \(from 0\), got what is no character"):
        datasets.load(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(
        npz(X=X, y=words.replace(struct.pack(f"{order}I", code), struct.pack(f"{order}I", 0x10FFFF)))
    )
    assert datasets.load(tmp_path / "x.npz").classes == ("a", "b\U0010ffff", "c")


# ---- messages -------------------------------------------------------------------------------------------------------

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\x9b31m\ud800"


@pytest.mark.parametrize("text", [ESCAPES, ESCAPES * 1000, "a" * 10**7, "\x1b" * 10**6, ""])
def test_what_is_shown_is_short_and_printable(text):
    for most in (20, 300):
        for words in (shown.shortened(text, most), shown.printable(text[:most])):
            assert words.isprintable()
        assert len(shown.shortened(text, most)) <= most
    assert shown.shortened("ä 'b' …", 300) == shown.printable("ä 'b' …") == "ä 'b' …"


def test_the_reason_and_the_path_are_kept_whole():
    error = InvalidFile(Path("a/b"), "r" * 1000)
    assert (error.path, error.reason) == ("a/b", "r" * 1000)
    assert str(error) == f"a/b: {'r' * 199}…{'r' * 100}"


LONG = st.one_of(
    st.text(st.characters(exclude_characters=",\"'", exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["\x1b[31mred", "n" * 1000, "ä" * 900, "\x1b]0;x\x07" * 100, "0", "1.5", "7", "x,y", 'a"b', "a\nb"]),
)


def cells(rows, columns):
    quoted = LONG.map(lambda text: '"' + text.replace('"', '""') + '"')
    return st.lists(st.lists(quoted, min_size=columns, max_size=columns).map(",".join), min_size=rows, max_size=rows)


def assert_short(error):
    message = str(error)
    assert message.isprintable(), message
    assert len(message) <= 460, len(message)
    assert len(error.reason) < 10_000 or "…" in message


@given(
    st.sampled_from([2, 3, 200, 3000]),
    st.data(),
    st.sampled_from(["x", "x\x1b[31m", "n" * 200, "ü" * 100, "a\nb"]),
    st.sampled_from([None, "none", "\x1b", "n" * 10_000, "99999"]),
    st.sampled_from(["auto", "regression", "classification"]),
)
def test_no_table_brings_a_long_or_unprintable_message(tmp_path_factory, columns, data, name, target, task):
    part = data.draw(cells(3, min(columns, 5)))
    lines = [",".join([row] * (columns // min(columns, 5))) for row in part]
    path = tmp_path_factory.mktemp("table") / f"{name}.csv"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    names = [f"{text}{n}" for n, text in enumerate(data.draw(st.lists(LONG, min_size=3, max_size=3)))] * (columns // 3)
    for call in (
        lambda: datasets.load(path, target=target, task=task, features=names),
        lambda: datasets.load_samples(path, len(names), target=target, names=names),
        lambda: datasets.encode(np.array(["\x1b" * 1000], object), tuple(names), path),
        lambda: fc.load(path),
    ):
        try:
            found = call()
        except InvalidFile as error:
            assert_short(error)
        else:
            if isinstance(found, datasets.Dataset):
                assert found.describe().isprintable()


@given(st.data())
def test_no_model_brings_a_long_or_unprintable_message(tmp_path_factory, data):
    net = fc.MLP([2, 3, 2])
    tensors, described = checkpoint.contents(net, True)
    long = st.one_of(
        LONG, st.lists(LONG, max_size=300), st.integers(0, 10**300), st.just([[]] * 3000), st.just("x" * 10**5)
    )
    described[data.draw(st.sampled_from(sorted(described)))] = data.draw(long)
    renamed = data.draw(st.one_of(st.none(), LONG))
    if renamed is not None:
        tensors[renamed] = tensors.pop("layers.1.bias")
    path = tmp_path_factory.mktemp("model") / "m"
    path.write_bytes(safetensors_of(described, **tensors))
    try:
        fc.load(path)
    except InvalidFile as error:
        assert_short(error)


@pytest.mark.parametrize("what", ["members", "fields", "labels", "shape"])
def test_no_archive_brings_a_long_or_unprintable_message(tmp_path, what):
    X = npy_header((3, 1)) + bytes(24)
    buffer = io.BytesIO()
    if what == "members":
        content = npz(**{f"\x1b[31m{n}{'n' * 200}": b"" for n in range(1000)})
    elif what == "fields":
        np.save(buffer, np.zeros(3, [(f"\x1b[31m{n}{'n' * 100}", "f4") for n in range(80)]))
        content = npz(X=buffer.getvalue(), y=X)
    elif what == "labels":
        np.save(buffer, np.array([["\x1b[31m" + "n" * 900] * 2] * 3))
        content = npz(X=X, y=buffer.getvalue())
    else:
        content = npz(X=npy_header((2**40,) * 200), y=X)
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    for task in ("auto", "regression"):
        with pytest.raises(InvalidFile) as error:
            datasets.load(path, task=task)
        assert_short(error.value)

"""Parquet files larger than memory: columns and encoded rows in temporary files, with the bits of a table in memory."""

import contextlib
import gc
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import narwhals
import numpy as np
import polars as pl
import pyarrow.parquet
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_at_random import tables

from numbafc.files import Dialect, InvalidFile, arrays, load_table, parquet, scratch
from numbafc.nn import mapped
from numbafc.nn.mapped import MappedRows
from numbafc.tables import Choices, Table, column


@pytest.fixture
def on_disk(monkeypatch):
    """Every parquet stays on the disk, and is taken some rows at a time."""
    monkeypatch.setattr(arrays, "MAPPED", 0)
    monkeypatch.setattr(mapped, "PART", 1 << 8)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty folder that temporary files go to."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "temporary"


def houses(rows=1000, seed=0):
    """A table with numbers, gaps, words and dates, of which classes can be learnt."""
    rng = np.random.default_rng(seed)
    size, kind = rng.standard_normal(rows), rng.choice(["flat", "house", "castle"], rows)
    when = np.datetime64("2020-01-01") + rng.integers(0, 900, rows).astype("timedelta64[D]")
    gaps = [None if n % 7 == 0 else float(n % 50) for n in range(rows)]
    y = np.where(size + (kind == "castle") > 0.3, "dear", "cheap")
    return pl.DataFrame({"size": size, "kind": kind, "when": when, "gaps": gaps, "price": y})


def write(path, frame, ends=()):
    """Write a parquet with a row group to each of these rows, and one to the last."""
    table = frame.to_arrow()
    ends = [0, *sorted(set(ends) - {0, len(frame)}), len(frame)]
    with pyarrow.parquet.ParquetWriter(path, table.schema) as file:
        for first, last in itertools.pairwise(ends):
            file.write_table(table.slice(first, last - first))
    return path


def answer(call):
    """What a call gives, or what it says."""
    try:
        return call()
    except ValueError as error:
        return str(error)


# ---- bits -----------------------------------------------------------------------------------------------------------


def in_this_process(command, **_):
    """What subprocess.run does for the reader, without a process: files are sound here."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command[3:])
        exec(command[3], {})
    return SimpleNamespace(stdout=out.getvalue())


@settings(max_examples=30)
@given(tables(), st.data())
def test_a_table_on_the_disk_is_that_in_memory(tmp_path_factory, drawn, data):
    """Any kinds of columns, row groups of any lengths, one file or two; cells are Python's three at a time."""
    frame, folder = drawn.typed(), tmp_path_factory.mktemp("drawn")
    row = st.integers(0, len(frame))
    cut, dtype, scaling = (
        data.draw(row),
        data.draw(st.sampled_from(["float32", "float64"])),
        data.draw(st.sampled_from(["robust", "standard"])),
    )
    parts = [part for part in (frame[:cut], frame[cut:]) if len(part)]
    paths = [write(folder / f"{n}.parquet", part, data.draw(st.lists(row))) for n, part in enumerate(parts)]
    choices = Choices(scaling=scaling)
    expected = answer(lambda: Table.fit(frame, choices))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "MAPPED", 0)
        patch.setattr(mapped, "PART", data.draw(st.sampled_from([100, 300, 1 << 12])))
        patch.setattr(column, "PIECE", 3)
        patch.setattr(parquet.subprocess, "run", in_this_process)
        found = answer(lambda: load_table(paths, choices, dtype=dtype))
    if isinstance(expected, str):
        assert found == f"{paths[0]}: {expected}"
        return
    assert isinstance(found.X, MappedRows)
    assert found.table.to_dict() == expected.to_dict()
    assert_same_bits(np.asarray(found.X), expected.encode(frame, dtype), "X")
    assert_same_bits(found.y, expected.targets(frame, "float64"), "y")


CELLS = st.sampled_from(["1", "2.5", " 3", "1,000", "x", "two", "", " ", "inf", "1e999", "007", None])


@given(st.lists(CELLS, max_size=12), st.sampled_from([1, 3, 5]))
def test_cells_some_at_a_time_are_those_of_a_whole_column(cells, piece):
    def seen():
        one = column.Column("a", 0, narwhals.from_native(pl.Series(cells, dtype=pl.String), series_only=True))
        return one.words.texts, *(array.tolist() for array in (one.words.codes, *one.numbers, one.missing))

    whole = seen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column, "PIECE", piece)
        assert repr(seen()) == repr(whole)  # NaN, too


@pytest.mark.usefixtures("on_disk")
def test_cells_that_mean_missing_and_files_of_two_types(tmp_path):
    """A whole number in one file, a float in the other: 7 is missing, whichever it is."""
    frame = houses(40).with_columns(pl.Series("count", [n % 9 for n in range(40)]))
    one, other = frame[:25], frame[25:].with_columns(pl.col("count").cast(pl.Float64))
    dialect = Dialect(na=("7", "flat"))
    paths = [write(tmp_path / "one.parquet", one, [10]), write(tmp_path / "other.parquet", other)]
    found = load_table(paths, Choices(target="price"), dialect)
    missing = {row.name: row.missing for row in found.table.report()}
    assert missing["count"] == 4
    assert missing["kind"] == (frame["kind"] == "flat").sum()
    assert found.X.shape[0] == 40


@pytest.mark.usefixtures("on_disk")
def test_standard_input_stays_on_the_disk(tmp_path):
    path = write(tmp_path / "x.parquet", houses(300), [100])
    code = """
import sys
from numbafc.files import arrays, load
arrays.MAPPED = 0
data = load("-")
print(type(data.X).__name__, data.X.shape, float(data.X[:].sum()))
"""
    with path.open("rb") as file:
        done = subprocess.run([sys.executable, "-P", "-c", code], stdin=file, capture_output=True, text=True, check=False)
    whole = load_table(path)
    assert done.stdout == f"MappedRows {whole.X.shape} {float(whole.X[:].sum())}\n", done.stderr


@pytest.mark.usefixtures("on_disk")
def test_a_cell_is_refused_with_its_row_in_the_table(tmp_path):
    table = Table.fit(houses(300))
    words = houses(300).with_columns(pl.Series("gaps", [*(["1.5"] * 290), "many", *(["2"] * 9)]))
    path = write(tmp_path / "x.parquet", words, [128])
    with pytest.raises(InvalidFile, match=r"got 'many' at row 290, column 3 'gaps'"):
        load_table(path, table=table)


# ---- damaged files, full disks --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("group", [0, 4])
def test_a_damaged_row_group_is_refused_and_nothing_is_left(tmp_path, temporary, group):
    path = write(tmp_path / "x.parquet", houses(5000), [1000, 2000, 3000, 4000])
    known = pyarrow.parquet.ParquetFile(path).metadata.row_group(group).column(0)
    data = bytearray(path.read_bytes())
    first = known.dictionary_page_offset or known.data_page_offset
    data[first : first + known.total_compressed_size] = b"\xff" * known.total_compressed_size
    path.write_bytes(data)
    with pytest.raises(InvalidFile, match=r"x\.parquet: not a readable parquet file"):
        load_table(path)
    gc.collect()
    assert not list(temporary.iterdir())


FULL = """
import resource, sys
from numbafc.files import arrays, load, scratch
arrays.MAPPED = int(sys.argv[2])
if sys.argv[3] == "true":
    scratch.require_space = lambda nbytes: None
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
try:
    load(sys.argv[1])
except OSError as error:
    print(error.strerror, error.filename)
"""


@pytest.mark.parametrize(("limit", "what"), [(1 << 10, "the columns"), (1 << 18, "the rows")])
def test_a_full_disk_is_one_sentence(tmp_path, temporary, limit, what):
    """No file may become larger than a limit: polars' file with the columns, then ours with the encoded rows."""
    frame = houses(4000).drop("when") if what == "the columns" else houses(4000).select("kind", "price")
    if what == "the rows":  # each word is a column
        frame = frame.with_columns(pl.Series("kind", [f"w{n % 97}" for n in range(4000)]))
    path = write(tmp_path / "x.parquet", frame, [1000])
    done = run_python(FULL, str(path), "0", "true", str(limit))
    assert done.stdout.startswith("no space for a temporary file"), done
    assert f"make room, or name another folder in the environment variable TMPDIR {temporary}" in done.stdout
    assert not list(temporary.iterdir())


def test_too_little_space_is_refused_before_any_is_taken(tmp_path, temporary, on_disk, monkeypatch):
    path = write(tmp_path / "x.parquet", houses(1000))
    usage = scratch.shutil.disk_usage(temporary)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"no space for a temporary file of 0.0381 MiB, and 0.000954 MiB are free"):
        load_table(path)


# ---- temporary files ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_disk")
def test_temporary_files_are_there_as_long_as_the_rows(tmp_path, temporary, monkeypatch):
    """Where open files have no names in /proc, too."""
    path, nobody = write(tmp_path / "x.parquet", houses(1000), [300]), tmp_path / "none"
    named = load_table(path)
    monkeypatch.setattr(scratch, "OPEN_FILES", nobody)
    other = load_table(path)
    assert_same_bits(np.asarray(other.X), np.asarray(named.X), "X")
    del other
    gc.collect()
    assert not list(temporary.iterdir())


TRAIN = """
import sys
from numbafc.files import arrays
from numbafc.nn import mapped
arrays.MAPPED, mapped.PART = 0, 1 << 14
from numbafc.__main__ import main
sys.argv[0] = "numbafc"
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_whatever_ends_a_training_no_file_is_left(tmp_path, temporary, number):
    path = write(tmp_path / "x.parquet", houses(4000), [1000])
    words = "train", str(path), "--recipe", "plain", "--hidden", "4", "--epochs", "1000000", "--out", "m.safetensors"
    command = [sys.executable, "-P", "-u", "-c", TRAIN, *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        lines = iter(child.stdout.readline, "")
        told = list(_until(lines, "epoch 1/"))
        child.send_signal(number)
        rest = list(lines)
    assert any("go to a temporary file in" in line for line in told), told
    assert any("its rows stay on the disk" in line for line in told), told
    assert child.returncode == (130 if number == signal.SIGINT else -number), rest
    assert not list(temporary.iterdir())


def _until(lines, start):
    for line in lines:
        yield line
        if line.startswith(start):
            return


READING = """
import sys
from numbafc.files import arrays, load, parquet
arrays.MAPPED = 0
parquet.CHILD = f"import time; open({sys.argv[2]!r}, 'w').close(); time.sleep(60)"
load(sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "ended"])
def test_whatever_ends_the_reading_no_file_is_left(tmp_path, temporary, number):
    path, begun = write(tmp_path / "x.parquet", houses(50)), tmp_path / "begun"
    command = [sys.executable, "-P", "-c", READING, str(path), str(begun)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, process_group=0) as child:
        while child.poll() is None and not begun.exists():
            time.sleep(0.01)
        os.killpg(child.pid, number)
    assert child.returncode
    assert not list(temporary.iterdir())


# ---- memory ---------------------------------------------------------------------------------------------------------

MEMORY = """
import json, sys, threading, time
from numbafc.files import arrays
from numbafc.nn import mapped
arrays.MAPPED = int(sys.argv[2])
mapped.PART = 1 << 22
from numbafc.cli import memory, run, sources

def own():  # what is this process's alone: pages of files are given up where memory is short
    with open("/proc/self/status") as file:
        return 1024 * int(next(line for line in file if line.startswith("RssAnon")).split()[1])

peak, over = [0], threading.Event()
def look():
    while not over.wait(0.002):
        peak[0] = max(peak[0], own())

def train(path):
    source = sources.Source((__import__("pathlib").Path(path),))
    data = source.read("auto", "float32")
    training, held_out = data.split(0.2, 0)
    from numbafc.nn import MLP, Members
    net = Members([MLP([data.X.shape[1], 8, 2], seed=n) for n in range(2)])
    net.fit(training.X, training.y, epochs=1, validation=(held_out.X, held_out.y), batch_size=256)
    net.predict(held_out.X)
    return data.X.nbytes, memory.needed(net, data, held_out, False)

train(sys.argv[1] + "/small.parquet")
before = own()
looking = threading.Thread(target=look, daemon=True)
looking.start()
nbytes, stated = train(sys.argv[1] + "/large.parquet")
over.set()
looking.join()
print(json.dumps([peak[0] - before, nbytes, stated]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells what memory is a process's own")
def test_memory_is_far_below_the_table_s(tmp_path):
    """Half of the columns' 320 MB and the rows' 160 MB: more than reader and parts take, a third of all in memory."""
    rng, rows = np.random.default_rng(0), 200_000
    noise = rng.standard_normal(rows)
    frame = pl.DataFrame({f"n{k}": np.roll(noise, k) for k in range(199)} | {"y": np.where(noise > 0, "up", "down")})
    write(tmp_path / "small.parquet", frame[:10_000])
    frame.write_parquet(tmp_path / "large.parquet", row_group_size=20_000, compression="uncompressed")
    del frame
    done = run_python(MEMORY, str(tmp_path), str(1 << 20))
    own, nbytes, stated = json.loads(done.stdout)
    assert nbytes == 199 * rows * 4
    assert own < 3 * nbytes / 2, (own, nbytes)
    assert stated < nbytes / 2, (stated, nbytes)

"""What is no table is named for what it is; a damaged or hostile file costs a sentence, whatever its kind."""

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import polars
import pytest
from helpers import run_python

import numbafc as fc
from numbafc.files import InvalidFile, datasets, opening, tabular


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "a")
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


NO_TABLES = [
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
        "got a git-lfs pointer, not the data; run `git",
    ),
    (b"\n <!DOCTYPE html>\n<html>", "got a web page; download the file itself"),
    (b"<?xml version='1.0'?><a/>", "got an xml document"),
    (json.dumps([{"a": 1}]).encode(), "got JSON; save"),
    (b'{"a": 1}\n{"a": 2}\n', "got JSON; save"),
    (b"% about\n@RELATION iris\n@DATA\n1,2\n", "got an ARFF file; remove the lines up to @data"),
    (b"1 1:0.5 3:2\n0 2:1\n", "got a sparse table"),
    (b"%PDF-1.7\n", "got a pdf document"),
    (b"\x89PNG\r\n\x1a\n", "got a picture"),
    (b"\xff\xd8\xff\xe0", "got a picture"),
    (b"SQLite format 3\0", "got an SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "got an HDF5 file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "got an old Excel or Word file .*; save it as .xlsx or csv"),
    (b"ARROW1\0\0", "got an Arrow file"),
    (pickle.dumps({"a": 1}), "got a pickle, which could run code"),
    (pickle.dumps([1], 2), "got a pickle, which could run code"),
    (zipped("a.csv"), "got a zip archive with 'a.csv'; unpack it"),
    (zipped("word/document.xml"), "got a Word document"),
    (zipped("archive/data.pkl"), "got a PyTorch file"),
    (zipped(), "got a zip archive with nothing in it"),
    (b"PK\3\4", "a damaged zip archive"),
    (npy(np.ones(3)), "got a NumPy array; rename it to end in .npy"),
    (zipped("X.npy", "y.npy"), "got NumPy arrays .npz.; rename"),
    (b"a" * 257 + b"ustar\0", "got a tar archive"),
    (b"ab\0c,d\n", "got binary data of an unknown kind"),
    (gzip.compress(b"PAR1", mtime=0), "got a parquet file packed with gzip; unpack it first"),
    (b"\x1f\x8bnonsense", "damaged gzip data"),
    (b"PAR1PAR1", "not a readable parquet file"),
]


@pytest.mark.parametrize(("content", "message"), NO_TABLES)
@pytest.mark.parametrize("name", ["x.csv", "x"])
def test_what_is_no_table_is_named_for_what_it_is(tmp_path, content, message, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFile, match=message) as error:
        tabular.read(tmp_path / name)
    assert len(str(error.value)) <= 450


def test_a_model_is_no_table_and_a_table_no_model(tmp_path):
    fc.MLP([2, 2]).save(tmp_path / "m")
    with pytest.raises(InvalidFile, match="got a safetensors file, as models are kept in"):
        tabular.read(tmp_path / "m")
    assert isinstance(fc.files.load(tmp_path / "m"), fc.MLP)


def test_kinds_are_known_by_what_is_in_them(tmp_path):
    frame = polars.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.write_parquet(tmp_path / "a.csv")
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "x"], [2, None]):
        book.active.append(row)
    book.save(tmp_path / "b.csv")
    (tmp_path / "c.parquet").write_text("a,b\n1,x\n2,\n")
    for name, numbers in (("a.csv", [1, 2]), ("b.csv", [1, 2]), ("c.parquet", ["1", "2"])):
        found = tabular.read(tmp_path / name).frame.to_native().to_dict(as_series=False)
        assert found == {"a": numbers, "b": ["x", None]}
    (tmp_path / "d.csv").write_bytes(npy(np.array([[1.0, 2], [3, 4]])))
    assert datasets.load_samples(tmp_path / "d.csv", 2).tolist() == [[1, 2], [3, 4]]


def workbook(*cells):
    book = openpyxl.Workbook()
    for place, value in cells:
        book.active[place] = value
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_a_sheet_with_a_cell_far_away_costs_a_sentence(tmp_path):
    (tmp_path / "x.xlsx").write_bytes(workbook(("A1", 1), ("XFD1048576", 2)))
    with pytest.raises(
        InvalidFile, match="its first sheet has cells far from the others, or too many; save the table as csv"
    ):
        tabular.read(tmp_path / "x.xlsx")


def test_a_workbook_as_people_make_them(tmp_path):
    """A title over several columns, an empty line, a header with a gap, an empty column, cells far below emptied."""
    cells = [("A1", "Report"), ("A3", "size"), ("B3", "kind"), ("D3", "ok"), ("A30", None)]
    cells += [(f"A{row}", row / 2) for row in (4, 5, 6)] + [
        (f"B{row}", word) for row, word in ((4, "x"), (5, "NA"), (6, "y "))
    ]
    cells += [(f"D{row}", row > 4) for row in (4, 5, 6)]
    (tmp_path / "x.xlsx").write_bytes(workbook(*cells))
    reading = tabular.read(tmp_path / "x.xlsx")
    expected = {"size": [2.0, 2.5, 3.0], "kind": ["x", None, "y"], "ok": [False, True, True]}
    assert reading.frame.to_native().to_dict(as_series=False) == expected
    assert reading.said[:2] == ("read the sheet 'Sheet'", "left out 1 line above the table")


def test_what_unpacks_to_more_than_memory_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 10_000_000))
    monkeypatch.setattr(opening, "free_memory", lambda: 20_000_000)
    with pytest.raises(MemoryError, match=r"x\.csv\.gz: the next part of its table takes .* are free"):
        tabular.read(tmp_path / "x.csv.gz")


# ---- mutated files, in a process of their own ----

FUZZ = """
import io, random, resource, sys, time, warnings
from pathlib import Path
from mutations import mutated
import polars
from numbafc.files import InvalidFile, tabular
folder, seed, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
tabular.read(folder / "seed.csv")  # threads, and what is loaded late
resource.setrlimit(resource.RLIMIT_AS, (8 << 30,) * 2)
random = random.Random(seed)
PIECES = [b'"', b"'", b",", b";", b"\\n", b"\\r", b"\\0", b"\\xff", b"\\xff" * 8, b"-1", b"9" * 30, b"\\x7f\\xff\\xff\\xff"]
for path in sorted(folder.glob("seed*")):
    whole, slowest = path.read_bytes(), 0
    for _ in range(times if path.suffix != ".parquet" else 8):  # each in a process
        (folder / "mutated").write_bytes(mutated(whole, random, PIECES))
        begun = time.perf_counter()
        try:
            tabular.read(folder / "mutated")
        except (InvalidFile, MemoryError) as error:
            assert len(str(error)) <= 460 and "\\n" not in str(error), str(error)
        slowest = max(slowest, time.perf_counter() - begun)
    print(path.name, f"{slowest:.2f}")
    assert slowest < 20, path
"""


def seeds(folder):
    text = "name,size,when\n" + "".join(f'"w {n}",{n}.5,2020-01-{n:02}\n' for n in range(1, 20))
    (folder / "seed.csv").write_text(text)
    (folder / "seed-semicolons").write_text(text.replace(",", ";").replace(".", ","))
    (folder / "seed-blanks").write_text(text.replace(",", "  "))
    (folder / "seed-utf16").write_bytes(text.encode("utf-16"))
    (folder / "seed-latin").write_bytes(text.replace("w", "ä").encode("latin-1"))
    (folder / "seed.gz").write_bytes(gzip.compress(text.encode()))
    frame = polars.DataFrame({"a": [1, 2, None] * 5, "b": ["x", "yy", None] * 5, "c": [0.5, 1, 2] * 5})
    for compression in ("uncompressed", "zstd"):
        frame.write_parquet(folder / f"seed-{compression}.parquet", compression=compression)
    (folder / "seed.xlsx").write_bytes(workbook(("A1", "a"), ("B1", "b"), ("A2", 1), ("B2", "x"), ("A3", 2.5)))


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_files_are_read_or_refused(tmp_path, seed):
    seeds(tmp_path)
    done = run_python(FUZZ, str(tmp_path), str(seed), "60", timeout=120, PYTHONPATH=str(Path(__file__).parent))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(list(tmp_path.glob("seed*")))

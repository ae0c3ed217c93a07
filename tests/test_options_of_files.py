"""What is said of how a file is written is used, or refused, whatever kind of file it is and whatever the model knows."""

import io
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import ok
from test_cli_tables import QUICK

import numbafc as fc
from numbafc.files import Dialect, InvalidFile, datasets

N = 24
RNG = np.random.default_rng(3)
X = np.round(RNG.uniform(1, 9, (N, 3)), 3)
Y = (X[:, 0] > 5).astype(int)
ROWS = [[*(f"{x:.3f}" for x in row), str(y)] for row, y in zip(X, Y, strict=True)]
NAMES = ["a", "b", "c", "kind"]


def text(delimiter=",", decimal=".", encoding="utf-8", header=True, missing=None):
    """The table as bytes of text. missing: what a cell of b has."""
    rows = [row.copy() for row in ROWS]
    if missing is not None:
        rows[0][1] = missing
    rows = [[cell.replace(".", decimal) for cell in row] for row in rows]
    head = [["ä", *NAMES[1:]]] if encoding == "latin-1" else [NAMES]
    return "".join(f"{delimiter.join(row)}\n" for row in (head if header else []) + rows).encode(encoding)


# What an option says, and a text that is another table without it, or none.
TEXTS = {
    "delimiter": (":", text(":")),
    "decimal": (",", text("|", ",")),
    "encoding": ("cp1250", text(encoding="latin-1").replace("ä".encode("latin-1"), b"\xb9")),
    "header": (False, b"0,1,2,3\n" + text(header=False)),
    "na": (("7.77",), text(missing="7.77")),
}
SAID = {"delimiter": ";", "decimal": ",", "encoding": "latin-1", "header": True, "na": ("7.77",)}
KINDS = "csv", "parquet", "parquet of words", "xlsx", "xlsx of words", "npy", "npz", "IDX", "digits"
# by each kind of file, and each option: whether it is used; else it is refused
USED = {kind: set() for kind in KINDS} | {
    "csv": set(SAID),
    "parquet": {"na"},
    "parquet of words": {"na", "decimal"},
    "xlsx": {"na", "header"},
    "xlsx of words": {"na", "header", "decimal"},
}


def workbook(rows):
    openpyxl = pytest.importorskip("openpyxl")
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def write(folder, kind):
    """A file of that kind, in which 7.77 stands for a missing cell, and words have decimal commas; and its name."""
    numbers = X.copy()
    numbers[0, 1] = 7.77
    path = folder / f"data.{kind.split()[0].lower()}"
    cells = numbers.tolist()
    if kind.endswith("words"):
        cells = [[f"{row[0]:.3f}".replace(".", ","), *row[1:]] for row in cells]
    rows = [[*row, int(y)] for row, y in zip(cells, Y, strict=True)]
    if kind == "csv":
        path.write_bytes(text(missing="7.77"))
    elif kind.startswith("parquet"):
        pl.DataFrame(rows, schema=NAMES, orient="row").write_parquet(path)
    elif kind.startswith("xlsx"):
        path.write_bytes(workbook([NAMES, *rows]))
    elif kind == "npy":
        np.save(path, np.column_stack([X, Y]))
    elif kind == "npz":
        np.savez(path, X=X, y=Y)
    elif kind == "IDX":
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(bytes([0, 0, 8, 3]) + np.array([N, 1, 3], ">i4").tobytes() + X.astype("u1").tobytes())
        labels = folder / "train-labels-idx1-ubyte"
        labels.write_bytes(bytes([0, 0, 8, 1]) + np.array([N], ">i4").tobytes() + Y.astype("u1").tobytes())
    else:
        return "digits"
    return path.name


def words(option, value):
    """An option as the command has it."""
    if option == "header":
        return ["--header" if value else "--no-header"]
    return [f"--{option}", ",".join(value) if isinstance(value, tuple) else value]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A network of arrays, one of the digits' size, and the samples of a table."""
    folder = tmp_path_factory.mktemp("models")
    fc.MLP([3, 4, 2]).save(folder / "arrays.safetensors")
    fc.MLP([64, 4, 10]).save(folder / "digits.safetensors")
    return folder


@pytest.mark.parametrize(("kind", "option"), list(itertools.product(KINDS, SAID)), ids=str)
@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_an_option_is_used_or_refused(here, models, command, kind, option):
    name = write(here.folder, kind)
    model = models / ("digits.safetensors" if kind == "digits" else "arrays.safetensors")
    said = words(option, SAID[option])
    if kind.endswith("words") and option != "decimal":
        said += words("decimal", ",")
    if command == "train":
        done = here("train", name, *QUICK[:-1], "1", *said, "--out", "m.safetensors")
    else:
        done = here(command, model, name, *said)
    used = option in USED[kind]
    if not used:
        assert (done.returncode, done.stdout) == (2, ""), done
        assert f"option {option} is for" in done.stderr or f"--{option} is for" in done.stderr, done
        assert len(done.stderr) < 300
        return
    assert "is for" not in done.stderr, done
    if option == "na" and command != "train":  # a gap, which a network that knows no table cannot take
        assert "got a missing value" in done.stderr, done
    if command == "train" and (option == "na" or kind.endswith("words")):
        (row,) = (one for one in fc.load("m.safetensors").table.report() if one.name == ("b" if option == "na" else "a"))
        assert (row.kind, row.missing) == ("number", option == "na")


@pytest.mark.parametrize("option", SAID)
def test_a_network_without_a_table_reads_a_text_as_it_is_told(tmp_path, option):
    value, written = TEXTS[option]
    path = tmp_path / "t.csv"
    path.write_bytes(written)

    def read(dialect):
        data = datasets.load(path, dialect=dialect)
        return data.X, data.y, datasets.load_samples(path, 3, dialect=dialect), data.features

    told = Dialect(**{option: value})
    if option == "na":
        with pytest.raises(InvalidFile, match="missing value"):
            read(told)
        return
    features, targets, alone, names = read(told)
    np.testing.assert_array_equal(features, alone)
    np.testing.assert_array_equal(features[-N:], X.astype("f4"))
    np.testing.assert_array_equal(targets[-N:], Y)
    assert len(features) == N + (option == "header")
    assert names == {"header": None, "encoding": ("ą", "b", "c")}.get(option, ("a", "b", "c"))
    try:
        other, _, _, otherwise = read(None)
    except InvalidFile:
        return
    assert otherwise != names or not np.array_equal(other, features)


def test_what_a_model_knows_of_its_own_files_is_no_option_for_others(here):
    (here.folder / "t.csv").write_bytes(text(";", ",", missing="7.77"))
    told = ["--delimiter", ";", "--decimal", ",", "--na", "7.77", "--encoding", "utf-8", "--header"]
    ok(here("train", "t.csv", *QUICK, *told))
    for kind in ("parquet", "xlsx", "xlsx of words"):
        name = write(here.folder, kind)
        printed = ok(here("evaluate", "t.safetensors", name))
        assert "24 samples" in printed
    assert fc.load("t.safetensors").table.written["delimiter"] == ";"


# ---- a target that is not there --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("of", ["table", "arrays"])
@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_evaluate_says_that_the_target_is_missing(here, models, of, header, kind):
    if kind == "npy" and (of == "table" or header):
        pytest.skip("arrays have no names, and are no table")
    (here.folder / "t.csv").write_bytes(text(header=header))
    ok(here("train", "t.csv", *QUICK))
    frame = pl.DataFrame(X, schema=NAMES[:3])
    frame.write_csv("new.csv", include_header=header)
    np.save("new.npy", X)
    model = "t.safetensors" if of == "table" else models / "arrays.safetensors"
    refused = here("evaluate", model, f"new.{kind}")
    assert refused.returncode == 2
    assert "the target" in refused.stderr
    assert "missing" in refused.stderr
    assert len(ok(here("predict", model, f"new.{kind}")).splitlines()) == N + (of == "table")
    np.save("new.npy", X[:, :1])
    pl.DataFrame(X[:, :1]).write_csv("new.csv", include_header=header)
    assert "missing" not in here("evaluate", models / "arrays.safetensors", f"new.{kind}").stderr


def test_a_model_of_all_rows_is_told_so(here):
    Path("t.csv").write_bytes(text())
    ok(here("train", "t.csv", *QUICK, "--validation-split", "0", "--class-weight", "balanced"))
    assert "trained on all of these 24 samples: on new ones it is worse" in ok(here("evaluate", "t.safetensors", "t.csv"))
    Path("u.csv").write_bytes(text(missing="1.5"))
    assert "trained on" not in ok(here("evaluate", "t.safetensors", "u.csv"))

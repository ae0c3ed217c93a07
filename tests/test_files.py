"""Files: what is written comes back, what is damaged is refused by name, and a crash leaves a whole file."""

import contextlib
import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.files import InvalidFile, datasets, description, digits


@pytest.fixture
def net():
    net = fc.MLP([3, 5, 2], "tanh", "cross_entropy", "float64", seed=4)
    net.standardize(np.random.default_rng(0).standard_normal((9, 3)))
    net.classes, net.features = ("no", "yes"), ("a", "b", "c")
    return net


# ---- models ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_saved_network_comes_back_bit_for_bit(tmp_path, dtype, activation, loss):
    net = fc.MLP([3, 5, 2], activation, loss, dtype, seed=9)
    net.save(tmp_path / "net.safetensors")
    back = fc.load(tmp_path / "net.safetensors")
    assert repr(back) == repr(net)
    assert_same_bits(back.parameters, net.parameters, "parameters")
    assert back.input_mean is None
    assert (back.classes, back.features) == (None, None)
    back.parameters[:] = 0  # its own memory, writeable


def test_standardisation_and_names_are_saved_too(tmp_path, net):
    net.save(tmp_path / "net.safetensors")
    back = fc.load(tmp_path / "net.safetensors")
    assert (back.classes, back.features) == (("no", "yes"), ("a", "b", "c"))
    X = np.random.default_rng(1).standard_normal((7, 3))
    assert_same_bits(back.outputs(X), net.outputs(X), "outputs")


def test_the_names_and_shapes_are_pytorch_s(tmp_path, net):
    from safetensors.numpy import load_file

    net.save(tmp_path / "net.safetensors")
    tensors = load_file(tmp_path / "net.safetensors")
    assert_same_bits(tensors["layers.0.weight"], net.weights[0], "weight")  # (T, N), as nn.Linear has it
    assert_same_bits(tensors["layers.1.bias"], net.biases[1], "bias")
    assert set(tensors) == {f"layers.{n}.{kind}" for n in (0, 1) for kind in ("weight", "bias")} | {
        "input.mean",
        "input.scale",
    }


def test_arrays_in_fortran_order_are_written_right(tmp_path, net, monkeypatch):
    """safetensors 0.8 writes an F-ordered array's memory as if it were in C order, without a word (upstream #825)."""
    ordered = description._tensors(net)
    monkeypatch.setattr(description, "_tensors", lambda _: {name: np.asfortranarray(A) for name, A in ordered.items()})
    fc.save(net, tmp_path / "net.safetensors")
    monkeypatch.undo()
    assert_same_bits(fc.load(tmp_path / "net.safetensors").parameters, net.parameters, "parameters")


@pytest.mark.parametrize("wrong", [None, "net.safetensors", np.ones(3)], ids=repr)
def test_save_says_which_argument_is_the_network(tmp_path, wrong):
    with pytest.raises(TypeError, match=r"save takes a network and a path, save\(net, path\), got "):
        fc.save(wrong, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_models_are_refused_by_name(tmp_path, net):
    path = tmp_path / "net.safetensors"
    net.save(path)
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])

    def with_header(change):
        changed = json.loads(json.dumps(header))
        change(changed)
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + length :]

    def with_description(**values):
        def change(h):
            h["__metadata__"]["numbafc"] = json.dumps(json.loads(h["__metadata__"]["numbafc"]) | values)

        return with_header(change)

    def with_tensor(name, numbers):
        first, last = header[name]["data_offsets"]
        at = 8 + length
        return whole[: at + first] + np.array(numbers, "<f8").tobytes() + whole[at + last :]

    damaged = {
        "empty": b"",
        "short": whole[:100],
        "truncated": whole[:-8],
        "too long": whole + b"x",
        "noise": bytes(range(256)) * 4,
        "huge header": struct.pack("<Q", 2**62) + whole[8:],
        "no metadata": with_header(lambda h: h.pop("__metadata__")),
        "other metadata": with_header(lambda h: h.update(__metadata__={"format": "pt"})),
        "other format": with_description(format=999),
        "description is a list": with_header(lambda h: h["__metadata__"].update(numbafc="[1]")),
        "description is no json": with_header(lambda h: h["__metadata__"].update(numbafc="{")),
        "description lacks its format": with_header(lambda h: h["__metadata__"].update(numbafc="{}")),
        "brackets without end": with_header(lambda h: h["__metadata__"].update(numbafc="[" * 100_000)),
        "classes are one word": with_description(classes="ab"),
        "classes are no words": with_description(classes=[[1], None]),
        "missing tensor": with_header(lambda h: h.update({"layers.9.bias": h.pop("layers.0.bias")})),
        "huge sizes": with_description(sizes=[2**40, 2**40]),
        "other sizes": with_description(sizes=[5, 3, 2]),
        "sizes are words": with_description(sizes="abc"),
        "other dtype": with_description(dtype="float32"),
        "other activation": with_description(activation="swish"),
        "too many classes": with_description(classes=["a", "b", "c"]),
        "classes are a number": with_description(classes=3),
        "features are one word": with_description(features="abc"),
        "features are no words": with_description(features=[1, None, "c"]),
        "too few features": with_description(features=["a", "b"]),
        "a scale is 0": with_tensor("input.scale", [0, 1, 1]),
        "a mean is no number": with_tensor("input.mean", [0, np.nan, 1]),
    }
    for name, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(InvalidFile, match=r"net\.safetensors: ") as error:
            fc.load(path)
        assert len(str(error.value).splitlines()) == 1, name
    with pytest.raises(FileNotFoundError):
        fc.load(tmp_path / "missing.safetensors")


@given(st.data())
def test_no_flipped_byte_in_a_header_brings_anything_but_a_network_or_invalid_file(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    path = folder / "net.safetensors"
    fc.MLP([2, 3, 2]).save(path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(InvalidFile):
        assert isinstance(fc.load(path), fc.MLP)


def test_a_failed_save_leaves_no_litter(tmp_path, net, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        net.save(tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_save_through_a_link_keeps_the_link_and_the_permissions(tmp_path, net):
    target = tmp_path / "target.safetensors"
    net.save(target)
    target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    net.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_not_replaced(tmp_path, net):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no regular file"):
        net.save(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="loop"):
        net.save(tmp_path / "loop" / "net.safetensors")


def test_without_safetensors_there_is_one_sentence():
    code = """
import sys
sys.modules["safetensors"] = sys.modules["safetensors.numpy"] = None
import numbafc as fc
try:
    fc.MLP([2, 2]).save("never.safetensors")
except ImportError as error:
    print(error)
"""
    message = "model files need safetensors, which is not installed: pip install 'numbafc[cli]'\n"
    assert run_python(code).stdout == message


# ---- data ----


def test_the_digits_are_those_of_the_repository():
    data = digits()
    assert data.describe() == "digits: 1797 samples, 64 features, 10 classes (0 … 9), float32"
    assert data.classes == tuple("0123456789")
    assert data.X.min() == 0
    assert data.X.max() == 16
    # the first image is a 0, as printed in the source's description: its middle column is empty
    assert data.y[:10].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert data.X[0].reshape(8, 8)[3].tolist() == [0, 4, 12, 0, 0, 8, 8, 0]
    datasets_sklearn = pytest.importorskip("sklearn.datasets", reason="the same images come with scikit-learn")
    np.testing.assert_array_equal(data.X, datasets_sklearn.load_digits().data)


def test_a_split_is_a_partition_and_the_seed_s():
    data = digits()
    training, test = data.split(0.2, seed=1)
    assert (len(training.X), len(test.X)) == (1438, 359)
    both = np.concatenate([training.X, test.X])
    np.testing.assert_array_equal(both[np.lexsort(both.T)], data.X[np.lexsort(data.X.T)])
    np.testing.assert_array_equal(data.split(0.2, seed=1)[1].X, test.X)
    assert not np.array_equal(data.split(0.2, seed=2)[1].X, test.X)
    tiny = data.take(np.arange(2))
    assert [len(part.X) for part in tiny.split(0.01, 0)] == [len(part.X) for part in tiny.split(0.99, 0)] == [1, 1]


TABLES = [
    ("1,2,007\n3,4,7\n", None, "auto", [[1, 2], [3, 4]], [0, 1], ("007", "7")),
    ("1,2, cat\n3,4,cat \n", None, "auto", [[1, 2], [3, 4]], [0, 0], ("cat",)),
    (
        "1,2,9007199254740993\n3,4,9007199254740992\n",
        None,
        "auto",
        [[1, 2], [3, 4]],
        [1, 0],
        ("9007199254740992", "9007199254740993"),
    ),
    ("1,2,1e30\n3,4,2\n", None, "regression", [[1, 2], [3, 4]], np.float32([1e30, 2]), None),
    ("1,2,0\n3,4,1\n", None, "auto", [[1, 2], [3, 4]], [0, 1], ("0", "1")),
    ("a,b,c\n1,2,7\n3,4,5\n", None, "auto", [[1, 2], [3, 4]], [1, 0], ("5", "7")),
    ("a,b,kind\n1,2,cat\n3,4,dog\n", "kind", "auto", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("kind,a,b\ncat,1,2\ndog,3,4\n", "kind", "auto", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("cat,1,2\ndog,3,4\n", "0", "auto", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("1,2,cat\n3,4,dog\n", "-1", "auto", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("1,2,0.5\n3,4,1.5\n", None, "auto", [[1, 2], [3, 4]], [0.5, 1.5], None),
    ("1,2,0\n3,4,1\n", None, "regression", [[1, 2], [3, 4]], [0, 1], None),
    ("1,2,+\n3,4,-\n", None, "auto", [[1, 2], [3, 4]], [0, 1], ("+", "-")),
    ("1,2,.\n3,4,e5\n", None, "auto", [[1, 2], [3, 4]], [0, 1], (".", "e5")),
    ("1,2,13\n3,4,1٣\n", None, "classification", [[1, 2], [3, 4]], [0, 1], ("13", "1٣")),
    ("1,2,.5\n3,4,-5.e1\n", None, "auto", [[1, 2], [3, 4]], [0.5, -50], None),
    ("\n\na,b,c\n\n1,2,7\n\n3,4,5\n\n", None, "auto", [[1, 2], [3, 4]], [1, 0], ("5", "7")),
    ("0,1,kind\n1,2,7\n3,4,5\n", None, "auto", [[1, 2], [3, 4]], [1, 0], ("5", "7")),
    (",0,kind\n1,2,7\n3,4,5\n", None, "auto", [[1, 2], [3, 4]], [1, 0], ("5", "7")),
    ("1,2,cat\n", None, "auto", [[1, 2]], [0], ("cat",)),
    ('"a\nb",c,d\n1,2,7\n3,4,5\n', None, "auto", [[1, 2], [3, 4]], [1, 0], ("5", "7")),
    ('\ufeff"a","b","the, class"\r\n"1",2,"x"\r\n3,4,"y, z"\r\n', None, "auto", [[1, 2], [3, 4]], [0, 1], ("x", "y, z")),
]


@pytest.mark.parametrize(("text", "target", "task", "X", "y", "classes"), TABLES)
def test_tables(tmp_path, text, target, task, X, y, classes):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    data = datasets.load(path, target=target, task=task)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.y, y)
    assert data.classes == classes
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(datasets.load_samples(path, 2, target=target), X)


def test_arrays_and_archives(tmp_path):
    X, y = np.arange(6.0).reshape(3, 2), np.array([1, 0, 1])
    np.save(tmp_path / "m.npy", np.asfortranarray(np.column_stack([X, y])))
    np.savez(tmp_path / "a.npz", X=X, y=y)
    np.savez_compressed(tmp_path / "words.npz", X=X.astype(">f4"), y=np.array(["b", "a", "b"]))
    np.savez(tmp_path / "real.npz", X=X.astype(np.uint8), y=np.array([[0.5, 1], [2, 3], [4, 5]]))
    for name, classes in (("m.npy", ("0", "1")), ("a.npz", ("0", "1")), ("words.npz", ("a", "b")), ("real.npz", None)):
        data = datasets.load(tmp_path / name)
        np.testing.assert_array_equal(data.X, X)
        assert data.classes == classes
        if classes:
            np.testing.assert_array_equal(data.y, y)
        np.testing.assert_array_equal(datasets.load_samples(tmp_path / name, 2), X)
    assert datasets.load(tmp_path / "real.npz").y.shape == (3, 2)


def test_labels_are_never_rounded(tmp_path):
    X = np.ones((3, 2))
    for y, classes in (
        (np.array([2**64 - 1, 2**63, 2**63], np.uint64), (str(2**63), str(2**64 - 1))),
        (np.array([b"a", b"b", b"a"]), ("a", "b")),
        (np.array([True, False, True]), ("0", "1")),
    ):
        np.savez(tmp_path / "x.npz", X=X, y=y)
        assert datasets.load(tmp_path / "x.npz").classes == classes
    np.save(tmp_path / "x.npy", np.array([[1, 16777217], [2, 16777216]]))
    assert datasets.load(tmp_path / "x.npy").classes == ("16777216", "16777217")


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claiming(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + b"\0" * 64


GOOD = npy(np.ones((4, 2)))
BAD_FILES = [
    ("x.txt", b"", "expected a table, got an empty file"),
    ("x", b"\0\1", "expected a table, got binary data of an unknown kind"),
    ("x.csv", b"", "expected a table, got an empty file"),
    ("x.csv", b"a,b\n", "there is a header but no sample below it"),
    ("x.csv", b"1\n2\n", "at least one feature and the target, separated by commas, got one column"),
    (
        "x.csv",
        b"1,2,0\n3,oops,1\n",
        r"expected a number at row 1, column 1 \(from 0\), got 'oops'; mend it or remove the row$",
    ),
    (
        "x.csv",
        b"a,b,c\n1,2,0\n\n3, ,1\n",
        r"expected a number at row 1, column 1 'b' \(from 0, below the header\), got a missing value; fill it",
    ),
    ("x.csv", b"1,2,a\n2,1_0,b\n", r"expected a number at row 1, column 1 \(from 0\), got '1_0'; mend it"),
    ("x.csv", b'"1\n",2,a\n2,0x1,b\n', r"expected a number at row 1, column 1 \(from 0\), got '0x1'; mend it"),
    ("x.csv", b"cat,1,2\n,3,4\n", "'cat', and the whole column is words; if it is the target, pass --target 0, else write"),
    ("x.csv", b"kind,a,b\ncat,1,2\n", r"at row 0, column 0 'kind' .*, got 'cat', and the whole column is words"),
    (
        "x.csv",
        b"1,2,0\n3,4\n",
        r"expected 3 columns, as in the first line, got 2 at row 1 \(from 0; line 2\); a cell with a comma",
    ),
    ("x.csv", b"1,2\n3,4,dog\n", r"expected 2 columns, as in the first line, got 3 at row 1 \(from 0; line 2\)"),
    (
        "x.csv",
        b"5.1,?,0\n4.9,3,1\n",
        r"expected a number at row 0, column 1 \(from 0\), got a missing value; fill it or remove the row",
    ),
    ("x.csv", b"1,b,2\n3,4,5\n", "column 1 has 'b' above a number, but column 0 has '1' .*; mend it, or say --header"),
    ("x.csv", b"1,a\n2," + b"b" * 200_000, "not a readable csv file .field larger than field limit"),
    ("x.csv", b"1,nan,0\n3,4,1\n", r"expected a number at row 0, column 1 \(from 0\), got a missing value"),
    ("x.csv", b"1,1e99,0\n3,4,1\n", "X must be finite in float32, got 1e[+]99 at row 0, column 1"),
    (
        "x.csv",
        b"a,b,c\n1,2,0\n3,nan,1\n",
        r"expected a number at row 1, column 1 'b' \(from 0, below the header\), got a missing value",
    ),
    ("x.csv", b"1,2,nan\n3,4,1\n", r"expected a target at row 0, column 2 .*, got a missing one"),
    ("x.csv", b"\xff\xfe\x00\xd8,1\n", "not text in utf-16-le"),
    ("x.npy", b"", "not a readable NumPy file"),
    ("x.npy", b"\x93NUMPY\x01\x00", "not a readable NumPy file"),
    ("x.npy", claiming((2**40, 2**20)), "claims shape .* bytes, but the file holds"),
    ("x.npy", claiming((3, 3)), "the array claims|ends after"),
    ("x.npy", npy(np.array([{}, {}])), "holds Python objects, which could run code"),
    ("x.npy", npy(np.ones(3)), r"expected a matrix with at least one feature and the target, got shape \(3,\)"),
    ("x.npy", npy(np.ones((3, 2), complex)), "expected X to hold real numbers, got dtype complex128"),
    ("x.npz", b"PK", "not a readable NumPy file"),
    ("x.npz", npz(X=GOOD), "expected the arrays X, y, found X"),
    ("x.npz", npz(X=GOOD, y=npy(np.ones(3))), r"X has shape \(4, 2\) but y has \(3,\)"),
    ("x.npz", npz(X=npy(np.ones(4)), y=npy(np.ones(4))), r"expected X of shape \(samples, features\)"),
    ("x.npz", npz(X=claiming((2**40, 8)), y=npy(np.ones(4))), "X claims shape"),
    ("x.npz", npz(X=GOOD, y=npy(np.array([None] * 4))), "y holds Python objects"),
    ("x.npz", npz(X=GOOD, y=npy(np.ones((4, 2), int))), "expected one class per sample"),
    ("x.npz", npz(X=GOOD, y=npy(np.float64(1))), r"X has shape \(4, 2\) but y has \(\)"),
    ("x.npz", npz(X=GOOD * 1, y=npy(np.array([0.5, 1e60, 1, 2]))), r"y must be finite in float32, got 1e\+60 at row 1"),
    ("x.npz", npz(X=npy(np.full((4, 2), 1e300)), y=npy(np.ones(4))), r"X must be finite in float32, got 1e\+300"),
    (
        "x.npz",
        npz(X=GOOD, y=npy(np.array(["a", "", "b", "c"]))),
        r"expected a target at row 1 \(from 0\), got an empty one",
    ),
    ("x.npz", npz(X=GOOD, y=npy(np.array([b"a", b"\xff", b"b", b"c"]))), "expected y to hold text in UTF-8 .*0xff"),
    (
        "x.csv",
        b"1,a\n2,\n",
        r"expected a target at row 1, column 1 .*, got a missing one, as in 1 row of 2; fill it or remove the row",
    ),
    ("x.csv", b"1,a\n2," + b"b" * 1001, "expected a label of at most 1000 characters at row 1, column 1 .*, got 1001"),
    ("x.npz", npz(X=GOOD[:-8], y=npy(np.ones(4))), "X ends after 56 of 64 bytes"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_bad_data_is_refused_by_name_and_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=message) as error:
        datasets.load(path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_bomb_is_not_unpacked(tmp_path):
    """An archive whose directory claims a size that compression cannot reach."""
    whole = npz(X=GOOD, y=npy(np.ones(4)))
    size = struct.pack("<I", len(GOOD))
    path = tmp_path / "bomb.npz"
    path.write_bytes(whole.replace(size, struct.pack("<I", 2**31)))
    with pytest.raises(InvalidFile, match="claims 2147483648 bytes, more than the file can hold"):
        datasets.load(path)


def test_targets_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(InvalidFile, match="no column is named 'c'; expected one of a, b"):
        datasets.load(path, target="c")
    with pytest.raises(InvalidFile, match="there is no column 2; expected one from -2 to 1"):
        datasets.load(path, target="2")
    path.write_text("1,0.5\n2,1.5\n")
    with pytest.raises(InvalidFile, match="no column is named 'c'; expected a column's number, for there is no header"):
        datasets.load(path, target="c")
    assert datasets.load(path, task="classification").classes == ("0.5", "1.5")
    np.save(tmp_path / "x.npy", [[1, 0.5], [2, 1.5]])
    with pytest.raises(InvalidFile, match="expected classes, words or whole numbers, as targets, got fractions"):
        datasets.load(tmp_path / "x.npy", task="classification")
    path.write_text("1,cat\n2,dog\n")
    with pytest.raises(InvalidFile, match=r"expected a number, as in other rows, got 'cat' at row 0, column 1 "):
        datasets.load(path, task="regression")
    path.write_text("x,size\n1,0.5\n2,oops\n")
    with pytest.raises(InvalidFile, match="expected a number, as in other rows, got 'oops' at row 1, column 1 'size'"):
        datasets.load(path)
    path.write_text("x,size\n1,0.5\n2,\n")
    with pytest.raises(InvalidFile, match=r"expected a target at row 1, column 1 'size' .*, got a missing one"):
        datasets.load(path, task="regression")
    path.write_text("".join(f"1,{n}\n" for n in range(1001)))
    assert datasets.load(path).classes is None
    path.write_text("".join(f"1,w{n}\n" for n in range(1001)) * 2)
    with pytest.raises(InvalidFile, match="at most 1000 classes, got 1001 different labels"):
        datasets.load(path)
    path.write_text("".join(f"1,{n}.5\n" for n in range(1000)) + "1,oops\n")
    with pytest.raises(InvalidFile, match=r"got 'oops' at row 1000, column 1 .*; mend it"):
        datasets.load(path)
    path.write_text("1,2\n3,4\n")
    np.savez(tmp_path / "x.npz", X=np.ones((2, 2)), y=np.ones(2))
    with pytest.raises(
        InvalidFile, match=r"an npz file names its target, the array y; --target is for tables and .npy files"
    ):
        datasets.load(tmp_path / "x.npz", target="y")
    with pytest.raises(InvalidFile, match="the target of a table is one of its columns; --labels is for IDX files"):
        datasets.load(path, labels="y.npy")
    with pytest.raises(InvalidFile, match="expected 3 features, as the model has"):
        datasets.load_samples(tmp_path / "x.npz", 3)
    with pytest.raises(InvalidFile, match="expected 5 features, as the model has, got 2 columns"):
        datasets.load_samples(path, 5)


def test_places_are_those_in_the_file_wherever_the_target_is(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("kind,a,b\ncat,1,2\ndog,3,inf\n")
    with pytest.raises(InvalidFile, match=r"expected a number at row 1, column 2 'b' .*, got 'inf'"):
        datasets.load(path, target="kind")
    with pytest.raises(InvalidFile, match=r"expected a number at row 1, column 2 'b' .*, got 'inf'"):
        datasets.load_samples(path, 2, target="kind")
    path.write_text("kind,a,b\ncat,1,2\ndog,3,x\n")
    with pytest.raises(InvalidFile, match="expected a number at row 1, column 2 'b'"):
        datasets.load(path, target="kind")
    path.write_text("0.5,1,2\n1e60,3,4\n")
    with pytest.raises(InvalidFile, match=r"expected a target that float32 holds at row 1, column 0 .*, got '1e60'"):
        datasets.load(path, target="0")
    np.save(tmp_path / "x.npy", np.array([[0, 1, 2], [1, 3, np.nan]]))
    for read in (datasets.load, lambda *args, **options: datasets.load_samples(*args, 2, **options)):
        with pytest.raises(InvalidFile, match=r"X must be finite in float32, got nan at row 1, column 2 \(from 0\)"):
            read(tmp_path / "x.npy", target="0")


def test_columns_are_put_into_the_model_s_order(tmp_path):
    path, names = tmp_path / "x.csv", ("a", "b", "c")
    path.write_text("c,kind,a,b\n3,0.5,1,2\n6,1.5,4,5\n")
    data = datasets.load(path, target="kind", features=names)
    np.testing.assert_array_equal(data.X, [[1, 2, 3], [4, 5, 6]])
    assert data.features == names
    np.testing.assert_array_equal(datasets.load_samples(path, 3, target="kind", names=names), data.X)
    path.write_text("b,c,a\n2,3,1\n5,6,4\n")
    np.testing.assert_array_equal(datasets.load_samples(path, 3, names=names), data.X)
    path.write_text("2,3,1\n5,6,4\n")  # without a header nobody can tell
    np.testing.assert_array_equal(datasets.load_samples(path, 3, names=names), [[2, 3, 1], [5, 6, 4]])
    assert datasets.load(path, features=names[:2]).features is None


OTHER_NAMES = [
    ("a,d\n1,2\n", ("a", "b"), "expected columns 'b', as the model has, got 'd'; name the columns as the model does"),
    ("b,a,a\n1,2,3\n", ("a", "a", "b"), r"got 'a' for columns 1 and 2 \(from 0\); rename or remove one"),
    (f"{','.join('uvwxyz')}\n1,2,3,4,5,6\n", tuple("abcdef"), "columns 'a', 'b', 'c', 'd', 'e', …, as .* 'y', …; name"),
]


@pytest.mark.parametrize(("text", "names", "message"), OTHER_NAMES)
def test_columns_of_other_names_are_refused(tmp_path, text, names, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvalidFile, match=message):
        datasets.load_samples(path, len(names), names=names)


def test_samples_without_targets_are_refused_by_their_place_too(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,x\n5,6\n")
    with pytest.raises(InvalidFile, match=r"expected a number at row 1, column 1 .*, got 'x'; mend it"):
        datasets.load_samples(path, 2)
    path.write_text("1,x\n3,y\n4,x\n")  # no column is left for a target: no word of it
    with pytest.raises(InvalidFile, match=r"got 'x'; mend it or remove the row$"):
        datasets.load_samples(path, 2)
    path.write_text("1,2\n3,4,5\n")
    with pytest.raises(InvalidFile, match="expected 2 columns, as in the first line, got 3 at row 1"):
        datasets.load_samples(path, 2)


def test_a_line_is_the_file_s_own(tmp_path):
    """Blank lines, a header and cells over several lines count, as in an editor."""
    path = tmp_path / "x.csv"
    path.write_bytes(b'\r\n"a\r\nb",c\r\n\r\n1,2\r\n3\r\n')
    with pytest.raises(InvalidFile, match=r"got 1 at row 1 \(from 0, below the header; line 6\)"):
        datasets.load_samples(path, 2)


def test_the_description_shows_what_the_classes_are(tmp_path):
    for cells, shown in (
        (["7"] * 2, "1 class (7)"),
        (["cat", "dog"], "2 classes (cat, dog)"),
        (["9", "10", "11"] * 2, "3 classes (9 … 11)"),
        (["a", "b" * 21], f"2 classes (a, {'b' * 19}…)"),
        (["0.5", "1"], "real targets"),
    ):
        (tmp_path / "x.csv").write_text("".join(f"1,2,{cell}\n" for cell in cells))
        text = datasets.load(tmp_path / "x.csv").describe()
        assert text == f"x.csv: {len(cells)} samples, 2 features, {shown}, float32"

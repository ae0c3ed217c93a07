"""IDX files: what MNIST ships is read, plain or in gzip; what lies is refused before it costs memory."""

import gzip
import struct

import numpy as np
import pytest
from helpers import most_allocated
from hypothesis import given
from hypothesis import strategies as st

from numbafc.files import InvalidFile, datasets, idx

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MIB = 1 << 20


def packed(array, code=0x08):
    """The bytes of an IDX file, as its description has them."""
    return header(code, *array.shape) + np.ascontiguousarray(array, TYPES[code]).tobytes()


def header(code, *sizes):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([7, 2, 7, 9], np.uint8)


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=message) as error:
        idx.read(path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_type_comes_back(tmp_path, code, pack):
    dtype = np.dtype(TYPES[code])
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    for shape in ((6,), (2, 3), (1, 6, 1), (1,) * 63 + (6,)):
        array = np.array([limits.min, limits.max, 0, 1, 2, 100], dtype).reshape(shape)
        (tmp_path / "x").write_bytes(pack(packed(array, code)))  # gzip is known by its content, not by the name
        back = idx.read(tmp_path / "x")
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, array)


def test_gzip_in_several_members_is_one_file(tmp_path):
    whole = packed(IMAGES)
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole[:9]) + gzip.compress(b"") + gzip.compress(whole[9:]))
    np.testing.assert_array_equal(idx.read(tmp_path / "x.gz"), IMAGES)


WHOLE = packed(IMAGES)
SQUEEZED = gzip.compress(WHOLE)
REFUSED = {
    "empty": (b"", "expected an IDX file, whose bytes begin 00 00, a type .08, 09, 0b.*, got nothing"),
    "short": (b"\0\0\x08", "expected an IDX file, .* got 00 00 08"),
    "zip": (b"PK\3\4" * 9, "got 50 4b 03 04"),
    "type": (b"\0\0\x0a\1" + b"\0" * 9, "got 00 00 0a 01"),
    "no axes": (header(8) + b"\0", "1 to 40 axes, got 00 00 08 00"),
    "65 axes": (header(8, *[1] * 65) + b"\0", "got 00 00 08 41"),
    "sizes": (WHOLE[:15], "expected 3 sizes of 4 bytes in its header, got 11 bytes"),
    "no samples": (header(8, 0, 28, 28), r"expected sizes of at least 1, got shape \(0, 28, 28\)"),
    "nothing, hugely": (header(14, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0), "expected sizes of at least 1"),
    "overflow": (
        header(14, *[2**32 - 1] * 60) + b"\0" * 99,
        r"claims shape \(4294967295, 4294967295, .*….* bytes, but the file holds at most 343$",
    ),
    "claims": (header(8, 60000, 28, 28) + b"\0" * 99, r"claims shape \(60000, 28, 28\), 47040000 bytes, .* at most 115"),
    "truncated": (WHOLE[:-1], r"expected 24 bytes for shape \(4, 3, 2\), got 23"),
    "trailing": (WHOLE + b"\0", r"expected 24 bytes for shape \(4, 3, 2\), got more"),
    "trailing in gzip": (gzip.compress(WHOLE + b"\0"), "expected 24 bytes .*, got more"),
    "truncated in gzip": (gzip.compress(WHOLE[:-5]), "expected 24 bytes .*, got 19"),
    "gzip truncated": (SQUEEZED[:-9], "damaged gzip data .*end-of-stream.*; copy or download the file again"),
    "gzip without its end": (SQUEEZED[:-8], "damaged gzip data .*end-of-stream"),
    "gzip's checksum": (SQUEEZED[:-6] + b"\0" * 6, "damaged gzip data .CRC check failed"),
    "gzip's blocks": (SQUEEZED[:10] + b"\xff" * 20, "damaged gzip data .Error -3"),
    "gzip's method": (SQUEEZED[:2] + b"\0" + SQUEEZED[3:], "damaged gzip data .Unknown compression method"),
    "more than gzip": (SQUEEZED + b"more", "damaged gzip data .Not a gzipped file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_damaged_is_refused_with_its_reason(tmp_path, name):
    refused(tmp_path / "x-ubyte", *REFUSED[name])


@given(st.data())
def test_no_damage_gives_another_error(tmp_path_factory, data):
    whole = bytearray(data.draw(st.sampled_from([WHOLE, SQUEEZED])))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        array = idx.read(path)
    except InvalidFile:
        return
    assert array.nbytes <= len(WHOLE)


def test_a_header_costs_nothing_that_the_file_does_not_hold(tmp_path):
    path = tmp_path / "x"
    zeros = gzip.compress(bytes(64 * MIB))
    noise = np.random.default_rng(0).bytes(MIB)
    for content, message, most in (
        (header(8, 2**30) + b"\0" * 1000, "claims shape", MIB),
        (gzip.compress(header(8, 2**30)), "claims shape .* but the file holds at most", MIB),
        (gzip.compress(header(8, 5)) + zeros, "expected 5 bytes .*, got more", MIB),  # a bomb behind what is claimed
        (gzip.compress(header(8, 10 * MIB)) + zeros, "got more", 15 * MIB),
        (gzip.compress(header(8, 2**30) + noise), f"expected {2**30} bytes .*, got {MIB}", 5 * MIB),
        (gzip.compress(bytes(64 * MIB)), "expected an IDX file", MIB),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidFile, match=message):
            idx.read(path)  # once before, for what is allocated once and for all
        peak = most_allocated(lambda content=content, message=message: refused(path, content, message))
        assert peak < most + len(content), (message, peak)
    assert most_allocated(lambda: gzip.decompress(zeros)) > 64 * MIB  # the measure can fail


def write_mnist(folder, images="train-images-idx3-ubyte", labels="train-labels-idx1-ubyte"):
    for name, content in ((images, packed(IMAGES)), (labels, packed(LABELS))):
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images.idx3-ubyte.gz", "t10k-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels.idx1-ubyte.gz"),
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
    ],
)
def test_images_find_the_labels_beside_them(tmp_path, images, labels):
    write_mnist(tmp_path, images, labels)
    data = datasets.load(tmp_path / images)
    assert data.describe() == f"{images}: 4 samples, 6 features, 3 classes (2 … 9), float32"
    np.testing.assert_array_equal(data.X, IMAGES.reshape(4, 6))
    np.testing.assert_array_equal(data.y, [1, 0, 1, 2])
    assert data.classes == ("2", "7", "9")
    np.testing.assert_array_equal(datasets.load_samples(tmp_path / images, 6, dtype="float64"), IMAGES.reshape(4, 6))


def test_the_likeliest_labels_are_taken(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"not these")
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(b"nor these")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"nor these")
    assert datasets.load(tmp_path / "train-images-idx3-ubyte").classes == ("2", "7", "9")


def test_labels_may_be_named(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"not these")
    (tmp_path / "others").write_bytes(packed(np.array([-1, 0, 300, 0]), 0x0B))
    (tmp_path / "reals.idx").write_bytes(packed(np.array([0.5, 1, 2, 3]), 0x0D))
    np.save(tmp_path / "words.npy", np.array(["b", "a", "b", "b"]))
    images = tmp_path / "train-images-idx3-ubyte"
    assert datasets.load(images, labels=tmp_path / "others").classes == ("-1", "0", "300")
    assert datasets.load(images, labels=str(tmp_path / "words.npy")).classes == ("a", "b")
    np.testing.assert_array_equal(datasets.load(images, labels=tmp_path / "reals.idx").y, [0.5, 1, 2, 3])


def test_idx_is_known_by_its_name_or_its_first_bytes(tmp_path):
    (tmp_path / "labels").write_bytes(packed(LABELS))
    for name in ("pictures.bin", "pictures", "pictures.bin.gz", "pictures.idx", "pictures-idx3-int.gz", "PICTURES-UBYTE"):
        for content in (WHOLE, SQUEEZED):
            (tmp_path / name).write_bytes(content)
            assert datasets.load(tmp_path / name, labels=tmp_path / "labels").X.shape == (4, 6)
    (tmp_path / "x.csv").write_bytes(WHOLE)
    with pytest.raises(InvalidFile, match="an IDX file has no targets of its own"):
        datasets.load(tmp_path / "x.csv")
    for name, content in (("x.gz", gzip.compress(b"\1\0")), ("x.bin", b"\0\0"), ("y.gz", SQUEEZED[:9])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidFile, match=r"expected a table, got binary data|damaged gzip data"):
            datasets.load(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        datasets.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        datasets.load_samples(tmp_path / "missing-ubyte", 6)


def test_targets_that_do_not_fit_are_refused(tmp_path):
    write_mnist(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    csv = tmp_path / "labels.csv"
    csv.write_text("7\n2\n7\n9\n")
    few = tmp_path / "few.npy"
    np.save(few, np.ones(3))
    for arguments, file, message in (
        (
            {"target": "0"},
            images,
            "the targets of an IDX file are in a file of their own; --target is for tables and .npy files",
        ),
        ({"labels": csv}, csv, "expected an IDX file, whose bytes begin 00 00, .* got 37 0a 32 0a"),
        ({"labels": few}, few, r"expected labels of shape \(4,\), one per sample of train-images-idx3-ubyte, got \(3,\)"),
        ({"labels": images}, images, r"expected labels of shape \(4,\), .* got \(4, 3, 2\)"),
    ):
        with pytest.raises(InvalidFile, match=message) as error:
            datasets.load(images, **arguments)
        assert str(error.value).startswith(f"{file}: ")
    with pytest.raises(FileNotFoundError, match="missing"):
        datasets.load(images, labels=tmp_path / "missing")
    for read in (lambda: datasets.load(labels, labels=labels), lambda: datasets.load_samples(labels, 1)):
        with pytest.raises(InvalidFile, match=r"expected samples, of 2 axes or more, got shape \(4,\), which labels have"):
            read()
    with pytest.raises(InvalidFile, match=r"expected 5 features, as the model has, got shape \(4, 6\)"):
        datasets.load_samples(images, 5)
    labels.unlink()
    with pytest.raises(
        InvalidFile, match="name the file of them with --labels; there is no train-labels-idx1-ubyte beside it"
    ):
        datasets.load(images)
    images.rename(tmp_path / "pictures.idx")
    with pytest.raises(InvalidFile, match=r"an IDX file has no targets of its own: name the file of them with --labels$"):
        datasets.load(tmp_path / "pictures.idx")


def test_numbers_that_are_none_are_refused_by_their_place(tmp_path):
    array = np.array([[[1, 2], [3, 4]], [[5, np.nan], [7, 8]]])
    (tmp_path / "x.idx").write_bytes(packed(array, 0x0E))
    np.save(tmp_path / "y.npy", np.arange(2))
    with pytest.raises(InvalidFile, match=r"X must be finite in float32, got nan at row 1, column 1 \(from 0\)"):
        datasets.load(tmp_path / "x.idx", labels=tmp_path / "y.npy")

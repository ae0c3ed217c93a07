"""fc.files.load: a table of a file as a network takes it, arrays, and networks, by what is in the file."""

import io

import numpy as np
import pytest

import numbafc as fc
from numbafc.files import InvalidFile
from numbafc.tables import Choices

TEXT = "size;kind;when;ok\n1,5;cat;2020-01-01;yes\n?;dog;2020-01-02;no\n2,5;cat;2020-01-03;yes\n4;dog;2020-01-04;no\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "x.csv").write_text(TEXT + "3;cat;2020-02-01;yes\n" * 8)
    return tmp_path / "x.csv"


def test_a_table_is_encoded_and_its_table_kept(path):
    data = fc.files.load(path)
    assert data.classes == ("no", "yes")
    assert data.table.target_names == ("ok",)
    assert data.features == data.table.features
    assert data.X.shape == (12, len(data.features))
    assert np.isfinite(data.X).all()
    assert "decimal commas" in data.said
    net = fc.MLP([data.X.shape[1], 4, 2], loss="cross_entropy")
    net.table = data.table
    again = fc.files.load_table(path, table=data.table)
    np.testing.assert_array_equal(again.X, data.X)
    np.testing.assert_array_equal(again.y, data.y)


def test_choices_and_the_files_name_in_a_refusal(path):
    assert fc.files.load(path, Choices(target="kind", drop=("ok",))).classes == ("cat", "dog")
    with pytest.raises(InvalidFile, match=r"x\.csv: expected a target at row 1, column 0 'size' .*, got a missing one"):
        fc.files.load(path, Choices(target="size"))
    with pytest.raises(InvalidFile, match=r"x\.csv: no column is named 'none'"):
        fc.files.load(path, Choices(target="none"))


def test_arrays_and_networks_come_as_before(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.ones((4, 2)), y=[0, 1, 0, 1])
    assert fc.files.load(tmp_path / "x.npz").classes == ("0", "1")
    fc.MLP([2, 2]).save(tmp_path / "m.safetensors")
    assert fc.files.load(tmp_path / "m.safetensors").sizes == (2, 2)
    with pytest.raises(FileNotFoundError):
        fc.files.load(tmp_path / "none.csv")


def test_whole_targets_with_many_values_are_a_quantity(tmp_path):
    """214 of 442 different values became 214 classes."""
    y = np.random.default_rng(0).integers(25, 346, 442).astype(float)
    np.savez(tmp_path / "x.npz", X=np.ones((442, 2)), y=y)
    data = fc.files.load(tmp_path / "x.npz")
    assert data.classes is None
    assert "a quantity; for classes pass --task classification" in data.said[0]
    np.testing.assert_array_equal(data.y, y)


def test_standard_input_and_several_files(path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert fc.files.load("-").X.shape[0] == 12
    assert fc.files.load([path, path]).X.shape[0] == 24

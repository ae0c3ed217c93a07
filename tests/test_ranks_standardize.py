"""Means and scales over the rows of several ranks: the bits of one process, whoever has which rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threads_as_ranks import together

import numbafc as fc
from numbafc.nn import own_rows
from numbafc.nn.communication import RankFailed

SCALES = st.sampled_from([1.0, 1e-30, 1e30])  # whose squares are no floats of 32 bits
CUTS = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)


def samples(count, dtype, scale, seed=0):
    """Rows, of which a column is constant, and targets."""
    rng = np.random.default_rng(seed)
    X = (scale * (rng.standard_normal((count, 4)) + np.array([0, 1000, -3, 0]))).astype(dtype)
    X[:, 3] = 0.1
    return X, rng.standard_normal((count, 2)) + 10


def part_of(comm, cuts, count):
    ends = [0, *(round(cut * count) for cut in cuts[: comm.size - 1]), count]
    return slice(ends[comm.rank], ends[comm.rank + 1])


def bits_of(net):
    arrays = net.input_mean, net.input_scale, net.target_mean, net.target_scale
    return [None if array is None else array.tobytes() for array in arrays]


def standardized(X, y, dtype, **more):
    net = fc.MLP([4, 5, 2], loss="mse", dtype=dtype)
    net.standardize(X, y, **more)
    return net


@given(
    st.integers(1, 700),
    st.sampled_from(["float32", "float64"]),
    SCALES,
    st.integers(1, 4),
    CUTS,
    st.sampled_from(["X", "y", "both"]),
)
def test_own_rows_have_the_means_and_scales_of_one_process(count, dtype, scale, size, cuts, which):
    X, y = samples(count, dtype, scale)
    chosen = (X if which != "y" else None), (y if which != "X" else None)

    def work(comm):
        own = part_of(comm, cuts, count)
        mine = (None if array is None else array[own] for array in chosen)
        return bits_of(standardized(*mine, dtype, comm=comm, rows="own"))

    one = bits_of(standardized(*chosen, dtype))
    assert together(size, work) == [one] * size
    assert together(size, lambda comm: bits_of(standardized(*chosen, dtype, comm=comm))) == [one] * size


def test_sums_of_each_rank_added_up_have_other_bits(monkeypatch):
    """The test above can fail: what other libraries do is a sum of the ranks' sums."""

    def of_sums(self, add, totals):
        own, everyone = np.zeros(len(totals)), np.empty((self.group.size, len(totals)))
        add(self.rows, own)
        self.group.comm.allgather(own, everyone.reshape(-1))
        totals[:] = everyone.sum(axis=0)

    X, y = samples(700, "float64", 1.0)
    monkeypatch.setattr(own_rows.OwnRows, "in_order", of_sums)
    own = [slice(0, 300), slice(300, 700)]

    def work(comm):
        return bits_of(standardized(X[own[comm.rank]], y[own[comm.rank]], "float64", comm=comm, rows="own"))

    assert together(2, work) != [bits_of(standardized(X, y, "float64"))] * 2


def test_a_training_on_own_rows_has_the_bits_of_one_process():
    X, y = samples(700, "float32", 1.0)

    def work(comm=None):
        net, together_ = fc.MLP([4, 5, 2], loss="mse"), {} if comm is None else {"comm": comm, "rows": "own"}
        own = slice(None) if comm is None else part_of(comm, [0.2, 0.9], 700)
        net.standardize(X[own], y[own], **together_)
        net.fit(X[own], y[own], batch_size=600, epochs=2, **together_)
        return net.parameters.tobytes(), bits_of(net)

    assert together(3, work) == [work()] * 3


FAULTS = {
    "NaN": (lambda X, y: (X * np.nan, y), "ValueError: X"),
    "columns": (lambda X, y: (X[:, :3], y), "ValueError: X must have shape"),
    "neither": (lambda X, y: (None, None), "standardize needs X, y or both"),
    "samples": (lambda X, y: (X, y[1:]), "ValueError: y has"),
    "without y": (lambda X, y: (X, None), "each row of y"),
    "without X": (lambda X, y: (None, y), "each row of X"),
}


@pytest.mark.parametrize("rows", ["own", "shared"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_rank_ends_all_and_changes_nothing(name, rows):
    fault, words = FAULTS[name]
    X, y = samples(30, "float32", 1.0)
    nets = [fc.MLP([4, 5, 2], loss="mse") for _ in range(3)]

    def work(comm):
        nets[comm.rank].standardize(*(fault(X, y) if comm.rank == 1 else (X, y)), comm=comm, rows=rows)

    found = together(3, work)
    assert isinstance(found[1], ValueError)
    for error in (found[0], found[2]):
        assert isinstance(error, RankFailed | ValueError), error
        assert words in str(error)
    assert {tuple(bits_of(net)) for net in nets} == {(None,) * 4}


def test_ranks_that_have_no_rows_at_all_are_told():
    X, y = samples(0, "float32", 1.0)
    found = together(2, lambda comm: standardized(X, y, "float32", comm=comm, rows="own"))
    assert all("standardize needs at least one sample" in str(error) for error in found)


@pytest.mark.parametrize("rows", ["own", "shared"])
@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"rows": "other"}, "for rows, and rank 0 has"),
        ({"dtype": "float64"}, "float64"),
        ({"loss": "cross_entropy"}, "rank 1"),
    ],
)
def test_what_rows_depend_on_is_refused_before_any_are_sent(rows, other, words):
    """Arrays of other sizes would be taken for each other, or waited for."""
    X, y = samples(30, "float32", 1.0)

    def work(comm):
        mine = {"rows": rows, "dtype": "float32", "loss": "mse"} | (other if comm.rank == 1 else {})
        if mine["rows"] == "other":
            mine["rows"] = {"own": "shared", "shared": "own"}[rows]
        net = fc.MLP([4, 5, 2], loss=mine["loss"], dtype=mine["dtype"])
        targets = y if mine["loss"] == "mse" else np.zeros(30, int)
        net.fit(X.astype(mine["dtype"]), targets, comm=comm, rows=mine["rows"])

    for error in together(3, work):
        assert isinstance(error, ValueError), error
        assert words in str(error)

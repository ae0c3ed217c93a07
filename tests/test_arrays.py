"""Kernels borrow arrays straight from NumPy's fields: what is read there, and what is refused."""

import sys

import numpy as np
import pytest

from numbafc._numba import DTYPES, array_in, array_out, kernel


@kernel(lambda real: (array_in(real, 2), array_out(real, 1)), parallel=False)
def describe(A, report):
    """The shape, the strides, the sizes and two corners."""
    report[:6] = A.shape[0], A.shape[1], A.strides[0], A.strides[1], A.size, A.itemsize
    if A.size > 0:
        report[6], report[7] = A[0, 0], A[-1, -1]


def description(A):
    steps = [step if length > 1 else A.itemsize for length, step in zip(A.shape, A.strides, strict=True)]
    return [*A.shape, *steps, A.size, A.itemsize, *([A[0, 0], A[-1, -1]] if A.size else [-1, -1])]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("view", [np.s_[:], np.s_[::-1, 1:], np.s_[:, ::2], np.s_[2:3], np.s_[:, 5:6], np.s_[:0]], ids=str)
def test_a_kernel_sees_what_numpy_says(dtype, view):
    describe.compile(dtype)
    for A in (np.arange(24, dtype=dtype).reshape(4, 6)[view], np.arange(24, dtype=dtype).reshape(6, 4).T[view]):
        report, references = np.full(8, -1, dtype), sys.getrefcount(A)
        describe(A, report)
        held = sys.getrefcount(A) - references
        assert held == 0
        assert report.tolist() == description(A)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("step", [1, 3, -2])
def test_a_vector_is_a_matrix_of_one_column(dtype, step):
    a, report = np.arange(9, dtype=dtype)[::step], np.full(8, -1, dtype)
    describe(a, report)
    assert report.tolist() == description(a[:, np.newaxis])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_a_kernel_cannot_read_is_refused(dtype):
    describe(np.zeros((2, 2), dtype), np.zeros(8, dtype))
    other = next(real for real in DTYPES if real != dtype)
    unaligned = np.zeros(4 * dtype.itemsize + 1, np.uint8)[1:].view(dtype).reshape(2, 2)
    wrong = {
        "dtype": np.zeros((2, 2), other),
        "integers": np.zeros((2, 2), f"i{dtype.itemsize}"),
        "byte order": np.zeros((2, 2), dtype.newbyteorder()),
        "three axes": np.zeros((2, 2, 2), dtype),
        "no axes": np.zeros((), dtype),
        "unaligned": unaligned,
    }
    entry = describe.compile(dtype)
    for name, array in wrong.items():
        report = np.full(8, -1, dtype)
        with pytest.raises(TypeError, match=f"aligned arrays of {dtype}"):
            entry(array, report)
        assert (report == -1).all(), name
        with pytest.raises(TypeError, match="1 axes"):
            entry(np.zeros((2, 2), dtype), array)

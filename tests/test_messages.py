"""Bad input: the right exception, a message that says expected, got and the fix, and nothing written."""

import numpy as np
import pytest

import numbafc as fc

W = np.ones((2, 3), np.float32)
X = np.ones((3, 4), np.float32)
dY = np.ones((2, 4), np.float32)
b = np.ones(2, np.float32)

CASES = [
    # shapes
    (lambda: fc.forward(W, X.T), ValueError, "X has 4 rows but W has 3 columns; .* for rows pass X.T"),
    (lambda: fc.forward(W, X, b[:1]), ValueError, r"b has 1 elements but W has 2 rows; b is \(T,\)"),
    (lambda: fc.forward(W, X, b[:, np.newaxis]), ValueError, r"b has 2 axes \(shape \(2, 1\)\) but must have 1: \(T,\)"),
    (lambda: fc.forward(b, X), ValueError, r"W has 1 axes .* must have 2: \(T, N\)"),
    (
        lambda: fc.forward(W, X[np.newaxis]),
        ValueError,
        r"X has 3 axes .* must have 1 or 2: \(N, B\), one sample per column",
    ),
    (lambda: fc.forward(W, np.float32(1) * np.ones(())[()]), TypeError, "X must be a NumPy array"),
    (lambda: fc.grad_w(dY[:, :3], X), ValueError, "dY has 3 columns but X has 4 columns; .* pass dY.T and X.T"),
    (lambda: fc.grad_w(dY[:, 0], X), ValueError, r"dY has shape \(2,\) but X has shape \(3, 4\)"),
    (lambda: fc.grad_x(dY[:1], W), ValueError, "dY has 1 rows but W has 2 rows; .* for rows pass dY.T"),
    (lambda: fc.backward(dY, X[:2], W), ValueError, "X has 2 rows but W has 3 columns"),
    (lambda: fc.backward(dY[:1], X, W), ValueError, "dY has 1 rows but W has 2 rows"),
    (lambda: fc.per_sample_grad_norms(dY[:, :2], X), ValueError, "dY has 2 columns but X has 4 columns"),
    # dtypes
    (lambda: fc.forward(W.astype(np.float64), X), TypeError, r"X is float32 but W is float64; .* X.astype\(W.dtype\)"),
    (
        lambda: fc.forward(W.astype(int), X),
        TypeError,
        r"W must be float32 or float64, got int64; .* W.astype\(np.float32\)",
    ),
    (lambda: fc.forward(W.astype(np.float16), X), TypeError, "got float16"),
    (lambda: fc.forward(W.astype(complex), X), TypeError, "got complex128"),
    (lambda: fc.forward(W.astype(object), X), TypeError, "got object"),
    (lambda: fc.forward(W.astype(bool), X), TypeError, "got bool"),
    (
        lambda: fc.forward(W.tolist(), X),
        TypeError,
        r"W must be a NumPy array of float32 or float64, got list; .*np.asarray",
    ),
    (lambda: fc.forward(W, None), TypeError, "X must be a NumPy array of float32 or float64, got NoneType"),
    (lambda: fc.forward(W, np.ma.masked_array(X, X > 2)), TypeError, r"X must be a plain array, got a masked one.*filled"),
    # names
    (lambda: fc.forward(W, X, kernel="fast"), ValueError, "kernel must be one of 'auto', .*'loops', 'formula', got 'fast'"),
    (lambda: fc.forward(W, X, kernel=[]), ValueError, "kernel must be one of"),
    (lambda: fc.forward(W, X, kernel=W), ValueError, "kernel must be one of"),
    (lambda: fc.forward(W, X, kernel=None), ValueError, "kernel must be one of"),
    (lambda: fc.grad_w(dY, X, reduction="average"), ValueError, "reduction must be one of 'sum', 'mean', got 'average'"),
    # threads
    (lambda: fc.set_num_threads(0), ValueError, "from 1 to [0-9]+, got 0; for more, set NUMBA_NUM_THREADS"),
    (lambda: fc.set_num_threads(10_000), ValueError, "from 1 to [0-9]+, got 10000"),
    (lambda: fc.set_num_threads(1.5), TypeError, r"must be an integer, got float \(1.5\)"),
    (lambda: fc.set_num_threads(True), TypeError, "must be an integer, got bool"),
    # Jacobians
    (lambda: fc.jacobian_w(X, -1), ValueError, "T must be at least 0, got -1"),
    (lambda: fc.jacobian_w(X, 2.0), TypeError, r"T must be an integer, got float \(2.0\)"),
    (lambda: fc.jacobian_b(2, 2, dtype="int8"), TypeError, "dtype must be float32 or float64, got 'int8'"),
    (lambda: fc.jacobian_cost(2, 2, dtype="nonsense"), TypeError, "dtype must be float32 or float64, got 'nonsense'"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_bad_input_is_refused_with_a_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def strided(shape, strides):
    return np.lib.stride_tricks.as_strided(np.zeros(64, np.float32), shape, strides)


def locked():
    out = np.zeros((2, 4), np.float32)
    out.flags.writeable = False
    return out


OUTS = [
    (lambda: np.zeros((4, 2), np.float32), ValueError, r"out has shape \(4, 2\) but the result has shape \(2, 4\)"),
    (lambda: np.zeros((2, 4)), TypeError, "out must have dtype float32, the inputs' own, got float64"),
    (lambda: np.zeros((2, 4), ">f4"), TypeError, "out must have dtype float32"),
    (lambda: [[0.0] * 4] * 2, TypeError, "out must be a NumPy array of float32, got list"),
    (lambda: np.ma.zeros((2, 4), np.float32), TypeError, "out must be a NumPy array of float32, got MaskedArray"),
    (locked, ValueError, "out must be writeable and aligned, got flags writeable=False"),
    (lambda: strided((2, 4), (0, 4)), ValueError, r"out has strides \(0, 4\), so its elements overlap one another"),
    (lambda: strided((2, 4), (8, 4)), ValueError, "overlap one another"),
    (lambda: np.empty(33, np.uint8)[1:].view(np.float32).reshape(2, 4), ValueError, "aligned=False"),
]


@pytest.mark.parametrize(("make", "error", "message"), OUTS)
def test_an_out_that_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        fc.forward(W, X, out=make())


def test_an_out_that_overlaps_an_input_is_refused_and_nothing_is_written():
    buffer = np.arange(30, dtype=np.float32)
    inputs, out = buffer[:12].reshape(3, 4), buffer[8:16].reshape(2, 4)
    before = buffer.copy()
    with pytest.raises(ValueError, match="out shares memory with X, which is read while out is written"):
        fc.forward(W, inputs, out=out)
    square = np.ones((3, 3), np.float32)
    for call in (
        lambda: fc.forward(square, square, out=square),
        lambda: fc.grad_w(square, square, out=square),
        lambda: fc.grad_x(square, square, out=square),
        lambda: fc.grad_b(square, out=square[0]),
        lambda: fc.forward(square, square.copy(), b=square[0].copy(), out=square),
        lambda: fc.forward(square.copy(), square, out=square),
        lambda: fc.forward(square.copy(), square.copy(), b=square[0], out=square),
        lambda: fc.grad_w(square, square.copy(), out=square),
        lambda: fc.grad_w(square.copy(), square, out=square),
        lambda: fc.grad_x(square, square.copy(), out=square),
        lambda: fc.grad_x(square.copy(), square, out=square),
    ):
        with pytest.raises(ValueError, match="out shares memory with"):
            call()
    np.testing.assert_array_equal(buffer, before)
    np.testing.assert_array_equal(square, 1)


def test_an_out_that_interleaves_with_an_input_is_fine():
    buffer = np.ones((3, 8), np.float32)
    fc.forward(np.eye(3, dtype=np.float32), buffer[:, ::2], out=buffer[:, 1::2])
    np.testing.assert_array_equal(buffer, 1)


@pytest.mark.parametrize("bad", [{"kernel": "x"}, {"reduction": "x"}])
def test_nothing_is_written_when_a_name_is_wrong(bad):
    out = np.full((2, 3), 7, np.float32)
    with pytest.raises(ValueError, match="must be one of"):
        fc.grad_w(dY, X, out=out, **bad)
    np.testing.assert_array_equal(out, 7)


def test_subclasses_of_arrays_are_read_as_arrays():
    subclass = type("Subclass", (np.ndarray,), {})
    assert type(fc.forward(W.view(subclass), X)) is np.ndarray


def test_samples_in_rows_are_not_a_lack_of_memory():
    dY, X = np.zeros((200_000, 10), np.float32), np.zeros((200_000, 784), np.float32)
    with pytest.raises(ValueError, match=r"dY has 10 columns but X has 784 columns; .* for rows pass dY\.T and X\.T"):
        fc.grad_w(dY, X)
    with pytest.raises(ValueError, match="dY has 10 columns but X has 784 columns"):
        fc.backward(dY, X, np.zeros((10, 784), np.float32))
    with pytest.raises(ValueError, match="X has 0 axes"):
        fc.grad_w(np.zeros(3, np.float32), np.array(np.float32(1)))

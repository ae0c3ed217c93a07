"""A size of 0 costs nothing: an axis of the others may be as long as NumPy can say, where memory holds one number for all.

The work of a product is what it writes and what it adds up. Where one of both is nothing, loops over a long axis would not
end: each group of calls runs in a process of its own, which has far more time than it needs and far less than those loops.
"""

import pytest
from helpers import run_python

LIMIT = 100  # seconds; 2⁴⁰ steps of a nanosecond are 18 minutes, and each of these calls took as many

PREPARE = """
import numpy as np
import numbafc as fc

LONG = 2**40
dtype, kernel = np.dtype(DTYPE), KERNEL

def zeros(*shape):  # any shape, in the memory of one number
    return np.broadcast_to(dtype.type(0), shape)

def same(got, *shape, of=0):
    assert got.shape == shape and got.dtype == dtype, (got.shape, got.dtype)
    assert (got == of).all()
"""

LAYER = """
import itertools

def small(*sizes):
    return all(size <= 8 for size in sizes)

say, called = {"kernel": kernel}, 0
for T, N, B in itertools.product((0, 2, LONG), repeat=3):
    if (T, N, B).count(LONG) > 1:
        continue  # NumPy has no array of 2⁸⁰ elements, whatever memory it takes
    W, X, b, dY = zeros(T, N), zeros(N, B), zeros(T), zeros(T, B)
    for out in (False, True):
        def call(function, *arguments, shape, **more):
            global called
            called += 1
            if out:
                more["out"] = np.empty(shape, dtype)
            same(function(*arguments, **more, **say), *shape)
        if small(T * B, T * N * B):
            call(fc.forward, W, X, shape=(T, B))
            call(fc.forward, W, X, b, shape=(T, B))
        if small(N * B, T * N * B):
            call(fc.grad_x, dY, W, shape=(N, B))
        for reduction in ("sum", "mean") if B > 0 else ("sum",):
            if small(T * N, T * N * B):
                call(fc.grad_w, dY, X, shape=(T, N), reduction=reduction)
            if small(T, T * B):
                call(fc.grad_b, dY, shape=(T,), reduction=reduction)
            if small(T, T * N, N * B, T * B, T * N * B) and not out:
                dW, db, dX = fc.backward(dY, X, W, reduction=reduction, **say)
                same(dW, T, N); same(db, T); same(dX, N, B)
    if small(B, N * B, T * B):
        same(fc.per_sample_grad_norms(dY, X), B)
assert called > 60, called
same(fc.forward(zeros(5, 0), zeros(0, 7), np.full(5, 3, dtype), **say), 5, 7, of=3)
for reduction in ("sum", "mean"):
    empty = fc.grad_w(zeros(5, 0), zeros(7, 0), reduction=reduction, **say)
    assert np.isnan(empty).all() if reduction == "mean" else (empty == 0).all()
"""

JACOBIANS = """
for J in (
    fc.WeightJacobian(zeros(0, LONG), 3), fc.WeightJacobian(zeros(LONG, 0), 3), fc.WeightJacobian(zeros(3, LONG), 0),
    fc.BiasJacobian(0, LONG, dtype=dtype), fc.BiasJacobian(LONG, 0, dtype=dtype),
    fc.InputJacobian(zeros(0, LONG), 3), fc.InputJacobian(zeros(LONG, 0), 3), fc.InputJacobian(zeros(3, LONG), 0),
    fc.InputJacobian(zeros(0, 3), LONG),
):
    for one in (J, J.T):
        rows, columns = one.shape
        assert one.nnz == 0 and one.nbytes_dense == 0
        same(one.toarray(), rows, columns)
        if rows < LONG:
            same(one @ zeros(columns), rows)
            same(one @ zeros(columns, 2), rows, 2)
            same(one @ zeros(columns, 0), rows, 0)
            same(zeros(0, rows) @ one, 0, columns)
            assert one.tosparse().shape == (rows, columns)
        if rows == 0 and columns <= LONG and columns * LONG < 2**60:
            same(one @ zeros(columns, LONG), 0, LONG)
        if columns == 0 and rows * LONG < 2**60:
            same(zeros(LONG, rows) @ one, LONG, 0)
for J in (fc.jacobian_w(zeros(0, LONG), 3), fc.jacobian_b(0, LONG, dtype=dtype), fc.jacobian_x(zeros(0, LONG), 3)):
    assert J.size == 0
assert fc.chain(zeros(0, LONG), zeros(LONG, 0)).shape == (0, 0)
assert fc.chain(zeros(0, 3), zeros(3, LONG)).shape == (0, LONG)
assert fc.linearize(zeros(0, LONG)).shape == (0,)
assert fc.reroll(zeros(0), (LONG, 0)).shape == (LONG, 0)
assert fc.numeric_jacobian(lambda a: a[:1], zeros(LONG, 0)).shape == (0, 0)
"""


def run(code, dtype="float32", kernel="auto"):
    ended = run_python(f"DTYPE, KERNEL = {dtype!r}, {kernel!r}\n{PREPARE}{code}", timeout=LIMIT)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", ["auto", "tiled", "loops", "formula"])
def test_products_with_nothing_to_write_or_to_add_return_at_once(kernel, dtype):
    run(LAYER, dtype, kernel)


def test_jacobians_without_elements_cost_nothing():
    run(JACOBIANS)

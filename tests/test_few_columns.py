"""Few columns: vectors of A transposed on their way, or lanes along its rows, to the bits of the loops."""

import re

import numpy as np
import pytest
from helpers import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from processors import FEATURES, PROCESSORS

import numbafc as fc
from numbafc._numba import DTYPES, assembly
from numbafc.formulas import SUM_BLOCK
from numbafc.kernels import product, target
from numbafc.kernels.epilogue import Epilogue
from numbafc.kernels.vector.few_columns import ColumnsFunction
from numbafc.nn import ACTIVATIONS

ROWS = [7, 8, 15, 16, 17, 31, 32, 33, 50]
SUMMANDS = [0, 1, 2, 3, 4, 7, 13, *(SUM_BLOCK + d for d in (-1, 0, 1)), 2 * SUM_BLOCK + 6]


def drawn(rng, shape, dtype, layout):
    """Normal numbers in a layout: by rows, by columns, every other row or column of a larger one, or backwards."""
    rows, columns = shape
    if layout == "F":
        return np.asfortranarray(rng.standard_normal(shape).astype(dtype))
    if layout == "apart":
        return rng.standard_normal((2 * rows, 3 * columns)).astype(dtype)[::2, ::3]
    if layout == "wide":
        return rng.standard_normal((rows, columns + 3)).astype(dtype)[:, :columns]
    made = rng.standard_normal(shape).astype(dtype)
    return made[::-1, ::-1] if layout == "backwards" else made


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("N", SUMMANDS)
def test_few_columns_have_the_loops_bits(N, dtype):
    rng = np.random.default_rng(N)
    for T in ROWS:
        for B in (2, 3, 4, 5, 7, 8, 15, 16):
            W, X, b = (rng.standard_normal(form).astype(dtype) for form in ((T, N), (N, B), T))
            for bias in (None, b):
                assert_same_bits(fc.forward(W, X, bias), fc.forward(W, X, bias, kernel="loops"), f"Y {T} {B}")
                by_columns = np.asfortranarray(W)
                Y = fc.forward(by_columns, X, bias)
                assert_same_bits(Y, fc.forward(W, X, bias, kernel="loops"), f"Y, W by columns {T} {B}")
            assert_same_bits(fc.grad_x(X, W.T.copy()), fc.grad_x(X, W.T.copy(), kernel="loops"), f"dX {T} {B}")


LAYOUTS = st.sampled_from(["C", "F", "apart", "wide", "backwards"])


@settings(max_examples=150, deadline=None)
@given(
    T=st.integers(1, 70),
    N=st.integers(0, 2 * SUM_BLOCK),
    B=st.integers(1, 17),
    layouts=st.tuples(*[LAYOUTS] * 3),
    b_step=st.sampled_from([None, 1, 2, -1]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32),
)
def test_few_columns_of_any_strides_write_what_is_theirs(T, N, B, layouts, b_step, dtype, seed):
    """What lies around Y, and between its rows, stays as it was."""
    rng = np.random.default_rng(seed)
    W, X = drawn(rng, (T, N), dtype, layouts[0]), drawn(rng, (N, B), dtype, layouts[1])
    b = None if b_step is None else rng.standard_normal(2 * T).astype(dtype)[::b_step][:T]
    whole = drawn(rng, (T + 2, B), dtype, layouts[2])
    around = whole.base if whole.base is not None else whole
    right = fc.forward(W, X, b, kernel="loops")
    before = whole.copy()
    elsewhere = around.copy()
    fc.forward(W, X, b, out=whole[1:-1])
    assert_same_bits(whole[1:-1], right, "Y")
    assert_same_bits(whole[[0, -1]], before[[0, -1]], "the rows around Y")
    whole[1:-1] = before[1:-1]
    assert_same_bits(around, elsewhere, "what is between the rows of Y")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_epilogues_of_few_columns_are_the_formulas(dtype):
    rng, none = np.random.default_rng(0), np.empty(0, dtype)
    for T in ROWS:
        for B in (2, 3, 4):
            W, X, b, Y = (rng.standard_normal(form).astype(dtype) for form in ((T, 300), (300, B), T, (T, B)))
            b[::3], b[1::7] = np.nan, -0.0
            flags = int(Epilogue.BIAS_RELU) << product.EPILOGUE
            assert product.on_one_thread(W, X, b, Y, none, np.empty(100_000, dtype), flags, 0) == 0
            expected = fc.forward(W, X, b, kernel="loops")
            ACTIVATIONS["relu"].apply(expected)
            assert_same_bits(Y, expected, f"{T} {B}")


@pytest.mark.parametrize("name", ["AVX-512", "AVX2"])
@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_hot_loop_keeps_its_sums_in_registers(dtype, columns, name):
    triple, cpu, features, fma, stack = PROCESSORS[name]
    sizes, bits = target.tiles_for(dtype, frozenset(FEATURES[name])), 8 * dtype.itemsize
    code = assembly({"few": lambda module: ColumnsFunction(module, sizes, bits, columns).build()}, triple, cpu, features)
    ((kind, body),) = re.findall(rf"^numbafc_columns_{columns}_(\w+):\n(.*?)\.Lfunc_end", code, re.S | re.M)
    assert kind == f"v{256 // bits}f{bits}"
    lines = body.split("\n")
    starts = [n for n, line in enumerate(lines) if line.startswith(".LBB")]
    blocks = [lines[n:m] for n, m in zip(starts, [*starts[1:], len(lines)], strict=True)]
    piece = 128 // bits
    (hot,) = [block for block in blocks if sum(fma in line for line in block) == 2 * columns * piece]
    assert not [line for line in hot if stack in line and "mm" in line], f"{columns} columns spill"

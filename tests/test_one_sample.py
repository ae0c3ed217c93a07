"""One sample, and few rows through a network: gemv's groups and tails, its epilogue, and the forward pass in one call."""

import re

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from processors import FEATURES, PROCESSORS

import numbafc as fc
from numbafc._numba import DTYPES, assembly
from numbafc.formulas import SUM_BLOCK
from numbafc.kernels import product, target
from numbafc.kernels.epilogue import Epilogue
from numbafc.kernels.vector.gemv import GemvFunction
from numbafc.nn import ACTIVATIONS, evaluation, few_rows, passes, samples

ROWS = range(1, 50)  # all splits into groups of 8 rows, or 4: one to three side by side, whole or not, twice and more
SUMMANDS = [0, 1, 3, 4, 7, 8, 13, *(SUM_BLOCK + d for d in (-1, 0, 1, 13)), 2 * SUM_BLOCK, 2 * SUM_BLOCK + 6]


def numbers(rng, shape, dtype, special=False):
    """Normal numbers; special: with zeros of both signs, infinities and NaN among them."""
    values = rng.standard_normal(shape).astype(dtype)
    if special:
        places = rng.random(shape) < 0.02
        values[places] = rng.choice(np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype), places.sum())
    return values


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("N", SUMMANDS)
def test_one_column_has_the_loops_bits_for_every_split_into_groups(N, dtype):
    rng = np.random.default_rng(N)
    for T in ROWS:
        W, x, b = (numbers(rng, form, dtype) for form in ((T, N), N, T))
        for bias in (None, b):
            assert_same_bits(fc.forward(W, x, bias), fc.forward(W, x, bias, kernel="loops"), f"Y {T}")
        assert_same_bits(fc.grad_x(x, W.T.copy()), fc.grad_x(x, W.T.copy(), kernel="loops"), f"dX {T}")
        assert_same_bits(fc.grad_x(x, W.T), fc.grad_x(x, W.T, kernel="loops"), f"dX of columns {T}")


@settings(max_examples=150, deadline=None)
@given(
    T=st.integers(1, 60),
    N=st.integers(0, 3 * SUM_BLOCK),
    steps=st.tuples(*[st.integers(1, 3)] * 3),
    backwards=st.booleans(),
    gap=st.sampled_from([0, 1, 5, "crowded"]),
    special=st.booleans(),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32),
)
def test_one_column_of_any_strides(T, N, steps, backwards, gap, special, dtype, seed):
    """Also negative steps, rows a power of two apart, zeros of both signs, infinities and NaN."""
    rng = np.random.default_rng(seed)
    row = -(-max(N, 1) * dtype.itemsize // 4096) * 4096 // dtype.itemsize if gap == "crowded" else N + gap
    W = numbers(rng, (T, row), dtype, special)[:, :N]
    direction = -1 if backwards else 1
    whole = [numbers(rng, n * step, dtype, special) for n, step in zip((N, T, T), steps, strict=True)]
    x, b, Y = (array[::step][::direction] for array, step in zip(whole, steps, strict=True))
    expected = whole[2].copy()
    expected[:: steps[2]][::direction] = fc.forward(W, x, b, kernel="loops")
    fc.forward(W, x, b, out=Y)
    assert_same_bits(whole[2], expected, "Y, and what is between its numbers")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_epilogue_bias_relu_of_one_column_is_the_formula(dtype):
    rng, none = np.random.default_rng(0), np.empty(0, dtype)
    product.bring_level2(dtype)
    for T in ROWS:
        for N in (0, 5, 300):
            W, x, b, Y = (numbers(rng, form, dtype) for form in ((T, N), (N, 1), T, (T, 1)))
            b[::3] = np.nan
            b[1::7] = -0.0
            flags = int(Epilogue.BIAS_RELU) << product.EPILOGUE
            assert product.on_one_thread(W, x, b, Y, none, np.empty(1000, dtype), flags, 0) == 0
            expected = fc.forward(W, x, b, kernel="loops")
            ACTIVATIONS["relu"].apply(expected)
            assert_same_bits(Y, expected, f"{T} {N}")


@pytest.mark.parametrize("name", ["AVX-512", "AVX2"])
@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gemv_keeps_its_sums_and_nearly_all_pointers_in_registers(dtype, groups, name):
    """LLVM made two dozen pointers of the groups' three, most of them on the stack."""
    triple, cpu, features, fma, stack = PROCESSORS[name]
    sizes, bits = target.tiles_for(dtype, frozenset(FEATURES[name])), 8 * dtype.itemsize
    code = assembly({"gemv": lambda module: GemvFunction(module, sizes, bits, groups).build()}, triple, cpu, features)
    ((kind, body),) = re.findall(rf"^numbafc_gemv_{groups}_(\w+):\n(.*?)\.Lfunc_end", code, re.S | re.M)
    assert kind == f"v{256 // bits}f{bits}"
    lines = body.split("\n")
    starts = [n for n, line in enumerate(lines) if line.startswith(".LBB")]
    blocks = [lines[n:m] for n, m in zip(starts, [*starts[1:], len(lines)], strict=True)]
    summands = 4 if name == "AVX2" else 512 // bits  # a cache line of each row
    hot = [block for block in blocks if sum(fma in line for line in block) == groups * summands]
    plain = [block for block in hot if not any("prefetch" in line for line in block)]
    assert len(hot) == 2, "a loop for memory, and one for caches"
    assert len(plain) == 1
    if groups > 1:  # where each sum waits for itself, what a pointer is read from costs nothing
        on_stack = [line for line in plain[0] if stack in line]
        assert not [line for line in on_stack if "mm" in line], f"gemv_{groups} spills its sums"
        assert len(on_stack) <= 2, f"gemv_{groups} reads pointers from the stack: {on_stack}"


# ---- few rows through a network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_few_rows_have_the_bits_of_the_layers(activation, dtype):
    rng = np.random.default_rng(0)
    for sizes in ((3, 1), (300, 7), (5, 300, 7, 2), (64, 40, 10)):
        net = fc.MLP(sizes, activation=activation, dtype=dtype.name)
        net.parameters[:] = rng.standard_normal(net.parameters.size)
        for standardised in (False, True):
            if standardised:
                net.standardize(rng.standard_normal((20, sizes[0])))
            for B in (1, 2, 3, 5, 17, target.FEW_SAMPLES):
                X = (
                    np.asfortranarray(numbers(rng, (B, sizes[0]), dtype))
                    if B == 3
                    else numbers(rng, (2 * B, sizes[0]), dtype)[::2]
                )
                Y = few_rows.outputs(net, X)
                assert_same_bits(Y, passes.outputs(net, net.columns(X)).T, f"{sizes} {B}")
                assert Y.flags.c_contiguous


def test_what_is_not_for_the_short_way_takes_the_long_one():
    net = fc.MLP([4, 5, 3])
    X = np.ones((2, 4), np.float32)
    for other in (
        X.astype(np.float64),
        X.tolist(),
        X[:0],
        X[0],
        X[:, :3],
        np.ones((target.FEW_SAMPLES + 1, 4), np.float32),
    ):
        assert few_rows.outputs(net, other) is None
    for other in (X.astype(np.float64), X.tolist(), X.view(np.memmap)):
        assert_same_bits(net.outputs(other), net.outputs(X), "outputs")
    assert net.predict(X[:0]).shape == (0,)
    masked = np.ma.masked_array(X, mask=X > 0)
    with pytest.raises(TypeError, match="masked"):
        net.predict(masked)


def test_a_network_whose_parts_no_longer_fit_is_no_network_for_compiled_code():
    """Its lengths are attributes, which anybody may set."""
    X = np.ones((1, 4), np.float32)
    for changed in ({"sizes": (4, 500, 3)}, {"sizes": [4, 5, 3]}):
        net = fc.MLP([4, 5, 3])
        assert few_rows.outputs(net, X) is not None
        for name, value in changed.items():
            setattr(net, name, value)
        assert few_rows.outputs(net, X) is None


def test_rows_with_work_for_several_threads_go_the_long_way(monkeypatch):
    net, X = fc.MLP([1000, 1000, 2]), np.ones((2, 1000), np.float32)
    monkeypatch.setattr(few_rows, "get_num_threads", lambda: 2)
    assert few_rows.outputs(net, X) is None
    monkeypatch.setattr(few_rows, "get_num_threads", lambda: 1)
    assert_same_bits(few_rows.outputs(net, X), evaluation.outputs(net, samples.rows(net, X)), "outputs")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (1, 3)])
def test_few_rows_that_are_not_finite_are_refused_as_many_are(bad, place):
    net = fc.MLP([4, 5, 3])
    X = np.ones((2, 4), np.float32)
    X[place] = bad
    for ask in (net.predict, net.predict_proba, net.outputs):
        with pytest.raises(ValueError, match=f"X must be finite, got .* at row {place[0]}, column {place[1]}"):
            ask(X)


def test_few_rows_of_parameters_that_nobody_may_write_or_that_change():
    net, X = fc.MLP([4, 5, 3]), np.ones((2, 4), np.float32)
    before = net.outputs(X)
    net.parameters[:] *= 2
    after = net.outputs(X)
    assert (before != after).any()
    assert_same_bits(after, evaluation.outputs(net, samples.rows(net, X)), "outputs")
    net.parameters.flags.writeable = False
    assert_same_bits(net.outputs(X), after, "outputs")


UNTIL_LEVEL2 = """
import numpy as np
import numbafc as fc
from numbafc.kernels import level2, product
rng, dtype = np.random.default_rng(0), np.dtype(np.float32)
W, X, x, b, none, work = (rng.standard_normal(n, dtype) for n in ((40, 70), (70, 9), (70, 1), 40, 0, 100_000))
fc.forward(W, X, b)
fc.grad_x(np.ones((40, 9), dtype), W)
assert not level2.level2_kernel().entries, "products of many columns do without it"
y = np.full((40, 1), 7, dtype)
assert product.on_one_thread.unchecked(W, x, b, y, none, work, product.WITH_BIAS, 0) == product.WITHOUT_LEVEL2
assert (y == 7).all(), "nothing was written"
right = fc.forward(W, x, b, kernel="loops")
for flags in (0, product.ANY_SIZE):
    assert fc.forward(W, x, b).tobytes() == right.tobytes()
    assert product.on_one_thread.unchecked(W, x, b, y, none, work, flags | product.WITH_BIAS, 0) == 0
    assert y.tobytes() == right.tobytes()
print("done")
"""


FIRST = """
import sys
import numpy as np
import numbafc as fc
rng, dtype = np.random.default_rng(0), np.float32
fc.set_num_threads(1)
(T, N, B) = map(int, sys.argv[1:4])
W, X, dY, b = (rng.standard_normal(n, dtype) for n in ((T, N), (N, B), (T, B), T))
if sys.argv[4] == "forward":
    assert fc.forward(W, X, b).tobytes() == fc.forward(W, X, b, kernel="loops").tobytes()
for one, other in zip(fc.backward(dY, X, W), fc.backward(dY, X, W, kernel="loops"), strict=True):
    assert one.tobytes() == other.tobytes()
print("done")
"""


def test_the_kernel_of_products_with_a_vector_comes_when_one_is_computed():
    done = run_python(UNTIL_LEVEL2)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("first", ["1100 1000 1 forward", "1100 1000 1 backward", "64 80 1 backward"])
def test_whatever_product_needs_that_kernel_first_has_it(first):
    """Work for threads on one of them, all gradients one by one, and at once."""
    done = run_python(FIRST, *first.split(), timeout=60)
    assert done.stdout == "done\n", done.stderr


def test_one_row_takes_no_thread_below_a_million_numbers():
    dtype = np.dtype(np.float32)
    none, work = np.empty(0, dtype), np.empty(100_000, dtype)
    product.bring_level2(dtype)

    def answer(T, N):
        W, x, y = np.zeros((T, N), dtype), np.zeros((N, 1), dtype), np.zeros((T, 1), dtype)
        return product.on_one_thread.unchecked(W, x, none, y, none, work, 0, 0)

    assert answer(512, 784) == answer(999, 1000) == 0
    assert answer(1000, 1000) == product.LARGE

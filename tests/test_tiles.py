"""The tiled kernels where drawn shapes seldom go: block edges, forbidden pages, the code of the hot loops."""

import re
import sys

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st
from processors import FEATURES, PROCESSORS

import numbafc as fc
from numbafc._numba import DTYPES, assembly, l2
from numbafc.formulas import SUM_BLOCK
from numbafc.kernels import product, target, tiled
from numbafc.kernels.epilogue import Epilogue
from numbafc.kernels.target import FEW_ROWS, FEW_SUMMANDS, KC, MC, NC
from numbafc.kernels.vector.microkernel import TileFunction

# What each shape is about: K around a chunk, more than one group of vectors, W with a power of two from row to row (its
# transpose is packed), bands of it, few rows, one sample, many threads' worth of work, X of about an L2 cache and of more.
EDGES = [
    *((3, K, 5) for K in (KC - 1, KC, KC + 1, 2 * KC + 1)),
    *((7, 20, 16 * NC + d) for d in (-1, 0, 1, 17)),
    *((60, 1024, S) for S in (5, 70)),
    (MC + 1, 1024, 33),
    (KC + 3, 2 * MC + 1, 20),
    *((T, 30, 500) for T in (FEW_ROWS, FEW_ROWS + 1)),
    *((T, 2 * SUM_BLOCK + 15, 131) for T in (1, FEW_ROWS)),
    *((5, 150, B) for B in (1, 2, 3, 7, FEW_SUMMANDS, FEW_SUMMANDS + 1)),
    *((T, 300, 1) for T in (1, 15, 16, 17, 33)),
    (1, 1500, 1),
    (120, 130, 140),
    (2, 400_000, 3),
    (40, 784, 512),
    (30, 1100, 600),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", EDGES, ids=str)
def test_the_bits_are_the_loops_at_every_block_s_edge(shape, dtype):
    T, N, B = shape
    rng = np.random.default_rng(0)
    W, X, b, dY = (rng.standard_normal(form).astype(dtype) for form in ((T, N), (N, B), T, (T, B)))
    for what, call in {
        "Y": lambda kernel: fc.forward(W, X, b, kernel=kernel),
        "rows": lambda kernel: fc.forward(W, np.ascontiguousarray(X.T).T, kernel=kernel),
        "dX": lambda kernel: fc.grad_x(dY, W, kernel=kernel),
        "dX of rows": lambda kernel: fc.grad_x(dY, W, out=np.empty((B, N), dtype).T, kernel=kernel),
        "dW": lambda kernel: fc.backward(dY, X, W, kernel=kernel).dW,
        "db": lambda kernel: fc.backward(dY, X, W, kernel=kernel).db,
        "dW alone": lambda kernel: fc.grad_w(dY, X, kernel=kernel),
        "dW of rows": lambda kernel: fc.grad_w(dY, np.ascontiguousarray(X.T).T, kernel=kernel),
    }.items():
        assert_same_bits(call("tiled"), call("loops"), f"{what} {shape}")


GUARDED = """
import ctypes, mmap
import numpy as np
import numbafc as fc
from numbafc.kernels.vector import all_tiles
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PAGE = mmap.PAGESIZE
kept = []

def guarded(A, at_the_end):
    # the array touches a page that may not be read or written, behind it or in front of it
    pages = -(-A.nbytes // PAGE) + 1
    memory = mmap.mmap(-1, pages * PAGE)
    kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    guard = start + (pages - 1) * PAGE if at_the_end else start
    assert libc.mprotect(guard, PAGE, 0) == 0
    offset = (pages - 1) * PAGE - A.nbytes if at_the_end else PAGE
    view = np.frombuffer(memory, A.dtype, A.size, offset).reshape(A.shape)
    view[...] = A
    return view

rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    all_tiles(np.dtype(dtype))
    columns = [(T, N, 1) for T in (1, 3, 7, 8, 10, 17, 24, 26, 33) for N in (1, 3, 4, 9, 64, 263)]
    for T, N, B in (*columns, (10, 17, 33), (7, 64, 49), (50, 1024, 65), (5, 130, 260), (2, 300, 131)):
        for at_the_end in (True, False):
            forms = (T, N), (N, B), T, (T, B)
            W, X, b, dY = (guarded(rng.standard_normal(form).astype(dtype), at_the_end) for form in forms)
            rows = guarded(np.ascontiguousarray(X.T), at_the_end).T
            Y, dW, db, dX = (guarded(np.zeros(form, dtype), at_the_end) for form in ((T, B), (T, N), T, (N, B)))
            fc.forward(W, X, b, out=Y), fc.forward(W, rows, out=Y)
            fc.grad_w(dY, X, out=dW), fc.grad_w(dY, rows, out=dW), fc.grad_b(dY, out=db), fc.grad_x(dY, W, out=dX)
            fc.backward(dY, X, W), fc.backward(dY, rows, W)
print("nothing else was touched")
"""


def test_no_byte_outside_the_arrays_is_read_or_written():
    if sys.platform == "win32":
        pytest.skip("needs mprotect")
    avx2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"}
    for processor in ({}, avx2) if "avx512f" in target.target_features() else ({},):
        done = run_python(GUARDED, **processor)
        assert done.returncode == 0, f"exit code {done.returncode} (negative: a signal) {done.stderr}"
        assert done.stdout == "nothing else was touched\n"


@given(lanes=st.sampled_from((16, 32, 64)), l2=st.integers(0, 2**24))
def test_a_group_of_panels_takes_no_more_than_half_of_the_l2_cache(lanes, l2):
    group = target.group_for(lanes, l2)
    assert target.NC // 4 <= group <= target.NC
    assert group % max(target.tiles_for(np.dtype("f4"), frozenset({"avx512f"})).most_rows) == 0, "whole tiles of the widest"
    assert group == target.NC // 4 or 2 * KC * group * lanes <= l2


@pytest.mark.parametrize(("size", "found"), [("256K", 2**18), ("2048K", 2**21), ("?", 2**19), (None, 2**19)])
def test_the_l2_cache_is_what_linux_says_of_it(tmp_path, size, found):
    for index, (level, text) in enumerate((("1", "48K"), ("2", size), ("3", "300M"))):
        place = tmp_path / "cpu0" / "cache" / f"index{index}"
        place.mkdir(parents=True)
        (place / "level").write_text(level + "\n")
        if text is not None:
            (place / "size").write_text(text + "\n")
    assert l2.size_in(tmp_path) == found


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_tile_fits_its_registers(name, dtype):
    registers = {"AVX-512": 32, "AVX2": 16, "NEON": 32, "none": 16}[name]
    sizes = target.tiles_for(dtype, frozenset(FEATURES[name]))
    for vectors, heights in sizes.heights().items():
        assert 1 in heights
        assert max(heights) == sizes.most_rows[max(vectors, 1)]
        for rows in heights:
            assert (rows + 1) * max(vectors, 1) + 1 <= registers, (rows, vectors)
    assert sizes.lanes * dtype.itemsize == {"AVX-512": 64, "AVX2": 32, "NEON": 16, "none": 16}[name]


def hot_loops(assembly, fma):
    """The innermost loop of each tile with the most fma, as instructions, by the tile's name."""
    for function in re.finditer(r"^numbafc_tile_(\d+x\d+)_\w+:\n(.*?)\.Lfunc_end", assembly, re.S | re.M):
        lines = function[2].split("\n")
        labels = {label[1]: n for n, line in enumerate(lines) if (label := re.match(r"(\.LBB\w+):", line))}
        loops = []
        for n, line in enumerate(lines):
            jump = re.match(r"\s+(?:j|b\.|cbn?z|tbn?z).*(\.LBB\w+)", line)
            if jump and labels.get(jump[1], n) < n:
                body = lines[labels[jump[1]] : n]
                if sum(line.startswith(".LBB") for line in body) == 1:
                    loops.append(body)
        yield function[1], max(loops, key=lambda body: sum(fma in line for line in body), default=[])


def assembly_of(name, dtype, rows, vectors):
    triple, cpu, features, *_ = PROCESSORS[name]
    sizes = target.tiles_for(dtype, frozenset(FEATURES[name]))
    tile = {"tile": lambda module: TileFunction(module, sizes, 8 * dtype.itemsize, rows, vectors).build()}
    return assembly(tile, triple, cpu, features)


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_no_hot_loop_of_a_large_tile_uses_the_stack(dtype, name):
    """LLVM compiles for every processor here, whatever this one is."""
    fma, stack = PROCESSORS[name][3:]
    for vectors, most in target.tiles_for(dtype, frozenset(FEATURES[name])).most_rows.items():
        ((tile, body),) = hot_loops(assembly_of(name, dtype, most, vectors), fma)
        assert tile == f"{most}x{vectors}"
        assert sum(fma in line for line in body) >= most * vectors, body
        assert not [line for line in body if stack in line], f"{tile} spills"


def test_a_tile_of_too_many_rows_is_seen_to_spill():
    loops = [dict(hot_loops(assembly_of(name, DTYPES[0], 24, 2), PROCESSORS[name][3])) for name in PROCESSORS]
    assert all(
        any(stack in line for line in loop["24x2"]) for loop, (*_, stack) in zip(loops, PROCESSORS.values(), strict=True)
    )


def test_the_workspace_is_kept_from_call_to_call():
    W, X = np.ones((100, 300), np.float32), np.ones((300, 200), np.float32)
    fc.forward(W, X)
    before = tiled.workspaces.by_itemsize[4][1]
    fc.forward(W, X)
    fc.forward(W[:50], X)
    assert tiled.workspaces.by_itemsize[4][1] is before
    assert before.size


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_panels_hold_nothing_that_nobody_wrote(dtype):
    """Subnormal numbers left in the lanes behind X, which no tile stores, made tiles several times as slow."""
    left, lanes = dtype.type(np.finfo(dtype).smallest_subnormal), target.tiles_for(dtype, target.target_features()).lanes
    packed = 0
    product.bring_level2(dtype)
    for T, N, B in ((3, 48, 128), (48, 48, 128), (48, 64, 128), (30, 65, 50), (200, 255, 33)):
        dY = np.ones((T, B), dtype)
        for X in (np.ones((N, B), dtype).T, np.ones((B, N), dtype), np.ones((B, 2 * N), dtype)[:, ::2]):
            dW, db, none = np.empty((T, N), dtype), np.empty(T, dtype), np.empty(0, dtype)
            arrays = [dY, X, none, dW, db, none]
            needed = product.on_one_thread(*arrays, product.ROW_SUMS | product.ANY_SIZE, 0)
            arrays[-1] = np.full(needed, left, dtype)
            assert product.on_one_thread(*arrays, product.ROW_SUMS | product.ANY_SIZE, 0) == 0
            if needed >= B * lanes:  # else X is read in place
                packed += 1
                assert not (arrays[-1][: needed // B * B] == left).any(), (T, N, B, X.strides)
    assert packed >= 10


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_epilogues_are_refused_where_they_do_not_fit(dtype):
    """b would be read behind its end, or at other numbers' places."""
    A, X, R, none = np.ones((6, 20), dtype), np.ones((20, 16), dtype), np.full((6, 40), 5, dtype), np.empty(0, dtype)
    work = np.empty(10_000, dtype)

    def answer(b, epilogue, out):
        return product.on_one_thread.unchecked(A, X, np.ones(b, dtype), out, none, work, epilogue << product.EPILOGUE, 0)

    wrong = {Epilogue.BIAS: 5, Epilogue.BIAS_RELU: 5, Epilogue.RELU_BACKWARD: 95, Epilogue.SGD: 0, Epilogue.MOMENTUM: 15}
    assert set(wrong) | {Epilogue.NONE} == set(Epilogue)
    for epilogue, b in wrong.items():
        assert answer(b, epilogue, R[:, :16]) == product.UNFIT
    assert answer(96, Epilogue.RELU_BACKWARD, R[:, :16]) == product.UNFIT
    for unknown in (len(Epilogue), -1, 63, 64, 2**40):
        assert answer(6, unknown, R[:, :16]) == product.UNFIT
    assert (R == 5).all()
    assert answer(96, Epilogue.RELU_BACKWARD, R[:, :16].copy()) == 0
    assert answer(6, Epilogue.BIAS_RELU, R[:, :16]) == 0
    np.testing.assert_array_equal(R[:, :17], np.full((6, 17), 21, dtype) - 16 * (np.arange(17) == 16))


MANY_THREADS = """
import numpy as np
import numbafc as fc
from numbafc.kernels import loops, product
from numbafc.kernels.vector import all_tiles
all_tiles(np.dtype("f4")), all_tiles(np.dtype("f8"))
product.PARALLEL = product.PARALLEL_READING = loops.PARALLEL = 0   # every product is split, however small
rng = np.random.default_rng(0)
wrong = []
for threads in (1, 2, 3, 5):
    fc.set_num_threads(threads)
    for dtype in (np.float32, np.float64):
        shapes = [(1, 1, 1), (3, 5, 2), (10, 64, 1), (7, 257, 65), (33, 31, 300), (12, 784, 32), (60, 1024, 70)]
        for T, N, B in [*shapes, (0, 3, 2), (3, 0, 2), (3, 2, 0), (200, 64, 48), (5, 300, 129)]:
            W, X, b, dY = (rng.standard_normal(form).astype(dtype) for form in ((T, N), (N, B), T, (T, B)))
            F = np.asfortranarray
            for A, Z, g in ((W, X, dY), (F(W), F(X), F(dY)), (W, F(X), dY)):  # the last: dY's sums apart, X in place
                kernels = ("tiled", "loops")
                ours, theirs = ((fc.forward(A, Z, b, kernel=k), *fc.backward(g, Z, A, kernel=k)) for k in kernels)
                wrong += [(threads, T, N, B) for one, other in zip(ours, theirs) if one.tobytes() != other.tobytes()]
print(wrong)
"""


def test_any_number_of_threads_gives_the_loops_bits():
    """Also more threads than cores, columns or rows, and products far too small to be worth it."""
    done = run_python(MANY_THREADS, NUMBA_NUM_THREADS="5")
    assert done.stdout == "[]\n", done.stderr

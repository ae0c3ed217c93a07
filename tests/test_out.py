"""out=: the same bits wherever the output lies, nothing around it touched, and nothing written where it must not lie.

Compiled code sees where the output may overlap, and sends what is in doubt on to `checks`: here every layout, every offset
between an output and an input, and everything that is no output at all meets every function that takes one.
"""

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.testing import LAYOUTS
from numbafc.testing.problems import shapes

DTYPES = st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])
BORDER = 7.25  # no result has it
FUNCTIONS = {
    "forward": (lambda a, **out: fc.forward(a["W"], a["X"], a["b"], **out), "WXb", "TB"),
    "forward without b": (lambda a, **out: fc.forward(a["W"], a["X"], **out), "WX", "TB"),
    "grad_w": (lambda a, **out: fc.grad_w(a["dY"], a["X"], **out), ("dY", "X"), "TN"),
    "mean grad_w": (lambda a, **out: fc.grad_w(a["dY"], a["X"], reduction="mean", **out), ("dY", "X"), "TN"),
    "grad_b": (lambda a, **out: fc.grad_b(a["dY"], **out), ("dY",), "T"),
    "mean grad_b": (lambda a, **out: fc.grad_b(a["dY"], reduction="mean", **out), ("dY",), "T"),
    "grad_x": (lambda a, **out: fc.grad_x(a["dY"], a["W"], **out), ("dY", "W"), "NB"),
}
NAMES = st.sampled_from(sorted(FUNCTIONS))
OF_INPUT = {"W": "TN", "X": "NB", "b": "T", "dY": "TB"}


def shape_of(letters, sizes, vectors):
    """The shape in these letters; without the samples' axis for one sample as vectors."""
    return tuple(sizes[letter] for letter in letters if not (vectors and letter == "B"))


def bytes_of(array):
    """The addresses of all bytes of an array, counted by NumPy."""
    start = array.__array_interface__["data"][0]
    offsets = np.zeros((1,), np.int64)
    for length, stride in zip(array.shape, array.strides, strict=True):
        offsets = (offsets[:, np.newaxis] + np.arange(length) * stride).reshape(-1)
    return (start + offsets[:, np.newaxis] + np.arange(array.itemsize)).reshape(-1)


def numbers(rng, shape, dtype):
    return rng.integers(-9, 10, shape).astype(dtype) / 4


@st.composite
def windows(draw, shape, dtype):
    """(buffer full of BORDER, a view of it with the shape): steps of any sign, any order of axes, a border all around."""
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in shape]
    before = [draw(st.integers(1, 3)) for _ in shape]
    lengths = [first + max(n * abs(step), 1) + 2 for first, n, step in zip(before, shape, steps, strict=True)]
    order = draw(st.permutations(range(len(shape))))
    buffer = np.full([lengths[axis] for axis in order], BORDER, dtype)
    view = buffer.transpose(np.argsort(order))
    cuts = tuple(
        slice(first, first + n * abs(step), abs(step)) for first, n, step in zip(before, shape, steps, strict=True)
    )
    view = view[cuts][tuple(slice(None, None, 1 if step > 0 else -1) for step in steps)]
    return buffer, view


@given(st.data(), NAMES, shapes(max_volume=20_000), DTYPES, st.integers(0, 2**32), st.booleans())
def test_the_result_is_the_same_and_only_it_is_written(data, name, sizes, dtype, seed, vectors):
    function, inputs, letters = FUNCTIONS[name]
    sizes = dict(zip("TNB", sizes, strict=True))
    if vectors:
        sizes["B"] = 1
    rng = np.random.default_rng(seed)
    layouts = st.sampled_from(["C", "Fortran", "row stride", "steps of 2", "backwards", "read-only"])
    plain = {key: numbers(rng, shape_of(OF_INPUT[key], sizes, vectors), dtype) for key in inputs}
    given_ = {key: LAYOUTS[data.draw(layouts)](value) for key, value in plain.items()}
    buffer, out = data.draw(windows(shape_of(letters, sizes, vectors), dtype))
    expected = function(plain)
    assert function(given_, out=out) is out
    assert_same_bits(out, expected, name)
    for key, value in plain.items():
        assert_same_bits(np.asarray(given_[key]), value, f"{key} after {name}")
    out[...] = BORDER
    assert (buffer == BORDER).all(), f"{name} wrote outside out"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("flipped", ["", "input", "output", "both"])
def test_every_offset_to_an_input(name, dtype, flipped):
    """An output that slides over each input, and far past its ends: refused exactly where a byte is shared, else right."""
    function, inputs, letters = FUNCTIONS[name]
    sizes = {"T": 2, "N": 3, "B": 2}
    rng, shape = np.random.default_rng(4), shape_of(letters, sizes, False)
    length = int(np.prod(shape))
    for key in inputs:
        fixed = {other: numbers(rng, shape_of(OF_INPUT[other], sizes, False), dtype) for other in inputs}
        n, refused, done = fixed[key].size, 0, 0
        for offset in range(-length - 1, n + 2):
            pool = np.full(n + 2 * length + 4, BORDER, dtype)
            source = pool[length + 1 : length + 1 + n].reshape(fixed[key].shape)
            out = pool[length + 1 + offset : length + 1 + offset + length].reshape(shape)
            source = np.flip(source) if flipped in ("input", "both") else source  # whose steps are negative then
            out = np.flip(out) if flipped in ("output", "both") else out
            source[...] = fixed[key]
            before, expected = pool.copy(), function(fixed)
            if set(bytes_of(source)) & set(bytes_of(out)):
                with pytest.raises(ValueError, match=f"out shares memory with {key}"):
                    function({**fixed, key: source}, out=out)
                assert_same_bits(pool, before, f"the pool, offset {offset}")
                refused += 1
            else:
                assert_same_bits(function({**fixed, key: source}, out=out), expected, f"offset {offset}")
                assert_same_bits(source, fixed[key], f"{key}, offset {offset}")
                done += 1
        assert refused == n + length - 1
        assert done == 4


@given(st.data(), NAMES, DTYPES, st.integers(0, 2**32))
def test_strided_views_of_one_pool(data, name, dtype, seed):
    """Interleaved rows and columns are right where no byte is shared; else nothing is written."""
    function, inputs, letters = FUNCTIONS[name]
    sizes = {letter: data.draw(st.integers(1, 3), letter) for letter in "TNB"}
    pool = numbers(np.random.default_rng(seed), (90,), dtype)

    def view(letters):
        shape = shape_of(letters, sizes, False)
        steps = [data.draw(st.sampled_from([0, 1, 2, 3, 4, 6, -1, -2])) for _ in shape]
        first = data.draw(st.integers(0, 30)) + sum(max(-step, 0) * (n - 1) for n, step in zip(shape, steps, strict=True))
        strides = [step * dtype.itemsize for step in steps]
        return np.lib.stride_tricks.as_strided(pool[first:], shape, strides)

    arguments, out, before = {key: view(OF_INPUT[key]) for key in inputs}, view(letters), pool.copy()
    own = bytes_of(out)
    shared = any(set(own) & set(bytes_of(array)) for array in arguments.values()) or len(set(own)) < len(own)
    expected = function({key: np.array(value) for key, value in arguments.items()})
    got, refusal = out, ""
    try:
        got = function(arguments, out=out)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        # elements that are apart all the same are refused where no step leaves the other behind
        assert shared or "overlap one another" in refusal
        assert_same_bits(pool, before, "the pool after a refusal")
    else:
        assert not shared
        assert_same_bits(got, expected, name)
        untouched = ~np.isin(np.arange(len(pool)) * dtype.itemsize + bytes_of(pool)[0], own)
        assert_same_bits(pool[untouched], before[untouched], "the pool around out")


class Subclass(np.ndarray):
    """An array all the same."""


def wrong_outputs(shape, dtype):
    """(what is wrong, an output, its exception, words of its sentence)."""
    other = np.dtype(np.float64 if dtype == np.float32 else np.float32)
    read_only, unaligned = np.empty(shape, dtype), np.empty(int(np.prod(shape)) * dtype.itemsize + 1, np.uint8)[1:]
    read_only.flags.writeable = False
    yield "read-only", read_only, ValueError, "writeable and aligned"
    yield "unaligned", unaligned.view(dtype).reshape(shape), ValueError, "writeable and aligned"
    yield "the other dtype", np.empty(shape, other), TypeError, f"got {other}"
    yield "integers", np.empty(shape, f"i{dtype.itemsize}"), TypeError, "must have dtype"
    yield "bytes swapped", np.empty(shape, dtype.newbyteorder()), TypeError, "must have dtype"
    yield "objects", np.empty(shape, object), TypeError, "must have dtype"
    yield "complex", np.empty(shape, np.complex64), TypeError, "must have dtype"
    yield "an axis more", np.empty((*shape, 1), dtype), ValueError, "out has shape"
    yield "an axis less", np.empty(shape[:-1], dtype), ValueError, "out has shape"
    yield "a row more", np.empty((shape[0] + 1, *shape[1:]), dtype), ValueError, "out has shape"
    yield "a column less", np.empty((*shape[:-1], shape[-1] - 1), dtype), ValueError, "out has shape"
    yield "one number", np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, (0,) * len(shape)), ValueError, "overlap"
    yield "a masked array", np.ma.zeros(shape, dtype), TypeError, "MaskedArray"
    yield "a list", np.zeros(shape).tolist(), TypeError, "got list"
    yield "a shape", shape, TypeError, "got tuple"
    yield "a number", 3.0, TypeError, "got float"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=str)
@pytest.mark.parametrize("sizes", [(2, 3, 4), (3, 2, 1)])
def test_what_is_no_output_is_said_and_left_as_it_was(name, dtype, sizes):
    function, inputs, letters = FUNCTIONS[name]
    sizes = dict(zip("TNB", sizes, strict=True))
    arguments = {key: np.ones(shape_of(OF_INPUT[key], sizes, False), dtype) for key in inputs}
    for what, out, error, words in wrong_outputs(shape_of(letters, sizes, False), dtype):
        before = out.tobytes() if isinstance(out, np.ndarray) else repr(out)
        with pytest.raises(error, match=words) as caught:
            function(arguments, out=out)
        assert len(str(caught.value)) < 300, what
        assert (out.tobytes() if isinstance(out, np.ndarray) else repr(out)) == before, what


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_one_sample_as_vectors_wants_a_vector(name):
    function, inputs, letters = FUNCTIONS[name]
    sizes = {"T": 2, "N": 3, "B": 1}
    for vectors in (False, True):
        arguments = {key: np.ones(shape_of(OF_INPUT[key], sizes, vectors)) for key in inputs}
        other = shape_of(letters, sizes, not vectors)
        if "B" in letters:
            with pytest.raises(ValueError, match="out has shape"):
                function(arguments, out=np.empty(other))
        assert function(arguments, out=np.empty(shape_of(letters, sizes, vectors))).shape == shape_of(
            letters, sizes, vectors
        )


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_subclasses_and_large_products_take_the_long_way_to_the_same_bits(name):
    function, inputs, letters = FUNCTIONS[name]
    for sizes in ({"T": 5, "N": 6, "B": 7}, {"T": 150, "N": 140, "B": 130}):
        rng = np.random.default_rng(6)
        arguments = {key: rng.standard_normal(shape_of(OF_INPUT[key], sizes, False)) for key in inputs}
        expected = function(arguments)
        shape = shape_of(letters, sizes, False)
        for out in (np.empty(shape).view(Subclass), np.empty((*shape[:-1], 2 * shape[-1]))[..., ::2]):
            assert function(arguments, out=out) is out
            assert_same_bits(np.asarray(out), expected, name)
        memory = function({key: value.view(Subclass) for key, value in arguments.items()}, out=np.empty(shape))
        assert_same_bits(memory, expected, name)


INTERPRETED = """
import numpy as np, numbafc as fc
W, X, b, dY = np.ones((3, 4)), np.ones((4, 2)), np.ones(3), np.ones((3, 2))
for call in (
    lambda: fc.forward(W, X[:3]), lambda: fc.forward(W, X, np.ones(7)), lambda: fc.forward(W, X.astype(np.float32)),
    lambda: fc.forward(W, np.ones((5, 2))),
    lambda: fc.grad_w(dY, np.ones((4, 5))), lambda: fc.grad_x(np.ones((5, 2)), W), lambda: fc.backward(dY[:2], X, W),
    lambda: fc.forward(W, X, b, out=np.empty((4, 2))), lambda: fc.grad_b(dY, out=dY[:, 0]),
    lambda: fc.per_sample_grad_norms(dY, X[:, :1]),
):
    try:
        call()
    except (TypeError, ValueError) as error:
        print(error)
    else:
        raise SystemExit("wrong arrays were computed with")
assert (fc.forward(W, X, b, out=np.empty((3, 2))) == 5).all()
assert (fc.grad_b(dY, reduction="mean", out=np.empty(3)) == 1).all()
assert all((got == of).all() for got, of in zip(fc.backward(dY, X, W, reduction="mean"), (1, 1, 3), strict=True))
"""


def test_without_a_compiler_arrays_are_compared_too():
    """With NUMBA_DISABLE_JIT the short way once computed with whatever it was given."""
    ended = run_python(INTERPRETED, NUMBA_DISABLE_JIT="1")
    assert ended.returncode == 0, ended.stdout + ended.stderr

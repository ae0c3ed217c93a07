"""Functions of one number against higher precision: float64 against 80 bits, float32 against float64, all of it."""

import gc
from types import FunctionType

import numba
import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import settings

from numbafc._jit import as_integer, as_real
from numbafc.kernels import elementwise
from numbafc.nn import engine

REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}
EXPONENT = np.int64(0x7FF << 52)
EIGHTY_BITS = np.finfo(np.longdouble).nmant >= 63
ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1.7e308, -1.7e308]


def compiled(name, **options):
    function = getattr(elementwise, name)

    @numba.njit(error_model="numpy", **options)
    def loop(x, y):
        for i in numba.prange(len(x)):
            y[i] = function(x[i])

    return loop


def values(dtype, count=100_000):
    """Numbers of every exponent, and those where something happens."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), count, np.uint64).astype(f"u{np.dtype(dtype).itemsize}")
    spread = [rng.uniform(-limit, limit, count) for limit in (0.4, 1, 30, 760)]
    with np.errstate(all="ignore"):
        usual = np.concatenate([*spread, np.exp(rng.uniform(-700, 700, count)), rng.uniform(0.5, 2, count), ENDS])
        return np.concatenate([bits.view(dtype), usual.astype(dtype)])


@pytest.mark.parametrize("name", REFERENCES)
def test_float64_is_within_2_ulp(name):
    if not EIGHTY_BITS:
        pytest.skip("needs a long double of 80 bits")
    x = values(np.float64)
    y = np.empty_like(x)
    compiled(name)(x, y)
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(np.longdouble))
        rounded = exact.astype(np.float64)
        finite = np.isfinite(rounded)
        error = np.abs(y - exact)[finite] / np.spacing(np.abs(rounded[finite]))
    assert error.max() <= 2, f"{error.max()} at {x[finite][error.argmax()]!r}"
    np.testing.assert_array_equal(y[~finite], rounded[~finite])


@pytest.mark.parametrize("name", REFERENCES)
def test_every_float32_is_within_0_51_ulp_of_the_float64(name):
    """All 2³² of exp; of the others every 61st, or all in the profile deep."""
    function = getattr(elementwise, name)
    shares, step = 4096, 1 if name == "exp" or settings.get_current_profile_name() == "deep" else 61

    @numba.njit(error_model="numpy", parallel=True)
    def count_wrong(wrong):
        for share in numba.prange(shares):
            bad = 0
            for n in range(share % step, 2**32 // shares, step):
                x = np.uint32(share * (2**32 // shares) + n).view(np.float32)
                y, exact = function(x), function(np.float64(x))
                near = np.float32(exact)
                power = as_real(as_integer(np.float64(near)) & EXPONENT)  # of two, not above the result
                ulp = max(power * 2.0**-23, 2.0**-149)
                fine = y == near or (y != y and near != near) or abs(np.float64(y) - exact) <= 0.51 * ulp
                bad += 0 if fine else 1
            wrong[share] = bad

    wrong = np.zeros(shares, np.int64)
    count_wrong(wrong)
    assert wrong.sum() == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REFERENCES)
def test_plain_python_and_compiled_code_agree_in_bits(name, dtype):
    x = values(dtype, 300)
    y = np.empty_like(x)
    compiled(name)(x, y)
    with np.errstate(all="ignore"):
        plain = np.array([getattr(elementwise, name)(number) for number in x], dtype)
    assert_same_bits(y, plain, name)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_order_of_results_is_that_of_the_arguments(name):
    """All of them grow; a step down between neighbours would be a wrong reduction."""
    x = np.sort(values(np.float32))
    x = x[~np.isnan(x) & ((x >= 0) | (name != "log"))]
    y = np.empty_like(x)
    compiled(name)(x, y)
    assert (np.diff(y[np.isfinite(y)].astype(np.float64)) >= 0).all()


BITS = """
import hashlib, numba, numpy as np
from numbafc.kernels import elementwise
x = np.concatenate([np.linspace(-800, 800, 100_003), np.exp(np.linspace(-700, 700, 100_003))])
digest = hashlib.sha256()
for name in ("exp", "expm1", "log", "tanh", "sigmoid", "softplus"):
    function = getattr(elementwise, name)
    @numba.njit(error_model="numpy")
    def loop(x, y):
        for i in range(len(x)):
            y[i] = function(x[i])
    for dtype in (np.float32, np.float64):
        y = np.empty(len(x), dtype)
        with np.errstate(over="ignore"):
            loop(x.astype(dtype), y)
        y[np.isnan(y)] = 0
        digest.update(y.tobytes())
print(digest.hexdigest())
"""


def test_every_instruction_set_has_the_same_bits():
    features = {"generic": "", "haswell": "+avx2,+fma"}
    builds = [run_python(BITS, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES=given) for name, given in features.items()]
    results = {done.stdout for done in (run_python(BITS), *builds)}
    assert len(results) == 1
    assert len(results.pop()) == 65, builds[0].stderr


def test_no_two_compiled_functions_have_one_name():
    """A kernel from the cache is linked by names: with two functions of one name it may be given the wrong one."""
    here = [f for f in gc.get_objects() if type(f) is FunctionType and f.__module__ == elementwise.__name__]
    made = [f.__qualname__ for f in here if "<locals>" not in f.__qualname__]
    assert len(made) > 30
    assert len(set(made)) == len(made)
    left = {f.__qualname__ for f in here if "<locals>" in f.__qualname__}
    assert left == {"_for_both.<locals>.function", "_for_both.<locals>.choose"}  # which are never compiled
    kernels = engine._serial, engine._parallel
    for kernel in kernels:
        kernel.compile(np.dtype(np.float32))
    assert len({kernel.dispatchers[4].py_func.__qualname__ for kernel in kernels}) == 2

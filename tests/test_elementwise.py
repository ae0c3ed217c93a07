"""Functions of one number against higher precision: float64 against 80 bits, every float32 against float64."""

import gc
import math
import re
from types import FunctionType

import numba
import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import settings
from scipy import special

from numbafc._numba import as_integer, as_real, environment
from numbafc.kernels import elementwise, normal, series
from numbafc.nn import engine


def bell(x):
    """e^(−x²/2) in the precision of x, with a square whose larger part is exact."""
    part = x.astype(np.float32).astype(x.dtype)
    return np.exp(-part * part / 2) * np.exp(-(x - part) * (x + part) / 2)


def tail(a):
    """Φ(−a) = erfc(t)/2, t = a/√2, from e^(t²)·erfc(t) = t/π·∫ e^(−u²)/(u² + t²) du over all u, by the midpoint rule.

    Its error is e^(−π²/h²), 4e-23, when the residue at u = i·t is added while that is the larger part (D. Hunter, T. Regan,
    Math. Comp. 26, 1972).
    """
    h, pi, t = a.dtype.type(0.4375), a.dtype.type("3.14159265358979323846"), a / np.sqrt(a.dtype.type(2))
    terms = (np.exp(-u * u) / (u * u + t * t) for u in h * (np.arange(16).astype(a.dtype) + a.dtype.type(0.5)))
    return bell(a) * t * h / pi * sum(terms) + np.where(t < pi / h, 1 / (1 + np.exp(2 * pi * t / h)), 0)


def normal_cdf(x):
    a = np.abs(x)
    y = np.where(a > 40, 0, tail(np.minimum(a, 40)))
    return np.where(x > 0, 1 - y, y)


def gelu_slope(x):
    near = np.clip(x, -40, 40)
    return normal_cdf(near) + near * bell(near) / np.sqrt(2 * x.dtype.type("3.14159265358979323846"))


def mish(x):
    near = np.clip(x, -11000, 11000)
    return np.where(x > 0, x, near) * np.tanh(np.log1p(np.exp(near)))


def mish_slope(x):
    near = np.clip(x, -11000, 11000)
    t = np.tanh(np.log1p(np.exp(near)))
    return t + near * (1 - t) * (1 + t) / (1 + np.exp(-near))


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "normal_cdf": normal_cdf,
    "gelu": lambda x: x * normal_cdf(x),
    "gelu_slope": gelu_slope,
    "mish": mish,
    "mish_slope": mish_slope,
}
# Results below have the ulp of this: near a zero of the function, errors are no smaller.
SMALLEST = {"gelu_slope": 1.0, "mish_slope": 1.0}
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
        error = np.abs(y - exact)[finite] / np.spacing(np.maximum(np.abs(rounded[finite]), SMALLEST.get(name, 0.0)))
    assert error.max() <= 2, f"{error.max()} at {x[finite][error.argmax()]!r}"
    np.testing.assert_array_equal(y[~finite], rounded[~finite])


@pytest.mark.parametrize("name", REFERENCES)
def test_every_float32_is_within_0_51_ulp_of_the_float64(name):
    """Every 7th of the 2³² of exp, every 61st of the others; in the profile deep all."""
    function = getattr(elementwise, name)
    smallest = SMALLEST.get(name, 0.0) * 2.0**-23
    shares, step = 4096, 1 if settings.get_current_profile_name() == "deep" else 7 if name == "exp" else 61

    @numba.njit(error_model="numpy", parallel=True)
    def count_wrong(wrong):
        for share in numba.prange(shares):
            bad = 0
            for n in range(share % step, 2**32 // shares, step):
                x = np.uint32(share * (2**32 // shares) + n).view(np.float32)
                y, exact = function(x), function(np.float64(x))
                near = np.float32(exact)
                power = as_real(as_integer(np.float64(near)) & EXPONENT)  # of two, not above the result
                ulp = max(power * 2.0**-23, 2.0**-149, smallest)
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


def test_the_short_exponential_is_the_series_times_a_power_of_two():
    """Bit for bit, wherever it is asked: for float32 from -104 to 89, for mish from -200, for the bell from -112.5."""
    for x in np.concatenate([np.linspace(-200, 89, 1001), np.arange(-150, 128) * np.log(2), [89, -0.0, 5e-324]]):
        n, r = series.reduced(x)
        expected = math.ldexp(1.0 + series.short_expm1_series(r), int(n))
        assert series.short_exponential(x) == expected, x
    assert np.isnan(series.short_exponential(np.float64(np.nan)))


@pytest.mark.parametrize("name", ["exp", "expm1", "expm1_below", "tanh", "sigmoid", "softplus"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_goes_through(name, dtype):
    """No limit takes its place, in plain Python or in a loop of vectors."""
    x = np.full(37, np.nan, dtype)
    y = np.zeros_like(x)
    compiled(name)(x, y)
    assert np.isnan(y).all()
    assert np.isnan(getattr(elementwise, name)(x[0]))


@pytest.mark.parametrize("name", [name for name in REFERENCES if not name.startswith(("gelu", "mish"))])
def test_the_order_of_results_is_that_of_the_arguments(name):
    """All but gelu and mish grow; a step down between neighbours would be a wrong reduction."""
    x = np.sort(values(np.float32))
    x = x[~np.isnan(x) & ((x >= 0) | (name != "log"))]
    y = np.empty_like(x)
    compiled(name)(x, y)
    assert (np.diff(y[np.isfinite(y)].astype(np.float64)) >= 0).all()


def test_the_reference_of_the_normal_distribution():
    """Against SciPy, whose tail has twelve digits, and the series around 0, which has all of them."""
    if not EIGHTY_BITS:
        pytest.skip("needs a long double of 80 bits")
    x = np.concatenate([np.linspace(-37, 8, 1001), [10.154, 10.155, -10.154, -10.155]])  # √2·π/h = 10.155
    exact = normal_cdf(x.astype(np.longdouble))
    np.testing.assert_allclose(exact.astype(np.float64), special.ndtr(x), rtol=1e-12)
    assert normal_cdf(np.zeros(1, np.longdouble))[0] == 0.5
    near = np.linspace(0, 1e-3, 101).astype(np.longdouble)  # Φ(x) = ½ + (x − x³/6 + x⁵/40)/√(2π) + …
    series = 0.5 + (near - near**3 / 6 + near**5 / 40) / np.sqrt(2 * np.arccos(np.longdouble(-1)))
    np.testing.assert_allclose(normal_cdf(near), series, rtol=2**-62, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loops_become_vectors(dtype):
    """No call is left in them: long functions are inlined, too."""
    if not {"fma", "neon"} & set(environment()["cpu_features"]):
        pytest.skip("needs a processor with fma in vectors")
    for name in REFERENCES:
        loop = compiled(name)
        loop(np.zeros(1, dtype), np.zeros(1, dtype))
        (code,) = loop.inspect_llvm().values()
        assert re.search(r"fma\.v\d+f64", code), name


BITS = """
import hashlib, numba, numpy as np
from numbafc.kernels import elementwise
x = np.concatenate([np.linspace(-800, 800, 100_003), np.exp(np.linspace(-700, 700, 100_003))])
digest = hashlib.sha256()
for name in ("exp", "expm1", "log", "tanh", "sigmoid", "softplus", "normal_cdf", "gelu", "gelu_slope", "mish"):
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
    modules = {module.__name__ for module in (elementwise, normal, series)}
    here = [f for f in gc.get_objects() if type(f) is FunctionType and f.__module__ in modules]
    made = [f.__qualname__ for f in here if "<locals>" not in f.__qualname__]
    assert len(made) > 30
    assert len(set(made)) == len(made)
    left = {f.__qualname__ for f in here if "<locals>" in f.__qualname__}
    assert left == {"_for_both.<locals>.function", "_for_both.<locals>.choose"}  # which are never compiled
    kernels = engine._serial, engine._parallel
    for kernel in kernels:
        kernel.compile(np.dtype(np.float32))
    assert len({kernel.dispatchers[4].py_func.__qualname__ for kernel in kernels}) == 2

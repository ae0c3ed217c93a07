"""Numbers that no mathematics library and no version of NumPy decides: cosines, powers, exponentials and sums."""

import ast
import pathlib
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.kernels import elementwise
from numbafc.nn import Cosine, OneCycle, OnPlateau, Step, metrics, portable

NN = sorted((pathlib.Path(fc.__file__).parent / "nn").glob("*.py"))
PI = Fraction("3.14159265358979323846264338327950288419716939937510")
FOREIGN = {
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "cos",
    "sin",
    "tan",
    "cosh",
    "sinh",
    "tanh",
    "pow",
    "power",
}
OF_NUMPY = {
    "mean",
    "std",
    "var",
    "average",
    "nanmean",
    "float_power",
    "hypot",
    "dot",
    "inner",
    "vdot",
    "linalg",
    "trapezoid",
}
ALLOWED = {  # sums of whole numbers, which are exact; elements' own functions; tolerances
    ("evaluation.py", "mean"),
    ("metrics.py", "sum"),
    ("ranks.py", "sum"),
    ("targets.py", "sum"),
    # what people read, of which no training and no prediction takes a bit
    ("calibration.py", "mean"),
    ("calibration.py", "sum"),
    ("importance.py", "mean"),
    ("importance.py", "std"),
    ("rate_finder.py", "log"),
    ("rate_finder.py", "sum"),
}


def foreign_calls(path):
    """What is called of NumPy and math whose bits they do not promise; sums and powers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            of_library = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "math")
            if (of_library and name in FOREIGN) or name in OF_NUMPY | {"sum"}:
                yield name
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            constants = all(isinstance(leaf, ast.Constant | ast.UnaryOp) for leaf in (node.left, node.right))
            whole = isinstance(node.left, ast.UnaryOp)  # (−1)ⁿ
            if not constants and not whole:
                yield "**"


def test_networks_call_nothing_whose_bits_are_others():
    assert len(NN) > 20
    found = {(path.name, name) for path in NN for name in foreign_calls(path)}
    assert found == ALLOWED


def exact_cosine(p, q):
    """cos(π·p/q) to 60 digits."""
    getcontext().prec = 60
    y = PI * Fraction(p) / Fraction(q)
    y = Decimal(y.numerator) / Decimal(y.denominator)
    term, total, n = Decimal(1), Decimal(0), 0
    while abs(term) > Decimal("1e-45"):
        total += term
        n += 2
        term *= -y * y / (n * (n - 1))
    return total


@given(st.integers(1, 10**7), st.integers(0, 10**7))
def test_cosines_are_within_2_ulp(q, p):
    p = p % (q + 1)
    got = float(portable.cos_of_pi(np.array([float(p)]), float(q))[0])
    expected = exact_cosine(p, q)
    if 2 * p == q:
        assert got == 0
    else:
        assert abs(Decimal(got) - expected) <= 2 * Decimal(np.spacing(abs(float(expected))))


def test_cosines_at_the_ends_and_by_symmetry():
    for q in (1.0, 2.0, 7.0, 1e6, 0.3, 2.0**52):
        np.testing.assert_array_equal(portable.cos_of_pi(np.array([0, q / 2, q]), q), [1, 0, -1])
    p = np.arange(1001.0)
    np.testing.assert_array_equal(portable.cos_of_pi(p, 1000.0), -portable.cos_of_pi(1000 - p, 1000.0))
    assert (np.diff(portable.cos_of_pi(p, 1000.0)) < 0).all()


@given(st.floats(1e-300, 1), st.integers(0, 300))
def test_powers_are_the_nearest_numbers(base, n):
    exact = Fraction(base) ** n
    assert portable.power(base, n) == exact.numerator / exact.denominator


def test_powers_end_soon():
    assert portable.power(0.1, 2**62) == 0
    assert portable.power(1.0, 2**62) == 1
    assert portable.power(1 - 2.0**-53, 2**53) == pytest.approx(np.exp(-1), rel=1e-15)


def test_schedules_are_made_of_them():
    n, gamma = 7, 0.3
    assert Step(2, gamma).factors(15, 20, 1, [])[0] == portable.power(gamma, n)
    assert OnPlateau(gamma, 1).factors(9, 20, 1, [1.0] * 8)[0] == portable.power(gamma, n)
    cosine = portable.cos_of_pi(np.arange(1.0, 11), 10.0)
    assert_same_bits(Cosine().factors(1, 1, 10, []), 0 + 1 * (1 + cosine) / 2, "cosine")
    rising = portable.cos_of_pi(np.arange(6.0), 0.5 * 10)
    assert_same_bits(OneCycle(0.5).factors(1, 1, 11, [])[:6], 0.04 + 0.96 * (1 - rising) / 2, "one_cycle")


LIBRARY = """
import math, sys
import numpy as np
import numbafc as fc
from numbafc.nn import *
off = float(sys.argv[1])
shift = lambda f: lambda *a, **o: f(*a, **o) * (1 + off)
for library, names in ((math, ("cos", "sin", "exp", "pow", "log")), (np, ("exp", "cos", "mean", "std", "average", "sum"))):
    for name in names:
        setattr(library, name, shift(getattr(library, name)))
print([[float(f) for f in s.factors(3, 5, 4, [1.0, 1.0])] for s in (Cosine(0.1, 0.01), OneCycle(), Step(1, 0.3))])
net = fc.MLP([1, 1], loss="poisson", dtype="float64")
net.standardize(np.arange(20.0)[:, None])
net.parameters[:] = 0.3, 0.1
print(net.predict(np.arange(4.0)[:, None]).tolist(), net.score([[1.0], [2.0]], [1, 2]), net.input_scale)
"""


def test_another_mathematics_library_changes_no_bit():
    """One that is off by 1e-9 wherever Python and NumPy call it."""
    one, other = (run_python(LIBRARY, off) for off in ("0", "1e-9"))
    assert one.stdout, one.stderr
    assert one.stdout == other.stdout


# ---- sums ----


def in_pairs(values):
    """`total`, as its definition reads."""
    n = len(values)
    if n > 128:
        half = n // 2 // 8 * 8
        return in_pairs(values[:half]) + in_pairs(values[half:])
    whole = n // 8 * 8
    lanes = [0.0] * 8
    for i in range(whole):
        lanes[i % 8] = lanes[i % 8] + values[i] if i >= 8 else values[i]
    total = (
        ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) if whole else 0.0
    )
    for value in values[whole:]:
        total += value
    return total


@given(st.integers(0, 3000), st.integers(0, 2**32 - 1))
def test_a_sum_in_pairs_is_its_definition(n, seed):
    values = np.random.default_rng(seed).standard_normal(n) * 10.0 ** np.random.default_rng(seed).integers(-9, 9, n)
    assert portable.total(values) == in_pairs(values.tolist())


@given(st.integers(1, 5), st.integers(1, 400), st.sampled_from(["float32", "float64"]), st.integers(0, 2**32 - 1))
def test_means_and_deviations_are_sums_row_by_row(N, samples, dtype, seed):
    """For one column as for more, of any layout: today's of NumPy differ for one."""
    A = (np.random.default_rng(seed).standard_normal((samples, N)) * 10.0 ** np.arange(N) + 3).astype(dtype)
    means, deviations = portable.mean_and_deviation(np.asfortranarray(A))
    for column, mean, deviation in zip(A.T.tolist(), means, deviations, strict=True):
        total = squares = 0.0
        for value in column:
            total += value
        for value in column:
            squares += (value - total / samples) * (value - total / samples)  # pow is not rounded like a product
        assert mean == total / samples
        assert deviation == np.sqrt(squares / samples)
    assert_same_bits(portable.column_sums(A) / samples, means, "means")


@pytest.mark.parametrize("scale", [1e-300, 1e160, 1e300, 1.7e308])
def test_columns_of_any_size_have_finite_scales(scale, tmp_path):
    X = np.linspace(-1, 1, 50)[:, np.newaxis] * [scale, 1.0]
    net = fc.MLP([2, 2], dtype="float64")
    net.standardize(X)
    np.testing.assert_allclose(net.input_scale / [scale, 1], np.std(np.linspace(-1, 1, 50)), rtol=1e-14)
    net.save(tmp_path / "net.safetensors")
    assert_same_bits(fc.load(tmp_path / "net.safetensors").input_scale, net.input_scale, "scale")
    assert np.isfinite(net.fit(X, np.arange(50) % 2).loss).all()


def test_one_enormous_number_leaves_a_scale():
    X = np.random.default_rng(0).standard_normal((100, 2))
    X[7, 0] = 1e200
    net = fc.MLP([2, 1], loss="mse", dtype="float64")
    net.standardize(X, X[:, 0])
    assert net.input_scale[0] == pytest.approx(1e200 * np.sqrt(0.01 * 0.99))
    assert np.isfinite(net.target_scale).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_expected_counts_are_the_loss_s_exponentials(dtype):
    net = fc.MLP([1, 3], loss="poisson", dtype=dtype)
    X = np.random.default_rng(0).standard_normal((40, 1))
    outputs = net.outputs(X)
    expected = np.array([[elementwise.exp(y) for y in row] for row in outputs], dtype)
    assert_same_bits(net.predict(X), expected, "counts")
    big = np.array([[-1e4, 0.0, 1e4, np.nan, -np.inf, np.inf]], dtype)
    assert_same_bits(portable.exp(big), np.array([[0, 1, np.inf, np.nan, 0, np.inf]], dtype), "e^Y")


def test_a_loss_is_the_mean_of_its_samples_losses_in_pairs():
    net, n = fc.MLP([3, 2], loss="mse"), 2500  # more than two chunks
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((n, 3)), rng.standard_normal((n, 2)), rng.uniform(0, 1, n)
    each = [net.loss(X[s : s + 1], y[s : s + 1]) for s in range(n)]
    assert net.loss(X, y) == in_pairs(each) / n
    assert net.loss(X, y, w) == in_pairs([a * b for a, b in zip(each, w, strict=True)]) / in_pairs(w.tolist())


def test_scores_of_reals_are_sums_in_order():
    rng = np.random.default_rng(0)
    y, predicted = rng.standard_normal((300, 1)), rng.standard_normal((300, 1))
    errors = metrics.of_reals(y, predicted)
    squares = absolute = mean = spread = 0.0
    for a, b in zip(y[:, 0], predicted[:, 0], strict=True):
        squares, absolute, mean = squares + (a - b) ** 2, absolute + abs(a - b), mean + a
    for a in y[:, 0]:
        spread += (a - mean / 300) ** 2
    assert errors.mae[0] == absolute / 300
    assert errors.rmse[0] == np.sqrt(squares / 300)
    assert errors.r2[0] == 1 - squares / spread


def test_targets_that_do_not_vary_have_no_spread():
    net = fc.MLP([1, 1], loss="mse", dtype="float64")
    assert net.score(np.zeros((10, 1)), np.full(10, 0.1)) == 0  # the mean of ten 0.1 is not 0.1

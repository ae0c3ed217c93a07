"""The oracles can fail: each bug, planted in the source of the formulas, is caught by each oracle.

A bug is a replacement in formulas.py; the buggy source runs in plain Python, on results that start as 1.
"""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import oracles
import pytest
from helpers import raised
from hypothesis import HealthCheck, Phase, given, settings

from numbafc import formulas
from numbafc.testing import check_layer, integer_problems, layer_problems

SOURCE = Path(formulas.__file__).read_text(encoding="utf-8")

# name: (function, text in it, replacement)
BUGS = {
    "forward stops a row early": ("forward", "range(W.shape[0])", "range(W.shape[0] - 1)"),
    "forward stops a sample early": ("forward", "range(X.shape[1])", "range(X.shape[1] - 1)"),
    "forward starts at the second sample": ("forward", "range(X.shape[1])", "range(1, X.shape[1])"),
    "forward skips the edge tile": ("forward", "range(X.shape[1])", "range(X.shape[1] // 4 * 4)"),
    "forward drops the bias": ("forward", "if b is not None", "if False"),
    "forward adds the bias of the next row": ("forward", "+= b[t]", "+= b[t - 1]"),
    "forward adds to what was there": ("forward", "Y[t, s] = ", "Y[t, s] += "),
    "forward reads the transposed W": ("forward", "W[t, :]", "W.reshape(W.shape[::-1])[:, t]"),
    "forward swaps t and s": ("forward", "Y[t, s]", "Y.reshape(Y.shape[::-1])[s, t]"),
    "a sum stops a product early": ("sum_of_products", "SUM_BLOCK, len(a))", "SUM_BLOCK, len(a)) - 1"),
    "a sum starts at the second product": ("sum_of_products", "range(first, ", "range(first + 1, "),
    "a block's accumulator is stale": ("sum_of_products", "acc = a.dtype.type(0)", "acc = total"),
    "a sum keeps its last block alone": ("sum_of_products", "acc if first == 0 else total + acc", "acc"),
    "grad_w stops a row early": ("grad_w", "range(dY.shape[0])", "range(dY.shape[0] - 1)"),
    "grad_w stops an input early": ("grad_w", "range(X.shape[0])", "range(X.shape[0] - 1)"),
    "grad_w is the mean": ("grad_w", "X[i, :])", "X[i, :]) / X.shape[1]"),
    "grad_w adds to what was there": ("grad_w", "dW[t, i] = ", "dW[t, i] += "),
    "grad_w swaps t and i": ("grad_w", "dW[t, i]", "dW.reshape(dW.shape[::-1])[i, t]"),
    "grad_b stops a row early": ("grad_b", "range(dY.shape[0])", "range(dY.shape[0] - 1)"),
    "grad_b is the mean": ("grad_b", "ones)", "ones) / dY.shape[1]"),
    "grad_b forgets the last sample": ("grad_b", "dY[t, :], ones", "dY[t, :-1], ones"),
    "grad_x stops an input early": ("grad_x", "range(W.shape[1])", "range(W.shape[1] - 1)"),
    "grad_x stops a sample early": ("grad_x", "range(dY.shape[1])", "range(dY.shape[1] - 1)"),
    "grad_x reads W for its transpose": ("grad_x", "W[:, i]", "W.reshape(W.shape[::-1])[i, :]"),
    "grad_x skips the edge tile": ("grad_x", "range(dY.shape[1])", "range(dY.shape[1] // 4 * 4)"),
    "grad_x adds to what was there": ("grad_x", "dX[i, s] = ", "dX[i, s] += "),
}

SMALL, TINY = {"max_volume": 1_500, "min_size": 1}, {"max_volume": 60, "min_size": 1}
ORACLES = {
    "bits": (oracles.bits, layer_problems(values=("normal",), **SMALL)),
    "rational, integers": (oracles.rational, integer_problems(**SMALL)),
    "rational, bound": (oracles.rational, layer_problems(values=("normal",), **SMALL)),
    "adjoint": (oracles.adjoint, layer_problems(values=("normal",), **SMALL)),
    "vectorised": (oracles.vectorised, integer_problems(**SMALL)),
    "long way": (oracles.long_way, integer_problems(**SMALL)),
    "finite differences": (oracles.finite_differences, integer_problems(**TINY)),
}
BLIND = {
    # a difference of two results does not see what is the same in both
    ("finite differences", "forward adds to what was there"),
    # its problems are too small for a second block
    ("finite differences", "a block's accumulator is stale"),
    ("finite differences", "a sum keeps its last block alone"),
}


def module_with(bug: str | None) -> ModuleType:
    """formulas.py with a bug, or as it is."""
    source = SOURCE
    if bug is not None:
        function, text, replacement = BUGS[bug]
        start = source.index(f"def {function}(")
        body = re.split(r"\n\n\n", source[start:])[0]
        code = body[body.index('"""', body.index('"""') + 3) :]
        assert text in code, f"{bug}: {text!r} is no longer in {function}"
        source = source[:start] + body.replace(code, code.replace(text, replacement)) + source[start + len(body) :]
    spec = importlib.util.spec_from_loader("numbafc.buggy_formulas", None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, "buggy formulas", "exec"), vars(module))
    return module


def layer_of(module: ModuleType):
    """(forward, backward) of a formulas module. Results start as 1, what a fresh allocation might hold."""

    def forward(W, X, b):
        Y = np.ones((W.shape[0], X.shape[1]), W.dtype)
        module.forward(W, X, b, Y)
        return Y

    def backward(dY, X, W):
        dW, db, dX = np.ones_like(W), np.ones(dY.shape[0], dY.dtype), np.ones_like(X)
        module.grad_w(dY, X, dW)
        module.grad_b(dY, db)
        module.grad_x(dY, W, dX)
        return dW, db, dX

    return forward, backward


def ask(oracle: str, bug: str | None) -> None:
    """Show an oracle drawn problems until it raises. No shrinking: that it fails is enough here."""
    check, problems = ORACLES[oracle]
    layer = layer_of(module_with(bug))

    @settings(
        max_examples=150, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(problems)
    def search(problem):
        check(*layer, problem)

    search()


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("bug", BUGS)
def test_each_oracle_catches_each_bug(oracle, bug):
    if (oracle, bug) in BLIND:
        pytest.skip("cannot be seen this way; the other oracles do")
    raised(lambda: ask(oracle, bug))


@pytest.mark.parametrize("oracle", ORACLES)
def test_no_oracle_cries_without_a_bug(oracle):
    ask(oracle, None)


def test_check_layer_shrinks_and_says_where():
    forward, backward = layer_of(module_with("forward skips the edge tile"))
    message = raised(lambda: check_layer(forward, backward, values=("integers",)))
    assert "forward is wrong at Y[0, 0]: expected" in message
    assert "W (1, 1), X (1, 1), b (1,), dY (1, 1) of float32" in message
    assert re.search(r"got 1.0, error [\d.e+]+, bound 0 ", message)
    assert "W = [[" in message


@pytest.mark.parametrize(
    ("bug", "place"),
    [
        ("grad_w is the mean", "dW[0, 0]"),
        ("grad_b forgets the last sample", "db[0, 0]"),
        ("grad_x skips the edge tile", "dX[0, 0]"),
    ],
)
def test_check_layer_names_the_gradient(bug, place):
    forward, backward = layer_of(module_with(bug))
    assert f"backward is wrong at {place}" in raised(lambda: check_layer(forward, backward))


def right(W, X, b):
    return W @ X + b[:, np.newaxis]


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda W, X, b: right(W, X, b).T, "expected shape"),
        (lambda W, X, b: right(W, X, b).astype(np.float64), "expected shape"),
        (lambda W, X, b: right(W, X, b).tolist(), "of list"),
        (
            lambda W, X, b: right(W, X, b) + 0 * np.random.default_rng().random() + np.random.default_rng().random(),
            "differs between",
        ),
        (lambda W, X, b: (right(W, X, b), X.fill(0))[0], "was changed by the call"),
        (lambda W, X, b: np.nan_to_num(right(W, X, b)), "carries NaN and infinity"),
    ],
    ids=["transposed", "wrong dtype", "list", "random", "writes its input", "hides NaN"],
)
def test_check_layer_sees_more_than_numbers(forward, words):
    with np.errstate(all="ignore"):
        assert words in raised(lambda: check_layer(forward, min_size=1, max_volume=500, dtypes=["float32"]))


def test_check_layer_accepts_numpy():
    with np.errstate(all="ignore"):
        check_layer(right, lambda dY, X, W: (dY @ X.T, dY.sum(axis=1), W.T @ dY), max_examples=60)


@pytest.mark.parametrize("wrong", [{"values": ["integer"]}, {"layouts": ["c"]}, {"dtypes": ["float16"]}, {"values": []}])
def test_check_layer_refuses_names_it_does_not_know(wrong):
    with pytest.raises(ValueError, match="must be some of"):
        check_layer(right, **wrong)
    with pytest.raises(ValueError, match="got neither"):
        check_layer(None)


def test_check_layer_wants_three_gradients():
    assert "backward must return (dW, db, dX)" in raised(
        lambda: check_layer(None, lambda dY, X, W: (dY, W), values=["normal"])
    )

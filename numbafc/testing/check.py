"""check_layer: the smallest problem on which anybody's fully-connected layer is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from .. import checks
from .bounds import error_bound, exact_errors, exact_product
from .objects import functions_of
from .problems import FINITE, VALUES, LayerProblem, layer_problems

REDUCTIONS = "sum", "mean"  # of dW and db, over the samples
OF_SAMPLES = "Y", "dX"  # the results with a column, or a row, for each sample


def check_layer(
    forward: Callable[..., Any] | Any | None,
    backward: Callable[..., Any] | None = None,
    *,
    samples: str = "columns",
    reduction: str = "sum",
    dtypes: Sequence[str] = ("float32", "float64"),
    values: Sequence[str] = VALUES,
    layouts: Sequence[str] = ("C", "Fortran"),
    min_size: int = 0,
    max_volume: int = 20_000,
    max_examples: int = 200,
) -> None:
    """Raise AssertionError with the smallest failing problem if a fully-connected layer is wrong anywhere.

    forward(W, X, b) returns Y = W X + b; backward(dY, X, W) returns (dW, db, dX) = (dY Xᵀ, Σ_s dY[:,s], Wᵀ dY).
    W: (T, N), X: (N, B), b: (T,), dY and Y: (T, B). Pass None to leave one out. Or pass one object with both as methods, or
    a layer that keeps its own W and b, with forward(X) and backward(dY) (objects.py).
    samples: "rows" where they are rows, as in PyTorch: X: (B, N), dY and Y: (B, T), and dX: (B, N); W and dW are (T, N).
    reduction: "mean" where dW and db are means over the samples; dX has one gradient for each.

    Each result must have its shape and dtype, be the exact one on small integers, stay within error_bound of the exact
    one on other finite data, be NaN or infinite just where IEEE arithmetic is, and be the same again on a second call;
    no argument may change. The other options are those of layer_problems; "Fortran" among layouts stands for W.T of an
    array as well, so that who reads memory without its strides is seen. max_examples: how many problems to try.
    The search is the same in every run; a bug that only shows above max_volume = T·N·B is not found. The message says
    shapes, index, expected, got and bound.
    """

    if forward is None and backward is None:
        raise ValueError("check_layer needs a forward, a backward or both, got neither")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be 'sum' or 'mean', got {reduction!r:.40}")
    forward, backward = functions_of(forward, backward)
    max_examples = checks.count("max_examples", max_examples, 2)

    # Small problems first: what fails there makes a shorter message than what shrinks from far away. Then all of them.
    searches = [(max(min_size, 1), min(max_volume, 200)), (min_size, max_volume)]
    for least, volume in searches:
        problems = layer_problems(
            dtypes=dtypes, values=values, layouts=layouts, min_size=least, max_volume=volume, samples=samples
        )
        _search(forward, backward, problems, reduction, max_examples // len(searches))


def _search(
    forward: Callable[..., Any] | None,
    backward: Callable[..., Any] | None,
    problems: SearchStrategy[LayerProblem],
    reduction: str,
    max_examples: int,
) -> None:
    @settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,  # one error, the smallest, and not a group of them
        suppress_health_check=list(HealthCheck),
    )
    @given(problems)
    def search(problem: LayerProblem) -> None:
        with np.errstate(all="ignore"):  # infinities and NaN are among the values
            check_problem(forward, backward, problem, reduction)

    search()


def check_problem(
    forward: Callable[..., Any] | None,
    backward: Callable[..., Any] | None,
    problem: LayerProblem,
    reduction: str = "sum",
) -> None:
    """Raise AssertionError if the layer is wrong on this problem."""
    W, X, b, dY = problem.native()
    own, B = problem.arguments(), dY.shape[1]
    if forward is not None:
        given = {name: own[name] for name in ("W", "X", "b")}
        (Y,) = _call("forward", lambda *arrays: (forward(*arrays),), given, ("Y",), problem)
        check_product("forward", "Y", Y, W, X, b, problem)
    if backward is not None:
        given, ones = {name: own[name] for name in ("dY", "X", "W")}, np.ones((B, 1), dY.dtype)
        dW, db, dX = _call("backward", backward, given, ("dW", "db", "dX"), problem)
        count = B if reduction == "mean" else 1
        if count:  # the mean over no samples may be anything
            check_product("backward", "dW", dW, dY, X.T, None, problem, count)
            _check_form("backward", "db", db, (dY.shape[0],), dY.dtype, problem)
            check_product("backward", "db", db[:, np.newaxis], dY, ones, None, problem, count)
        check_product("backward", "dX", dX, W.T, dY, None, problem)


def check_product(
    where: str,
    name: str,
    computed: Any,
    A: np.ndarray,
    X: np.ndarray,
    b: np.ndarray | None,
    problem: LayerProblem,
    count: int = 1,
) -> None:
    """Raise AssertionError unless `computed` is (A X + b)/count.

    It must be exact on integers, else within the bound, and NaN where IEEE says. A quotient is rounded twice more at
    most, and by half of the smallest subnormal number: of the reciprocal of count and of the product with it.
    """
    turns = name in OF_SAMPLES and problem.samples == "rows"
    shape = (A.shape[0], X.shape[1])
    _check_form(where, name, computed, shape[::-1] if turns else shape, A.dtype, problem)
    computed = computed.T if turns else computed
    if problem.values not in FINITE:
        _check_special(where, name, computed, A, X, b, problem)
        return
    exact = exact_product(A, X, b) / count
    bound = np.zeros(exact.shape) if problem.values == "integers" else error_bound(A, X, b) / count
    if count > 1:
        limits = np.finfo(A.dtype)
        bound = bound + 2 * (float(limits.eps) * np.abs(exact.astype(np.float64)) + float(limits.smallest_subnormal))
    errors = exact_errors(computed, exact)
    wrong = np.argwhere(~(errors <= bound))
    if len(wrong):
        place = tuple(int(n) for n in wrong[0])
        raise AssertionError(
            f"{where} is wrong at {name}[{', '.join(map(str, place[::-1] if turns else place))}]: expected "
            f"{float(exact[place])!r}, got {float(computed[place])!r}, error {errors[place]:.3g}, bound {bound[place]:.3g}"
            f"{' (integers: every order is exact)' if problem.values == 'integers' else ''}\n{_describe(problem)}"
        )


def _check_special(
    where: str,
    name: str,
    computed: np.ndarray,
    A: np.ndarray,
    X: np.ndarray,
    b: np.ndarray | None,
    problem: LayerProblem,
) -> None:
    """NaN and infinities where the plain sum of all products has them: nothing is skipped because a factor is 0."""
    with np.errstate(all="ignore"):
        expected = np.sum(A[:, :, np.newaxis].astype(np.float64) * X[np.newaxis, :, :], axis=1)
        expected += 0 if b is None else b[:, np.newaxis]
    kinds = [np.where(np.isnan(Y), "nan", np.where(np.isfinite(Y), "finite", np.sign(Y))) for Y in (expected, computed)]
    wrong = np.argwhere(kinds[0] != kinds[1])
    if len(wrong):
        place = tuple(int(n) for n in wrong[0])
        raise AssertionError(
            f"{where} is wrong at {name}[{', '.join(map(str, place))}]: expected {expected[place]}, got "
            f"{computed[place]}; IEEE arithmetic carries NaN and infinity through every sum\n{_describe(problem)}"
        )


def _call(
    where: str, function: Callable[..., Any], given: dict[str, np.ndarray], names: tuple[str, ...], problem: LayerProblem
) -> tuple[Any, ...]:
    """The results of a call that changes no argument and gives the same again."""
    arguments = tuple(given.values())
    before = [array.tobytes() for array in arguments]
    try:
        first = function(*arguments)
    except Exception as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in given.items())
        raise AssertionError(
            f"{where} raised {type(error).__name__}: {error!s:.200}\nIt was called with {shapes}; {_convention(problem)}\n"
            f"{_describe(problem)}"
        ) from error
    if not isinstance(first, tuple | list) or len(first) != len(names):
        raise AssertionError(f"{where} must return ({', '.join(names)}), got {_words(first)}\n{_describe(problem)}")
    results = [np.array(result) if isinstance(result, np.ndarray) else result for result in first]
    again = function(*arguments)
    for array, content in zip(arguments, before, strict=True):
        if array.tobytes() != content:
            raise AssertionError(f"an argument of shape {array.shape} was changed by the call\n{_describe(problem)}")
    for name, result, repeated in zip(names, results, again, strict=True):
        if isinstance(result, np.ndarray) and not np.array_equal(result, np.asarray(repeated), equal_nan=True):
            raise AssertionError(f"{name} differs between two calls with the same arguments\n{_describe(problem)}")
    return tuple(results)


def _convention(problem: LayerProblem) -> str:
    """How the layer was taken to have its samples, and how to say otherwise."""
    if problem.samples == "rows":
        return "samples are rows, W (T, N), X (B, N), Y and dY (B, T); for columns leave samples='rows' out"
    return "samples are columns, W (T, N), X (N, B), Y and dY (T, B); for rows, as in PyTorch, pass samples='rows'"


def _words(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, tuple | list) else type(result).__name__


def _check_form(
    where: str, name: str, computed: Any, shape: tuple[int, ...], dtype: np.dtype, problem: LayerProblem
) -> None:
    if not isinstance(computed, np.ndarray) or computed.shape != shape or computed.dtype != dtype:
        form = f"shape {computed.shape}, {computed.dtype}" if isinstance(computed, np.ndarray) else type(computed).__name__
        raise AssertionError(
            f"{where} returned {name} of {form}; expected shape {shape}, {dtype}; {_convention(problem)}\n"
            f"{_describe(problem)}"
        )


def _describe(problem: LayerProblem) -> str:
    """Shapes, kind and layouts, and the numbers where they are few."""
    own = problem.arguments()
    shapes, layouts = ", ".join(f"{name} {array.shape}" for name, array in own.items()), ", ".join(problem.layouts)
    lines = [f"{shapes} of {problem.W.dtype.name}; values: {problem.values}; layouts: {layouts}"]
    lines += [f"{name} = {array.tolist()}" for name, array in own.items() if 0 < array.size <= 16]
    return "\n".join(lines)

"""check_layer: the smallest problem on which anybody's fully-connected layer is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from .bounds import error_bound, exact_errors, exact_product
from .problems import FINITE, VALUES, LayerProblem, layer_problems


def check_layer(
    forward: Callable[..., Any] | None,
    backward: Callable[..., Any] | None = None,
    *,
    dtypes: Sequence[str] = ("float32", "float64"),
    values: Sequence[str] = VALUES,
    layouts: Sequence[str] = ("C",),
    min_size: int = 0,
    max_volume: int = 20_000,
    max_examples: int = 200,
) -> None:
    """Raise AssertionError with the smallest failing problem if a fully-connected layer is wrong anywhere.

    forward(W, X, b) returns Y = W X + b; backward(dY, X, W) returns (dW, db, dX) = (dY Xᵀ, Σ_s dY[:,s], Wᵀ dY).
    W: (T, N), X: (N, B), b: (T,), dY and Y: (T, B). Pass None to leave one out.

    Each result must have its shape and dtype, be the exact one on small integers, stay within error_bound of the exact
    one on other finite data, be NaN or infinite just where IEEE arithmetic is, and be the same again on a second call;
    no argument may change. The other options are those of layer_problems; max_examples: how many problems to try.
    The search is the same in every run; a bug that only shows above max_volume = T·N·B is not found. The message says
    shapes, index, expected, got and bound.
    """

    if forward is None and backward is None:
        raise ValueError("check_layer needs a forward, a backward or both, got neither")

    # Small problems first: what fails there makes a shorter message than what shrinks from far away. Then all of them.
    searches = [(max(min_size, 1), min(max_volume, 200)), (min_size, max_volume)]
    for least, volume in searches:
        problems = layer_problems(dtypes=dtypes, values=values, layouts=layouts, min_size=least, max_volume=volume)
        _search(forward, backward, problems, max_examples // len(searches))


def _search(
    forward: Callable[..., Any] | None,
    backward: Callable[..., Any] | None,
    problems: SearchStrategy[LayerProblem],
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
            check_problem(forward, backward, problem)

    search()


def check_problem(forward: Callable[..., Any] | None, backward: Callable[..., Any] | None, problem: LayerProblem) -> None:
    """Raise AssertionError if the layer is wrong on this problem."""
    W, X, b, dY = problem.native()
    if forward is not None:
        (Y,) = _call(lambda *arrays: (forward(*arrays),), (problem.W, problem.X, problem.b), ("Y",), problem)
        check_product("forward", "Y", Y, W, X, b, problem)
    if backward is not None:
        ones = np.ones((dY.shape[1], 1), dY.dtype)
        dW, db, dX = _call(backward, (problem.dY, problem.X, problem.W), ("dW", "db", "dX"), problem)
        check_product("backward", "dW", dW, dY, X.T, None, problem)
        _check_form("backward", "db", db, (dY.shape[0],), dY.dtype, problem)
        check_product("backward", "db", db[:, np.newaxis], dY, ones, None, problem)
        check_product("backward", "dX", dX, W.T, dY, None, problem)


def check_product(
    where: str, name: str, computed: Any, A: np.ndarray, X: np.ndarray, b: np.ndarray | None, problem: LayerProblem
) -> None:
    """Raise AssertionError unless `computed` is A X + b: exact on integers, else within the bound, NaN where IEEE says."""
    _check_form(where, name, computed, (A.shape[0], X.shape[1]), A.dtype, problem)
    if problem.values not in FINITE:
        _check_special(where, name, computed, A, X, b, problem)
        return
    exact = exact_product(A, X, b)
    bound = np.zeros(exact.shape) if problem.values == "integers" else error_bound(A, X, b)
    errors = exact_errors(computed, exact)
    wrong = np.argwhere(~(errors <= bound))
    if len(wrong):
        place = tuple(int(n) for n in wrong[0])
        raise AssertionError(
            f"{where} is wrong at {name}[{', '.join(map(str, place))}]: expected {float(exact[place])!r}, got "
            f"{float(computed[place])!r}, error {errors[place]:.3g}, bound {bound[place]:.3g}"
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
    function: Callable[..., Any], arguments: tuple[np.ndarray, ...], names: tuple[str, ...], problem: LayerProblem
) -> tuple[Any, ...]:
    """The results of a call that changes no argument and gives the same again."""
    before = [array.tobytes() for array in arguments]
    first = function(*arguments)
    if not isinstance(first, tuple | list) or len(first) != len(names):
        raise AssertionError(f"backward must return ({', '.join(names)}), got {_words(first)}\n{_describe(problem)}")
    results = [np.array(result) if isinstance(result, np.ndarray) else result for result in first]
    again = function(*arguments)
    for array, content in zip(arguments, before, strict=True):
        if array.tobytes() != content:
            raise AssertionError(f"an argument of shape {array.shape} was changed by the call\n{_describe(problem)}")
    for name, result, repeated in zip(names, results, again, strict=True):
        if isinstance(result, np.ndarray) and not np.array_equal(result, np.asarray(repeated), equal_nan=True):
            raise AssertionError(f"{name} differs between two calls with the same arguments\n{_describe(problem)}")
    return tuple(results)


def _words(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, tuple | list) else type(result).__name__


def _check_form(
    where: str, name: str, computed: Any, shape: tuple[int, ...], dtype: np.dtype, problem: LayerProblem
) -> None:
    if not isinstance(computed, np.ndarray) or computed.shape != shape or computed.dtype != dtype:
        form = f"shape {computed.shape}, {computed.dtype}" if isinstance(computed, np.ndarray) else type(computed).__name__
        raise AssertionError(f"{where} returned {name} of {form}; expected shape {shape}, {dtype}\n{_describe(problem)}")


def _describe(problem: LayerProblem) -> str:
    """Shapes, kind and layouts, and the numbers where they are few."""
    lines = [
        ", ".join(f"{name} {getattr(problem, name).shape}" for name in ("W", "X", "b", "dY"))
        + f" of {problem.W.dtype.name}; values: {problem.values}; layouts: {', '.join(problem.layouts)}"
    ]
    for name in ("W", "X", "b", "dY"):
        array = getattr(problem, name)
        if 0 < array.size <= 16:
            lines.append(f"{name} = {array.tolist()}")
    return "\n".join(lines)

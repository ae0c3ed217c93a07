"""What tests of interrupted trainings share: a training that stops after any minibatch, as Ctrl-C stops it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc
from numbafc.nn import engine


class _Counting:
    """Minibatches of the engine, one in each call."""

    def __init__(self, kernel: Any, before_each: Any) -> None:
        self.compile, self.kernel, self.before_each = kernel.compile, kernel, before_each

    def __call__(self, *arguments: Any) -> None:
        self.before_each()
        self.kernel(*arguments)

    def unchecked(self, *arguments: Any) -> None:
        self.before_each()
        self.kernel.unchecked(*arguments)


@contextmanager
def before_each_minibatch(call: Any) -> Iterator[None]:
    """Python's own look between two calls of the engine, but for every minibatch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CALL", 0.0)  # one minibatch a call
        for name in ("_serial", "_parallel"):
            patch.setattr(engine, name, _Counting(getattr(engine, name), call))
        yield


def fit_for(net: fc.MLP, minibatches: int, *data: Any, **options: Any) -> bool:
    """fit, interrupted after so many minibatches. Whether it came to its end before."""
    left = minibatches

    def interrupt() -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1

    with before_each_minibatch(interrupt):
        try:
            net.fit(*data, **options)
        except KeyboardInterrupt:
            return False
    return True


def assert_same_training(got: fc.MLP, expected: fc.MLP) -> None:
    """The same parameters, and all that decides what becomes of them."""
    assert_same_bits(got.parameters, expected.parameters, "parameters")
    one, other = got.training, expected.training
    assert one is not None
    assert other is not None
    for name, state in other.state.items():
        assert_same_bits(one.state[name], state, name)
    columns = ("epoch", "loss", "score", "validation_loss", "validation_score", "samples", "learning_rate")
    for column in columns:  # all but seconds
        np.testing.assert_array_equal(getattr(one.history, column), getattr(other.history, column), column)
    assert one.order == other.order
    assert (one.waited, one.best_loss, one.recipe, one.epochs) == (
        other.waited,
        other.best_loss,
        other.recipe,
        other.epochs,
    )
    np.testing.assert_array_equal(one.results, other.results)
    for kept in ("best", "last"):
        np.testing.assert_array_equal(getattr(one, kept), getattr(other, kept), kept)

"""check_layer for layers of other conventions: samples in rows, means, objects; and what it says where a layer is wrong."""

import numpy as np
import pytest
from helpers import raised

from numbafc.testing import check_layer


def forward(W, X, b):
    return X @ W.T + b


def backward(dY, X, W):
    return dY.T @ X, dY.sum(axis=0), dY @ W


def means(dY, X, W):
    B = max(len(X), 1)
    return dY.T @ X / X.dtype.type(B), dY.sum(axis=0) / X.dtype.type(B), dY @ W


def means_of_columns(dY, X, W):
    dW, db, dX = means(dY.T, X.T, W)
    return dW, db, dX.T


def check(*layer, **options):
    with np.errstate(all="ignore"):
        check_layer(*layer, max_examples=60, **options)


def test_layers_of_rows_and_of_means_are_right():
    check(forward, backward, samples="rows")
    check(forward, means, samples="rows", reduction="mean")
    check(lambda W, X, b: W @ X + b[:, None], means_of_columns, reduction="mean")


@pytest.mark.parametrize(
    ("layer", "options", "words"),
    [
        ((forward, backward), {"samples": "rows", "reduction": "mean"}, "backward is wrong at d[Wb]"),
        ((forward, means), {"samples": "rows"}, "backward is wrong at d[Wb]"),
        ((None, lambda dY, X, W: (*means(dY, X, W)[:2], dY @ W / max(len(X), 1))),
         {"samples": "rows", "reduction": "mean"}, "backward is wrong at dX"),
        ((lambda W, X, b: forward(W, X, b)[::-1],), {"samples": "rows", "min_size": 1}, r"forward is wrong at Y\[0, \d+\]"),
        ((None, lambda dY, X, W: (dY.T @ X, dY.sum(axis=0), dY @ W + 1)), {"samples": "rows"}, "backward is wrong at dX"),
    ],
)  # fmt: skip
def test_wrong_ones_are_found(layer, options, words):
    import re

    assert re.search(words, raised(lambda: check(*layer, **options)))


def test_a_place_is_the_layer_s_own():
    """Y[1, 0] of samples in rows is sample 1, output 0."""

    def second_sample_wrong(W, X, b):
        Y = forward(W, X, b)
        Y[1:2, :1] += 1
        return Y

    assert "forward is wrong at Y[1, 0]" in raised(lambda: check(second_sample_wrong, samples="rows"))


def test_the_other_convention_is_said_with_the_shapes():
    message = raised(lambda: check(forward, backward))
    assert "forward raised ValueError" in message
    assert "It was called with W (" in message
    assert "samples are columns, W (T, N), X (N, B)" in message
    assert "pass samples='rows'" in message

    def strict(W, X, b):
        assert X.shape[1] == W.shape[1], "shapes do not match"
        return forward(W, X, b)

    assert "forward raised AssertionError: shapes do not match" in raised(lambda: check(strict, min_size=1))
    returned = raised(lambda: check(lambda W, X, b: (W @ X + b[:, None]).T, min_size=1))
    assert "expected shape" in returned
    assert "pass samples='rows'" in returned
    assert "leave samples='rows' out" in raised(lambda: check(lambda W, X, b: W @ X + b[:, None], samples="rows"))


def contiguous(W):
    """What a library makes of an array's memory that does not look at its strides."""
    return np.lib.stride_tricks.as_strided(W, W.shape, (W.itemsize * W.shape[1], W.itemsize))


def test_a_layer_that_reads_a_transposed_weight_as_contiguous_is_found():
    layer = lambda W, X, b: forward(contiguous(W), X, b)  # noqa: E731
    assert "layouts: Fortran" in raised(lambda: check(layer, samples="rows"))
    check(layer, samples="rows", layouts=("C",))  # as it passed before


# ---- objects ----------------------------------------------------------------------------------------------------------


class Keeps:
    """A layer as courses write it: it has its weights, and what backward needs."""

    def __init__(self):
        self.W = self.b = self.X = self.dW = self.db = None

    def forward(self, X):
        self.X = X
        return forward(self.W, X, self.b)

    def backward(self, dY):
        self.dW, self.db, dX = backward(dY, self.X, self.W)
        return dX


class Accumulates(Keeps):
    """Gradients are added to zeros of the shapes that it was made with."""

    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros((3, 2)), np.zeros(3)

    def backward(self, dY):
        dW, db, dX = backward(dY, self.X, self.W)
        self.dW, self.db = self.dW + dW, self.db + db
        return dX


class Forgets(Keeps):
    def backward(self, dY):
        dX = super().backward(dY)
        self.db = np.zeros_like(self.db)
        return dX


class Adds(Keeps):
    """Gradients are added to what was there, and nobody clears them."""

    def backward(self, dY):
        before = self.dW
        dX = super().backward(dY)
        if before is not None and before.shape == self.dW.shape:
            self.dW = self.dW + before
        return dX


class Functions:
    forward, backward = staticmethod(forward), staticmethod(backward)


def test_objects_are_layers():
    check(Keeps(), samples="rows")
    check(Adds(), samples="rows")  # cleared before each call
    check(Accumulates(), samples="rows")
    check(Functions(), samples="rows")
    assert "backward is wrong at db" in raised(lambda: check(Forgets(), samples="rows"))


def test_what_is_no_layer_is_named():
    class Nameless:
        def forward(self, X):
            return X

        backward = forward

    with pytest.raises(TypeError, match="must keep its weights as one of W, weight"):
        check(Nameless())
    with pytest.raises(TypeError, match="got int"):
        check(3)
    for wrong, words in (({"samples": "row"}, "'columns' or 'rows'"), ({"reduction": "none"}, "'sum' or 'mean'")):
        with pytest.raises(ValueError, match=words):
            check(forward, **wrong)

"""The fix proposed for bad targets is right for the values that came: following it never destroys them."""

import numpy as np
import pytest

import numbafc as fc

X = np.ones((4, 3))
WORDS, ONE_HOT = np.array(["cat", "dog", "cat", "eel"]), np.eye(3)[[0, 1, 0, 2]]


def net(loss="cross_entropy", T=3):
    return fc.MLP([3, T], loss=loss)


def test_a_column_of_classes_is_taken_as_it_is():
    y = np.array([0, 1, 2, 1])
    nets = net(), net()
    nets[0].fit(X, y)
    nets[1].fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    assert nets[0].score(X, y[:, np.newaxis]) == nets[0].score(X, y)


REFUSED = [  # loss, outputs, targets, error, what the message has, what it must not have
    ("cross_entropy", 3, WORDS, TypeError, "words such as 'cat'; classes, y = np.unique(y, return_inverse=True)", "astype"),
    ("cross_entropy", 3, WORDS.astype(object), TypeError, "words such as 'cat'; classes, y = np.unique", "astype"),
    ("cross_entropy", 3, np.array(["a" * 10**6] * 4), TypeError, "words such as 'aaaa", "astype"),
    ("cross_entropy", 3, WORDS[:, np.newaxis], TypeError, "words such as 'cat'; classes, y = np.unique", "argmax"),
    ("cross_entropy", 3, np.array([0.0, 1, 2, 1]), TypeError, "dtype float64; use y.astype(int)", "mse"),
    ("cross_entropy", 3, np.array([0, 1, 2, 1], object), TypeError, "dtype object; use y.astype(int)", "mse"),
    ("cross_entropy", 3, np.array([0.1, 0.9, 0.5, 1.0]), TypeError, "reals such as 0.1; for real targets use", "int)"),
    ("cross_entropy", 3, np.array([0, 1, np.nan, 1]), TypeError, "got nan at sample 2; remove or fill", "int)"),
    ("cross_entropy", 3, np.array([0, 1, 2j, 1]), TypeError, "dtype complex128", "int)"),
    ("cross_entropy", 3, ONE_HOT, ValueError, "for one column per class pass y.argmax(axis=1)", "mse"),
    ("cross_entropy", 3, ONE_HOT * 0.9 + 0.1 / 3, ValueError, "for one column per class pass y.argmax(axis=1)", "mse"),
    ("cross_entropy", 3, 1 - ONE_HOT, ValueError, "use the loss 'binary_cross_entropy' for independent labels", "argmax"),
    ("cross_entropy", 3, ONE_HOT * 7.5, ValueError, "use the loss 'mse' for real targets", "argmax"),
    ("cross_entropy", 3, np.full((4, 2), np.nan), ValueError, "use the loss 'mse'", "argmax"),
    ("cross_entropy", 3, np.ones((4, 1, 1), int), ValueError, "got shape (4, 1, 1)", "argmax"),
    ("cross_entropy", 3, [[0, 1], [1]], ValueError, "got rows of several lengths", "argmax"),
    ("cross_entropy", 3, np.array([1, 2, 3, 1]), ValueError, "got 3 at sample 2; classes, y = np.unique(y,", "int)"),
    ("mse", 1, WORDS, TypeError, "words such as 'cat'; for classes use the loss 'cross_entropy'", "float"),
    ("mse", 1, np.array(["1.5", "2", "3", "4e5"]), TypeError, "words such as '1.5'; y.astype(float)", "cross_entropy"),
    ("mse", 1, np.array(["1.5", "nan", "3", "4"]), TypeError, "words such as '1.5'; for classes", "astype(float)"),
    ("mse", 3, np.array([0, 1, 2, 1]), ValueError, "for one class index per sample use the loss 'cross_entropy'", "argmax"),
    ("mse", 3, np.array([0.5, 1, 2, 1]), ValueError, "one column per output of the network, got (4,)", "cross_entropy"),
    ("binary_cross_entropy", 1, np.array([-1, 1, 1, -1]), ValueError, "for labels such as -1 and 1 pass (y > 0)", "int)"),
    ("binary_cross_entropy", 1, WORDS, TypeError, "words such as 'cat'", "float"),
    ("poisson", 1, np.array([1, 2, -0.5, 3]), ValueError, "got -0.5 at sample 2, output 0; for other reals", "int)"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "T", "y", "error", "has", "has_not"), REFUSED)
def test_the_advice_is_chosen_by_the_values(loss, T, y, error, has, has_not):
    with pytest.raises(error) as refused:
        net(loss, T).fit(X, y)
    message = str(refused.value)
    assert has in message
    assert has_not not in message
    assert len(message) <= 300


def test_following_the_advice_keeps_the_targets():
    classes, y = np.unique(WORDS, return_inverse=True)
    net().fit(X, y)
    assert (classes[y] == WORDS).all()
    net().fit(X, ONE_HOT.argmax(axis=1))
    net().fit(X, np.array([0.0, 1, 2, 1]).astype(int))
    net("mse", 1).fit(X, np.array(["1.5", "2", "3", "4e5"]).astype(float))

"""Measures of predictions: examples worked out by hand."""

import numpy as np

import numbafc as fc
from numbafc.nn import metrics


def test_precision_and_recall_of_classes():
    y = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 1])
    found = metrics.of_classes(y, predicted, 4)
    np.testing.assert_array_equal(found.precision, [3 / 4, 1 / 3, np.nan, np.nan])  # nothing was said to be of 2 or 3
    np.testing.assert_array_equal(found.recall, [3 / 4, 1 / 2, 0, np.nan])  # nothing is of 3
    np.testing.assert_array_equal(found.f1, [3 / 4, 2 / 5, 0, np.nan])
    np.testing.assert_array_equal(found.samples, [4, 2, 1, 0])


def test_precision_and_recall_of_labels():
    y = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
    predicted = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]], bool)
    found = metrics.of_labels(y, predicted)
    np.testing.assert_array_equal(found.precision, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_array_equal(found.recall, [1, 1 / 2, np.nan])
    np.testing.assert_array_equal(found.f1, [4 / 5, 2 / 4, np.nan])
    np.testing.assert_array_equal(found.samples, [2, 2, 0])


def test_errors_of_reals():
    y = np.array([[1, 5, 5], [2, 5, 5], [3, 5, 5]], np.float32)
    predicted = np.array([[2, 5, 5], [2, 5, 5], [2, 5, 8]], np.float32)
    errors = metrics.of_reals(y, predicted)
    # 1 − 2/2 where the mean is said; a target that does not vary has 1 if all are right, else 0
    np.testing.assert_array_equal(errors.r2, [0, 1, 0])
    np.testing.assert_allclose(errors.rmse, [np.sqrt(2 / 3), 0, np.sqrt(3)], rtol=1e-15)
    np.testing.assert_allclose(errors.mae, [2 / 3, 0, 1], rtol=1e-15)


def test_r2_is_the_score_of_one_output():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50)
    net = fc.MLP([3, 1], loss="mse", dtype="float64")
    errors = metrics.of_reals(y[:, np.newaxis], net.predict(X)[:, np.newaxis])
    np.testing.assert_allclose(errors.r2, [net.score(X, y)], rtol=1e-12)


def test_errors_of_float32_do_not_overflow():
    y, predicted = np.full((2, 1), 3e38, np.float32), np.full((2, 1), -3e38, np.float32)
    errors = metrics.of_reals(y, predicted)
    assert np.isfinite(errors.rmse).all()
    assert np.isfinite(errors.mae).all()

"""Measures of classes, probabilities and residuals, against scikit-learn's and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numbafc.nn import calibration, metrics

CLASSES = 5


@st.composite
def classified(draw):
    """Class indices that are so and that were said, (samples,)."""
    n = draw(st.integers(1, 40))
    indices = hnp.arrays(np.intp, n, elements=st.integers(0, CLASSES - 1))
    return draw(indices), draw(indices)


@st.composite
def probable(draw, both=True):
    """What is so, (samples,) bool, and probabilities: few values, for ties, and the ends of bins."""
    n = draw(st.integers(2, 40))
    y = draw(hnp.arrays(bool, n))
    if both:
        y[:2] = True, False
    some = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1, width=32))
    return y, draw(hnp.arrays(np.float32, n, elements=some.map(lambda p: float(np.float32(p)))))


@given(classified())
def test_classes_are_measured_as_scikit_learn_does(given_):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, predicted = given_
    found, labels = metrics.of_classes(y, predicted, CLASSES), range(CLASSES)
    expected = sklearn.precision_recall_fscore_support(y, predicted, labels=labels, zero_division=np.nan)
    for name, one, other in zip(found._fields, found, expected, strict=True):
        # quotients of the same whole numbers; F1 from them is rounded once, by way of precision and recall four times
        np.testing.assert_allclose(one, other, rtol=1e-15 if name == "f1" else 0, atol=0, err_msg=name)
    matrix = metrics.confusion(y, predicted, CLASSES)
    np.testing.assert_array_equal(matrix, sklearn.confusion_matrix(y, predicted, labels=labels))
    pairs = metrics.most_confused(matrix, 3)
    assert [count for *_, count in pairs] == sorted((matrix[c, k] for c, k, _ in pairs), reverse=True)
    off = sorted((matrix[c, k] for c in labels for k in labels if c != k and matrix[c, k]), reverse=True)
    assert [count for *_, count in pairs] == off[:3]
    assert all(c != k for c, k, _ in pairs)


@given(probable())
def test_probabilities_are_measured_as_scikit_learn_does(given_):
    sklearn = pytest.importorskip("sklearn.metrics")
    from sklearn.calibration import calibration_curve

    y, p = given_
    # both are quotients of sums of some forty terms in [0, 1]; scikit-learn adds up trapezoids
    np.testing.assert_allclose(calibration.roc_auc(y, p), sklearn.roc_auc_score(y, p), rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        calibration.brier(y, p), sklearn.brier_score_loss(y, p.astype(np.float64)), rtol=0, atol=1e-14
    )
    false, true, _ = sklearn.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_array_equal(calibration.roc_curve(y, p), (false, true))
    found = calibration.reliability(y, p)
    share, said = calibration_curve(y, p.astype(np.float64), n_bins=calibration.BINS)
    filled = found.samples > 0
    np.testing.assert_allclose(found.share[filled], share, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.said[filled], said, rtol=0, atol=1e-14)


@given(probable(both=False))
def test_every_sample_is_in_one_bin_and_the_error_is_their_mean_gap(given_):
    y, p = given_
    found = calibration.reliability(y, p)
    assert found.samples.sum() == len(y)
    gap = 0.0
    for low, high, samples in zip(found.low, found.high, found.samples, strict=True):
        inside = (p.astype(np.float64) <= high) & ((p > low) | (low == 0))
        assert inside.sum() == samples
        if samples:
            gap += samples / len(y) * abs(p[inside].astype(np.float64).mean() - y[inside].mean())
    np.testing.assert_allclose(calibration.expected_error(found), gap, rtol=0, atol=1e-14)


@given(probable(), st.integers(0, 2**32))
def test_the_area_knows_no_order_of_samples_and_turns_with_the_sign(given_, seed):
    y, p = given_
    order = np.random.default_rng(seed).permutation(len(y))
    area = calibration.roc_auc(y, p)
    assert calibration.roc_auc(y[order], p[order]) == area
    assert abs(calibration.roc_auc(y, -p) - (1 - area)) <= 1e-15
    pairs = [(a > b) + (a == b) / 2 for a in p[y] for b in p[~y]]
    assert abs(area - sum(pairs) / len(pairs)) <= 1e-15


def test_what_has_no_answer_is_nan():
    one = np.ones(3, bool)
    assert np.isnan(calibration.roc_auc(one, np.arange(3.0)))
    assert np.isnan(calibration.roc_auc(~one, np.arange(3.0)))
    assert np.isnan(calibration.roc_auc(np.array([True, False]), np.array([np.nan, 1])))
    assert np.isnan(calibration.expected_error(calibration.reliability(one[:0], np.empty(0))))


def test_perfect_and_worthless_probabilities():
    y = np.array([True, False, True, False])
    assert calibration.roc_auc(y, y.astype(float)) == 1
    assert calibration.roc_auc(y, np.full(4, 0.5)) == 0.5
    assert calibration.expected_error(calibration.reliability(y, np.full(4, 0.5))) == 0
    assert calibration.expected_error(calibration.reliability(y, np.full(4, 1.0))) == 0.5
    assert calibration.brier(y, np.full(4, 0.5)) == 0.25


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e6, 1e6)))
def test_quantiles_of_residuals_are_between_the_least_and_the_largest(y):
    found = metrics.residual_quantiles(y, np.zeros_like(y))
    assert found.shape == (len(metrics.QUANTILES), y.shape[1])
    assert (np.diff(found, axis=0) >= 0).all()
    np.testing.assert_array_equal(found[[0, -1]], [y.min(axis=0), y.max(axis=0)])
    # of numbers up to 1e6, interpolated in a few roundings
    np.testing.assert_allclose(found[3], np.median(y, axis=0), rtol=0, atol=1e-9)

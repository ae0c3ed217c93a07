"""RealMLP-TD-S's settings: how many epochs, when a training has been patient enough, targets as they are learnt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import EpochRecord, realmlp


@pytest.mark.parametrize(
    ("samples", "batch", "epochs"),
    [(1, 1, 48), (96, 96, 48), (4096, 256, 48), (6000, 256, 44), (13_209, 256, 32), (26_048, 256, 32), (2**20, 256, 16)],
)
def test_small_tables_have_48_epochs_and_large_ones_fewer(samples, batch, epochs):
    assert realmlp.epochs(samples, batch) == epochs


@given(st.integers(1, 10**9), st.integers(1, 1024))
def test_epochs_fall_with_the_samples_and_are_always_some(samples, batch):
    epochs, more = realmlp.epochs(samples, batch), realmlp.epochs(samples + batch, batch)
    assert 1 <= more <= epochs <= realmlp.EPOCHS
    assert epochs * max(samples // batch, 1) <= max(realmlp.MOST_STEPS, samples // batch)


def record(epoch, score):
    return EpochRecord(epoch, 0.0, 0.0, 0.0, score, 0.0, 1, 0.1)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, float("nan")]), min_size=1, max_size=300))
def test_patience_ends_where_the_best_epoch_of_equal_ones_the_last_lies_far_back(scores):
    patience, best = realmlp.Patience(), 0
    for epoch, score in enumerate(scores, 1):
        known = [s for s in scores[:epoch] if not np.isnan(s)]
        if known and score == max(known):
            best = epoch
        assert patience(record(epoch, score)) == (best > 0 and epoch > 40 + 3 * best)


@given(st.integers(2, 40), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_targets_are_learnt_with_mean_0_and_deviation_1(samples, middle, scale):
    targets = np.random.default_rng(samples).normal(middle, scale, (samples, 2))
    targets[:, 1] = middle  # which does not vary
    net = fc.MLP([1, 2], loss="mse", dtype="float64")
    net.standardize(None, targets)
    np.testing.assert_allclose(net.target_mean, targets.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(net.target_scale, [targets[:, 0].std(), 1.0], rtol=1e-6)

"""Values on an edge: slopes at 0, an output of 0, the last lane of a strip, the last whole number, a share that is rounded.

Each of these was once changed on purpose and no test saw it; perf/mutation.py has the changes.
"""

import os
import stat

import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc
from numbafc import formulas
from numbafc.files import datasets, replacing, values
from numbafc.kernels.target import STRIP
from numbafc.nn import ACTIVATIONS, LOSSES, Cosine, OneCycle, OnPlateau, Step, dropout, initializers
from numbafc.nn.activations import LEAK, SELU_ALPHA, SELU_SCALE

# ---- activations ----

AT_ZERO = {  # φ' at 0 and at −0, as PyTorch has it
    "identity": 1,
    "relu": 0,
    "tanh": 1,
    "sigmoid": 0.25,
    "leaky_relu": 0.01,
    "elu": 1,
    "selu": 1.0507009873554805 * 1.6732632423543772,
    "softplus": 0.5,
    "gelu": 0.5,
    "silu": 0.5,
    "mish": 0.6,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_slope_at_0_is_known(name, dtype):
    slopes = ACTIVATIONS[name].slopes(np.array([0.0, -0.0], dtype))
    np.testing.assert_array_max_ulp(slopes, np.full(2, AT_ZERO[name], dtype), maxulp=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "selu"])
def test_activations_in_two_pieces_are_each_their_own_down_to_the_smallest_numbers(name, dtype):
    """The pieces meet at 0: y = ±2⁻ⁿ, and the smallest numbers there are."""
    info = np.finfo(dtype)
    small = 2.0 ** np.arange(-60, 5)
    y = np.concatenate([small, [info.smallest_normal, info.smallest_subnormal]]).astype(dtype)
    y = np.concatenate([y, -y])
    above, wide = y > 0, y.astype(np.longdouble)
    below = {
        "relu": (0 * wide, 0 * wide),
        "leaky_relu": (wide / 100, np.full(len(y), 0.01)),
        "elu": (np.expm1(wide), np.exp(wide)),
        "selu": (SELU_SCALE * SELU_ALPHA * np.expm1(wide), SELU_SCALE * SELU_ALPHA * np.exp(wide)),
    }[name]
    scale = SELU_SCALE if name == "selu" else 1
    H = y.copy()
    S = ACTIVATIONS[name].slopes(H)
    # φ is right to 2 ulp, and to half a subnormal; a slope h + c to as much of c
    close = {"rtol": 4 * info.eps, "atol": float(info.smallest_subnormal)}
    np.testing.assert_allclose(H, np.where(above, scale * wide, below[0]).astype(dtype), **close)
    expected = np.where(above, scale, below[1]).astype(dtype)
    np.testing.assert_allclose(S, expected, rtol=0, atol=4 * info.eps)
    assert (S[above] == np.asarray(scale, dtype)).all()


def test_the_constants_are_those_of_the_papers():
    assert (LEAK, SELU_SCALE, SELU_ALPHA) == (0.01, 1.0507009873554805, 1.6732632423543772)
    y = np.array([0.0, -0.0], np.float32)
    ACTIVATIONS["relu"].apply(y)
    assert not np.signbit(y).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_where_their_pieces_meet(dtype):
    """y − z = 0 and ±1, where mae and huber change, and next to them."""
    e = np.finfo(dtype).eps
    y = np.array([[0, 1, -1, 1 + e, -1 - e, 1 - e, 2]], dtype)
    z = np.zeros((y.shape[1], 1), dtype)
    a = np.abs(y[0])
    np.testing.assert_array_equal(LOSSES["mae"].gradient(y, z), np.sign(y))
    np.testing.assert_array_equal(LOSSES["mae"].per_sample(y, z), a)
    np.testing.assert_array_equal(LOSSES["huber"].gradient(y, z), np.clip(y, -1, 1))
    np.testing.assert_allclose(LOSSES["huber"].per_sample(y, z), np.where(a <= 1, a * a / 2, a - 0.5), rtol=2 * e)


# ---- kernel="loops" ----

EDGES = [STRIP - 1, STRIP, STRIP + 1, 2 * STRIP, 2 * STRIP + 1]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("S", EDGES)
def test_loops_reach_the_last_lane_of_every_strip(S, threads):
    """On integers, where NumPy is exact: each letter takes each length once, with one thread and with those there are."""
    rng, before = np.random.default_rng(S), fc.get_num_threads()
    fc.set_num_threads(min(threads, before))
    try:
        for T, N, B in ((3, 5, S), (3, S, 5), (S, 5, 3), (5, S, STRIP + 1), (0, 3, S), (3, 0, S)):
            W, X, b, dY = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((T, N), (N, B), (T,), (T, B)))
            bordered = np.full((T + 2, B + 2), np.nan, np.float32)
            fc.forward(W, X, b, out=bordered[1:-1, 1:-1], kernel="loops")
            np.testing.assert_array_equal(bordered[1:-1, 1:-1], W @ X + b[:, np.newaxis])
            bordered[1:-1, 1:-1] = np.nan
            assert np.isnan(bordered).all()  # nothing beside it was written
            np.testing.assert_array_equal(fc.forward(W, X, kernel="loops"), W @ X)
            dW, db, dX = fc.backward(dY, X, W, kernel="loops")
            np.testing.assert_array_equal(dW, dY @ X.T)
            np.testing.assert_array_equal(db, dY.sum(axis=1))
            np.testing.assert_array_equal(dX, W.T @ dY)
            for bias in (False, True):
                squares = np.square(dY).sum(axis=0), np.square(X).sum(axis=0) + bias
                expected = np.sqrt(squares[0]) * np.sqrt(squares[1])
                got = fc.per_sample_grad_norms(dY, X, bias=bias)
                np.testing.assert_array_max_ulp(got, expected.astype(np.float32), maxulp=1)
    finally:
        fc.set_num_threads(before)


@pytest.mark.parametrize("K", [255, 256, 257, 512, 513])
def test_loops_and_tiles_begin_a_block_after_256_products(K):
    """Not on integers: bits tell one chain from two."""
    rng = np.random.default_rng(K)
    W, X = rng.standard_normal((2, K)).astype(np.float32), rng.standard_normal((K, 3)).astype(np.float32)
    expected = fc.forward(W, X, kernel="formula")
    for kernel in ("loops", "tiled"):
        assert_same_bits(fc.forward(W, X, kernel=kernel), expected, kernel)
    for bias in (False, True):
        norms = np.empty(3, np.float32)
        formulas.per_sample_grad_norms(W[:, :1] * X[:1], X, bias, norms)
        assert_same_bits(fc.per_sample_grad_norms(W[:, :1] * X[:1], X, bias=bias), norms, "norms")


# ---- what a network says ----


def silent(loss, T=2):
    """A network whose outputs are 0, whatever comes."""
    net = fc.MLP([3, T], loss=loss)
    net.parameters[:] = 0
    return net


def test_an_output_of_0_is_no_and_so_is_a_target_of_a_half():
    net, X = silent("binary_cross_entropy"), np.ones((4, 3))
    np.testing.assert_array_equal(net.predict(X), np.zeros((4, 2)))
    assert net.score(X, np.full((4, 2), 0.5)) == 1.0
    assert net.score(X, np.full((4, 2), 0.5 + 2**-20)) == 0.0
    net.biases[0][:] = [2**-100, -(2**-100)]
    np.testing.assert_array_equal(net.predict(X), [[1, 0]] * 4)
    assert net.score(X, np.array([[1, 0]] * 3 + [[0, 0]])) == 7 / 8


def test_of_equal_outputs_the_first_is_said():
    net, X = silent("cross_entropy", 3), np.ones((2, 3))
    np.testing.assert_array_equal(net.predict(X), [0, 0])
    net.biases[0][:] = [0, 1, 1]
    np.testing.assert_array_equal(net.predict(X), [1, 1])
    assert net.score(X, [1, 2]) == 0.5


def test_r_squared_has_a_mean_for_each_output():
    net, X = silent("mse"), np.ones((4, 3))
    y = np.array([[1.0, 101], [2, 102], [3, 103], [4, 104]])
    net.biases[0][:] = y.mean(axis=0)
    assert net.score(X, y) == 0.0  # each output's own mean is said
    net.biases[0][:] = [0, 0]
    assert net.score(X, y) == pytest.approx(1 - np.square(y).sum() / 10, rel=1e-15)


def test_r_squared_of_targets_that_do_not_vary():
    net, X = silent("mse"), np.ones((4, 3))
    assert net.score(X, np.zeros((4, 2))) == 1.0
    assert net.score(X, np.ones((4, 2))) == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_know_label_smoothing(dtype):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    plain, smooth = fc.MLP([4, 3], dtype=dtype), fc.MLP([4, 3], dtype=dtype, label_smoothing=0.3)
    found = smooth.gradients(X, y)
    assert found.loss == pytest.approx(smooth.loss(X, y), rel=1e-6)
    assert abs(found.loss - plain.loss(X, y)) > 0.01
    P = smooth.predict_proba(X).astype(np.float64)
    target = 0.7 * np.eye(3)[y] + 0.1
    np.testing.assert_allclose(found.biases[0], (P - target).mean(axis=0), rtol=0, atol=1e-6)  # 6 numbers below 1


@pytest.mark.parametrize(
    ("seed", "word"),
    [
        (0, 0),
        (2**62, 2**62),
        (2**63 - 2, 2**63 - 2),
        (2**63 - 1, 0),
        (2**63, 1),
        (2**64 - 1, 1),
        (10**30, 10**30 % (2**63 - 1)),
    ],
)
def test_a_seed_of_any_size_is_folded_into_a_word(seed, word):
    """Hypothesis draws few large integers: of a hundred up to 10³⁰ one was above 2⁶³."""
    assert dropout.folded(seed) == word
    masks = np.ones((2, 3, 40), np.float32)
    for mask, one in zip(masks, (seed, word), strict=True):
        dropout.drop(mask, np.ones_like(mask), 0.5, one, 0, 0)
    assert_same_bits(masks[0], masks[1], "masks")
    assert 30 < (masks[0] == 0).sum() < 90  # of 120, half on average: 5 standard deviations
    other = np.ones((3, 40), np.float32)
    dropout.drop(other, np.ones_like(other), 0.5, seed + 1, 0, 0)
    assert not np.array_equal(other, masks[0])


# ---- initial weights ----


@pytest.mark.parametrize(("N", "T"), [(400, 100), (100, 400)])
def test_the_variance_of_initial_weights_tells_inputs_from_outputs(N, T):
    """0.7 %: a standard deviation of the variance of 40 000 normal numbers."""
    variances = {"he": 2 / N, "lecun": 1 / N, "xavier": 2 / (N + T)}
    for name, variance in variances.items():
        for form, largest in (("normal", 3.5), ("uniform", 3**0.5)):
            W = fc.MLP([N, T], init=f"{name}_{form}").weights[0]
            assert W.var() == pytest.approx(variance, rel=0.035)
            assert (np.abs(W).max() > largest * variance**0.5) == (form == "normal")
    for activation, gain in (("relu", 2), ("tanh", 1), ("leaky_relu", 2), ("selu", 1), ("gelu", 2), ("mish", 2)):
        assert fc.MLP([N, T], activation).weights[0].var() == pytest.approx(gain / N, rel=0.035)
    assert set(initializers.VARIANCES) == set(variances)


# ---- schedules ----


def plateau(losses, factor=0.5, patience=2):
    """How often the rate has fallen before each epoch."""
    schedule = OnPlateau(factor, patience)
    factors = [schedule.factors(n, 99, 2, losses[: n - 1]) for n in range(1, len(losses) + 2)]
    assert all((two == two[0]).all() and two.shape == (2,) for two in factors)
    return [round(np.log(two[0]) / np.log(factor)) for two in factors]


@pytest.mark.parametrize(
    ("losses", "falls"),
    [
        ([1] * 9, [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]),  # again and again
        ([4, 3, 2, 1, 0.5], [0] * 6),
        ([1, 1, 0.5, 0.5, 0.5], [0, 0, 0, 0, 0, 1]),  # what is better begins the count anew
        ([1, 1 - 1e-5, 1 - 2e-5], [0, 0, 0, 1]),  # a share of 1e-4 is wanted
        ([1, 1 - 2e-4, 1 - 4e-4], [0, 0, 0, 0]),
        ([-1, -1 - 1e-5, -1 - 2e-5], [0, 0, 0, 1]),  # of losses below 0, too
        ([-1, -1.1, -1.2], [0, 0, 0, 0]),
        ([-1, -0.99, -0.98], [0, 0, 0, 1]),
        ([0, 0, 0], [0, 0, 0, 1]),
        ([0, -1e-9, -2e-9], [0, 0, 0, 0]),
        ([100, 99.995, 99.985], [0, 0, 0, 0]),  # below the best by more, in two steps
        ([np.inf, np.inf, 1, 1, 1], [0, 0, 1, 1, 1, 2]),
        ([np.nan, np.nan, 1], [0, 0, 1, 1]),
    ],
)
def test_a_plateau_is_seen_whenever_it_is_one(losses, falls):
    assert plateau(losses) == falls


def test_a_step_falls_after_each_so_many_epochs():
    schedule = Step(3, 0.5)
    factors = [schedule.factors(n, 9, 1, [])[0] for n in range(1, 10)]
    np.testing.assert_array_equal(factors, [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25])
    assert (Step(1, 1.0).gamma, Step().every, Step().gamma) == (1.0, 10, 0.1)


@pytest.mark.parametrize("batches", [1, 2, 3, 7])
@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_schedules_that_know_their_end_are_their_formulas_at_every_minibatch(epochs, batches):
    everything = epochs * batches
    n = np.arange(1, everything + 1)

    def of(schedule):
        return np.concatenate([schedule.factors(e, epochs, batches, []) for e in range(1, epochs + 1)])

    for warm_up, final in ((0.0, 0.0), (0.3, 0.2), (0.9, 0.5)):
        m = round(warm_up * everything)
        with np.errstate(divide="ignore", invalid="ignore"):
            down = final + (1 - final) * (1 + np.cos(np.pi * (n - m) / (everything - m))) / 2
            expected = np.where(n <= m, n / m, down)
        np.testing.assert_allclose(of(Cosine(warm_up, final)), expected, rtol=0, atol=1e-15)
    for rise, start, final in ((0.3, 0.04, 4e-6), (0.5, 0.5, 0.25), (0.75, 0.0, 0.0)):
        last = max(everything - 1, 1)
        share = np.where(n - 1 <= rise * last, (n - 1) / (rise * last), (last - n + 1) / (last - rise * last))
        low = np.where(n - 1 <= rise * last, start, final)
        expected = low + (1 - low) * (1 - np.cos(np.pi * share)) / 2
        np.testing.assert_allclose(of(OneCycle(rise, start, final)), expected, rtol=0, atol=1e-15)


# ---- files ----


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_whole_numbers_are_classes_as_far_as_a_float_tells_them_apart(tmp_path, dtype):
    """From 2^(bits + 1) on a number and its neighbour may be one."""
    first = 2.0 ** (np.finfo(dtype).nmant + 1)
    for largest, classes in ((first - 1, True), (first, False), (-first + 1, True), (-first, False), (0.5, False)):
        np.savez(tmp_path / "x.npz", X=np.ones((2, 1)), y=np.array([1, largest], dtype))
        data = datasets.load(tmp_path / "x.npz", dtype="float64")
        assert (data.classes is not None) == classes, largest
    for other in (np.inf, np.nan):
        assert not values._are_whole(np.array([1, other], dtype))


@pytest.mark.parametrize(
    ("samples", "share", "held_out"),
    [(10, 0.27, 3), (10, 0.23, 2), (7, 0.5, 4), (5, 0.5, 2), (3, 0.9, 2), (3, 0.01, 1), (2, 0.5, 1), (1000, 0.2996, 300)],
)
def test_a_split_is_rounded_to_the_nearest_and_leaves_one_sample_at_least(samples, share, held_out):
    data = datasets.Dataset("x", np.arange(samples, dtype=np.float32)[:, np.newaxis], np.arange(samples), None)
    rest, part = data.split(share, seed=0)
    assert (len(part.X), len(rest.X)) == (held_out, samples - held_out)
    order = np.random.default_rng([0, 2]).permutation(samples)
    np.testing.assert_array_equal(part.y, order[:held_out])
    np.testing.assert_array_equal(rest.y, order[held_out:])
    np.testing.assert_array_equal(part.X[:, 0], part.y)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_has_the_mode_that_open_would_give_it(tmp_path, umask):
    before = os.umask(umask)
    try:
        replacing.write_whole(tmp_path / "new", b"content")
        with (tmp_path / "opened").open("wb"):
            pass
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "opened")]
    assert modes == [0o666 & ~umask] * 2


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "old"
    for mode in (0o600, 0o644, 0o666, 0o640):
        path.write_bytes(b"old")
        path.chmod(mode)
        replacing.write_whole(path, b"new")
        assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")

"""The compiled minibatches: the bits of the loop in Python, for every network, thread count and instruction set."""

import _thread
import threading
import time

import numpy as np
import pytest
from helpers import assert_same_bits, run_python
from hypothesis import given
from hypothesis import strategies as st
from numba.core.runtime import _nrt_python, rtsys

import numbafc as fc
from numbafc.formulas import SUM_BLOCK
from numbafc.kernels import product
from numbafc.kernels.epilogue import Epilogue, StepSettings
from numbafc.nn import ACTIVATIONS, LOSSES, engine, training, updates
from numbafc.nn.losses import split_targets
from numbafc.nn.recipe import Regularization
from numbafc.nn.results import DONE, no_results
from numbafc.nn.run import Data

OPTIMIZERS = [
    fc.SGD(0.01),
    fc.SGD(0.01, weight_decay=0.1),
    fc.SGD(0.01, momentum=0.9),
    fc.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
    fc.Adam(),
    fc.Adam(0.01, weight_decay=0.01),
    fc.AdamW(),
    fc.RMSprop(weight_decay=0.01),
    fc.RMSprop(momentum=0.5),
    fc.Adagrad(weight_decay=0.01),
]


def data(rng, sizes, loss, samples):
    X = rng.standard_normal((samples, sizes[0]))
    y = rng.integers(0, sizes[-1], samples) if loss == "cross_entropy" else rng.uniform(0, 1, (samples, sizes[-1]))
    return X, y


def trained(epochs_function, sizes, activation, loss, dtype, smoothing, standardized, fit):
    """The network after fit(net), run by one of the two."""
    net = fc.MLP(sizes, activation, loss, dtype, seed=1, label_smoothing=smoothing)
    if standardized is not None:
        net.standardize(standardized)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "compiled_epochs", epochs_function)
        try:
            return net, fit(net)
        except FloatingPointError as error:
            return net, str(error)


@given(
    st.lists(st.sampled_from([1, 2, 5, 12, 13, 17, 33]), min_size=2, max_size=5),
    st.sampled_from(list(ACTIVATIONS)),
    st.sampled_from(list(LOSSES)),
    st.sampled_from(OPTIMIZERS),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1, 3, 16, 17, 32, 100]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {}, {"dropout": 0.3}]),
    st.sampled_from([{}, {}, {"clip_norm": 0.1}, {"clip_sample_norm": 0.5}, {"clip_norm": 0.1, "clip_sample_norm": 0.5}]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_training_has_the_bits_of_its_definition(
    sizes, activation, loss, optimizer, dtype, batch, weighted, standardized, dropout, clipping, smooth, seed
):
    rng = np.random.default_rng(seed)
    X, y = data(rng, sizes, loss, samples=37)
    weight = rng.integers(0, 3, 37) + (np.arange(37) == 0) if weighted else None

    def fit(net):
        options = {"optimizer": optimizer, "batch_size": batch, "epochs": 2, "sample_weight": weight, **dropout, **clipping}
        return net.fit(X, y, **options)

    smoothing = 0.1 if smooth and loss == "cross_entropy" else 0.0
    settings = sizes, activation, loss, dtype, smoothing, X if standardized else None
    one, history = trained(training.compiled_epochs, *settings, fit)
    other, expected = trained(training.python_epochs, *settings, fit)
    assert_same_bits(one.parameters, other.parameters, "parameters")
    if isinstance(expected, str):
        assert history == expected
    else:
        assert history.loss == expected.loss
        np.testing.assert_array_equal(history.score, expected.score)


@pytest.mark.parametrize("optimizer", [fc.SGD(0.1), fc.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1)], ids=repr)
@pytest.mark.parametrize("batch", [SUM_BLOCK - 1, SUM_BLOCK, SUM_BLOCK + 1])
def test_steps_in_tiles_end_with_a_block(batch, optimizer):
    """Tiles do a step of gradient descent themselves, where the sums over a batch are one block."""
    rng = np.random.default_rng(0)
    X, y = data(rng, [20, 33, 5], "cross_entropy", samples=SUM_BLOCK + 1)
    settings = [20, 33, 5], "relu", "cross_entropy", "float32", 0.0, None
    both = (
        trained(epochs, *settings, lambda net: net.fit(X, y, optimizer=optimizer, batch_size=batch, epochs=2))[0]
        for epochs in (training.compiled_epochs, training.python_epochs)
    )
    assert_same_bits(*(net.parameters for net in both), "parameters")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if o.compiled().states], ids=repr)
def test_a_unit_that_no_longer_learns_leaves_zeros_in_the_state(optimizer, dtype):
    """Numbers below the normal ones would stay for ever, and made each step of Adam take twice as long."""
    info, compiled = np.finfo(dtype), optimizer.compiled()
    tiny = info.smallest_normal
    numbers = np.array([tiny, 1.5 * tiny, 1e3 * tiny, info.smallest_subnormal, 0, 1, np.inf, np.nan], dtype)
    numbers = np.concatenate([numbers, -numbers] * 5)  # more than a loop of vectors takes at once
    states = [{name: np.abs(numbers) if name == "square" else numbers.copy() for name in compiled.states} for _ in range(2)]
    for state in states:
        state["powers"] = np.ones(2)
    theirs, ours = np.zeros((2, len(numbers)), dtype)
    none = np.empty(0, dtype)
    for step in range(2):
        g = np.where(np.arange(len(numbers)) < 40 * step, -np.sqrt(tiny) / 4, 0).astype(dtype)
        with np.errstate(all="ignore"):
            optimizer.update(theirs, g.copy(), states[0])
        settings = updates.settings_for(compiled.numbers, optimizer.learning_rate, states[1]["powers"], np.dtype(dtype))
        one, other = [*(states[1][name] for name in compiled.states), none][:2]
        with np.errstate(all="ignore"):
            compiled.update.function(ours, g, one, other, settings)  # the formula in plain Python, number by number
        for name in compiled.states:
            assert_same_bits(states[1][name], states[0][name], f"{name} after step {step}")
            if step == 0 and not isinstance(optimizer, fc.Adagrad):  # whose state never decays
                assert not ((states[0][name] != 0) & (np.abs(states[0][name]) < tiny)).any()
                assert (states[0][name][[0, 3, 8, 11]] == 0).all()
    assert_same_bits(ours, theirs, "parameters")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_in_tiles_is_flushed_as_its_definition_is(nesterov, dtype):
    """Velocities below the smallest normal number, some of which decay while others grow."""
    (T, N, B), info, optimizer = (13, 37, 20), np.finfo(dtype), fc.SGD(0.1, momentum=0.9, nesterov=nesterov)
    dY, X = np.zeros((T, B), dtype), np.ones((N, B), dtype)
    dY[1::2, 0] = info.smallest_normal / 4  # the gradient of each weight in these rows
    numbers = np.array([info.smallest_normal, 2e3 * info.smallest_normal, info.smallest_subnormal, 0, 1, -1], dtype)
    ours, theirs = ([np.ones(T * N, dtype), np.resize(np.append(numbers, -numbers), T * N)] for _ in range(2))
    optimizer.update(theirs[0], np.repeat(dY[:, 0], N), {"velocity": theirs[1]})
    settings = updates.settings_for(optimizer.compiled().numbers, optimizer.learning_rate, np.ones(2), np.dtype(dtype))
    none, workspace, W = np.empty(0, dtype), np.empty(20_000, dtype), ours[0].reshape(T, N)
    flags, state = product.TRANSPOSE_Q | Epilogue.MOMENTUM << product.EPILOGUE, ours[1].ctypes.data - ours[0].ctypes.data
    assert product.on_one_thread.unchecked(dY, X, settings, W, none, workspace, flags, state) == 0
    assert_same_bits(ours[1], theirs[1], "velocity")
    assert_same_bits(ours[0], theirs[0], "parameters")
    small = (theirs[1] != 0) & (np.abs(theirs[1]) < info.smallest_normal)
    assert small.any()
    assert (theirs[1] == 0).any()


def test_the_settings_that_a_tile_reads_are_the_first_of_an_optimizer_s():
    """The microkernel reads them by their place."""
    assert updates.Settings._fields[: len(StepSettings._fields)] == StepSettings._fields


def test_small_squares_of_gradients_add_up():
    """Each is too small to be kept alone, when what is left of the sum is subnormal too."""
    v, g = {"mean": np.zeros(1, "f"), "square": np.zeros(1, "f"), "powers": np.ones(2)}, np.full(1, 3e-18, "f")
    for _ in range(3000):
        fc.Adam().update(np.zeros(1, "f"), g, v)
    assert v["square"][0] == pytest.approx(9e-36 * (1 - 0.999**3000), rel=0.01, abs=0)


@given(st.integers(1, 12), st.integers(1, 40), st.sampled_from(["float32", "float64"]), st.integers(0, 2**32 - 1))
def test_a_hit_is_a_sample_whose_first_largest_logit_is_that_of_its_class(T, B, dtype, seed):
    rng = np.random.default_rng(seed)
    Y, classes, samples = rng.integers(-1, 2, (T, B)).astype(dtype), rng.integers(0, T, 50), rng.permutation(50)[:B]
    none, dY, losses, scratch = np.empty(0, dtype), np.empty(T * B, dtype), np.empty(B, dtype), np.empty(2 * B, dtype)
    hits = LOSSES["cross_entropy"].run(Y.reshape(-1), classes, none, samples, dY, losses, scratch, 0.0)
    assert hits == np.count_nonzero(Y.argmax(axis=0) == classes[samples])


THREADS = """
import sys, hashlib, numpy as np
import numbafc as fc
from numbafc.nn import engine, minibatch
engine.PARALLEL = minibatch.PARALLEL = minibatch.PARALLEL_GATHER = 0  # every product and every batch is split
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for activation, loss, optimizer, batch, options in (
    ("relu", "cross_entropy", "adam", 32, {}),
    ("tanh", "mse", "sgd", 3, {"clip_norm": 0.5}),
    ("gelu", "cross_entropy", "adamw", 32, {"dropout": 0.25, "clip_sample_norm": 1.0}),
):
    for dtype in ("float32",):
        X = rng.standard_normal((150, 20))
        y = rng.integers(0, 6, 150) if loss == "cross_entropy" else rng.standard_normal((150, 6))
        results = set()
        for threads in (1, 2, 3, 5):
            fc.set_num_threads(threads)
            net = fc.MLP([20, 37, 70, 6], activation, loss, dtype)
            net.standardize(X)
            net.fit(X, y, optimizer=optimizer, batch_size=batch, epochs=2, **options)
            results.add(net.parameters.tobytes())
        assert len(results) == 1, (activation, dtype)
        digest.update(results.pop())
print(digest.hexdigest())
"""


def test_threads_and_instruction_sets_change_no_bit(tmp_path):
    """A network of one thread and one of five, on AVX-512, AVX2 and neither, have the same weights after training."""
    cache = {"NUMBA_NUM_THREADS": "5", "NUMBA_CACHE_DIR": str(tmp_path)}  # PARALLEL is part of what is compiled
    builds = {"host": {}, "neither": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}}
    if {"avx2", "fma"} <= set(fc._numba.environment()["cpu_features"]):
        builds["AVX2"] = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    done = {name: run_python(THREADS, **cache, **build) for name, build in builds.items()}
    digests = {result.stdout for result in done.values()}
    assert len(digests) == 1, {name: result.stderr for name, result in done.items()}
    assert len(digests.pop()) == 65, done["host"].stderr


def an_engine(regularization, sizes=(20, 30, 4), batch=16, samples=64):
    optimizer = fc.Adam()
    net = fc.MLP(sizes)
    X, y = data(np.random.default_rng(0), sizes, "cross_entropy", samples)
    none = np.empty(0, np.float32)
    rows = Data(X.astype(np.float32), *split_targets(LOSSES["cross_entropy"], y, net.dtype), np.empty(0), none, none)
    parts, state = (ACTIVATIONS["relu"], LOSSES["cross_entropy"], optimizer.compiled()), optimizer.init(net.parameters)
    run = engine.Engine(net.sizes, net.parameters, *parts, state, rows, batch, regularization)
    return run, np.arange(samples)


@pytest.mark.parametrize("regularization", [Regularization(), Regularization(0.5, 1.0, 0.1, 0.1, 7)])
def test_minibatches_allocate_nothing(regularization):
    run, order = an_engine(regularization)
    rates, results = np.full(4, 1e-3), no_results()
    run.epoch(order, rates, 0, results.copy())
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        run.epoch(order, rates, 4, results)
        assert rtsys.get_allocation_stats() == before
        assert results[DONE] == 4
    finally:
        _nrt_python.memsys_disable_stats()


def test_a_call_is_a_moment_so_that_an_interrupt_is_seen():
    X, y = data(np.random.default_rng(0), (256, 10), "cross_entropy", 20_000)
    net, times = fc.MLP([256, 256, 10]), []
    net.fit(X[:64], y[:64])  # compiled

    def interrupt():
        times.append(time.perf_counter())
        _thread.interrupt_main()

    threading.Timer(0.3, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=10_000)
    assert time.perf_counter() - times[0] < 1
    assert np.isfinite(net.parameters).all()


def test_a_subclass_is_run_by_its_own_update():
    calls = []

    class Mine(fc.SGD):
        def update(self, parameters, gradients, state):
            calls.append(1)

    net = fc.MLP([3, 2])
    before = net.parameters.copy()
    net.fit(np.ones((4, 3)), np.zeros(4, int), optimizer=Mine(0.1), batch_size=2)
    assert len(calls) == 2
    assert_same_bits(net.parameters, before, "parameters")


PEAK = """
import numpy as np, numbafc as fc
def high_water():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
rng = np.random.default_rng(0)
X, y = rng.standard_normal((512, 1024)).astype(np.float32), rng.integers(0, 1024, 512)
small = fc.MLP([1024, 8, 1024])
small.fit(X, y, batch_size=256, optimizer="OPTIMIZER")
net = fc.MLP([1024] * 4)
before = high_water()
net.fit(X, y, batch_size=256, optimizer="OPTIMIZER")
print(high_water() - before, net.parameters.nbytes)
"""


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("adam", 2)])
def test_training_needs_little_memory(optimizer, states):
    """parameters · (2 + states) + activations + 8 MiB in all; the parameters themselves are there before."""
    done = run_python(PEAK.replace("OPTIMIZER", optimizer))
    if not done.stdout and "proc" in done.stderr:
        pytest.skip("needs /proc")
    grown, parameters = map(int, done.stdout.split())
    activations = 4 * 256 * 1024 * 6  # H₀ to H₃ and two dY
    assert grown <= parameters * (1 + states) + activations + 8 * 2**20


def test_batches_may_be_far_larger_than_layers():
    """What a product packs or sums up row by row grows with the batch: its workspace is made before."""
    X = np.random.default_rng(0).standard_normal((100_000, 1)).astype(np.float32)
    y = np.zeros(len(X), int)
    nets = [fc.MLP([1, 260, 4]) for _ in range(2)]
    nets[0].fit(X, y, optimizer="sgd", batch_size=len(X), shuffle=False)
    gradients = nets[1].gradients(X, y).parameters
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters - np.float32(0.01) * gradients)


def test_what_somebody_set_is_settled_before_it_is_compiled():
    X, y = data(np.random.default_rng(0), (4, 2), "cross_entropy", 20)
    nets = [fc.MLP([4, 2]) for _ in range(2)]
    nets[0].input_mean, nets[0].input_scale = np.full(1, 0.5), np.full(4, 2.0)
    nets[1].input_mean, nets[1].input_scale = np.full(4, 0.5, np.float32), np.full(4, 2.0, np.float32)
    for net in nets:
        net.fit(X, y)
    assert_same_bits(nets[0].parameters, nets[1].parameters, "parameters")
    nets[0].parameters.flags.writeable = False
    with pytest.raises(ValueError, match="the parameters are read-only"):
        nets[0].fit(X, y)

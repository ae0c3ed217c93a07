"""Concurrent training: in several Python threads and in a forked process; and the memory that an epoch allocates."""

import functools
import os

import numpy as np
import pytest
from helpers import allocated_by_epochs, run_python

import numbafc as fc

LAYERS = ["workqueue", "omp"]
START = """
import os, threading
import numpy as np
import numbafc as fc
rng = np.random.default_rng(0)
X, y = rng.standard_normal((64, 256)), rng.integers(0, 4, 64)

def bits(seed):
    net = fc.MLP([256, 256, 4], seed=seed)   # a layer that threads share
    net.fit(X, y, epochs=3, dropout=0.1)
    return net.parameters.tobytes()

expected = [bits(seed) for seed in range(3)]
"""
THREADS = """
found = [[] for _ in expected]
threads = [threading.Thread(target=lambda n=n: found[n].extend(bits(n) for _ in range(5))) for n in range(len(expected))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print([set(bits) == {one} for bits, one in zip(found, expected)])
"""
FORK = """
child = os.fork()
if child == 0:
    print([bits(seed) == one for seed, one in enumerate(expected)], flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, bits(0) == expected[0])
"""


def run(code, layer):
    done = run_python(
        START + code, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2", PYTHONWARNINGS="ignore", timeout=120
    )
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"{layer} is not on this machine")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("layer", LAYERS)
def test_networks_trained_at_the_same_time_have_the_bits_of_one_after_the_other(layer):
    assert run(THREADS, layer) == ["[True, True, True]"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_process_forked_after_a_training_trains(layer):
    assert run(FORK, layer) == ["[True, True, True]", "0 True"]


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "clip_norm": 1.0, "clip_sample_norm": 1.0}])
def test_an_epoch_allocates_the_parameters_and_an_order_of_samples(options):
    """However many minibatches it has. All else, the parameters' gradients and moments too, was made before the first."""
    samples = 4000
    net = fc.MLP([20, 300, 3])
    X = np.random.default_rng(0).standard_normal((samples, 20)).astype(np.float32)

    fit = functools.partial(net.fit, X, np.zeros(samples, int), batch_size=10, epochs=4, **options)
    peaks = allocated_by_epochs(fit)
    rates, order = 3 * 8 * 400, 8 * samples  # the schedule's, checked, and times the optimizer's own
    assert max(peaks[1:]) <= net.parameters.nbytes + order + rates + 8192

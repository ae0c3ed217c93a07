"""The border of compiled code: whatever a kernel or a public method is given, it is a sentence or the right result.

All are called with arrays of other kinds, with arrays that nobody may write, that are too short or not in order, and with
what is no array, in processes of their own (border_calls.py): no crash, nothing written before the sentence or outside an
array, and afterwards trainings and the layer have the bits of a process that never saw such.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import border_calls
import numpy as np
import pytest
from helpers import assert_same_bits

import numbafc as fc
from numbafc import _numba
from numbafc.kernels import product
from numbafc.kernels.epilogue import Epilogue
from numbafc.kernels.vector.expression import Expression
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, compiled

CALLS = Path(border_calls.__file__)


def process(group, folder, crashes=5):
    """What a process says that makes all calls of a group: its report, and the names of the calls that ended it."""
    place, crashed = folder / "call", []
    while True:
        command = [sys.executable, "-P", "-X", "faulthandler", str(CALLS), group, str(place), *crashed]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout), crashed
        name = place.read_text(encoding="utf-8").strip()
        if len(crashed) == crashes or name in crashed or not name:
            raise AssertionError(f"{[*crashed, name]} ended the process ({done.returncode}): {done.stderr[-2000:]}")
        crashed.append(name)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return process("nothing", tmp_path_factory.mktemp("untouched"))[0]["results"]


@pytest.mark.parametrize("group", ["kernels", "methods"])
def test_wild_arguments_are_a_sentence_or_the_right_result(group, untouched, tmp_path):
    report, crashed = process(group, tmp_path)
    assert not crashed, f"these calls ended the process: {crashed}"
    assert not report["wrong"], "\n".join([f"{len(report['wrong'])} of {report['calls']}:", *report["wrong"][:40]])
    assert report["calls"] > 3000
    assert report["results"] == untouched


def test_every_kernel_is_checked_or_private():
    """Compiled code looks at types and memory alone: lengths and indices are for the check."""
    found = border_calls.all_kernels()
    assert {"kernels.product.on_one_thread", "nn.optimizers.adam_update", "nn.engine._serial"} <= set(found)
    assert [name for name, one in found.items() if one.check is None and not border_calls.is_private(name)] == []


def test_every_checked_kernel_has_good_arguments_here():
    """So that its checks are seen to let through what is right, too."""
    unknown = [
        name
        for name, one in border_calls.kernels().items()
        if one.function.__code__.co_varnames[: one.function.__code__.co_argcount] not in border_calls.GOOD
    ]
    assert not unknown


def test_every_public_method_of_the_registries_is_called_here():
    public = {"apply", "slopes", "chain", "per_sample", "gradient", "init", "update"}
    for one in (*ACTIVATIONS.values(), *LOSSES.values(), fc.SGD()):
        methods = {n for n in set(dir(one)) - set(dir(tuple)) if not n.startswith("_") and callable(getattr(one, n))}
        # update is update_spans with one span
        assert methods - {"run", "targets", "compiled", "update_spans"} <= public, one


@pytest.mark.parametrize("dtype", [np.int64, np.complex64, np.float16, ">f8", object, None, "float64", np.float64], ids=str)
def test_nothing_is_compiled_for_other_numbers(dtype):
    """An integer array once left integer code under float64's key, for both have eight bytes."""
    kernel = _numba.kernel(lambda real: (_numba.flat(real),), parallel=False)(lambda a: 0)
    if dtype not in (None, "float64", np.float64):
        dtype = np.dtype(dtype)
    with pytest.raises(TypeError, match="float32 and float64 only"):
        kernel.compile(dtype)
    assert not kernel.entries


class Kind:
    """What is no array, but has what is asked of one."""

    itemsize, dtype, ndim, shape = 8, np.dtype(np.float64), 1, (4,)


@pytest.mark.parametrize(
    "value", [None, 5, "wild", [1.0], memoryview(np.ones(4)), Kind(), np.float64(1)], ids=lambda value: type(value).__name__
)
def test_the_compiled_function_itself_asks_what_it_is_given(value):
    """The layer calls it without a detour, so it must not read what is no array."""

    @_numba.kernel(lambda real: (_numba.flat_in(real), _numba.flat(real)), parallel=False)
    def copy(A, to):
        for n in range(len(to)):
            to[n] = A[n]

    entry, to = copy.compile(np.dtype(np.float64)), np.zeros(4)
    with pytest.raises(TypeError, match="a kernel takes contiguous aligned arrays of float64 with 1 axes"):
        entry(value, to)
    locked = np.zeros(4)
    locked.flags.writeable = False
    with pytest.raises(TypeError, match="a kernel takes contiguous writeable aligned arrays"):
        entry(np.ones(4), locked)
    entry(locked, to)
    assert not to.any()
    entry(np.ones(4).view(np.memmap), to)
    assert to.all()


def test_what_the_border_cannot_check_is_not_for_everybody():
    """The step with momentum in tiles is told where memory is; and what decides is read in one piece."""
    dtype, none = np.dtype(np.float32), np.empty(0, np.float32)
    A, X, R, work = np.ones((6, 20), dtype), np.ones((20, 16), dtype), np.full((6, 16), 5, dtype), np.empty(10_000, dtype)
    with pytest.raises(ValueError, match="the epilogue MOMENTUM"):
        product.on_one_thread(A, X, np.ones(16, dtype), R, none, work, Epilogue.MOMENTUM << product.EPILOGUE, 0)
    for b in (np.ones(192, dtype)[::2], np.ones(96, dtype)[::-1]):
        flags = Epilogue.RELU_BACKWARD << product.EPILOGUE
        assert product.on_one_thread(A, X, b, R, none, work, flags, 0) == product.UNFIT
    assert (R == 5).all()


@pytest.mark.parametrize("epilogue", [Epilogue.BIAS, Epilogue.BIAS_RELU, Epilogue.RELU_BACKWARD, Epilogue.SGD])
def test_an_epilogue_s_b_may_not_overlap_what_is_written(epilogue):
    """Only that of BIAS was looked at."""
    length = {Epilogue.BIAS: 6, Epilogue.BIAS_RELU: 6, Epilogue.RELU_BACKWARD: 96, Epilogue.SGD: 16}[epilogue]
    memory, none, workspace = np.full(200, 5, np.float32), np.empty(0, np.float32), np.empty(10_000, np.float32)
    A, X, R = np.ones((6, 20), np.float32), np.ones((20, 16), np.float32), memory[:96].reshape(6, 16)
    flags = product.CHECK_OVERLAP | epilogue << product.EPILOGUE
    assert product.on_one_thread(A, X, memory[95 : 95 + length], R, none, workspace, flags, 0) == product.OVERLAP
    assert (memory == 5).all()
    assert product.on_one_thread(A, X, memory[96 : 96 + length], R, none, workspace, flags, 0) == 0


def test_settings_of_optimizers_have_limits_or_are_left_alone():
    """A setting without limits became True or False."""
    for kind in OPTIMIZERS.values():
        assert {field.name for field in dataclasses.fields(kind)} <= {*compiled.LIMITS, "nesterov"}, kind

    @dataclasses.dataclass(frozen=True)
    class Mine(fc.SGD):
        lookahead: int = 5

    assert Mine(0.1).lookahead == 5
    assert type(Mine(np.float32(0.1)).learning_rate) is float


@pytest.mark.parametrize("optimizer", [fc.Adam(), fc.AdamW()], ids=repr)
def test_powers_of_a_state_are_its_own_and_float64(optimizer):
    """Without them Adam repeated its first step for ever, and integers gave wrong parameters."""
    parameters = np.ones(2)
    state = optimizer.init(parameters)
    locked = np.ones(2)
    locked.flags.writeable = False
    for wrong in (
        np.ones(2, int),
        np.ones(2, np.float32),
        np.ones(3),
        [1.0, 1.0],
        (1.0, 1.0),
        None,
        locked,
        np.ones(4)[::2],
    ):
        with pytest.raises(ValueError, match="state's powers must be a writeable float64 array of two numbers"):
            optimizer.update(parameters, np.ones(2), state | {"powers": wrong})
    with pytest.raises(TypeError, match="state must be what init made, with mean, square, powers in it"):
        optimizer.update(parameters, np.ones(2), {name: state[name] for name in ("mean", "square")})
    for other in (parameters, state["mean"]):
        with pytest.raises(ValueError, match="shares memory with"):
            optimizer.update(parameters, np.ones(2), state | {"powers": other})
    assert (parameters == 1).all()
    assert not state["mean"].any()
    optimizer.update(parameters, np.ones(2), state)
    assert state["powers"].tolist() == [0.9, 0.999]


def test_a_formula_of_an_epilogue_with_an_if_is_refused():
    """It would be the code of one branch, in silence."""
    vector = Expression(None, None)
    for formula in (lambda y: y if y else 0, lambda y: y and 0, lambda y: y or 0, lambda y: not y):
        with pytest.raises(TypeError, match="use select"):
            formula(vector)


def packed(array):
    """The same numbers in a column of packed records: not aligned, and not side by side."""
    records = np.zeros(len(array), [("flag", np.uint8), ("numbers", array.dtype, array.shape[1:])])
    records["numbers"] = array
    assert not records["numbers"].flags.aligned
    return records["numbers"]


def shifted(array):
    """The same numbers side by side, but not aligned."""
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    copy = raw.view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("make", [packed, shifted])
def test_fit_takes_the_data_that_predict_takes(make, loss, dtype):
    """Unaligned X was refused by fit, and so were targets and weights."""
    rng = np.random.default_rng(0)
    X, weight = rng.standard_normal((20, 5)).astype(dtype), rng.uniform(1, 2, 20)
    y = rng.integers(0, 3, 20) if loss == "cross_entropy" else rng.standard_normal((20, 3)).astype(dtype)
    nets = []
    for change in (np.array, make):
        net = fc.MLP([5, 4, 3], "tanh", loss, dtype)
        net.fit(change(X), change(y), sample_weight=change(weight), epochs=2, batch_size=6)
        nets.append((net.parameters, net.outputs(change(X))))
    for got, expected in zip(*nets, strict=True):
        assert_same_bits(got, expected, "fit and outputs")


def test_fit_takes_data_that_nobody_may_write(tmp_path):
    """Read-only memory maps of all that is only read, and the bits of a copy."""
    rng = np.random.default_rng(0)
    X, y, weight = rng.standard_normal((20, 5)), rng.standard_normal((20, 3)), rng.uniform(1, 2, 20)
    nets = []
    for mode in ("c", "r"):
        arrays = []
        for name, array in (("X", X), ("y", y), ("weight", weight)):
            array.tofile(tmp_path / name)
            arrays.append(np.memmap(tmp_path / name, array.dtype, mode, shape=array.shape))
        net = fc.MLP([5, 4, 3], "relu", "mse", "float64")
        net.fit(arrays[0], arrays[1], sample_weight=arrays[2], epochs=2, batch_size=6)
        nets.append(net.parameters)
    assert_same_bits(*nets, "parameters")


def test_an_engine_refuses_what_does_not_fit_it():
    """Its loops rely on every length and every place: nothing is asked of an array once they run."""
    from numbafc.nn.engine import Engine
    from numbafc.nn.recipe import Regularization
    from numbafc.nn.results import DONE, no_results
    from numbafc.nn.run import Data

    sizes, parameters, rng = (5, 4, 3), np.zeros(5 * 4 + 4 + 4 * 3 + 3), np.random.default_rng(0)
    none = np.empty(0)
    good = Data(rng.standard_normal((20, 5)), np.zeros(20, np.int64), none, none, none, none)

    def engine(sizes=sizes, parameters=parameters, data=good, batch_size=6):
        momentum = fc.SGD(momentum=0.9)
        parts = ACTIVATIONS["relu"], LOSSES["cross_entropy"], momentum.compiled(), momentum.init(parameters)
        return Engine(sizes, parameters, *parts, data, batch_size, Regularization())

    wrong = [
        {"parameters": parameters[:-1]},
        {"sizes": (5, 4, 4)},
        {"data": good._replace(rows=good.rows[:, :4])},
        {"data": good._replace(rows=good.rows[0])},
        {"data": good._replace(rows=good.rows[:19])},
        {"data": good._replace(classes=np.full(20, 3))},
        {"data": good._replace(classes=np.full(20, -1))},
        {"data": good._replace(targets=np.zeros(60))},
        {"data": good._replace(weight=np.ones(19))},
        {"data": good._replace(mean=np.ones(4), scale=np.ones(4))},
        {"data": good._replace(mean=np.ones(5))},
        {"batch_size": 0},
        {"batch_size": 2**63},
    ]
    for change in wrong:
        with pytest.raises(ValueError, match=r"must|has|have"):
            engine(**change)
    order, rates, one = np.arange(20), np.ones(4), engine()
    for bad in (
        (order[:-3], rates),
        (order, rates[:3]),
        (order, np.ones(5)),
        (order + 1, rates),
        (order - 1, rates),
        (np.full(20, 2**63 - 1), rates),
    ):
        results = no_results()
        with pytest.raises(ValueError, match=r"minibatches|order must be"):
            one.epoch(*bad, 0, results)
        assert not results.any()
    for done in (-1, 5, np.nan):
        results = no_results()
        results[DONE] = done
        with pytest.raises(ValueError, match="minibatches"):
            one.epoch(order, rates, 0, results)
    assert not parameters.any()
    one.epoch(order, rates, 0, no_results())
    assert parameters.any()

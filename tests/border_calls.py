"""Calls with wild arguments of all kernels and public methods, for test_border.py, which runs this in processes of its own.

`python border_calls.py GROUP PLACE SKIPPED…` prints what went wrong, as JSON. Before each call its name is written to the
file PLACE, so that a crash has a name; calls named in SKIPPED are left out.
"""

import functools
import hashlib
import importlib
import itertools
import json
import os
import pkgutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import numbafc as fc
from numbafc import nn
from numbafc._numba import Kernel
from numbafc.kernels import loops, product
from numbafc.kernels.epilogue import LENGTH_OF_SETTINGS, Epilogue
from numbafc.nn import clipping, dropout

REALS = np.dtype(np.float32), np.dtype(np.float64)
T, B, NUMBERS = 3, 2, 6  # outputs, samples, and as many numbers as both have together
WIDTH = 400  # of the name of a call
SENTINEL, MARGIN = 0xA5, 64  # bytes around every array: nobody writes there


# ---- what there is to call ------------------------------------------------------------------------------------------


def modules():
    for info in pkgutil.walk_packages(fc.__path__, "numbafc."):
        if not info.name.startswith(("numbafc.cli", "numbafc.__main__")):
            try:
                module = importlib.import_module(info.name)
            except ImportError as error:
                if "pip install" not in str(error):  # of an extra that is not installed
                    raise
            else:
                yield module


def inside(name, value, depth=3):
    """Kernels in a value: itself, in a registry, or in a named tuple."""
    if isinstance(value, Kernel):
        yield name, value
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            yield from inside(f"{name}[{key!r}]", item, depth - 1)
    elif depth and isinstance(value, tuple):
        for field, item in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            yield from inside(f"{name}.{field}", item, depth - 1)


def all_kernels():
    """Every kernel of the package by a name: that of its own module, a public one if there is one."""
    found = {}
    for module in modules():
        for attribute, value in vars(module).items():
            for name, one in inside(f"{module.__name__.removeprefix('numbafc.')}.{attribute}", value):
                rank = one.function.__module__ != module.__name__, is_private(name), name
                if id(one) not in found or rank < found[id(one)][0]:
                    found[id(one)] = rank, name, one
    return {name: one for _, name, one in sorted(found.values(), key=lambda entry: entry[1])}


def is_private(name):
    return any(part.startswith("_") for part in name.split("."))


def kernels():
    """Those that may be called: by a public name, or with a check."""
    return {name: one for name, one in all_kernels().items() if not is_private(name) or getattr(one, "check", None)}


def methods():
    """Every public function and method of numbafc.nn that has to do with arrays, and of numbafc.kernels that computes."""
    for registry in (nn.ACTIVATIONS, nn.LOSSES, {name: kind() for name, kind in nn.OPTIMIZERS.items()}):
        for key, one in registry.items():
            for attribute in sorted(set(dir(one)) - set(dir(tuple))):
                if not attribute.startswith("_") and callable(getattr(one, attribute)) and attribute in METHODS:
                    yield f"{key}.{attribute}", getattr(one, attribute), METHODS[attribute]
    for one in (fc.SGD(0.1, momentum=0.9, nesterov=True), fc.RMSprop(momentum=0.5, weight_decay=0.1)):
        yield f"{one}.update", one.update, METHODS["update"]
    for name, function in FUNCTIONS.items():
        yield name, function, METHODS[name.split(".")[-1]]


# ---- good arguments -------------------------------------------------------------------------------------------------


@functools.cache
def sixtyfourths(*shape):
    return np.random.default_rng(sum(shape)).integers(1, 64, shape) / 64


def reals(dtype, *shape):
    """Positive numbers below 1, whatever the shape."""
    return sixtyfourths(*shape).astype(dtype)


def integers(*numbers):
    return np.array(numbers, np.int64)


FLAGS = 0, product.WITH_BIAS, product.WITH_BIAS | product.ROW_SUMS
EPILOGUES = [  # and how long b is
    (epilogue << product.EPILOGUE, length)
    for epilogue, length in ((Epilogue.BIAS_RELU, T), (Epilogue.RELU_BACKWARD, NUMBERS), (Epilogue.SGD, LENGTH_OF_SETTINGS))
]
GOOD = {  # a kernel's arguments by their names
    ("H", "S", "what"): lambda d: [[reals(d, NUMBERS), reals(d, NUMBERS), what] for what in range(4)],
    ("Y", "classes", "targets", "samples", "dY", "losses", "scratch", "smoothing"): lambda d: [
        [
            *(reals(d, NUMBERS), integers(2, 0), reals(d, NUMBERS), integers(1, 0)),
            *(reals(d, NUMBERS), reals(d, B), reals(d, 2 * B), smoothing),
        ]
        for smoothing in (0.0, 0.25)
    ],
    ("Y", "S", "scratch", "T"): lambda d: [[reals(d, NUMBERS), reals(d, NUMBERS), reals(d, 2 * B), T]],
    ("A", "squares"): lambda d: [[reals(d, T, B), reals(np.float64, B)]],
    ("g", "lanes", "total"): lambda d: [[reals(d, NUMBERS), reals(np.float64, 16), reals(np.float64, 1)]],
    ("g", "longest", "lanes"): lambda d: [[reals(d, NUMBERS), 0.5, reals(np.float64, 16)]],
    ("H", "S", "B", "seed", "step", "layer", "place", "p"): lambda d: [
        [reals(d, NUMBERS), reals(d, NUMBERS), B, 7, 5, 1, 3, 0.5]
    ],
    ("A", "X", "b", "Y", "workers"): lambda d: [[reals(d, T, 4), reals(d, 4, B), reals(d, T), reals(d, T, B), 2]],
    ("X", "squares"): lambda d: [[reals(d, T, B), reals(d, B)]],
    ("P", "Q", "b", "R", "sums", "workspace", "flags", "state"): lambda d: [
        [reals(d, T, 4), reals(d, 4, B), reals(d, length), reals(d, T, B), reals(d, T), reals(d, 4096), flags, 0]
        for flags, length in (*((flags, T) for flags in FLAGS), *EPILOGUES)
    ],
    ("parameters", "g", "first", "second", "settings"): lambda d: [[*(reals(d, NUMBERS) for _ in range(4)), reals(d, 16)]],
}

LAYER = {
    "forward": lambda d: (reals(d, T, 4), reals(d, 4, B), reals(d, T), reals(d, T, B)),
    "grad_w": lambda d: (reals(d, T, B), reals(d, 4, B), reals(d, T, 4)),
    "grad_b": lambda d: (reals(d, T, B), reals(d, T)),
    "grad_w_and_b": lambda d: (reals(d, T, B), reals(d, 4, B), reals(d, T, 4), reals(d, T)),
    "grad_x": lambda d: (reals(d, T, B), reals(d, T, 4), reals(d, 4, B)),
    "per_sample_grad_norms": lambda d: (reals(d, T, B), reals(d, 4, B), True, reals(d, B)),
}
METHODS = {
    "apply": lambda d: (reals(d, T, B),),
    "slopes": lambda d: (reals(d, T, B),),
    "chain": lambda d: (reals(d, T, B), reals(d, T, B)),
    "per_sample": lambda d: (reals(d, T, B), None, 0.25),  # targets as the loss has them: see targets_of
    "gradient": lambda d: (reals(d, T, B), None, 0.25),
    "init": lambda d: (reals(d, NUMBERS),),
    "update": lambda d: (reals(d, NUMBERS), reals(d, NUMBERS), None),  # the state is what init makes
    "softmax": lambda d: (reals(d, T, B),),
    "clip": lambda d: (reals(d, NUMBERS), 0.5),
    "drop": lambda d: (reals(d, T, B), reals(d, T, B), 0.5, 7, 5, 1),
    **LAYER,
}
FUNCTIONS = {
    "softmax": nn.softmax,
    "clip": clipping.clip,
    "drop": dropout.drop,
    **{f"loops.{name}": getattr(loops, name) for name in LAYER},
}


def arguments_of(kernel, dtype):
    """Good arguments of a kernel; of one that is not known here, such as its signature lets one guess."""
    code = kernel.function.__code__
    names = code.co_varnames[: code.co_argcount]
    if names in GOOD:
        return GOOD[names](dtype)
    guess = []
    for kind in kernel.argument_types(importlib.import_module("numba").from_dtype(dtype)):
        if hasattr(kind, "ndim"):
            shape = (4,) * kind.ndim if kind.ndim > 1 else (16,)
            guess.append(np.ones(shape, str(kind.dtype)) if "int" in str(kind.dtype) else reals(str(kind.dtype), *shape))
        else:
            guess.append(1)
    return [guess]


def method_arguments(name, method, good, dtype):
    """Good arguments of a method: where there is None, what belongs to its loss or its optimizer."""
    arguments, owner = list(good(dtype)), getattr(method, "__self__", None)
    if isinstance(owner, nn.Loss):
        arguments[1] = integers(2, 0) if owner.classifies else reals(dtype, B, T)
    elif name.endswith(".update"):
        arguments[2] = owner.init(arguments[0])
    return arguments


# ---- wild arguments -------------------------------------------------------------------------------------------------


class Subclass(np.ndarray):
    """Of arrays, with nothing of its own."""


def guarded(array):
    """A copy with a margin on both sides that must stay as it is."""
    raw = np.full(array.nbytes + 2 * MARGIN + 64, SENTINEL, np.uint8)
    start = MARGIN + (-(raw.ctypes.data + MARGIN)) % 64
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy, raw, start


def mapped(folder, array, mode):
    path = folder / hashlib.sha256(array.tobytes()).hexdigest()
    if not path.exists():
        path.write_bytes(array.tobytes() or b"\0")
    return np.memmap(path, array.dtype, mode, shape=array.shape)


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    copy = raw.view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def strided(array):
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


def other_real(array):
    return array.astype(np.float64 if array.dtype == np.float32 else np.float32)


# Kinds that lie about their size come first, before a kernel is compiled for what it should be.
OF_ARRAY = {
    "int64": lambda a, _: a.astype(np.int64),
    "int32": lambda a, _: a.astype(np.int32),
    "uint64": lambda a, _: a.astype(np.uint64),
    "complex64": lambda a, _: a.astype(np.complex64),
    "float16": lambda a, _: a.astype(np.float16),
    "object": lambda a, _: a.astype(object),
    "dates": lambda a, _: a.astype(np.int64).view("M8[s]"),
    "records": lambda a, _: np.zeros(a.shape, [("a", a.dtype)]),
    "words": lambda a, _: np.full(a.shape, "wild"),
    "bool": lambda a, _: a.astype(bool),
    "the other dtype": lambda a, _: other_real(a),
    "byte-swapped": lambda a, _: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a, _: read_only(a),
    "mapped read-only": lambda a, folder: mapped(folder, a, "r"),
    "plain view of a map": lambda a, folder: np.asarray(mapped(folder, a, "r")),
    "mapped copy-on-write": lambda a, folder: mapped(folder, a, "c"),
    "unaligned": lambda a, _: unaligned(a),
    "strided": lambda a, _: strided(a),
    "reversed": lambda a, _: a[::-1],
    "repeated": lambda a, _: np.broadcast_to(a[:1], a.shape),
    "masked": lambda a, _: np.ma.masked_array(a, a > 0.5),
    "a subclass": lambda a, _: a.view(Subclass),
    "too short": lambda a, _: a[:-1].copy(),
    "too short along": lambda a, _: a[..., :-1].copy(),
    "far too short": lambda a, _: a[:1].copy(),
    "empty": lambda a, _: a[:0].copy(),
    "longer": lambda a, _: np.concatenate([a, a]),
    "no axes": lambda a, _: np.array(a.reshape(-1)[0]),
    "flat": lambda a, _: a.reshape(-1).copy(),
    "an axis more": lambda a, _: a[..., np.newaxis].copy(),
    "a list": lambda a, _: a.tolist(),
    "a memoryview": lambda a, _: memoryview(a.copy()),
}
OF_INTEGERS = {  # of class indices and of places
    "10⁹": lambda a, _: np.full_like(a, 10**9),
    "-1": lambda a, _: np.full_like(a, -1),
    "2⁶³ - 1": lambda a, _: np.full_like(a, 2**63 - 1),
    "-2⁶³": lambda a, _: np.full_like(a, -(2**63)),
    "one too many": lambda a, _: np.full_like(a, T),
}
ANYTHING = {
    "None": None,
    "a word": "wild",
    "a digit": "1",
    "[]": [],
    "a dict": {},
    "an object": object(),
    "np.ndarray": np.ndarray,
    "1": 1,
    "-1": -1,
    "10⁹": 10**9,
    "-10⁹": -(10**9),
    "2⁷⁰": 2**70,
    "-2⁷⁰": -(2**70),
    "1.5": 1.5,
    "NaN": np.nan,
    "inf": np.inf,
    "1j": 1j,
    "True": True,
    "float64(0.5)": np.float64(0.5),
}


def substitutes(argument):
    """(name, function of the good argument and a folder) of all wild arguments that may stand in its place."""
    if isinstance(argument, np.ndarray):
        yield from OF_ARRAY.items()
        if argument.dtype == np.int64:
            yield from OF_INTEGERS.items()
    for name, value in ANYTHING.items():
        yield name, lambda _a, _folder, value=value: value


def wild_calls(good, rng, drawn):
    """(name, {position: function}): each substitute alone, then drawn pairs and threes of them."""
    alone = [(n, name, make) for n, argument in enumerate(good) for name, make in substitutes(argument)]
    alone.sort(key=lambda one: list(OF_ARRAY).index(one[1]) if one[1] in OF_ARRAY else len(OF_ARRAY))
    yield from ((f"{name} for argument {n}", {n: make}) for n, name, make in alone)
    for _ in range(drawn if len(good) > 1 else 0):
        chosen = [alone[k] for k in rng.integers(0, len(alone), rng.integers(2, 4))]
        yield ", ".join(f"{name} for argument {n}" for n, name, _ in chosen), {n: make for n, _, make in chosen}
    yield "no arguments", None


# ---- one call -------------------------------------------------------------------------------------------------------


def arrays_in(arguments):
    for value in arguments:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, dict):
            yield from (item for item in value.values() if isinstance(item, np.ndarray))


def plain(value):
    """The same numbers in memory as kernels like it best."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    return np.array(np.asarray(value), value.dtype.newbyteorder("="), order="C")


def bits(arrays):
    return [(array.shape, np.asarray(array).tobytes() if not array.dtype.hasobject else str(array)) for array in arrays]


def same(one, other):
    """Equal as numbers, NaN like NaN, whatever the byte order."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return False
    if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
        return bits([one]) == bits([other])
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def trouble(call, arguments, expected):
    """What is wrong with a call, or None: no sentence, something written before it, or not what `expected` does."""
    before = bits(arrays_in(arguments))
    copies = [plain(value) for value in arguments]
    try:
        result = call(*arguments)
    except (TypeError, ValueError) as error:
        if not 20 < len(str(error)) < 400:
            return f"no sentence: {type(error).__name__}: {str(error)[:500]!r}"
        return None if bits(arrays_in(arguments)) == before else f"written before the sentence {str(error)!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if call is product.on_one_thread:
        return wrong_product(result, arguments, copies)
    try:
        answer = expected(*copies)
    except Exception as error:
        return f"done, though the formula says {type(error).__name__}: {error}"
    if answer is None and result is not None and not isinstance(result, int):
        return f"returned {result!r:.100}"
    if isinstance(answer, np.ndarray) and not same(answer, result):
        return f"returned {result!r:.100} for {answer!r:.100}"
    for n, (got, right) in enumerate(zip(arrays_in(arguments), arrays_in(copies), strict=True)):
        if not same(got, right):
            return f"array {n} is {got!r:.100} for {right!r:.100}"
    return None


def wrong_product(answer, arguments, before):
    """What is wrong with a product that gave an answer: NumPy's is right, on numbers whose sums are exact."""
    P, Q, b, R, old_sums, _workspace, flags, _state = before
    now, sums = arguments[3:5]
    if answer != 0:
        return None if same(now, R) and same(sums, old_sums) else f"written, though the answer was {answer}"
    if flags not in FLAGS:
        return None
    P, Q = (M if M.ndim == 2 else M[:, np.newaxis] for M in (P, Q))
    right = P @ Q + (b[:, np.newaxis] if flags & product.WITH_BIAS else 0)
    if not same(np.asarray(now).reshape(right.shape), right):
        return f"R is {now!r:.100} for {right!r:.100}"
    return None if not flags & product.ROW_SUMS or same(sums, P.sum(axis=1)) else "the row sums are wrong"


def say(place, title):
    """What is called next; without another file, which takes longer than the call."""
    os.pwrite(place, title.encode()[:WIDTH].ljust(WIDTH), 0)


def run(group, place, skipped, folder, drawn=15):
    """All calls of a group. Returns (calls, what went wrong)."""
    rng, wrong, calls = np.random.default_rng(0), [], 0
    if group == "kernels":
        for dtype in REALS:
            product.bring_level2(np.dtype(dtype))
        subjects = [
            (name, one, lambda *arguments, one=one: one.function(*arguments) and None, dtype, n)  # its loops in Python
            for name, one in kernels().items()
            for dtype in REALS
            for n in range(len(arguments_of(one, dtype)))
            if n == 0 or (n + dtype.itemsize // 4) % 2
        ]
    else:
        subjects = [(name, one, one, dtype, good) for name, one, good in methods() for dtype in REALS]
    for name, call, expected, dtype, which in subjects:
        make = (
            (lambda call=call, dtype=dtype, which=which: arguments_of(call, dtype)[which])
            if group == "kernels"
            else (lambda name=name, call=call, dtype=dtype, which=which: method_arguments(name, call, which, dtype))
        )
        alone = (
            itertools.chain([("good arguments", {})], wild_calls(make(), rng, drawn))
            if calls
            else wild_calls(make(), rng, drawn)
        )
        for words, replaced in alone:
            title = f"{name} in {dtype}: {words}"
            if title in skipped:
                continue
            arguments, margins = make(), []
            for n, argument in enumerate(arguments):
                if isinstance(argument, np.ndarray):
                    arguments[n], raw, start = guarded(argument)
                    margins.append((raw, start, argument.nbytes))
            if replaced is None:
                arguments = []
            else:
                try:
                    for n, wild in replaced.items():
                        arguments[n] = wild(arguments[n], folder)
                except (ValueError, TypeError, IndexError):
                    continue  # there is no such array
            say(place, title)
            calls += 1
            found = trouble(call, arguments, expected)
            if found is None and words == "good arguments":
                try:
                    call(*make())
                except Exception as error:
                    found = f"good arguments were refused: {error}"
            for raw, start, size in margins:
                if (raw[:start] != SENTINEL).any() or (raw[start + size :] != SENTINEL).any():
                    found = "written outside of its arrays"
            if found:
                wrong.append(f"{title}: {found}")
    return calls, wrong


# ---- what must not change -------------------------------------------------------------------------------------------


def fixed_results():
    """A hash of trainings and of the layer, in both dtypes."""
    digest = hashlib.sha256()
    for dtype in ("float64", "float32"):
        rng = np.random.default_rng(1)
        X, y = rng.standard_normal((30, 5)), rng.integers(0, 3, 30)
        for activation, loss, targets in (
            ("tanh", "cross_entropy", y),
            ("leaky_relu", "mse", rng.standard_normal((30, 3))),
        ):
            net = fc.MLP([5, 4, 3], activation, loss, dtype)
            net.fit(X, targets, epochs=2, batch_size=7, optimizer=fc.SGD(0.05, momentum=0.9))
            digest.update(net.parameters.tobytes() + net.outputs(X).tobytes())
            digest.update(np.float64([net.loss(X, targets), net.gradients(X, targets).loss]).tobytes())
        W, X, b, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((7, 9), (9, 5), 7, (7, 5)))
        for kernel in ("tiled", "loops"):
            results = fc.forward(W, X, b, kernel=kernel), *fc.backward(dY, X, W, kernel=kernel)
            digest.update(b"".join(result.tobytes() for result in results))
    return digest.hexdigest()


def main(group, place, *skipped):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        place = os.open(place, os.O_WRONLY | os.O_CREAT)
        calls, wrong = (0, []) if group == "nothing" else run(group, place, skipped, Path(folder))
        say(place, "the trainings at the end")
        try:
            results = fixed_results()
        except Exception as error:
            results = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"calls": calls, "wrong": wrong, "results": results}))


if __name__ == "__main__":
    main(*sys.argv[1:])

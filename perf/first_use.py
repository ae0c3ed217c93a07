"""A process that uses a library for the first time: `python -m perf.first_use MODULE WHAT`, started by perf.start.

WHAT: "import", "call" for the first forward product, "fit" for the first epoch of training, "compile" for each kernel
of the layer, "compile all" for those of training, too. Prints a line of JSON. Nothing is imported before the clock runs
but the clock.
"""

import time

START = time.perf_counter()

import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

SHAPE = (128, 784, 128)


def first_call(name: str) -> dict[str, Any]:
    """Seconds of the first product, of the second, and the first one's error."""
    from . import worker

    arrays = worker.data(*SHAPE, "float32")
    call = worker.PEERS[name](*arrays)["forward"]
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "error_over_bound": worker.errors("forward", result, *arrays)["error_over_bound"]}


def first_fit() -> dict[str, Any]:
    """Seconds of the first epoch of a small network, of a second training, and whether both have the same bits."""
    import numpy as np

    import numbafc as fc

    X = np.random.default_rng(0).standard_normal((320, 64), np.float32)
    seconds, found = [], []
    for _ in range(2):
        net = fc.MLP([64, 32, 10])
        start = time.perf_counter()
        net.fit(X, np.arange(320) % 10, optimizer="adam")
        seconds.append(time.perf_counter() - start)
        found.append(net.parameters.tobytes())
    right = found[0] == found[1] and np.isfinite(net.parameters).all()
    return {"seconds": seconds, "error_over_bound": 0.0 if right else 2.0}


def compiled(training: bool) -> dict[str, Any]:
    """Seconds of the compilation of each kernel for float32, by its name."""
    import gc

    import numpy as np

    from numbafc import _numba

    found: dict[str, float] = {}
    for kernel in [thing for thing in gc.get_objects() if isinstance(thing, _numba.Kernel)]:  # wherever they are kept
        module = kernel.function.__module__.removeprefix("numbafc.")
        if training or module.startswith("kernels."):
            start = time.perf_counter()
            kernel.compile(np.dtype(np.float32))
            build = ", parallel" if kernel.parallel else ""
            found[f"{module}.{kernel.function.__name__.strip('_')}{build}"] = time.perf_counter() - start
    return {"kernels": found}


def main() -> None:
    name, what = sys.argv[1:]
    module = importlib.import_module({"sklearn": "sklearn.neural_network"}.get(name, name))
    imported = time.perf_counter() - START
    answer: dict[str, Any] = {"seconds": [imported], "error_over_bound": 0.0}
    if what == "call":
        answer = first_call(name)
    elif what == "fit":
        answer = first_fit()
    elif what.startswith("compile"):
        answer = compiled(what == "compile all")
    print(json.dumps(answer | {"version": getattr(module, "__version__", sys.modules[name].__version__)}))


if __name__ == "__main__":
    main()

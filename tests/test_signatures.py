"""After the whole suite (conftest.py puts this last): no kernel was compiled for more than its dtypes."""

from numbafc import _numba
from numbafc.kernels import gradients, loops, norms, product, threads
from numbafc.nn import (
    ACTIVATIONS,
    LOSSES,
    clipping,
    cross_entropy,
    dropout,
    engine,
    few_rows,
    losses,
    optimizers,
    portable,
)

MODULES = (
    gradients,
    loops,
    norms,
    product,
    threads,
    clipping,
    cross_entropy,
    dropout,
    engine,
    few_rows,
    losses,
    optimizers,
    portable,
)


def kernels():
    of_modules = [value for module in MODULES for value in vars(module).values() if isinstance(value, _numba.Kernel)]
    return [*of_modules, *(one.run for one in (*ACTIVATIONS.values(), *LOSSES.values()))]


def assert_one_signature_per_dtype():
    assert kernels()
    for kernel in kernels():
        assert set(kernel.dispatchers) <= {dtype.itemsize for dtype in _numba.DTYPES}, kernel.__name__
        for itemsize, dispatcher in kernel.dispatchers.items():
            assert [signature[0].dtype.bitwidth for signature in dispatcher.signatures] == [8 * itemsize], kernel.__name__


def test_there_is_one_signature_per_dtype():
    assert_one_signature_per_dtype()


def test_strange_layouts_add_none():
    import numpy as np

    import numbafc as fc
    from numbafc.testing import LAYOUTS

    for dtype in _numba.DTYPES:
        for make in LAYOUTS.values():
            fc.backward(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)), make(np.ones((3, 5), dtype)))
            fc.per_sample_grad_norms(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)))
    assert_one_signature_per_dtype()


def test_more_layers_compile_nothing_more():
    import numpy as np

    import numbafc as fc

    compiled = None
    for depth in range(5):
        fc.MLP([3, *[4] * depth, 2]).fit(np.ones((5, 3)), np.zeros(5, int))
        found = {(kernel.__qualname__, itemsize) for kernel in kernels() for itemsize in kernel.dispatchers}
        assert found == (compiled or found), f"{depth} hidden layers"
        compiled = found
    assert_one_signature_per_dtype()

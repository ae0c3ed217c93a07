"""After the whole suite (conftest.py puts this last): no kernel was compiled for more than its dtypes."""

from numbafc import _jit
from numbafc.kernels import loops, products


def kernels():
    return [value for module in (loops, products) for value in vars(module).values() if isinstance(value, _jit.Kernel)]


def test_there_is_one_signature_per_dtype():
    assert kernels()
    for kernel in kernels():
        assert set(kernel.dispatchers) <= {dtype.itemsize for dtype in _jit.DTYPES}, kernel.__name__
        for itemsize, dispatcher in kernel.dispatchers.items():
            assert [signature[0].dtype.bitwidth for signature in dispatcher.signatures] == [8 * itemsize], kernel.__name__


def test_strange_layouts_add_none():
    import numpy as np

    import numbafc as fc
    from numbafc.testing import LAYOUTS

    for dtype in _jit.DTYPES:
        for make in LAYOUTS.values():
            fc.backward(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)), make(np.ones((3, 5), dtype)))
            fc.per_sample_grad_norms(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)))
    for kernel in kernels():
        assert all(len(dispatcher.signatures) == 1 for dispatcher in kernel.dispatchers.values()), kernel.__name__

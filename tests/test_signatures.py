"""After the whole suite (conftest.py puts this last): no kernel was compiled for more than its dtypes."""

from numbafc import _numba


def kernels():
    """Those of the package; tests make some of their own."""
    return [kernel for name, kernel in _numba.Kernel.by_name.items() if name.startswith("numbafc.")]


def assert_one_signature_per_dtype():
    assert len(kernels()) > 30
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

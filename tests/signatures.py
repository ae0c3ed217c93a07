"""The kernels that are compiled in this process, and a check of what for."""

from numbafc import _numba


def kernels():
    """Those of the package; tests make some of their own."""
    return [kernel for name, kernel in _numba.Kernel.by_name.items() if name.startswith("numbafc.")]


def assert_one_signature_per_dtype():
    for kernel in kernels():
        assert set(kernel.dispatchers) <= {dtype.itemsize for dtype in _numba.DTYPES}, kernel.__name__
        for itemsize, dispatcher in kernel.dispatchers.items():
            assert [signature[0].dtype.bitwidth for signature in dispatcher.signatures] == [8 * itemsize], kernel.__name__

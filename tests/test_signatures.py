"""No kernel is compiled for more than its dtypes; conftest.py asks so again after everything else, in each process."""

from signatures import assert_one_signature_per_dtype, kernels

from numbafc import _numba


def test_strange_layouts_add_none():
    import numpy as np

    import numbafc as fc
    from numbafc.testing import LAYOUTS

    for dtype in _numba.DTYPES:
        for make in LAYOUTS.values():
            fc.backward(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)), make(np.ones((3, 5), dtype)))
            fc.per_sample_grad_norms(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)))
    assert len(kernels()) > 30
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

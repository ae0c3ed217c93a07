"""After the whole suite (conftest.py puts this last): no kernel was compiled for more than its dtypes."""

from numbafc import _jit
from numbafc.kernels import loops


def kernels():
    return [value for value in vars(loops).values() if isinstance(value, _jit.Kernel)]


def test_there_is_one_signature_per_dtype():
    assert kernels()
    for kernel in kernels():
        signatures = [] if kernel.dispatcher is None else kernel.dispatcher.signatures
        dtypes = [signature[0].dtype for signature in signatures]
        assert len(set(dtypes)) == len(dtypes) == len(kernel.compiled) <= len(_jit.DTYPES), kernel.__name__


def test_strange_layouts_add_none():
    import numpy as np

    import numbafc as fc
    from numbafc.testing import LAYOUTS

    for dtype in _jit.DTYPES:
        for make in LAYOUTS.values():
            fc.backward(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)), make(np.ones((3, 5), dtype)))
            fc.per_sample_grad_norms(make(np.ones((3, 4), dtype)), make(np.ones((5, 4), dtype)))
    for kernel in kernels():
        assert len(kernel.dispatcher.signatures) == len(_jit.DTYPES), kernel.__name__

"""For anyone who writes a fully-connected layer: find out whether it is right, with an example where it is not.

    from numbafc.testing import check_layer
    check_layer(my_forward, my_backward)     # AssertionError with the smallest failing problem

Needs Hypothesis, the extra `testing`.
"""

try:
    import hypothesis  # noqa: F401
except ImportError:
    raise ImportError("numbafc.testing needs Hypothesis, which is not installed: pip install 'numbafc[testing]'") from None

from .adjoint import check_adjoint
from .bounds import error_bound, exact_errors, exact_product
from .check import check_layer, check_product
from .layouts import LAYOUTS
from .problems import LayerProblem, integer_problems, layer_problems, shapes

__all__ = [
    "LAYOUTS",
    "LayerProblem",
    "check_adjoint",
    "check_layer",
    "check_product",
    "error_bound",
    "exact_errors",
    "exact_product",
    "integer_problems",
    "layer_problems",
    "shapes",
]

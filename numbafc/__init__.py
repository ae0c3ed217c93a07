"""numbafc: the fully-connected layer on the CPU, forward and backward, with one right answer in bits.

    import numbafc as fc
    Y = fc.forward(W, X, b)                  # Y = W X + b, one sample per column
    dW, db, dX = fc.backward(dY, X, W)       # the gradients

Formulas: numbafc.formulas. Layer: numbafc.layer. Jacobians: numbafc.jacobian. Networks: numbafc.nn.
"""

from . import _startup  # noqa: F401  before all else
from ._numba import get_num_threads, set_num_threads
from ._version import __version__
from .files import InvalidFile, from_onnx, from_weights, save
from .files.checkpoint import load
from .jacobian import (
    BiasJacobian,
    InputJacobian,
    WeightJacobian,
    chain,
    jacobian_b,
    jacobian_cost,
    jacobian_w,
    jacobian_x,
    linear_index,
    linearize,
    numeric_jacobian,
    reroll,
)
from .layer import Gradients, backward, forward, grad_b, grad_w, grad_x, per_sample_grad_norms
from .nn import MLP, SGD, Adagrad, Adam, AdamW, History, RMSprop
from .tables import Table

__all__ = [
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BiasJacobian",
    "Gradients",
    "History",
    "InputJacobian",
    "InvalidFile",
    "RMSprop",
    "Table",
    "WeightJacobian",
    "__version__",
    "backward",
    "chain",
    "forward",
    "from_onnx",
    "from_weights",
    "get_num_threads",
    "grad_b",
    "grad_w",
    "grad_x",
    "jacobian_b",
    "jacobian_cost",
    "jacobian_w",
    "jacobian_x",
    "linear_index",
    "linearize",
    "load",
    "numeric_jacobian",
    "per_sample_grad_norms",
    "reroll",
    "save",
    "set_num_threads",
]

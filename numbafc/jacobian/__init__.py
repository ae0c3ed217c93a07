"""Jacobians of the layer: dense, as operators that need no memory, and the algebra around them.

Df(a)[p,q] = ∂f_p/∂a_q is (outputs, inputs); arrays of a higher rank are taken in row-major order, so W[t,i] is column
t·N + i and Y[t,s] is row t·B + s. For Y = W X + b on a batch of B samples, after Eli Bendersky, "Backpropagation through
a fully-connected layer":

    DY(W) = I_T ⊗ Xᵀ  (T·B, T·N)        DY(b) = I_T ⊗ 1_B  (T·B, T)        DY(X) = W ⊗ I_B  (T·B, N·B)
"""

from .chain import chain
from .cost import Cost, JacobianCost, jacobian_cost
from .dense import jacobian_b, jacobian_w, jacobian_x
from .layer_operators import BiasJacobian, InputJacobian, WeightJacobian
from .limits import MAX_BYTES
from .linearization import linear_index, linearize, reroll
from .numeric import numeric_jacobian
from .operators import Composition, Jacobian

__all__ = [
    "MAX_BYTES",
    "BiasJacobian",
    "Composition",
    "Cost",
    "InputJacobian",
    "Jacobian",
    "JacobianCost",
    "WeightJacobian",
    "chain",
    "jacobian_b",
    "jacobian_cost",
    "jacobian_w",
    "jacobian_x",
    "linear_index",
    "linearize",
    "numeric_jacobian",
    "reroll",
]

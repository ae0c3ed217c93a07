"""PyTorch's modules, trained by numbafc: the network you have, in its own memory.

    from numbafc.interop.torch import fit_module
    history = fit_module(module, X, y, loss=nn.CrossEntropyLoss(), optimizer="adam", epochs=20)

fit_module trains an nn.Sequential of linear layers; from_torch and to_torch make a network of numbafc from such a module,
and a module from a network; Linear is a layer with numbafc's bits; check_module finds out whether a layer of yours is
right. Needs PyTorch: the extra `torch`.
"""

try:
    import torch  # noqa: F401
except ImportError:
    raise ImportError("numbafc.interop.torch needs PyTorch, which is not installed: pip install 'numbafc[torch]'") from None

from .checking import check_module
from .conversion import from_torch, to_torch
from .fitting import fit_module
from .linear import Linear
from .standardising import Factors, Standardise, Unstandardise

__all__ = ["Factors", "Linear", "Standardise", "Unstandardise", "check_module", "fit_module", "from_torch", "to_torch"]

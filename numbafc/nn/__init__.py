"""Networks out of layers: activations, losses, optimizers, the MLP and its training."""

from .activations import ACTIVATIONS, Activation
from .losses import LOSSES, Loss, softmax
from .mlp import MLP, NetworkGradients
from .optimizers import OPTIMIZERS, SGD, Adam, Optimizer
from .training import EpochRecord, History

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "OPTIMIZERS",
    "SGD",
    "Activation",
    "Adam",
    "EpochRecord",
    "History",
    "Loss",
    "NetworkGradients",
    "Optimizer",
    "softmax",
]

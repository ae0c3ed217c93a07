"""Networks out of layers: activations, losses, optimizers, the MLP and its training."""

from .activations import ACTIVATIONS, Activation
from .cross_entropy import softmax
from .losses import LOSSES, Loss
from .members import Members
from .mlp import MLP, NetworkGradients
from .optimizers import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from .progress import EpochRecord, History
from .schedules import SCHEDULES, Constant, Cosine, CosLog4, OneCycle, OnPlateau, Schedule, Step

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "CosLog4",
    "Cosine",
    "EpochRecord",
    "History",
    "Loss",
    "Members",
    "NetworkGradients",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Step",
    "softmax",
]

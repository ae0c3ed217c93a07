"""The names that settings have, for type checkers: each list says what a registry has, and a test holds them equal.

A type checker computes nothing, so the names stand here once more: MLP([4, 3], activation="rleu") is an error in an editor.
"""

from __future__ import annotations

from typing import Literal

ActivationName = Literal[
    "identity", "relu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu", "mish"
]  # ACTIVATIONS
LossName = Literal["cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", "poisson"]  # LOSSES
EpochMeasure = Literal["loss", "score"]  # by which fit keeps the best epoch
RowsOfRanks = Literal["shared", "own"]  # of the processes that train together
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad"]  # OPTIMIZERS
ScheduleName = Literal["constant", "step", "cosine", "one_cycle", "on_plateau", "coslog4"]  # SCHEDULES
InitializerName = Literal[
    "auto", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "xavier_normal", "xavier_uniform", "ntp"
]  # INITIALIZERS

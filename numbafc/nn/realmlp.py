"""RealMLP-TD-S: the settings of a network and of its training that are good for tables without tuning.

D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data",
NeurIPS 2024, table A.1 (TD-S, its simplified default). The inputs come scaled as there, from tables/ with scaling "robust".
What is ours: how many epochs, where a table is so small that 256 of them are few steps, or so large that they are many.
"""

from __future__ import annotations

from typing import Any

from .optimizers import Adam

HIDDEN = 256, 256, 256
EPOCHS = 256
BATCH = 256
FEWEST_STEPS = 1024  # 150 flowers are one minibatch: 256 steps leave the loss falling
MOST_STEPS = 1 << 16  # 256 epochs of 65 536 samples
PATIENCE = 3, 40  # of early stopping, as in the authors' package: it ends at epoch 40 + 3·(the best one)


def network(classifies: bool) -> dict[str, Any]:
    """The settings of MLP but its sizes, of a network for classes or for real targets."""
    return {
        "activation": "selu" if classifies else "mish",
        "init": "ntp",
        "scaling": True,
        "label_smoothing": 0.1 if classifies else 0.0,
    }


def learning_rate(classifies: bool) -> float:
    """The learning rate that the schedule's factors are of."""
    return 0.04 if classifies else 0.07


def training(classifies: bool, samples: int, rate: float | None = None) -> dict[str, Any]:
    """The settings of MLP.fit, for so many samples to train on. rate: another learning rate."""
    batch = max(min(BATCH, samples), 1)
    return {
        "optimizer": Adam(learning_rate(classifies) if rate is None else rate, beta2=0.95),
        "schedule": "coslog4",
        "batch_size": batch,
        "epochs": epochs(samples, batch),
        "drop_last": True,
        "best_epoch": "score",
        "rate_factors": (6.0, 1.0, 0.1),
        "ntp": True,
    }


def epochs(samples: int, batch: int) -> int:
    """256 epochs, more where they are fewer steps than FEWEST_STEPS, fewer where they are more than MOST_STEPS."""
    steps = max(samples // batch, 1)  # in an epoch
    return max(min(max(EPOCHS, -(-FEWEST_STEPS // steps)), MOST_STEPS // steps), 1)

"""RealMLP-TD-S: the settings of a network and of its training that are good for tables without tuning.

D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data",
NeurIPS 2024, table A.1 (TD-S, its simplified default). The inputs come scaled as there, from tables/ with scaling "robust".

What is ours: how many epochs, and how many networks are averaged. Theirs is one network of 256 epochs; two of 48, or of 32
for large tables, take a fifth of its time here and are better on most tables. Mean test scores (seeds: three; of computers
to titanic with 64 epochs six; of large tables two, of Adult's 32 × 2 also; authors': seed 0, of their package):

    epochs × networks          48 × 1  48 × 2  48 × 4  32 × 3  64 × 2  64 × 4  authors' 256 × 1
    computers, RMSE             172.8   168.5   165.2   170.2   166.2   162.9   173.5
    fifa, RMSE of a logarithm   .0528   .0498   .0496   .0551   .0498   .0487   .0572
    hr, accuracy                .7270   .7289   .7304   .7310   .7314   .7324   .7217
    titanic, accuracy           .8137   .8243   .8266   .8296   .8228   .8243   .8190
    breast cancer, accuracy     .9708   .9678   .9737   .9678   .9722   .9693   .9825
    diabetes, RMSE              59.62   59.11   58.82   59.21   59.43   59.00   58.52

    epochs × networks          32 × 1  32 × 2  32 × 4  48 × 2
    California, RMSE in $      50 851  50 158  49 579  49 710   51 389
    Adult, accuracy             .8579   .8588   .8590   .8583        –
    vietnam, RMSE               .4764   .4728   .4709   .4740        –
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .optimizers import Adam
from .progress import EpochRecord, Progress
from .recipe import Recipe

HIDDEN = 256, 256, 256
EPOCHS = 48
BATCH = 256
ENOUGH_STEPS = 1024  # 48 epochs of 5461 samples; for more samples fewer epochs
FEWEST_EPOCHS = 32  # of more than 8192 samples
MOST_STEPS = 1 << 16  # 32 epochs of 524 288 samples
MEMBERS = 2  # networks whose predictions are averaged
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


def is_of(recipe: Recipe) -> bool:
    """Tell whether a training is by these settings, whichever of them were said otherwise: none but they train so."""
    return recipe.ntp and recipe.drop_last


def is_patient(recipe: Recipe) -> bool:
    """Tell whether Patience may end a training."""
    return is_of(recipe) and recipe.best_epoch == "score" and recipe.early_stopping is None


def ended(progress: Progress) -> bool:
    """Tell whether Patience has ended a training."""
    return progress.ended == "callback" and is_patient(progress.recipe)


def epochs(samples: int, batch: int) -> int:
    """48 epochs; fewer where they are more than ENOUGH_STEPS, but FEWEST_EPOCHS unless these are more than MOST_STEPS.

    Small tables need no more: a minibatch of all of them is a step for each epoch, and some 50 steps are as good as 1024.
    Accuracy on iris (96 samples to train on) after 64, 256, 512, 1024 steps: .970, .960, .953, .957; wine (113): .983,
    .980, .977, .974; after 64, 128, 256, 512 breast cancer (364): .973, .978, .975, .973, and the RMSE of diabetes (282):
    56.7, 56.3, 56.4, 56.1. Each is the mean of two times five folds, the best epoch by a fifth of the training part.
    """
    steps = max(samples // batch, 1)  # in an epoch
    return max(min(EPOCHS, max(ENOUGH_STEPS // steps, FEWEST_EPOCHS), MOST_STEPS // steps), 1)


class Patience:
    """Early stopping as in the authors' package: a training ends where the best epoch so far lies behind it by PATIENCE.

    The value is a callback for fit.
    """

    def __init__(self, history: Iterable[EpochRecord] = ()) -> None:
        self.best, self.epoch = -math.inf, 0
        for record in history:  # of a training that goes on
            self(record)

    def __call__(self, record: EpochRecord) -> bool:
        if record.validation_score >= self.best:  # NaN is not
            self.best, self.epoch = record.validation_score, record.epoch
        times, more = PATIENCE
        return self.epoch > 0 and record.epoch > times * self.epoch + more  # without validation there is no best one

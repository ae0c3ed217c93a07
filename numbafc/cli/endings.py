"""The end of a training: what it was limited by, which epoch was kept, and whether a constant answer would be as good."""

from __future__ import annotations

import numpy as np

from ..nn import LOSSES
from ..nn.pooled import Answering
from ..nn.progress import Progress
from ..nn.schedules import Constant
from ..tables.refusal import plural

FALLING = 0.005  # of the loss, between the last tenth of the epochs and the tenth before it


def ended_by(progress: Progress) -> str:
    """Why there are no more epochs: "epochs", "early_stopping", "time_limit", "callback", or "" after an interruption."""
    return progress.history.ended


def verdict(progress: Progress) -> list[str]:
    """Lines about what limited a training, and which epoch's parameters were kept."""
    done = len(progress.history)
    steps = f"{plural(done, 'epoch')}, {plural(done * progress.batches, 'step')}"
    lines = {
        "epochs": f"it ended after all of its {steps}",
        "early_stopping": f"early stopping ended it after {steps}: no better for {plural(progress.waited, 'epoch')}",
        "callback": f"it stopped by itself after {steps}: no epoch was better than number {progress.best_at}",
        "time_limit": f"the time limit ended it after {steps} of {plural(progress.epochs, 'epoch')}",
    }
    said = [lines[progress.history.ended]] if progress.history.ended else []
    if progress.history.ended == "epochs" and _falls(progress):
        said[0] += "; the loss was still falling: more --epochs may make it better"
    if progress.last is not None:
        said.append(f"kept the parameters of epoch {progress.best_at}, the best of {done}")
    return said


def _falls(progress: Progress) -> bool:
    """Tell whether the loss was falling at the end, where no schedule brings it down there."""
    losses = np.array([progress.watched(record) for record in progress.history])
    part = max(len(losses) // 10, 1)
    if not isinstance(progress.recipe.schedule, Constant) or len(losses) < 2 * part or not np.isfinite(losses).all():
        return False
    before, now = losses[-2 * part : -part].mean(), losses[-part:].mean()
    return bool(now < before - FALLING * abs(before))


def worse_than_chance(net: Answering, training: np.ndarray, X: np.ndarray, y: np.ndarray) -> str | None:
    """A sentence, if a network is worse on samples held out than a constant that the training's targets give, else None.

    Worse by more than chance may make it: a standard error of an accuracy at most, or twice that of an R².
    """
    score = net.score(X, y)
    if LOSSES[net.loss_name].classifies:
        name, constant = "accuracy", "the most frequent class"
        chance, margin = float(np.mean(y == np.bincount(training).argmax())), 0.5
    elif net.loss_name == "binary_cross_entropy":
        name, constant = "accuracy", "each label's more frequent value"
        chance, margin = float(np.mean((y > 0.5) == (training.mean(axis=0) > 0.5))), 0.5
    else:
        name, constant, margin = "R²", "the mean", 1.0
        errors, spread = y - training.mean(axis=0, dtype=np.float64), y - y.mean(axis=0, dtype=np.float64)
        chance = float(1 - np.square(errors).sum() / (np.square(spread).sum() or 1))
    if not score < chance - margin / np.sqrt(len(y)):
        return None
    return f"the network is worse than {constant} is: {name} {score:.4f}, against {chance:.4f}"

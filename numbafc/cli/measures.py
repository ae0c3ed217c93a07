"""How good a model is on samples: all that `numbafc evaluate` prints, its --json has and a report shows, as plain values.

Of classes: precision, recall and F1 of each, the confusion matrix and the pairs that are confused most, and calibration:
for two classes that of the second one's probability, with ROC AUC and the Brier score, for more that of the class that was
said. Of independent labels each one's. Of reals R², RMSE and MAE, and quantiles of the residuals y − ŷ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..nn import LOSSES, calibration, metrics
from ..nn.pooled import Answering

PAIRS = 10  # that are confused most
MOST_CLASSES = 1000  # of a confusion matrix that is written out

Table = dict[str, Any]  # columns by their names


def of(net: Answering, X: Any, y: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The measures of a network on checked samples. names: of its outputs.

    The first entry is the table of outputs, as records, under the word for them: classes, labels or outputs.
    """
    with np.errstate(all="ignore"):  # of a network that diverged: what it says may be infinite, and is shown as such
        predicted = net.predict(X)
        if LOSSES[net.loss_name].classifies:
            return _of_classes(y, predicted, net.predict_proba(X), names)
        y, predicted = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
        if net.loss_name == "binary_cross_entropy":
            return _of_labels(y > 0.5, predicted > 0, net.predict_proba(X), names)
        return _of_reals(y, predicted, names)


def _of_classes(y: np.ndarray, predicted: np.ndarray, p: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    T = len(names)
    table = {"class": names, **metrics.of_classes(y, predicted, T)._asdict()}
    found: dict[str, Any] = {"classes": records(table), "mean_of_classes": _means(table)}
    if T <= MOST_CLASSES:
        matrix = metrics.confusion(y, predicted, T)
        pairs = metrics.most_confused(matrix, PAIRS)
        confused = [
            {"is": names[c], "said": names[k], "samples": n, "share": n / int(matrix[c].sum())} for c, k, n in pairs
        ]
        found |= {"confusion": matrix, "confused": confused}
    if T == 2:
        return found | {"calibration": {"of": names[1], **_of_probability(y == 1, p[:, 1])}}
    bins = calibration.reliability(predicted == y, p[np.arange(len(p)), predicted])
    return found | {"calibration": {"of": None, **_calibrated(bins)}}


def _of_labels(y: np.ndarray, predicted: np.ndarray, p: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    table = {"label": names, **metrics.of_labels(y, predicted)._asdict()}
    found = [_of_probability(y[:, t], p[:, t]) for t in range(len(names))]
    columns = {name: np.array([one[name] for one in found]) for name in ("roc_auc", "brier", "calibration_error")}
    bins = [{"of": name, **one} for name, one in zip(names, found, strict=True)]
    return {"labels": records(table | columns), "mean_of_labels": _means(table | columns), "calibrations": bins}


def _of_reals(y: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    table = {"output": names, **metrics.of_reals(y, predicted)._asdict()}
    quantiles = metrics.residual_quantiles(y, predicted)
    columns = {quantile_name(at): row for at, row in zip(metrics.QUANTILES, quantiles, strict=True)}
    return {"outputs": records(table), "residuals": records({"output": names} | columns)}


def _means(table: Table) -> dict[str, float | None]:
    """The mean of each measure over what has it: classes count alike, rare or frequent (the "macro average")."""
    numbers = {name: np.asarray(column) for name, column in table.items() if name not in ("class", "label", "samples")}
    return {name: float(np.nanmean(one)) if (one == one).any() else None for name, one in numbers.items()}


def _of_probability(y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    bins = calibration.reliability(y, p)
    return {"roc_auc": calibration.roc_auc(y, p), "brier": calibration.brier(y, p), **_calibrated(bins)}


def _calibrated(bins: calibration.Reliability) -> dict[str, Any]:
    return {"calibration_error": calibration.expected_error(bins), "bins": records(bins._asdict())}


def quantile_name(at: float) -> str:
    """A quantile as it is called: 0.05 is 5 %."""
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(at, f"{100 * at:g} %")


def records(table: Table) -> list[dict[str, Any]]:
    """The rows of a table, each by the columns' names."""
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]

"""The recipe of `numbafc train`: what the options that were not given stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..files import datasets
from ..nn import realmlp

RECIPES = "auto", "realmlp", "plain"
SCALING = {"realmlp": "robust", "plain": "standard"}  # of a table's columns


def named(recipe: str, table: bool) -> str:
    """The recipe that "auto" is: realmlp for tables, plain for arrays."""
    return ("realmlp" if table else "plain") if recipe == "auto" else recipe


def settled(
    given: dict[str, Any], recipe: str, dataset: datasets.Dataset, samples: int, is_given: Callable[[str], bool]
) -> dict[str, Any]:
    """The options with the recipe's values for those that were not given.

    samples: to train on. is_given: tells whether an option was. What has no option of its own is there, too.
    """
    if recipe == "plain":
        return given
    classifies = dataset.classes is not None
    of_network, of_fit = realmlp.network(classifies), realmlp.training(classifies, samples, given["learning_rate"])
    values = {"hidden": ",".join(map(str, realmlp.HIDDEN)), "members": realmlp.MEMBERS, **of_network, **of_fit}
    if is_given("optimizer") or is_given("weight_decay"):
        values.pop("optimizer")  # made of the options; the rate stays
        values["learning_rate"] = of_fit["optimizer"].learning_rate
    if is_given("batch_size"):
        values["epochs"] = realmlp.epochs(samples, max(min(given["batch_size"], samples), 1))
    if not samples or is_given("early_stopping"):
        values["best_epoch"] = None
    return given | {name: value for name, value in values.items() if not is_given(name)}

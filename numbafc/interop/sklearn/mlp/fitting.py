"""A call of fit or partial_fit up to its training: what is given is checked, and a network begun, or gone on with."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ....nn import communication
from ....nn.communication import Group
from .. import base, inputs, ranks
from ..training import Part
from . import parameters
from .constructor import hidden_sizes, require_goes_together


def fit(
    of: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    incremental: bool,
    validation: tuple[Any, Any, Any] | None = None,
    group: Group | None = None,
) -> Any:
    """Train an estimator, for one epoch if incremental. Returns the estimator.

    validation: X, y and weights, or None. group: of ranks that train it together, if there are several.
    """
    with ExitStack() as stack:
        with communication.agreed(group):
            hidden = hidden_sizes(of.hidden_layer_sizes)
            require_goes_together(of, validation is not None, group is not None)
            rs = check_random_state(of.random_state)
            stack.enter_context(base.threads(of.n_threads))
        ranks.require_same_settings(group, of)
        rs = ranks.told_generator(group, rs)
        first = not hasattr(of, "net_") or (not of.warm_start and not incremental)
        begins = stack.enter_context(base.kept_where_it_fails(of))
        with communication.agreed(group):
            if group is not None and not first:
                _copy_what_changes(of)
            part, weight, given, held = _begin(of, (X, y, sample_weight), hidden, rs, first, incremental, validation)
        of._train(part, weight, given, rs, first, incremental, held, group, begins)
    if not np.isfinite(of.net_.parameters).all():
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            "preprocessed."
        )
    return of


def _begin(
    of: Any, given: tuple[Any, Any, Any], hidden: list[int], rs: Any, first: bool, incremental: bool, validation: Any
) -> tuple[Part, np.ndarray | None, tuple[Any, Any, Any], Part | None]:
    """Make an estimator's network, or go on with it.

    Returns the samples, their weights in training, X, y and weights as they were checked, and the validation data.
    """
    X, y, sample_weight = given
    X, y = of._checked(X, y, first, begins=not (of.warm_start or incremental), keeps=of.warm_start)
    weight, dtype = (
        inputs.weights(sample_weight, X.shape[0]),
        np.dtype(np.float64) if of.solver == "lbfgs" else X.dtype,
    )
    outputs, of.out_activation_, loss = of._outputs_of(y)
    sizes = (X.shape[1], *hidden, outputs)
    if first:
        of._initialize(sizes, loss, dtype, rs, X.dtype)
    elif of.net_.sizes != sizes:
        raise ValueError(
            f"the network goes on with its layers {of.net_.sizes}, got {sizes} from hidden_layer_sizes and y; "
            "set warm_start=False for new layers"
        )
    of.net_ = parameters.going_on(of.net_, of.activation, loss, dtype if of.solver == "lbfgs" else None)
    of.n_outputs_, dtype = outputs, of.net_.dtype
    part = Part(X.astype(dtype, copy=False), of._encoded(y), weight)
    weighted = of._weighted(y, weight)
    held = None if validation is None else of._validation(*validation)
    return part, weighted, (X, y, sample_weight), held


def _copy_what_changes(of: Any) -> None:
    """Go on with copies of what training changes in place: where a rank fails, the estimator has it as it was."""
    for name in ("net_", "_optimizer", "loss_curve_", "validation_scores_"):
        if hasattr(of, name):
            setattr(of, name, copy.deepcopy(getattr(of, name)))

"""What a fitted estimator's network puts out for samples, dense or sparse, before the activation of its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted, validate_data

from ....nn import evaluation, few_rows
from .. import base

SPARSE = ["csr", "csc"]  # the kinds that are taken
ROWS = 1024  # sparse ones that are made dense at a time


def of_data(of: Any, X: Any) -> np.ndarray:
    """The last layer's outputs, before their activation, of X as people have it."""
    check_is_fitted(of)
    X = validate_data(of, X, accept_sparse=SPARSE, reset=False)
    with base.threads(of.n_threads), np.errstate(over="ignore"):
        X = X.astype(of.net_.dtype, copy=False)
        Y = None if issparse(X) else few_rows.outputs(of.net_, X)
        return through(of, X) if Y is None else Y


def through(of: Any, X: Any) -> np.ndarray:
    """The outputs of checked samples in the network's dtype."""
    if not issparse(X):
        return evaluation.outputs(of.net_, X)
    X = X.tocsr()
    parts = [evaluation.outputs(of.net_, X[n : n + ROWS].toarray()) for n in range(0, X.shape[0], ROWS)]
    return np.concatenate(parts)

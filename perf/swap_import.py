"""A grid search over a pipeline as people write it, then with one changed import: the same best parameters, sooner.

python -m perf.swap_import           # a minute on two cores; --quick, some seconds
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from typing import Any

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

BEFORE, AFTER = "sklearn.neural_network", "numbafc.interop.sklearn"
GRID = {
    "mlpclassifier__hidden_layer_sizes": [(50,), (100, 50)],
    "mlpclassifier__alpha": [1e-4, 1.0],
    "mlpclassifier__learning_rate_init": [0.001, 0.01],
}
QUICK = {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__hidden_layer_sizes": [(20,)]}


def search(module: str, quick: bool = False, **how: Any) -> GridSearchCV:
    """The search, with MLPClassifier from this module. how: more arguments of GridSearchCV, such as n_jobs."""
    MLPClassifier = importlib.import_module(module).MLPClassifier  # from MODULE import MLPClassifier
    X, y = load_digits(return_X_y=True)
    X, y = (X[:600], y[:600]) if quick else (X, y)
    classifier = MLPClassifier(max_iter=20 if quick else 60, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), PCA(40, random_state=0), classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GridSearchCV(pipeline, QUICK if quick else GRID, cv=3, scoring="neg_log_loss", **how).fit(X, y)


def main(quick: bool) -> None:
    """Search with both. Ends with an exit code of 1 where they do not agree."""
    search(AFTER, quick=True)  # compiles, where nothing is in the cache, and loads
    found, seconds = {}, {}
    for module in (BEFORE, AFTER):
        start = time.perf_counter()
        found[module] = search(module, quick)
        seconds[module] = time.perf_counter() - start
        best = ", ".join(f"{name.split('__')[1]}={value}" for name, value in found[module].best_params_.items())
        print(f"from {module} import MLPClassifier")
        print(f"    {seconds[module]:.2f} s; best: {best}; log loss {-found[module].best_score_:.6f}")
    if found[BEFORE].best_params_ != found[AFTER].best_params_:
        raise SystemExit("the best parameters are not the same")
    print(f"the same best parameters, {seconds[BEFORE] / seconds[AFTER]:.1f} times sooner")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])

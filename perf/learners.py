"""A process that trains on real tables with one library: `python -m perf.learners NAME THREADS`, for the study `tables`.

A job (table, model) trains on the training part, predicts the test part, writes the predictions to `save`, and answers with
the seconds that the processor took for fit and for predict, from a frame each time. The first of each kind is trained on
some rows before, for few epochs where it has any: what compiles or loads then is `first_seconds`, and in no sample.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import real_tables
from .peers import serve

SEED = 0
SOME = 400  # rows of the first call
WORDS = ["object", "string", "category", "bool"]


def numbafc_recipe(classifies: bool, threads: int, X: Any, first: bool) -> Any:
    from numbafc.interop.sklearn import TabularClassifier, TabularRegressor

    kind = TabularClassifier if classifies else TabularRegressor
    return kind(random_state=SEED, n_threads=threads, **({"epochs": 1} if first else {}))


def sklearn_mlp(classifies: bool, threads: int, X: Any, first: bool) -> Any:
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = list(X.select_dtypes(include=WORDS).columns)
    numbers = [name for name in X.columns if name not in words]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )
    settings = {"early_stopping": True, "random_state": SEED} | ({"max_iter": 1} if first else {})
    if classifies:
        return make_pipeline(columns, MLPClassifier(**settings))
    return TransformedTargetRegressor(make_pipeline(columns, MLPRegressor(**settings)), transformer=StandardScaler())


class OfCategories:
    """A model whose columns of words come as pandas's categories, those of the training part, and without gaps in numbers
    where it takes none."""

    def __init__(self, model: Any, fill: bool) -> None:
        self.model, self.fill = model, fill

    def frame(self, X: Any) -> Any:
        X = X.assign(**{name: X[name].astype(kind) for name, kind in self.kinds.items()})
        return X.fillna(self.medians) if self.fill else X

    def fit(self, X: Any, y: np.ndarray) -> None:
        import pandas

        words = X.select_dtypes(include=WORDS).columns
        self.kinds = {name: pandas.CategoricalDtype(sorted(X[name].dropna().unique())) for name in words}
        self.medians = {name: X[name].median() for name in X.columns if name not in self.kinds}
        self.model.fit(self.frame(X), y)

    def predict(self, X: Any) -> np.ndarray:
        return self.model.predict(self.frame(X))


def sklearn_boosting(classifies: bool, threads: int, X: Any, first: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    return OfCategories(kind(random_state=SEED), fill=False)


def quiet_lightning() -> None:
    """Let Lightning, with which pytabkit trains, tell of errors alone, not of devices, tips and ends of trainings."""
    for module in ("lightning.pytorch", "pytorch_lightning"):  # whichever is there; on import it sets its own level
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning.*")


def pytabkit_recipe(classifies: bool, threads: int, X: Any, first: bool) -> Any:
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    quiet_lightning()
    kind = RealMLP_TD_S_Classifier if classifies else RealMLP_TD_S_Regressor
    few = {"n_epochs": 1} if first else {}
    return OfCategories(kind(random_state=SEED, device="cpu", n_threads=threads, **few), fill=True)


MODELS: dict[str, Callable[[bool, int, Any, bool], Any]] = {
    "numbafc": numbafc_recipe,
    "sklearn MLP": sklearn_mlp,
    "sklearn boosting": sklearn_boosting,
    "pytabkit": pytabkit_recipe,
}


class Learner:
    """What answers jobs."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, bool], float] = {}  # seconds of the first training of a kind

    def __call__(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        table, make, threads = real_tables.split(job["table"]), MODELS[job["model"]], job["threads"]
        kind = job["model"], table.classifies
        if kind not in self.known:
            some = np.unique(np.linspace(0, len(table.X) - 1, SOME).astype(int))
            self.known[kind] = self.train(make(table.classifies, threads, table.X, True), table, some)[0]
        fit, predict, answers = self.train(make(table.classifies, threads, table.X, False), table)
        np.save(job["save"], np.asarray(answers).astype(str if table.classifies else np.float64).reshape(-1))
        return {"first_seconds": self.known[kind], "fit_seconds": fit, "predict_seconds": predict}

    @staticmethod
    def train(model: Any, table: real_tables.Split, some: Any = slice(None)) -> tuple[float, float, Any]:
        """The seconds of fit and of predict, and what it predicts."""
        X, y = table.X.iloc[some], table.y[some]
        start = time.process_time()
        model.fit(X, y)
        fitted = time.process_time()
        answers = model.predict(table.X_test)
        return fitted - start, time.process_time() - fitted, answers


if __name__ == "__main__":
    serve(Learner())

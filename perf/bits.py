"""python -m perf.bits: hashes of products, functions and trainings, to compare machines, versions and instruction sets.

A line for each, and one of all. They are the same on every processor, for any number of threads and memory layout; what a
change of the package does to bits is what differs between its lines before and after. What came later has a hash of its
own, before the last line, which is that of the version of 2026-11-26 as long as none of its bits change.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import numbafc as fc
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES, softmax

SHAPES = (1, 1, 1), (3, 300, 5), (10, 64, 32), (17, 33, 65), (64, 64, 1), (128, 784, 32), (5, 1000, 257), (70, 9, 600)
DTYPES = np.float32, np.float64
LATER = "mish", "coslog4"


def hashed(*results: Any) -> str:
    """The hash of the bits of arrays and numbers, with their shapes and dtypes."""
    digest = hashlib.sha256()
    for result in map(np.asarray, results):
        digest.update(f"{result.dtype.str} {result.shape} ".encode() + np.ascontiguousarray(result).tobytes())
    return digest.hexdigest()[:16]


def products() -> Iterator[tuple[str, str]]:
    """Hashes of the layer and its gradients."""
    for dtype, (T, N, B) in itertools.product(DTYPES, SHAPES):
        rng = np.random.default_rng([T, N, B])
        W, X, b, dY = (rng.standard_normal(shape).astype(dtype) for shape in ((T, N), (N, B), T, (T, B)))
        results = fc.forward(W, X, b), *fc.backward(dY, X, W), fc.per_sample_grad_norms(dY, X)
        yield f"layer {np.dtype(dtype)} {T},{N},{B}", hashed(*results)


def functions() -> Iterator[tuple[str, str]]:
    """Hashes of activations with their slopes, softmax, and losses with their gradients."""
    for dtype in DTYPES:
        Y = (np.random.default_rng(0).standard_normal((7, 900)) * 8).astype(dtype)
        for name in ACTIVATIONS:
            if name not in LATER:
                yield of_activation(name, Y)
        yield f"softmax {np.dtype(dtype)}", hashed(softmax(Y))
        for name, loss in LOSSES.items():
            targets = np.arange(900) % 7 if loss.classifies else np.abs(Y.T[::-1]) % 1
            yield f"loss {name} {np.dtype(dtype)}", hashed(loss.per_sample(Y, targets), loss.gradient(Y, targets))


def of_activation(name: str, Y: np.ndarray) -> tuple[str, str]:
    """The hash of an activation and its slopes."""
    activation, H, S, dY = ACTIVATIONS[name], Y.copy(), Y.copy(), np.ones_like(Y)
    activation.apply(H)
    kept = activation.slopes(S)
    activation.chain(dY, H if activation.in_h else kept)
    return f"activation {name} {Y.dtype}", hashed(H, kept, dY)


def trained(loss: str = "cross_entropy", dtype: Any = "float32", net: dict[str, Any] | None = None, **settings: Any) -> str:
    """The hash of a short training: parameters, losses and predictions."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((211, 13))
    outputs = 4
    y = rng.integers(0, outputs, 211) if LOSSES[loss].classifies else rng.random((211, outputs)).round()
    model = fc.MLP([13, 48, 20, outputs], loss=loss, dtype=dtype, seed=3, **(net or {}))
    history = model.fit(X, y, epochs=settings.pop("epochs", 3), **settings)
    return hashed(model.parameters, history.loss, model.outputs(X))


def trainings() -> Iterator[tuple[str, str]]:
    """Hashes of trainings with one setting at a time, and some together."""
    weights = np.random.default_rng(2).random(211) + 0.1
    for dtype in ("float32", "float64"):
        for name in (name for name in ACTIVATIONS if name not in LATER):
            yield f"training {dtype} activation {name}", trained(dtype=dtype, net={"activation": name})
        for name in LOSSES:
            yield f"training {dtype} loss {name}", trained(name, dtype)
        for name in OPTIMIZERS:
            yield f"training {dtype} optimizer {name}", trained(dtype=dtype, optimizer=name)
        yield f"training {dtype} momentum", trained(dtype=dtype, optimizer=fc.SGD(0.01, momentum=0.9, nesterov=True))
        for name in (name for name in SCHEDULES if name not in LATER):
            yield f"training {dtype} schedule {name}", trained(dtype=dtype, schedule=name)
        regular: dict[str, Any]
        for regular in ({"dropout": 0.3}, {"clip_norm": 0.5}, {"clip_sample_norm": 0.5}, {"early_stopping": 1}):
            yield f"training {dtype} {next(iter(regular))}", trained(dtype=dtype, **regular)
        yield f"training {dtype} label smoothing", trained(dtype=dtype, net={"label_smoothing": 0.1})
        yield f"training {dtype} one sample a batch", trained(dtype=dtype, batch_size=1, epochs=1)
        yield f"training {dtype} one batch", trained(dtype=dtype, batch_size=1000)
        yield f"training {dtype} sample weights", trained(dtype=dtype, sample_weight=weights)
        yield f"training {dtype} class weights", trained(dtype=dtype, class_weight="balanced")


def later() -> Iterator[tuple[str, str]]:
    """Hashes of what came after the version of 2026-11-26."""
    net: dict[str, Any] = {"activation": "mish", "init": "ntp", "scaling": True}
    settings: dict[str, Any] = {"ntp": True, "rate_factors": (6, 1, 0.1), "schedule": "coslog4", "drop_last": True}
    for dtype in ("float32", "float64"):
        Y = (np.random.default_rng(0).standard_normal((7, 900)) * 8).astype(dtype)
        yield of_activation("mish", Y)
        for name, value in net.items():
            yield f"training {dtype} {name} {value}", trained("mse", dtype, net={name: value})
        for name, value in settings.items():
            yield f"training {dtype} {name} {value}", trained(dtype=dtype, **{name: value})
        for regular in ({}, {"clip_norm": 0.5}, {"clip_sample_norm": 0.5}):
            yield f"training {dtype} all {regular}", trained("mse", dtype, net=net, **settings, **regular)


def main() -> None:
    for words, parts in (("later", later()), ("all", itertools.chain(products(), functions(), trainings()))):
        everything = []
        for name, value in parts:
            everything.append(value)
            print(f"{value}  {name}", flush=True)
        print(f"{hashlib.sha256(' '.join(everything).encode()).hexdigest()[:16]}  {words} {len(everything)}")


if __name__ == "__main__":
    main()

"""A process that trains a module of PyTorch's: `python -m perf.module_fits MODULE THREADS`; for the study `modules`.

MODULE is numbafc, whose fit_module does it, or torch: the loop that everybody writes. A job names sizes, the samples of a
minibatch, and epochs; the answer has the seconds of a step, over all of them; with `check` the parameters after five steps.
"""

from __future__ import annotations

import functools
import itertools
import time
from typing import Any

from .peers import serve

STEPS = 24  # of an epoch


def difference(found: list[float], expected: list[float]) -> float:
    """The largest difference of parameters, over the largest of them."""
    largest = max(abs(value) for value in expected)
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) / largest


@functools.cache
def samples(N: int, T: int, batch: int) -> tuple[Any, Any]:
    """Normal inputs and classes, tensors, enough for an epoch."""
    import torch

    generator = torch.Generator().manual_seed(0)
    count = STEPS * batch
    return torch.randn(count, N, generator=generator), torch.randint(T, (count,), generator=generator)


def module(sizes: list[int]) -> Any:
    """An nn.Sequential, the same in every process."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[Any] = []
    for N, T in itertools.pairwise(sizes):
        layers += [*([nn.ReLU()] if layers else []), nn.Linear(N, T)]
    return nn.Sequential(*layers)


def train(name: str, net: Any, optimizer: Any, X: Any, y: Any, batch: int, epochs: int, shuffle: bool = True) -> None:
    """Train for so many epochs."""
    import torch
    from torch import nn

    loss = nn.CrossEntropyLoss()
    if name == "numbafc":
        from numbafc.interop.torch import fit_module

        fit_module(net, X, y, loss=loss, optimizer=optimizer, batch_size=batch, epochs=epochs, shuffle=shuffle)
        return
    for _ in range(epochs):
        order = torch.randperm(len(X)) if shuffle else torch.arange(len(X))
        for first in range(0, len(X), batch):
            chosen = order[first : first + batch]
            optimizer.zero_grad()
            loss(net(X[chosen]), y[chosen]).backward()
            optimizer.step()


@functools.cache
def trained(sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """The module that is timed, and its optimizer: both go on from sample to sample."""
    import torch

    net = module(list(sizes))
    return net, torch.optim.Adam(net.parameters(), lr=1e-3)


def answer(name: str, job: dict[str, Any]) -> dict[str, Any]:
    """What a job asks for."""
    import torch

    sizes, batch = tuple(job["sizes"]), job["batch"]
    X, y = samples(sizes[0], sizes[-1], batch)
    if job.get("check"):
        net = module(list(sizes))
        count = 5 * batch
        train(name, net, torch.optim.SGD(net.parameters(), lr=0.1), X[:count], y[:count], batch, 1, shuffle=False)
        return {"parameters": torch.cat([p.detach().reshape(-1)[:200] for p in net.parameters()]).tolist()}
    net, optimizer = trained(sizes)
    start = time.perf_counter()
    train(name, net, optimizer, X, y, batch, job["epochs"])
    return {"seconds": [(time.perf_counter() - start) / (STEPS * job["epochs"])]}


if __name__ == "__main__":
    serve(answer)

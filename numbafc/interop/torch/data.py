"""Samples as PyTorch's users have them, tensors, datasets and loaders, as the arrays that training takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)


def array(name: str, values: Any) -> Any:
    """A tensor as an array of the same memory; anything else as it is. Raises TypeError or ValueError."""
    if not isinstance(values, torch.Tensor):
        return values
    if values.device.type != "cpu":
        raise ValueError(f"{name} must be in the CPU's memory, got a tensor on {values.device}; pass {name}.cpu()")
    if values.layout != torch.strided or values.is_quantized:
        raise TypeError(f"{name} must be a dense tensor, got {values.layout}; pass {name}.to_dense()")
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    return values.detach().resolve_neg().resolve_conj().numpy()


def arrays(X: Any, y: Any) -> tuple[Any, Any, dict[str, Any]]:
    """X and y as arrays, and the settings of fit that a loader has. y is None where X is a dataset or a loader."""
    settings: dict[str, Any] = {}
    if isinstance(X, DataLoader):
        settings, X = _settings(X), X.dataset
    if isinstance(X, IterableDataset):
        raise TypeError("X must be samples that can be counted, got an IterableDataset; collect them in a TensorDataset")
    if isinstance(X, Dataset):
        if y is not None:
            raise ValueError("y must be None where X is a dataset or a loader, which has the targets; leave it out")
        X, y = _pairs(X)
    elif y is None:
        raise ValueError("y must be given with X, got None; or pass a dataset or a DataLoader of both")
    return array("X", X), array("y", y), settings


def _pairs(dataset: Any) -> tuple[Any, Any]:
    """The samples and the targets of a dataset, each asked once."""
    if type(dataset) is TensorDataset:
        found = list(dataset.tensors)
    else:
        if not hasattr(dataset, "__len__"):
            raise TypeError(
                f"X must be samples that can be counted, and {type(dataset).__name__} has no length; give it one"
            )
        count = len(dataset)
        if count == 0:
            raise ValueError("the dataset has no samples; give at least one")
        found = default_collate([dataset[n] for n in range(count)])
    if not isinstance(found, list | tuple) or len(found) != 2:
        got = f"{len(found)} values" if isinstance(found, list | tuple) else type(found).__name__
        raise ValueError(f"a dataset's samples must be pairs (x, y), got {got}")
    return found[0], found[1]


def _settings(loader: Any) -> dict[str, Any]:
    """batch_size, shuffle and drop_last of a loader. Raises ValueError where it draws or joins samples in its own way."""
    sampler = loader.sampler
    if loader.batch_size is None or type(loader.batch_sampler) is not BatchSampler:
        raise ValueError(
            "the DataLoader makes its minibatches in a way of its own; pass its dataset, batch_size and shuffle"
        )
    if loader.generator is not None or getattr(sampler, "generator", None) is not None:
        raise ValueError(
            "the DataLoader draws by a generator of its own, which training does not; pass its dataset and seed"
        )
    plain = type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)
    if isinstance(sampler, RandomSampler) and sampler.num_samples != len(loader.dataset):
        plain = False
    if not plain:
        raise ValueError(
            f"the DataLoader draws samples by a {type(sampler).__name__}, as training does not; pass its dataset, "
            "batch_size and shuffle"
        )
    if loader.collate_fn is not default_collate:
        raise ValueError("the DataLoader has a collate_fn, which training does not call; pass tensors X and y")
    shuffles = type(sampler) is RandomSampler
    return {"batch_size": loader.batch_size, "shuffle": shuffles, "drop_last": loader.drop_last}


def rows(X: Any, flattens: bool) -> Any:
    """X with one axis of features, as Flatten makes it."""
    if flattens and getattr(X, "ndim", 2) > 2:
        return np.reshape(X, (len(X), -1))
    return X

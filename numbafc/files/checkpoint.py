"""Networks in files: safetensors, with the names PyTorch gives (layers.0.weight), so that nn.Linear can load them.

A file is written beside its place, flushed to the disk, and renamed: at every moment the old or the new one is there,
whole. What a file claims is compared with what it holds before a network is made from it.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..nn.mlp import MLP, writers
from .invalid import InvalidFile

FORMAT = 1  # one number up for whatever an older reader would misunderstand


def save(net: MLP, path: str | PathLike[str]) -> None:
    """Write the network, whole or not at all. Raises OSError; ImportError where safetensors is missing."""
    tensors = dict(_tensors(net))
    if net.input_mean is not None and net.input_scale is not None:
        tensors |= {"input.mean": net.input_mean, "input.scale": net.input_scale}
    description = {
        "format": FORMAT,
        "sizes": net.sizes,
        "activation": net.activation,
        "loss": net.loss_name,
        "dtype": net.dtype.name,
        "seed": net.seed,
        "classes": net.classes,
    }
    metadata = {"numbafc": json.dumps(description)}  # one entry: safetensors shuffles several, and bytes would differ
    # safetensors 0.8 writes wrong data for arrays that are not in C order: always hand it such.
    ordered = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    write_whole(path, _safetensors().numpy.save(ordered, metadata))


def load(path: str | PathLike[str]) -> MLP:
    """The network in a file that save wrote. Raises InvalidFile for anything else, OSError where it cannot be read."""
    with Path(path).open("rb"):
        pass  # a missing or unreadable file is an OSError, whatever safetensors makes of it
    try:
        with _safetensors().safe_open(os.fspath(path), framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (_safetensors().SafetensorError, TypeError, ValueError, KeyError) as error:
        raise InvalidFile(path, f"not a readable safetensors file ({error})") from None
    if "numbafc" not in metadata:
        raise InvalidFile(path, "a safetensors file, but not of a numbafc network: its metadata say nothing of one")
    try:
        description = json.loads(metadata["numbafc"])  # RecursionError: brackets without end
        if description["format"] != FORMAT:
            raise ValueError(f"format {description['format']!r}; this version reads {FORMAT}")
        return _restore(description, tensors)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidFile(path, f"the model's description and its contents disagree ({error})") from None


def _restore(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> MLP:
    """The network of a description and its tensors. Raises KeyError, TypeError or ValueError where they disagree."""
    sizes, held = description["sizes"], sum(tensor.size for tensor in tensors.values())
    if sum(N * T + T for N, T in itertools.pairwise(sizes)) > held:
        raise ValueError(f"layers of sizes {sizes} need more than the {held} numbers in the file")
    net = MLP(sizes, description["activation"], description["loss"], description["dtype"], description["seed"])
    for name, parameter in _tensors(net).items():
        parameter[:] = _matching(tensors, name, parameter.shape, net.dtype)
    if "input.mean" in tensors:
        net.input_mean = _matching(tensors, "input.mean", net.sizes[:1], net.dtype)
        net.input_scale = _matching(tensors, "input.scale", net.sizes[:1], net.dtype)
    classes = description["classes"]
    if classes is not None:
        if not (isinstance(classes, list) and all(isinstance(label, str) for label in classes)):
            raise ValueError(f"classes must be a list of words, got {classes!r:.80}")
        if len(classes) != net.sizes[-1]:
            raise ValueError(f"{len(classes)} classes for {net.sizes[-1]} outputs")
        net.classes = tuple(classes)
    return net


def _tensors(net: MLP) -> dict[str, np.ndarray]:
    """The parameters by PyTorch's names."""
    return {
        f"layers.{n}.{kind}": tensor
        for n, pair in enumerate(zip(net.weights, net.biases, strict=True))
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def _matching(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != dtype:
        raise ValueError(f"{name} has shape {tensor.shape}, {tensor.dtype}; expected {shape}, {dtype}")
    return tensor


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Replace a file by new content, so that a crash at any moment leaves the old or the new one."""
    target = Path(os.path.realpath(path))  # through a symbolic link, not over it
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "is no regular file, so it cannot be replaced by one", str(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), target.stat().st_mode if target.exists() else 0o666 & ~_umask())
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError("model files need safetensors, which is not installed: pip install 'numbafc[cli]'") from None
    return safetensors


writers["safetensors"] = save

"""Networks in files: safetensors, with the names PyTorch gives (layers.0.weight), so that nn.Linear can load them.

    layers.0.weight, layers.0.bias, …       the parameters
    input.mean, input.scale, target.mean, … the standardisation, if there is one
    training.…                              what fit(resume=True) needs: the optimizer's state and others (progress.py)

The rest is a description in the metadata, in JSON. A file is written beside its place, flushed to the disk, and renamed: at
every moment the old or the new one is there, whole. What a file claims is compared with what it holds before a network is
made from it.
"""

from __future__ import annotations

import itertools
import json
import os
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..nn.mlp import MLP, writers
from . import progress
from .invalid import InvalidFile
from .replacing import require_writable, write_whole

FORMAT = 2  # one number up for whatever an older reader would misunderstand
READABLE = 1, 2  # 1 had no targets' standardisation, training, label_smoothing and init
SUFFIX = ".safetensors"
# What other programs would take for another format. Any other suffix, or none, is the user's own affair.
OF_OTHERS = frozenset(
    ".onnx .npy .npz .csv .tsv .txt .json .toml .yaml .yml .xml .html .md .py .ipynb .pt .pth .ckpt .pkl .pickle .joblib .h5 "
    ".hdf5 .keras .tflite .pb .gguf .mat .parquet .arrow .feather .xlsx .png .svg .pdf .jpg .gz .zip .tar .idx".split()
)


def save(net: MLP, path: str | PathLike[str], training: bool = True) -> None:
    """Write the network, whole or not at all.

    Raises OSError where the file cannot be written, ValueError for a name of another format or a network that load would
    refuse: the file that was there stays. ImportError where safetensors is missing.
    """
    require_suffix(path)
    write_whole(path, content(net, training))


def require_savable(path: str | PathLike[str]) -> None:
    """Whether a network could be saved there now: for a look before long work. Raises OSError or ValueError."""
    require_suffix(path)
    require_writable(path)


def require_suffix(path: str | PathLike[str]) -> None:
    """The name is not that of another format. Raises ValueError."""
    suffix = Path(path).suffix
    if suffix.lower() in OF_OTHERS:
        raise ValueError(
            f"a network is written as {SUFFIX}, but {str(path)!r:.100} ends in {suffix}, which is another format; "
            f"name it {Path(path).stem!r:.60} with {SUFFIX}"
        )


def content(net: MLP, training: bool = True) -> bytes:
    """The file of a network. Raises ValueError for one that load would refuse; ImportError without safetensors."""
    tensors, description = contents(net, training)
    metadata = {"numbafc": json.dumps(description)}  # one entry: safetensors shuffles several, and bytes would differ
    # safetensors 0.8 writes wrong data for arrays that are not in C order: always hand it such.
    ordered = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    made: bytes = _safetensors().numpy.save(ordered, metadata)
    return made


def contents(net: MLP, training: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the description of a network."""
    tensors = _tensors(net)
    for name, mean, scale in _standardisations(net):
        if mean is not None and scale is not None:
            tensors |= {f"{name}.mean": mean, f"{name}.scale": scale}
    description: dict[str, Any] = {
        "format": FORMAT,
        "sizes": net.sizes,
        "activation": net.activation,
        "loss": net.loss_name,
        "dtype": net.dtype.name,
        "seed": net.seed,
        "label_smoothing": net.label_smoothing,
        "init": net.init,
        "classes": net.classes,
        "features": net.features,
    }
    if training and net.training is not None and progress.can_be_written(net.training):
        description["training"] = progress.describe(net.training)
        tensors |= {f"training.{name}": tensor for name, tensor in progress.tensors(net.training).items()}
    return tensors, description


def _standardisations(net: MLP) -> list[tuple[str, np.ndarray | None, np.ndarray | None]]:
    return [("input", net.input_mean, net.input_scale), ("target", net.target_mean, net.target_scale)]


def load(path: str | PathLike[str]) -> MLP:
    """The network in a file that save wrote. Raises InvalidFile for anything else, OSError where it cannot be read."""
    with Path(path).open("rb"):
        pass  # a missing or unreadable file is an OSError, whatever safetensors makes of it
    try:
        with _safetensors().safe_open(os.fspath(path), framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (_safetensors().SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:
        # AttributeError: safetensors knows dtypes that NumPy has not, such as F8_E4M3
        raise InvalidFile(path, f"not a readable safetensors file ({error})") from None
    if "numbafc" not in metadata:
        raise InvalidFile(path, "a safetensors file, but not of a numbafc network: its metadata say nothing of one")
    try:
        description = json.loads(metadata["numbafc"])  # RecursionError: brackets without end
        if description["format"] not in READABLE:
            raise ValueError(f"format {description['format']!r}; this version reads {' and '.join(map(str, READABLE))}")
        return _restore(description, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidFile(path, f"the model's description and its contents disagree ({error})") from None


def _restore(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> MLP:
    """The network of a description and its tensors. Raises KeyError, TypeError or ValueError where they disagree."""
    sizes = [checks.count("a size", size, 1) for size in description["sizes"]]  # before a word is taken 10⁹ times
    held = sum(tensor.size for tensor in tensors.values())
    if sum(N * T + T for N, T in itertools.pairwise(sizes)) > held:
        raise ValueError(f"layers of sizes {sizes!r:.80} need more than the {held} numbers in the file")
    net = MLP(
        sizes,
        description["activation"],
        description["loss"],
        description["dtype"],
        description["seed"],
        label_smoothing=description.get("label_smoothing", 0.0),
        init=description.get("init", "auto"),
    )
    for name, parameter in _tensors(net).items():
        parameter[:] = _matching(tensors, name, parameter.shape, net.dtype)
    if "input.mean" in tensors:
        net.input_mean, net.input_scale = _standardisation(tensors, "input", net.sizes[:1], net.dtype)
    if "target.mean" in tensors:
        net.target_mean, net.target_scale = _standardisation(tensors, "target", net.sizes[-1:], net.dtype)
    net.classes = _names("classes", description["classes"], net.sizes[-1], "outputs")
    net.features = _names("features", description.get("features"), net.sizes[0], "inputs")  # younger than format 2
    if "training" in description:
        prefix = "training."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        net.training = progress.restore(description["training"], own, net)
        net.order.bit_generator.state = net.training.order
    return net


def _tensors(net: MLP) -> dict[str, np.ndarray]:
    """The parameters by PyTorch's names."""
    return {
        f"layers.{n}.{kind}": tensor
        for n, pair in enumerate(zip(net.weights, net.biases, strict=True))
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def _names(name: str, names: Any, count: int, of: str) -> tuple[str, ...] | None:
    """Names of all inputs or outputs, if they have any. Raises ValueError."""
    if names is None:
        return None
    if not (isinstance(names, list) and all(isinstance(one, str) for one in names)):
        raise ValueError(f"{name} must be a list of words, got {names!r:.80}")
    if len(names) != count:
        raise ValueError(f"{len(names)} {name} for {count} {of}")
    return tuple(names)


def _matching(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != dtype:
        raise ValueError(f"{name} has shape {tensor.shape}, {tensor.dtype}; expected {shape}, {dtype}")
    return tensor


def _standardisation(
    tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """A mean and a scale, of which no number spoils every prediction."""
    mean, scale = (_matching(tensors, f"{name}.{kind}", shape, dtype) for kind in ("mean", "scale"))
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and scale.all()):
        raise ValueError(f"{name}.mean and {name}.scale must be finite, and no scale 0")
    return mean, scale


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError("model files need safetensors, which is not installed: pip install 'numbafc[cli]'") from None
    return safetensors


writers["safetensors"] = save

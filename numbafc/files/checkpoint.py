"""Networks in files: safetensors, with the names PyTorch gives (layers.0.weight), so that nn.Linear can load them.

    layers.0.weight, layers.0.bias, …       the parameters
    input.mean, input.scale, target.mean, … the standardisation, if there is one
    training.…                              what fit(resume=True) needs: the optimizer's state and others (progress.py)

The rest is a description in the metadata, in JSON. A file is written beside its place, flushed to the disk, and renamed: at
every moment the old or the new one is there, whole. What a file claims is compared with what it holds before a network is
made from it; and save looks at what it is about to write as load will.
"""

from __future__ import annotations

import itertools
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..nn.attributes import shuffles
from ..nn.mlp import MLP
from ..nn.network import set_layers
from . import progress
from .invalid import InvalidFile
from .opening import enough_memory, regular, require_memory, size_of
from .replacing import require_writable, write_whole
from .shown import shortened

FORMAT = 2  # one number up for whatever an older reader would misunderstand
READABLE = 1, 2  # 1 had no targets' standardisation, training, label_smoothing and init
ENTRY = "numbafc"  # of the metadata; one alone, for safetensors shuffles several, and bytes would differ
LONGEST_HEADER = 100_000_000  # bytes, that safetensors reads
SUFFIX = ".safetensors"
DTYPES = {
    f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "FIU" for size in (1, 2, 4, 8) if (kind, size) != ("F", 1)
}
DTYPES["BOOL"] = "?"
CONTRADICTIONS = KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError
OF_THE_CONSTRUCTOR = "sizes", "activation", "loss_name", "dtype", "seed", "label_smoothing", "init"
# What other programs would take for another format. Any other suffix, or none, is the user's own affair.
OF_OTHERS = (
    *(".onnx", ".pt", ".pth", ".ckpt", ".h5", ".hdf5", ".keras", ".tflite", ".pb", ".gguf", ".mat"),
    *(
        ".pkl",
        ".pickle",
        ".joblib",
        ".npy",
        ".npz",
        ".csv",
        ".tsv",
        ".txt",
        ".parquet",
        ".arrow",
        ".feather",
        ".xlsx",
        ".idx",
    ),
    *(".json", ".toml", ".yaml", ".yml", ".xml", ".html", ".md", ".py", ".ipynb"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".gz", ".zip", ".tar"),
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
    _safetensors()
    try:
        tensors, description = contents(net, training)
        text = json.dumps(description)
        _require_same(_restore(json.loads(text), tensors), net)
    except CONTRADICTIONS as error:
        raise ValueError(
            f"this network cannot be saved, for no file of it could be loaded: {shortened(_words(error), 200)}"
        ) from error
    # safetensors 0.8 writes wrong data for arrays that are not in C order: always hand it such.
    ordered = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    made: bytes = _safetensors().numpy.save(ordered, {ENTRY: text})
    if int.from_bytes(made[:8], "little") > LONGEST_HEADER:
        raise ValueError(
            f"this network cannot be saved, for no file of it could be loaded: its names and its history take "
            f"{len(text)} bytes, of which a file may have {LONGEST_HEADER}; shorten them, or pass training=False"
        )
    return made


def _require_same(back: MLP, net: MLP) -> None:
    """What is no array comes back as it was. Raises ValueError."""
    for name in (*OF_THE_CONSTRUCTOR, "classes", "features"):
        was, would_be = getattr(net, name), getattr(back, name)
        if was != would_be:
            raise ValueError(f"{name} is {was!r:.80}, and would be {would_be!r:.80}")
    if net.parameters.size != back.parameters.size:
        raise ValueError(f"sizes {net.sizes!r:.80} have {back.parameters.size} parameters, not {net.parameters.size}")
    for (name, *pair), (_, *other) in zip(_standardisations(net), _standardisations(back), strict=True):
        if [one is None for one in pair] != [one is None for one in other]:
            raise ValueError(f"{name}_mean and {name}_scale go together")


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
    order = shuffles(net.seed).bit_generator.state
    if training and net.training is not None and progress.can_be_written(net.training):
        description["training"] = progress.describe(net.training)
        tensors |= {f"training.{name}": tensor for name, tensor in progress.tensors(net.training).items()}
        order = net.training.order
    if net.order.bit_generator.state != order:  # somebody set another one, or trained and saved without the training
        description["order"] = net.order.bit_generator.state
    return tensors, description


def _standardisations(net: MLP) -> list[tuple[str, np.ndarray | None, np.ndarray | None]]:
    return [("input", net.input_mean, net.input_scale), ("target", net.target_mean, net.target_scale)]


def load(path: str | PathLike[str]) -> MLP:
    """The network in a file that save wrote. Raises InvalidFile for anything else, OSError where it cannot be read.

    The file is read, not mapped: one that another program cuts short meanwhile is refused, not a crash.
    """
    with enough_memory(path):
        metadata, tensors = _read(Path(path))
    if ENTRY not in metadata:
        raise InvalidFile(path, "a safetensors file, but not of a numbafc network: its metadata say nothing of one")
    try:
        description = json.loads(metadata[ENTRY])  # RecursionError: brackets without end
        if description["format"] not in READABLE:
            raise ValueError(f"format {description['format']!r}; this version reads {' and '.join(map(str, READABLE))}")
        return _restore(description, tensors)
    except CONTRADICTIONS as error:
        raise InvalidFile(path, f"the model's description and its contents disagree ({_words(error)})") from None


def _words(error: Exception) -> str:
    """What an error says; a KeyError says a name alone."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metadata and the tensors of a safetensors file. Raises InvalidFile, OSError, MemoryError before it is taken."""
    library = _safetensors()
    with regular(path) as file:
        size = size_of(file)
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, LONGEST_HEADER):
            raise InvalidFile(path, f"not a readable safetensors file (its header claims {length} bytes of {size})")
        header = file.read(length)
        try:
            described = json.loads(header)
            metadata = described.pop("__metadata__", {})
            end = max((tensor["data_offsets"][1] for tensor in described.values()), default=0)
            if len(header) < length or end != size - 8 - length:
                raise ValueError(f"its tensors end at {end!r:.30}, and the file has {size - 8 - length} bytes of them")
            require_memory(path, 3 * size, "reading this model")  # its bytes, the library's copy, and the network
            data = b"".join((start, header, file.read(end)))
            tensors = {name: _tensor(**tensor) for name, tensor in library.deserialize(data)}
        except (library.SafetensorError, *CONTRADICTIONS) as error:
            raise InvalidFile(path, f"not a readable safetensors file ({_words(error)})") from None
        except BaseException as error:  # a panic of the library's is no Exception
            if type(error).__name__ != "PanicException":
                raise
            raise InvalidFile(path, f"not a readable safetensors file (safetensors failed: {error})") from None
    return metadata if isinstance(metadata, dict) else {}, tensors


def _tensor(dtype: str, shape: list[int], data: bytearray) -> np.ndarray:
    """An array. Raises KeyError for a dtype that NumPy has not, such as F8_E4M3."""
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def _restore(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> MLP:
    """The network of a description and its tensors. Raises one of CONTRADICTIONS where they disagree."""
    net = MLP(
        [1, 1],  # the sizes come when there are parameters for them
        description["activation"],
        description["loss"],
        description["dtype"],
        description["seed"],
        label_smoothing=description.get("label_smoothing", 0.0),
        init=description.get("init", "auto"),
    )
    set_layers(net, *_parameters(description["sizes"], tensors, net.dtype))
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
    if "order" in description:  # younger than format 2
        net.order.bit_generator.state = progress.order_of(description["order"])
    return net


def _parameters(described: Any, tensors: dict[str, np.ndarray], dtype: np.dtype) -> tuple[tuple[int, ...], np.ndarray]:
    """The sizes, and the parameters that a file holds for all of them: nothing is made before they are seen."""
    if not isinstance(described, list) or len(described) < 2:
        raise ValueError(f"sizes must be a list of 2 or more, got {described!r:.80}")
    sizes = tuple(checks.count("a size", size, 1) for size in described)
    parts = []
    for n, (N, T) in enumerate(itertools.pairwise(sizes)):
        for kind, shape in (("weight", (T, N)), ("bias", (T,))):
            parts.append(_matching(tensors, f"layers.{n}.{kind}", shape, dtype).reshape(-1))
    return sizes, np.concatenate(parts)


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
    if name not in tensors:
        raise ValueError(f"{name} is missing, which should have shape {shape}")
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
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ImportError("model files need safetensors, which is not installed: pip install 'numbafc[cli]'") from None
    return safetensors

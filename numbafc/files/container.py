"""The container of model files, safetensors: tensors by their names and a text, in bytes, and back from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .invalid import InvalidFile
from .opening import regular, require_memory, size_of
from .suffixes import ONNX
from .whatitis import PICKLE

ENTRY = "numbafc"  # of the metadata; one alone, for safetensors shuffles several, and bytes would differ
LONGEST_HEADER = 100_000_000  # bytes, that safetensors reads
DTYPES = {
    f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "FIU" for size in (1, 2, 4, 8) if (kind, size) != ("F", 1)
}
DTYPES["BOOL"] = "?"
OF_PYTORCH = (
    "a pickle or an archive, as PyTorch writes, which could run code when it is loaded; write its weights with "
    "safetensors.torch.save_file(module.state_dict(), 'model.safetensors') and read those with numbafc.from_weights"
)
CONTRADICTIONS = LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError


def library() -> Any:
    """The library safetensors. Raises ImportError."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ImportError("model files need safetensors, which is not installed: pip install 'numbafc[cli]'") from None
    return safetensors


def packed(tensors: dict[str, np.ndarray], text: str) -> bytes:
    """A file's bytes. Raises ValueError where no reader would take so long a header."""
    # safetensors 0.8 writes wrong data for arrays that are not in C order: always hand it such.
    ordered = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    made: bytes = library().numpy.save(ordered, {ENTRY: text})
    if int.from_bytes(made[:8], "little") > LONGEST_HEADER:
        raise ValueError(
            f"its names and its history take {len(text)} bytes, of which a file may have {LONGEST_HEADER}; shorten them, "
            "or pass training=False"
        )
    return made


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metadata and the tensors of a safetensors file. Raises InvalidFile, OSError, MemoryError before it is taken."""
    safetensors = library()
    with regular(path) as file:
        size = size_of(file)
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if path.suffix.lower() == ONNX:
            raise InvalidFile(path, "an ONNX model; numbafc.from_onnx reads it")
        if start.startswith(b"PK\x03\x04") or PICKLE.match(start):
            raise InvalidFile(path, OF_PYTORCH)
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
            tensors = {name: _tensor(**tensor) for name, tensor in safetensors.deserialize(data)}
        except (safetensors.SafetensorError, *CONTRADICTIONS) as error:
            raise InvalidFile(path, f"not a readable safetensors file ({words(error)})") from None
        except BaseException as error:  # a panic of the library's is no Exception
            if type(error).__name__ != "PanicException":
                raise
            raise InvalidFile(path, f"not a readable safetensors file (safetensors failed: {error})") from None
    return metadata if isinstance(metadata, dict) else {}, tensors


def _tensor(dtype: str, shape: list[int], data: bytearray) -> np.ndarray:
    """A tensor as an array. Raises KeyError for a dtype that NumPy has not, such as F8_E4M3."""
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def words(error: Exception) -> str:
    """The text of an error; that of a KeyError is a name alone."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)

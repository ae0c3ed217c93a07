"""The names of model files: any but those that other programs would take for another format."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

SUFFIX = ".safetensors"
# Any other suffix, or none, is the user's own affair.
OF_OTHERS = (
    *(".onnx", ".pt", ".pth", ".ckpt", ".h5", ".hdf5", ".keras", ".tflite", ".pb", ".gguf", ".mat"),
    *(".pkl", ".pickle", ".joblib", ".npy", ".npz", ".csv", ".tsv", ".txt"),
    *(".parquet", ".arrow", ".feather", ".xlsx", ".idx"),
    *(".json", ".toml", ".yaml", ".yml", ".xml", ".html", ".md", ".py", ".ipynb"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".gz", ".zip", ".tar"),
)


def require_suffix(path: str | PathLike[str]) -> None:
    """Refuse a name of another format. Raises ValueError."""
    suffix = Path(path).suffix
    if suffix.lower() in OF_OTHERS:
        raise ValueError(
            f"a network is written as {SUFFIX}, but {str(path)!r:.100} ends in {suffix}, which is another format; "
            f"name it {Path(path).stem!r:.60} with {SUFFIX}"
        )

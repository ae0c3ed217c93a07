"""The names of model files: any but those that other programs would take for another format."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

SUFFIX = ".safetensors"
ONNX = ".onnx"
# Any other suffix, or none, is the user's own affair.
OF_OTHERS = (
    *(SUFFIX, ONNX, ".pt", ".pth", ".ckpt", ".h5", ".hdf5", ".keras", ".tflite", ".pb", ".gguf", ".mat"),
    *(".pkl", ".pickle", ".joblib", ".npy", ".npz", ".csv", ".tsv", ".txt"),
    *(".parquet", ".arrow", ".feather", ".xlsx", ".idx"),
    *(".json", ".toml", ".yaml", ".yml", ".xml", ".html", ".md", ".py", ".ipynb"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".gz", ".zip", ".tar"),
)


def require_suffix(path: str | PathLike[str], own: str = SUFFIX) -> None:
    """Refuse a name of another format. own: the suffix of this one. Raises ValueError."""
    suffix = Path(path).suffix
    if suffix.lower() in OF_OTHERS and suffix.lower() != own:
        what = "a network is written as" if own == SUFFIX else "an ONNX model is written as"
        raise ValueError(
            f"{what} {own}, but {str(path)!r:.100} ends in {suffix}, which is another format; "
            f"name it {Path(path).stem!r:.60} with {own}"
        )

"""Files: data sets in, networks in and out."""

from .checkpoint import require_savable, save
from .datasets import Dataset, digits
from .elsewhere import save_elsewhere
from .invalid import InvalidFile
from .loading import load
from .onnx import export_onnx, from_onnx
from .replacing import require_writable
from .tables_of_files import load_table
from .tabular import Dialect, Reading
from .weights import from_weights

__all__ = [
    "Dataset",
    "Dialect",
    "InvalidFile",
    "Reading",
    "digits",
    "export_onnx",
    "from_onnx",
    "from_weights",
    "load",
    "load_table",
    "require_savable",
    "require_writable",
    "save",
    "save_elsewhere",
]

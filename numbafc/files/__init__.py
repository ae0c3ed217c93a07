"""Files: data sets in, networks in and out."""

from .checkpoint import load, require_savable, save
from .datasets import Dataset, digits
from .elsewhere import save_elsewhere
from .invalid import InvalidFile
from .replacing import require_writable

__all__ = [
    "Dataset",
    "InvalidFile",
    "digits",
    "load",
    "require_savable",
    "require_writable",
    "save",
    "save_elsewhere",
]

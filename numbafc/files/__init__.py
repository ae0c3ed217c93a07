"""Files: data sets in, networks in and out."""

from .checkpoint import load, save
from .datasets import Dataset, digits
from .invalid import InvalidFile

__all__ = ["Dataset", "InvalidFile", "digits", "load", "save"]

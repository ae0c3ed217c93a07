"""The library that reads tables, polars behind narwhals, and its failures as sentences.

Measured on a csv of 300 000 × 30 reals (169 MiB, two cores, 2026-11-27): polars reads its cells as text in 0.5 s where
pandas takes 2.9 s, is imported in 0.16 s (pandas 0.36 s), and reads parquet by itself, for which pandas needs pyarrow's
170 MiB besides. So it is polars, though its own 170 MiB on the disk are twice pandas' 84.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .invalid import InvalidFile
from .shown import shortened

MISSING_LIBRARY = "tables are read with {0}, which is not installed: pip install 'numbafc[cli]'"


def polars() -> Any:
    """The library polars. Raises ImportError with a sentence."""
    try:
        import polars
    except ImportError:
        raise ImportError(MISSING_LIBRARY.format("polars")) from None
    return polars


def narwhals() -> Any:
    """The library narwhals. Raises ImportError with a sentence."""
    try:
        import narwhals
    except ImportError:
        raise ImportError(MISSING_LIBRARY.format("narwhals")) from None
    return narwhals


def openpyxl() -> Any:
    """The library openpyxl. Raises ImportError with a sentence."""
    try:
        import openpyxl
    except ImportError:
        raise ImportError(MISSING_LIBRARY.format("openpyxl")) from None
    return openpyxl


@contextmanager
def failures(path: Path, kind: str) -> Iterator[None]:
    """Make every way in which a library fails InvalidFile; a panic of polars is no Exception."""
    try:
        yield
    except (InvalidFile, OSError, MemoryError, ImportError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        words = " ".join(str(error).split())
        raise InvalidFile(path, f"not a readable {kind} file ({type(error).__name__}: {shortened(words, 120)})") from None

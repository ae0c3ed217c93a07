"""Anything that numbafc reads, by what is in the file: a network, arrays, a table."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .. import checks
from ..nn import MLP, Members
from ..tables import Choices
from . import checkpoint, datasets, readers
from .dialect import Dialect, require_taken
from .invalid import InvalidFile
from .opening import regular
from .suffixes import SUFFIX
from .tables_of_files import Paths, load_table
from .unpacking import STANDARD_INPUT, Progress
from .whatitis import SAFETENSORS


def load(
    path: Paths,
    choices: Choices | None = None,
    *,
    dialect: Dialect | None = None,
    labels: str | PathLike[str] | None = None,
    dtype: checks.RealDtype = "float32",
    progress: Progress | None = None,
) -> MLP | Members | datasets.Dataset:
    """Read a network, the members of an ensemble, or a data set.

    A data set is arrays (npz, npy, IDX) or a table (csv and its kin, parquet, Excel), as a network takes them.

    path: of a file; several files of one table; or "-", standard input. choices: which columns of a table are what, and its
    target; of these, the target and the task are for arrays, too. dialect: how a text is written, where that is not found.
    labels: the file of an IDX file's targets. dtype: of X and of real targets. progress: called with the bytes that are
    read, and with how many there are.

    A table's data set has what was decided in its field table, which a network keeps: net.table = data.table. Raises
    InvalidFile, ImportError where the library for tables is missing, OSError or MemoryError.
    """
    one = Path(path) if isinstance(path, str | PathLike) else Path(path[0]) if len(path) == 1 else None
    if one is not None and _is_network(one):
        return checkpoint.load(one)
    reader = readers.find(one) if one is not None and str(one) != STANDARD_INPUT else None
    if one is None or reader is None:
        if labels is not None:
            raise InvalidFile(one or Path(path[0]), "the target of a table is one of its columns; labels is for IDX files")  # type: ignore[index]
        return load_table(path, choices, dialect, dtype=dtype, progress=progress)
    chosen = choices or Choices()
    _refuse_for_arrays(one, chosen, dialect)
    target = chosen.target[0] if chosen.target else None
    return datasets.load(one, target=target, labels=labels, task=chosen.task, dtype=dtype)


def _refuse_for_arrays(path: Path, choices: Choices, dialect: Dialect | None) -> None:
    """Refuse what only a table can use. Raises InvalidFile."""
    if len(choices.target or ()) > 1:
        raise InvalidFile(path, "expected one target of an array of numbers, got several; put them into y of an npz file")
    said = [name for name in ("categorical", "numeric", "dates", "drop", "keep") if getattr(choices, name)]
    require_taken(path, dialect or Dialect(), None)
    if said:
        raise InvalidFile(path, f"{said[0]} is for tables, and these are arrays; leave it out")


def _is_network(path: Path) -> bool:
    """Tell whether a file is a network's, by its name or its first bytes."""
    if path.suffix == SUFFIX:
        return True
    if not path.is_file():
        return False
    with regular(path) as file:
        return SAFETENSORS.match(file.read(64)) is not None

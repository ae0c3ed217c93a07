"""The file that a model goes to: the one that was asked for, but never over a good model of another training.

Without --out the file has the data set's name. Another training's model may have it already: that of a data set of the same
name in another folder, or of other settings. Then the next free one of NAME, NAME-2, NAME-3, … is taken. A file of the same
training, with the same data and settings, is replaced by a whole model only, which has the same bits. The file of --out and
--resume is replaced on the way, too.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..files import save_elsewhere
from ..nn import MLP, Members


class Place:
    """The places that the model of a run may go to. named: by --out, or the file that is resumed: it is replaced."""

    def __init__(self, path: Path, named: bool, is_same: Callable[[Path], bool]) -> None:
        self.path, self.named, self._is_same = path, named, is_same
        self._mine: set[Path] = set()  # written in this run
        self._spare: Path | None = None
        self.replaced: set[Path] = set()  # that were there before it

    def whole(self) -> Path:
        """The file of a training that came to its end."""
        return self._first(lambda path: path in self._mine or self._is_same(path))

    def part(self) -> Path:
        """The file of a training that is not at its end."""
        return self._first(lambda path: path in self._mine)

    def would_replace(self) -> bool:
        """Tell whether the file of --out or --resume has another run's model in it."""
        return self.named and self.path.exists() and self.path not in self._mine

    def spare(self) -> Path:
        """The file of a training that went wrong: a new one, the same all along."""
        if self._spare is None:
            self._spare = next(path for path in _names(self.path) if not _is_there(path))
        return self._spare

    def _first(self, may_replace: Callable[[Path], bool]) -> Path:
        if self.named:
            return self.path
        return next(path for path in _names(self.path) if not _is_there(path) or may_replace(path))

    def save(self, net: MLP | Members, path: Path) -> Path:
        """Save the network there, and return the file."""
        others = path.exists() and path not in self._mine
        net.save(path)
        self._mine.add(path)
        self.replaced |= {path} if others else set()
        return path

    def clear(self, path: Path) -> None:
        """Remove what the run saved on its way, now that its model is in this file."""
        for other in self._mine - {path}:
            with contextlib.suppress(OSError):
                other.unlink()
        self._mine = {path}


class SavedElsewhere(OSError):
    """An error: a model could not be saved where it was to be. path: where it is."""

    def __init__(self, path: Path, reason: Exception) -> None:
        super().__init__(f"{why(reason)}; the model is saved in {path} instead")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


# What saving raises: there is no place for the file; no file can hold the training; no memory can.
UNSAVED = OSError, ValueError, MemoryError


def why(error: Exception) -> str:
    """A sentence: the file, and why it could not be saved."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the model'}: {error.strerror or error}"
    return f"the model: {error or 'there is no memory left'}"


def save_for_good(place: Place, net: MLP | Members, path: Path) -> Path:
    """Save the network there or, where that fails, elsewhere. Raises SavedElsewhere then, or the OSError."""
    try:
        return place.save(net, path)
    except UNSAVED as error:
        raise SavedElsewhere(save_elsewhere(net, path, error=error), error) from None


def _names(path: Path) -> Iterator[Path]:
    yield path
    for n in itertools.count(2):
        yield path.with_name(f"{path.stem}-{n}{path.suffix}")


def _is_there(path: Path) -> bool:
    """Tell whether anything has the name, a link to nowhere too."""
    return path.exists() or path.is_symlink()

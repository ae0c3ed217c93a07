"""Frames of pandas, polars, pyarrow and narwhals alike: their columns by name or by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .column import Column
from .on_disk import OnDisk, part_of
from .refusal import plural, quoted, short

MISSING = "tables need narwhals, which is not installed: pip install 'numbafc[tables]'"


class Frame:
    """The columns of a data frame, or of one that stays on the disk, each looked at when it is asked for.

    first: the number of the first row, for messages, where the frame is a part of another. Raises ImportError without
    narwhals, TypeError for what is no data frame, ValueError for two columns of one name.
    """

    def __init__(self, frame: Any, decimal: str = ".", first: int = 0) -> None:
        self.decimal, self._first = decimal, first
        stays = isinstance(frame, OnDisk)
        native = frame if stays else getattr(frame, "to_native", lambda: frame)()
        if hasattr(native, "collect"):
            raise TypeError(f"expected a data frame in memory, got {type(native).__name__}; pass frame.collect()")
        own = getattr(native, "column_names", None)
        own = list(getattr(native, "columns", ()) if own is None else own)
        self.names = tuple(str(name) for name in own)
        self._places: dict[str, int] = {}
        for position, name in enumerate(self.names):
            if self._places.setdefault(name, position) != position:
                raise ValueError(
                    f"expected columns of different names, got {quoted(name, 40)} at positions {self._places[name]} and "
                    f"{position} (from 0); rename one of them"
                )
        _require_text(self.names)
        named = native if all(isinstance(name, str) for name in own) else native.set_axis(self.names, axis=1)
        self._frame = named if stays else _eager(named)
        self.rows = len(self._frame)

    def __getitem__(self, position: int) -> Column:
        name = self.names[position]
        return Column(name, position, self._frame.get_column(name), self.decimal, self._first)

    def parts(self, rows: int) -> Iterator[Frame]:
        """All rows in order, so many at a time."""
        for first in range(0, self.rows, rows):
            part = part_of(self._frame, first, min(first + rows, self.rows))
            yield Frame(part, self.decimal, self._first + first)

    def of(self, wanted: Sequence[str], what: str) -> list[Column]:
        """The columns of these names."""
        return [self[position] for position in self.find(wanted, what)]

    def find(self, wanted: Sequence[str], what: str) -> list[int]:
        """The positions of the columns of these names. Raises ValueError that names those that are missing."""
        missing = [name for name in wanted if name not in self._places]
        if missing:
            there = short([name for name in self.names if name not in set(wanted)] or self.names, 20, 3)
            raise ValueError(
                f"expected the {what} {short(missing)}, which {plural(len(missing), 'is', 'are').split(' ', 1)[1]} missing"
                f" ({len(missing)} of {len(wanted)}); the table has {there}; name its columns as in training"
            )
        return [self._places[name] for name in wanted]


def _require_text(names: tuple[str, ...]) -> None:
    """Require names of columns that can be written. Raises ValueError."""
    for position, name in enumerate(names):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"expected names that can be written, got half a character in {name!r:.60} at position {position}; mend it"
            ) from None


def _eager(native: Any) -> Any:
    """A data frame that narwhals knows, in memory."""
    try:
        import narwhals
    except ImportError:
        raise ImportError(MISSING) from None
    try:
        return narwhals.from_native(native, eager_only=True)
    except TypeError:
        got = type(native).__name__
        raise TypeError(f"expected a data frame, got {got}; pass one of pandas, polars or pyarrow") from None

"""A frame that stays on the disk: a column, or some rows of all of them, come into memory when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OnDisk:
    """A table in files, for Table.fit, which looks at one column after the other, and for what takes it part by part.

    lazy: a LazyFrame of polars that reads them. nbytes: of all cells. held: what the files are there with.
    """

    def __init__(self, lazy: Any, rows: int, nbytes: int, held: Sequence[Any] = ()) -> None:
        self._lazy, self._rows, self.nbytes, self.held = lazy, rows, nbytes, tuple(held)
        self.schema: dict[str, Any] = dict(lazy.collect_schema())

    def __len__(self) -> int:
        return self._rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema)

    def get_column(self, name: str) -> Any:
        """One column in memory: a Series of narwhals."""
        return _eager(self._lazy.select(name).collect()).get_column(name)

    def part(self, first: int, last: int) -> Any:
        """These rows in memory: a DataFrame of narwhals."""
        return _eager(self._lazy.slice(first, last - first).collect())

    def select(self, names: Sequence[str]) -> OnDisk:
        """The same with these columns, in their order."""
        return OnDisk(self._lazy.select(list(names)), self._rows, self.nbytes, self.held)

    def lazy(self) -> Any:
        """The LazyFrame."""
        return self._lazy


def part_of(frame: Any, first: int, last: int) -> Any:
    """These rows of a DataFrame of narwhals, or of a frame on the disk."""
    return frame.part(first, last) if isinstance(frame, OnDisk) else frame[first:last]


def _eager(frame: Any) -> Any:
    import narwhals

    return narwhals.from_native(frame, eager_only=True)

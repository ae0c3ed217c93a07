"""Table: what was decided about the columns of a table, and the numbers that a network takes from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .. import checks
from . import fitting, report, stored
from .by_kind import encoder_of
from .choices import SCALINGS, Choices
from .dropped import Dropped
from .encoder import Encoder
from .frames import Frame
from .refusal import plural, short
from .target import Target

VERSION = 1
DECIMALS = ".", ","


@dataclass(frozen=True, repr=False)
class Table:
    """The columns of a table, each with its encoder: made by Table.fit, kept in a model's file, and asked by predict.

    columns: the names of all, in the file's order. header: whether these are the file's own; if not, columns are known by
    their positions. decimal: the sign in numbers that are text. rows: how many there were. encoders: of the columns that
    the network sees. dropped: the others, and why. target: what is to be predicted. scaling: "robust" or "standard".
    written: what was said of how the files are written, for whoever reads others like them: delimiter, encoding, na, ….
    """

    columns: tuple[str, ...]
    header: bool
    decimal: str
    rows: int
    scaling: str
    encoders: tuple[Encoder, ...]
    dropped: tuple[Dropped, ...]
    target: Target
    written: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        frame: Any,
        choices: Choices | None = None,
        *,
        rows: Any = None,
        decimal: str = ".",
        header: bool = True,
        written: Mapping[str, Any] | None = None,
    ) -> Table:
        """Decide what each column is, and learn from it what its encoder needs.

        frame: of pandas, polars, pyarrow or narwhals. choices: what is to be predicted, and what a person says of columns.
        rows: indices of the training part; None for all. Kinds of columns and classes come from all rows; medians,
        categories, the first date and whether anything was missing from these. Raises ValueError with column, row and cell
        for what is neither one thing nor the other; TypeError for what is no data frame.
        """
        given = Frame(frame, stored.one_of(decimal, DECIMALS, "decimal"))
        return cls(
            **fitting.fit(given, choices or Choices(), rows, checks.flag("header", header)),
            written=stored.said(dict(written or {})),
        )

    def __repr__(self) -> str:
        what = f"{plural(len(self.columns), 'column')}, {plural(len(self.features), 'input')}"
        return f"Table({what}, {'classes' if self.classes else 'real'}: {short(self.target_names)})"

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The labels of the classes as they are spelt, or None for real targets."""
        return self.target.classes

    @property
    def target_names(self) -> tuple[str, ...]:
        """The names of the columns to predict."""
        return self.target.names

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of the network's inputs."""
        return tuple(name for encoder in self.encoders for name in encoder.features)

    @property
    def groups(self) -> dict[str, list[int]]:
        """The places of each column's inputs among the network's."""
        found: dict[str, list[int]] = {}
        first = 0
        for encoder in self.encoders:
            found[encoder.name] = list(range(first, first + len(encoder.features)))
            first += len(encoder.features)
        return found

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the columns that encode needs."""
        return tuple(encoder.name for encoder in self.encoders)

    def encode(self, frame: Any, dtype: checks.RealDtype = "float32") -> np.ndarray:
        """The network's inputs, (rows, features). Columns are found by name, in any order, and others are left alone; by
        position where the training's file had no header.

        Raises ValueError for a missing column, or a cell that is not of its column's kind.
        """
        return self._encoded(Frame(frame, self.decimal), checks.real_dtype(dtype))

    def encoded(self, frame: Any, rows: int, dtype: checks.RealDtype = "float32") -> Iterator[np.ndarray]:
        """What encode gives, so many rows at a time: of a frame that stays on the disk no more are in memory."""
        real = checks.real_dtype(dtype)
        for part in Frame(frame, self.decimal).parts(rows):
            yield self._encoded(part, real)

    def _encoded(self, given: Frame, dtype: np.dtype) -> np.ndarray:
        X, first = np.empty((given.rows, len(self.features)), dtype), 0
        for encoder, position in zip(self.encoders, self._positions(given, self.needed, "columns"), strict=True):
            width = len(encoder.features)
            encoder.encode(given[position], X[:, first : first + width], self.scaling)
            first += width
        return X

    def targets(self, frame: Any, dtype: checks.RealDtype = "float32") -> np.ndarray:
        """The targets: class indices, (rows,), or reals in their own units, (rows,), or (rows, targets).

        Raises ValueError for a missing column, a missing cell, an unknown label.
        """
        given, what = Frame(frame, self.decimal), "target" if len(self.target_names) == 1 else "targets"
        positions = self._positions(given, self.target_names, what)
        return self.target.values([given[position] for position in positions], checks.real_dtype(dtype))

    def as_targets(self, y: Any, dtype: checks.RealDtype = "float32") -> Any:
        """Targets as people have them: a frame with the target's columns, the target's column itself, or labels in words.

        Anything else is returned as it is: an array of whole numbers is class indices already.
        """
        if hasattr(y, "to_frame") and getattr(y, "name", None) == self.target_names[0] and len(self.target_names) == 1:
            y = y.to_frame()
        if hasattr(y, "columns") and not isinstance(y, np.ndarray):
            return self.target.values(Frame(y, self.decimal).of(self.target_names, "target"), checks.real_dtype(dtype))
        if self.classes is None or isinstance(y, np.ma.MaskedArray) or hasattr(y, "toarray"):
            return y
        try:
            array = np.asarray(y)
        except ValueError:  # rows of different lengths
            return y
        return self.target.indices_of(array) if array.ndim == 1 and array.dtype.kind in "OUT" else y

    def _positions(self, given: Frame, wanted: Sequence[str], what: str) -> list[int]:
        """The positions in a frame of the columns of these names."""
        if self.header:
            return given.find(wanted, what)
        without = [name for name in self.columns if name not in self.target_names]
        names = self.columns if len(given.names) == len(self.columns) else without
        if len(given.names) == len(names) and not set(wanted) <= set(names):
            where = ", ".join(str(self.columns.index(name)) for name in wanted[:3]) + (", …" if len(wanted) > 3 else "")
            raise ValueError(
                f"expected the {what}, column {where} (from 0) in training, which {'is' if len(wanted) == 1 else 'are'} "
                f"missing: got {plural(len(names), 'column')}, as many as there are beside it"
            )
        if len(given.names) != len(names):
            raise ValueError(
                f"expected {plural(len(self.columns), 'column')}, as in training, or {len(without)} without the target, "
                f"got {len(given.names)}; columns without names are known by their order"
            )
        place = {name: position for position, name in enumerate(names)}
        return [place[name] for name in wanted]

    def report(self) -> list[report.Row]:
        """What was decided: a row for each column of the table, in its order."""
        return report.rows(self.columns, self.encoders, self.dropped, self.target)

    def describe(self) -> list[str]:
        """What was decided, in a few lines for people."""
        return report.lines(self.report(), self.encoders, self.dropped, self.target, len(self.features), self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "version": VERSION,
            "columns": list(self.columns),
            "header": self.header,
            "decimal": self.decimal,
            "rows": self.rows,
            "scaling": self.scaling,
            "encoders": [
                {"name": one.name, "kind": one.kind, "missing": one.missing, "is": one.to_dict()} for one in self.encoders
            ],
            "dropped": [one.to_dict() for one in self.dropped],
            "target": self.target.to_dict(),
            "written": dict(self.written),
        }

    @classmethod
    def from_dict(cls, given: Any) -> Table:
        """The table of what to_dict gave, be it from a file that lies. Raises ValueError."""
        keys = "version", "columns", "header", "decimal", "rows", "scaling", "encoders", "dropped", "target", "written"
        stored.require_keys(given, *keys)
        if given["version"] != VERSION:
            raise ValueError(f"expected a table of version {VERSION}, got {given['version']!r:.40}")
        made = cls(
            stored.texts(given["columns"], "columns"),
            stored.flag(given["header"], "header"),
            stored.one_of(given["decimal"], DECIMALS, "decimal"),
            stored.count(given["rows"], "rows"),
            stored.one_of(given["scaling"], SCALINGS, "scaling"),
            tuple(encoder_of(one) for one in stored.listed(given["encoders"], "encoders")),
            tuple(Dropped.from_dict(one) for one in stored.listed(given["dropped"], "dropped")),
            Target.from_dict(given["target"]),
            stored.said(given["written"]),
        )
        owners = [*made.needed, *(one.name for one in made.dropped), *made.target_names]
        if sorted(owners) != sorted(made.columns) or not made.encoders:
            raise ValueError("expected each column of the table once, as an input, as dropped or as a target")
        return made

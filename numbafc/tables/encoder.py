"""What the encoders of columns have in common, and the writing of scaled numbers into a network's inputs."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from .column import Column
from .scaling import Scale

LARGEST = {np.dtype(np.float32): float(np.finfo(np.float32).max), np.dtype(np.float64): np.inf}


class Fitting(NamedTuple):
    """What a column is fitted with. rows: those of the training part, None for all."""

    rows: np.ndarray | None
    scaling: str
    most_categories: int
    order: str

    def of_training(self, values: np.ndarray) -> np.ndarray:
        """The rows of the training part."""
        return values if self.rows is None else values[self.rows]


class Encoder(Protocol):
    """A column as a network takes it."""

    kind: ClassVar[str]
    name: str
    missing: int  # cells, of all rows

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs that it becomes."""
        ...

    @property
    def values(self) -> str:
        """Its values or their range, for people."""
        ...

    @property
    def becomes(self) -> str:
        """What the network gets, for people."""
        ...

    def encode(self, column: Column, out: np.ndarray, scaling: str) -> None:
        """Write the inputs, (rows, features), scaled. Raises ValueError with row, column and cell."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        ...


def write(column: Column, out: np.ndarray, values: np.ndarray, scale: Scale, scaling: str) -> None:
    """Write one input, (rows,), scaled. Raises ValueError for what the dtype cannot hold."""
    z = scale.apply(values, scaling)
    if scaling != "robust" and len(z) and np.abs(z).max() > LARGEST[out.dtype]:
        row = int(np.abs(z).argmax())
        raise ValueError(
            f"expected numbers of the size of the training's, got {column.cell(row)} at {column.place(row)}, which is "
            f"{abs(z[row]):.0e} deviations from the mean; mend it"
        )
    out[:] = z


def ranged(low: float, high: float) -> str:
    """A range of numbers, for people."""
    return f"{low:.6g} … {high:.6g}" if low != high else f"{low:.6g}"

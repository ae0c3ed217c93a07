"""The fitting of a table: one column after the other, so that no more than one is in memory as numbers and words."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import kinds
from .by_kind import fitted
from .choices import Choices
from .column import Column
from .dropped import Dropped
from .encoder import Encoder, Fitting, ranged
from .frames import Frame
from .refusal import bare, called, plural
from .target import Target


def fit(given: Frame, choices: Choices, rows: Any, header: bool) -> dict[str, Any]:
    """The fields of the Table of a frame. Raises ValueError."""
    if not given.names or given.rows == 0:
        raise ValueError(f"expected a table with rows and columns, got {given.rows} and {len(given.names)} of them")
    found = choices.found_in(given.names)
    how = Fitting(_training_part(rows, given.rows), choices.scaling, choices.most_categories, "")
    encoders: list[Encoder] = []
    dropped: list[Dropped] = []
    for position in range(len(given.names)):
        if position in found.targets:
            continue
        column, chosen = given[position], found.kinds.get(position)
        kind = kinds.kind_of(column, chosen, position in found.keep, choices.most_categories, header)
        if kind.name in kinds.DROPPED:
            dropped.append(_left_out(column, kind))
        else:
            encoders.append(fitted(column, kind, how))
    if not any(encoder.features for encoder in encoders):
        raise ValueError(_nothing_left(dropped, given.names, found.targets))
    return {
        "columns": given.names,
        "header": header,
        "decimal": given.decimal,
        "rows": given.rows,
        "scaling": choices.scaling,
        "encoders": tuple(encoders),
        "dropped": tuple(dropped),
        "target": Target.fit([given[position] for position in found.targets], found.task),
    }


def _training_part(rows: Any, count: int) -> np.ndarray | None:
    """The indices of the training part. Raises ValueError."""
    if rows is None:
        return None
    indices = np.asarray(rows)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or len(indices) == 0:
        raise ValueError(f"rows must be indices, (training rows,), got {indices.dtype} of shape {indices.shape}")
    if indices.min() < 0 or indices.max() >= count:
        raise ValueError(f"rows must be from 0 to {count - 1}, got {indices.min()} to {indices.max()}")
    return indices.astype(np.intp)


def _left_out(column: Column, kind: kinds.Kind) -> Dropped:
    """The record of a column that is left out."""
    values, missing = kind.said, 0
    if kind.name == kinds.CHOSEN:  # whatever is in it
        return Dropped(column.name, kind.name, "", 0)
    missing = int(column.missing.sum())
    if kind.name == kinds.CONSTANT:
        values = bare(column.words.texts[0])
    elif kind.name == kinds.INDEX:
        values = ranged(float(column.numbers.values.min()), float(column.numbers.values.max()))
    return Dropped(column.name, kind.name, values, missing)


def _nothing_left(dropped: list[Dropped], names: tuple[str, ...], targets: tuple[int, ...]) -> str:
    target = bare(names[targets[0]])
    if not dropped:
        return f"expected at least one column beside the target {target}, got none"
    reasons = ", ".join(f"{called(one.name)} ({one.kind})" for one in dropped[:3])
    more = "" if len(dropped) <= 3 else f", and {plural(len(dropped) - 3, 'more column')}"
    return f"no column is left beside the target {target}: {reasons}{more}; keep some with --keep, or name the --target"

"""What was decided about a table, for people: a row for each column, and a few lines about all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .dropped import Dropped
from .encoder import Encoder
from .refusal import bare, called, plural
from .target import Target

WIDTH = 100  # characters of a line
MOST = 80  # characters of values, and of what a column becomes
LINES = 8  # about columns that are left out
NOUNS = {"number": "numbers", "category": "categories", "yes/no": "yes/no", "date": "dates"}


class Row(NamedTuple):
    """What was decided about a column. becomes: what the network gets of it, or why it gets nothing."""

    name: str
    kind: str
    values: str
    missing: int
    becomes: str


def rows(columns: Sequence[str], encoders: Sequence[Encoder], dropped: Sequence[Dropped], target: Target) -> list[Row]:
    """A row for each column, in the table's order. A name may be of any length, and hold what cannot be printed."""
    found: dict[str, Row] = {one.name: Row(one.name, one.kind, one.values, one.missing, one.becomes) for one in encoders}
    found |= {one.name: Row(one.name, one.kind, one.values, one.missing, f"dropped: {one.why}") for one in dropped}
    kind = "real" if target.classes is None else "classes"
    found |= {name: Row(name, kind, target.describe(place), 0, "the target") for place, name in enumerate(target.names)}
    ordered = [found[name] for name in columns]
    return [row._replace(values=bare(row.values, MOST), becomes=bare(row.becomes, MOST)) for row in ordered]


def lines(
    table: Sequence[Row], encoders: Sequence[Encoder], dropped: Sequence[Dropped], target: Target, width: int, count: int
) -> list[str]:
    """A few lines, each at most WIDTH characters."""
    kinds = Counter(one.kind for one in encoders)
    used = ", ".join(f"{number} {NOUNS[kind] if number > 1 else kind}" for kind, number in kinds.items())
    found = [f"{plural(count, 'row')}, {plural(len(table), 'column')}: {used}; {plural(width, 'input')} of the network"]
    gaps = [one for one in encoders if one.missing]
    if gaps:
        some = ", ".join(f"{called(one.name)} ({one.missing})" for one in gaps[:3]) + (", …" if len(gaps) > 3 else "")
        found.append(f"missing cells in {plural(len(gaps), 'column')}: {some}")
    found += [
        f"{bare(one.name)}: {rare} rare categories share one input, beside {len(one.features) - 1} of their own"
        for one in encoders
        if (rare := getattr(one, "rare", 0))
    ][:LINES]
    if len(dropped) > LINES:
        found.append(f"left out: {plural(len(dropped), 'column')}; the first of them:")
    found += [f"left out: {called(one.name)}: {one.why}" + f" ({one.values})" * bool(one.values) for one in dropped[:LINES]]
    for place, name in enumerate(target.names[:LINES]):
        found.append(f"target {bare(name)}: {target.describe(place)}")
    if target.said:
        found.append(f"target: {target.said}")
    return [bare(line, WIDTH) for line in found]

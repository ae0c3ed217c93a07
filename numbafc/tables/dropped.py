"""A column that the network does not see, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import kinds, stored

WHY = {
    kinds.EMPTY: "all cells are missing",
    kinds.CONSTANT: "all cells are alike",
    kinds.INDEX: "it counts the rows",
    kinds.DIFFERENT: "all cells are different words",
    kinds.TEXT: "free text",
    kinds.CHOSEN: "as was asked",
}


@dataclass(frozen=True)
class Dropped:
    """kind: of kinds.DROPPED. values: what is in it, for people. missing: cells."""

    name: str
    kind: str
    values: str
    missing: int

    @property
    def why(self) -> str:
        """The reason, for people."""
        return WHY[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"name": self.name, "kind": self.kind, "values": self.values, "missing": self.missing}

    @classmethod
    def from_dict(cls, given: Any) -> Dropped:
        """The column of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "name", "kind", "values", "missing")
        name, values = stored.text(given["name"], "name"), stored.text(given["values"], "values")
        kind = stored.one_of(given["kind"], kinds.DROPPED, "kind")
        return cls(name, kind, values, stored.count(given["missing"], "missing"))

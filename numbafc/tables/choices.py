"""Choices: what a person may say about a table's columns; all else is decided by what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from .. import checks
from .refusal import short

TASKS = "auto", "classification", "regression"
SCALINGS = "robust", "standard"
OF_TARGETS = {"categorical": "classification", "numeric": "regression"}  # what the lists say of a target
LISTS = "categorical", "numeric", "dates", "drop"  # of which a column may be in one


@dataclass(frozen=True)
class Choices:
    """What a person says about a table.

    target: the name of the column to predict, or several; None: the last one. categorical, numeric, dates: columns that are
    this, whatever is in them. drop: columns that are left out. keep: columns that are used though they would be left out: a
    constant, an index, all different words. A name that no column has may be a column's number, from 0, or from −1 at the
    end. task: "classification", "regression" or "auto". most_categories: columns of the one-hot code, at most; rarer
    categories share one. scaling: "robust" or "standard". Raises TypeError or ValueError.
    """

    target: str | tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    task: str = "auto"
    most_categories: int = 100
    scaling: str = "robust"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default == () or (field.name == "target" and value is not None):
                object.__setattr__(self, field.name, _names(field.name, value))
        checks.choice("task", self.task, TASKS)
        checks.choice("scaling", self.scaling, SCALINGS)
        checks.count("most_categories", self.most_categories, 1)
        if self.target == ():
            raise ValueError("target must name at least one column, got (); leave it out for the last one")

    def found_in(self, names: Sequence[str]) -> Found:
        """The choices with each column by its position. Raises ValueError for unknown ones, and for contradictions."""
        places = {name: position for position, name in enumerate(names)}
        told = self.target if self.target is not None else (names[-1],)
        targets = [_position(name, names, places, "target") for name in told]
        if len(set(targets)) < len(targets):
            raise ValueError(f"target names a column twice, {short(told)}; name each once")
        kinds: dict[int, str] = dict.fromkeys(targets, "target")
        tasks: set[str] = set()
        for kind in LISTS:
            for name in getattr(self, kind):
                position = _position(name, names, places, kind)
                if kind in OF_TARGETS and position in targets and self.task in ("auto", OF_TARGETS[kind]):
                    tasks.add(OF_TARGETS[kind])
                    continue
                if kinds.setdefault(position, kind) != kind:
                    raise ValueError(
                        f"column {names[position]!r:.40} is in both {kinds[position]} and {kind}; leave it in one of them"
                    )
        if len(tasks) > 1:
            raise ValueError(f"the targets {short(told)} are both categorical and numeric; train a network for each kind")
        kept = {_position(name, names, places, "keep") for name in self.keep}
        for position in kept:
            if kinds.get(position) in ("drop", "target"):
                raise ValueError(f"column {names[position]!r:.40} is in both keep and {kinds[position]}; leave one out")
        return Found(tuple(targets), kinds, kept, *(tasks or {self.task}))


@dataclass(frozen=True)
class Found:
    """Choices about the columns of one table, by their positions."""

    targets: tuple[int, ...]
    kinds: dict[int, str]  # "target", or the name of one of LISTS
    keep: set[int]
    task: str


def _names(field: str, value: Any) -> tuple[str, ...]:
    """Names of columns as text; a number is a column's number, or its name in a frame that has numbers for names."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return (str(value),)
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"{field} must be a tuple of names of columns, got {type(value).__name__} ({checks.shown(value)})")
    for name in value:
        if not isinstance(name, str | int):
            raise TypeError(f"{field} must be a tuple of names of columns, got a {type(name).__name__} in it")
    return tuple(str(name) for name in value)


def _position(name: str, names: Sequence[str], places: dict[str, int], field: str) -> int:
    if name in places:
        return places[name]
    try:
        number = int(name) if len(name) < 12 else len(names)
    except ValueError:
        number = len(names)
    if not -len(names) <= number < len(names):
        raise ValueError(f"no column is named {name!r:.60}, as {field} says; expected one of {short(names)}")
    return number % len(names)

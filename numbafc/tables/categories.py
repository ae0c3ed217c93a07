"""A column of categories: one-hot, or one input of −1 and +1 where there are two; missing and unseen ones are none of them.

The zeros of a missing or unseen category are scaled like those of any other row that has another category.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from . import kinds, scaling, stored
from .column import NONE, Column
from .encoder import Fitting, write
from .refusal import bare, plural, some
from .scaling import Scale
from .spelling import in_order, spelled, value_of


@dataclass(frozen=True)
class Categories:
    """categories: those of the training part that have an input of their own. rare: how many others share one, with all
    that were never seen; 0 where there is no such input. scales: one for each input."""

    kind: ClassVar[str] = kinds.CATEGORY
    name: str
    missing: int
    categories: tuple[str, ...]
    rare: int
    scales: tuple[Scale, ...]

    @classmethod
    def fit(cls, column: Column, fitting: Fitting) -> Categories:
        """The encoder of a column of words."""
        codes, texts = column.words
        own = fitting.of_training(codes)
        counts = np.bincount(own[own >= 0], minlength=len(texts))
        there = np.flatnonzero(counts).tolist()
        rare: list[int] = []
        if len(there) > fitting.most_categories:
            ranked = sorted(there, key=lambda code: (-counts[code], texts[code]))
            there, rare = ranked[: fitting.most_categories], ranked[fitting.most_categories :]
        place = {text: code for code, text in enumerate(texts)}
        kept = tuple(in_order([texts[code] for code in there]))
        of_each = [int(counts[place[text]]) for text in kept] + [int(counts[rare].sum())] * bool(rare)
        scales = _scales(of_each, len(own), fitting.scaling, pair=len(kept) == 2 and not rare)
        return cls(column.name, int((codes == NONE).sum()), kept, len(rare), scales)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs."""
        names = self.categories[1:] if _is_pair(self) else self.categories
        return tuple(f"{self.name}={category}" for category in names) + ((f"{self.name} other",) if self.rare else ())

    @property
    def values(self) -> str:
        """The number of categories, and some of them."""
        count = len(self.categories) + self.rare
        return f"{count}: {some(self.categories)}" if count else ""

    @property
    def becomes(self) -> str:
        """What the network gets."""
        if _is_pair(self):
            return f"−1 {bare(self.categories[0], 16)}, +1 {bare(self.categories[1], 16)}"
        return f"{plural(len(self.scales), 'column')} of 0 and 1" + (
            f", one for {self.rare} rare categories" if self.rare else ""
        )

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {category: code for code, category in enumerate(self.categories)}

    @cached_property
    def _by_value(self) -> dict[Any, int]:
        return by_value(self.categories)

    def code_of(self, text: str) -> int:
        """The code of a category, by its spelling, else by its number: a frame has 3 where a file had 3.0."""
        found = code(text, self._codes, self._by_value)
        return len(self.categories) if found == NONE and self.rare else found

    def encode(self, column: Column, out: np.ndarray, how: str) -> None:
        """Write the inputs."""
        codes, texts = column.words
        own = np.array([*(self.code_of(text) for text in texts), NONE], np.intp)[codes]
        if _is_pair(self):
            write(column, out[:, 0], np.array([-1.0, 1.0, 0.0])[own], self.scales[0], how)
            return
        for place, scale in enumerate(self.scales):
            out[:, place] = scale.apply(np.zeros(1), how)[0]
        present = np.array([scale.apply(np.ones(1), how)[0] for scale in self.scales])
        rows = np.flatnonzero(own != NONE)
        out[rows, own[rows]] = present[own[rows]]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"categories": list(self.categories), "rare": self.rare, "scales": [list(scale) for scale in self.scales]}

    @classmethod
    def from_dict(cls, name: str, missing: int, given: dict[str, Any]) -> Categories:
        """The encoder of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "categories", "rare", "scales")
        categories, rare = stored.texts(given["categories"], "categories"), stored.count(given["rare"], "rare")
        scales = tuple(stored.scale(one, "scales") for one in stored.listed(given["scales"], "scales"))
        found = cls(name, missing, categories, rare, scales)
        if len(scales) != len(found.features):
            raise ValueError(f"expected {len(found.features)} scales for as many inputs, got {len(scales)}")
        return found


@dataclass(frozen=True)
class YesNo:
    """yes, no: a spelling of each, for people; counted alike are all pairs of kinds.TRUTHS, and 1 and 0."""

    kind: ClassVar[str] = kinds.YES_NO
    name: str
    missing: int
    no: str
    yes: str
    scale: Scale

    @classmethod
    def fit(cls, column: Column, fitting: Fitting) -> YesNo:
        """The encoder of a column of yes and no."""
        codes, texts = column.words
        sign = _signs(texts)
        own = sign[fitting.of_training(codes)]
        counts = np.array([(own == value).sum() for value in (-1, 0, 1)])
        spelling = {truth(text): text for text in reversed(texts)}
        scale = scaling.of(np.array([-1.0, 0.0, 1.0]), fitting.scaling, counts)
        missing = int((codes == NONE).sum())
        return cls(column.name, missing, spelling.get(False, str(False)), spelling.get(True, str(True)), scale)

    @property
    def features(self) -> tuple[str, ...]:
        """The name of the input."""
        return (self.name,)

    @property
    def values(self) -> str:
        """The two spellings."""
        return f"{bare(self.no, 20)}, {bare(self.yes, 20)}"

    @property
    def becomes(self) -> str:
        """What the network gets."""
        return f"−1 {bare(self.no, 16)}, +1 {bare(self.yes, 16)}"

    def encode(self, column: Column, out: np.ndarray, how: str) -> None:
        """Write the input."""
        codes, texts = column.words
        write(column, out[:, 0], _signs(texts)[codes], self.scale, how)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {"no": self.no, "yes": self.yes, "scale": list(self.scale)}

    @classmethod
    def from_dict(cls, name: str, missing: int, given: dict[str, Any]) -> YesNo:
        """The encoder of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "no", "yes", "scale")
        no, yes = stored.text(given["no"], "no"), stored.text(given["yes"], "yes")
        return cls(name, missing, no, yes, stored.scale(given["scale"], "scale"))


def truth(text: str) -> bool | None:
    """What a word says, or 1 or 0: yes, no, or neither."""
    return kinds.TRUTHS.get(text.casefold(), {"1": True, "0": False}.get(spelled_number(text)))


def spelled_number(text: str) -> str:
    """The whole number that a text is, without point: 1.0 is 1."""
    value = value_of(text)
    return text if value is None or len(text) > 20 else spelled(float(value))


def _signs(texts: list[str]) -> np.ndarray:
    """+1 and −1 for each text, 0 for what is neither; the last one is that of NONE."""
    return np.array([*({True: 1.0, False: -1.0, None: 0.0}[truth(text)] for text in texts), 0.0])


def _is_pair(encoder: Categories) -> bool:
    return len(encoder.categories) == 2 and not encoder.rare


def _scales(counts: list[int], rows: int, how: str, pair: bool) -> tuple[Scale, ...]:
    """The scales of the inputs. counts: rows of each category."""
    if pair:
        first, second = counts
        values = np.array([-1.0, 0.0, 1.0])
        return (scaling.of(values, how, np.array([first, rows - first - second, second])),)
    return tuple(scaling.of(np.array([0.0, 1.0]), how, np.array([rows - count, count])) for count in counts)


def by_value(labels: tuple[str, ...]) -> dict[Any, int]:
    """The codes of labels that are numbers, by their numbers; NONE where two are one number."""
    found: dict[Any, int] = {}
    for place, label in enumerate(labels):
        value = value_of(label)
        if value is not None:
            found[value] = NONE if value in found else place
    return found


def code(text: str, codes: dict[str, int], values: dict[Any, int]) -> int:
    """The code of a label by its spelling, else by its number; NONE for one that is not known."""
    found = codes.get(text)
    if found is None and values:
        value = value_of(text)
        found = None if value is None else values.get(value)
    return NONE if found is None else found

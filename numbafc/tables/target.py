"""The target of a table: classes as their labels are spelt, or real numbers in their own units, decided from all of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import stored
from .categories import by_value, code
from .column import NONE, Column
from .dates import reader
from .encoder import ranged
from .kinds import LONGEST, REPEATED, signed_row
from .refusal import bare, plural, quoted, short, some
from .spelling import in_order, number, without_signs
from .task import MOST_CLASSES, decide

ALL_DIFFERENT = 20  # labels, all of them different, that are no classes any more


@dataclass(frozen=True)
class Target:
    """names: of the columns. classes: their labels, or None. ranges: low and high of each column of reals. said: what was
    decided where it might have been another thing."""

    names: tuple[str, ...]
    classes: tuple[str, ...] | None
    ranges: tuple[tuple[float, float], ...]
    said: str

    @classmethod
    def fit(cls, columns: list[Column], task: str) -> Target:
        """The target that these columns are. Raises ValueError."""
        for column in columns:
            _require_all(column)
        if len(columns) > 1 and task == "classification":
            raise ValueError(f"expected one target for classes, got {len(columns)}; name one, or pass --task regression")
        if len(columns) == 1 and task != "regression":
            classes, said = _classes(columns[0], task)
            if classes is not None:
                return cls((columns[0].name,), classes, (), said)
        else:
            said = ""
        values = [_reals(column) for column in columns]
        ranges = tuple((float(numbers.min()), float(numbers.max())) for numbers in values)
        return cls(tuple(column.name for column in columns), None, ranges, said)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.classes or ())}

    @cached_property
    def _by_value(self) -> dict[Any, int]:
        return by_value(self.classes or ())

    def code_of(self, label: str) -> int:
        """The index of a class by its label's spelling, else by its number; NONE for an unknown one."""
        return code(label, self._codes, self._by_value)

    def values(self, columns: list[Column], dtype: np.dtype) -> np.ndarray:
        """Class indices (rows,), or reals (rows,), (rows, targets) where there are several. Raises ValueError."""
        for column in columns:
            _require_all(column)
        if self.classes is not None:
            return self._indices(columns[0])
        reals = np.stack([_in_dtype(column, _reals(column), dtype) for column in columns], axis=1)
        return reals[:, 0] if len(columns) == 1 else reals

    def _indices(self, column: Column) -> np.ndarray:
        codes, texts = column.words
        own = np.array([*(self.code_of(text) for text in texts), NONE], np.intp)
        if len(texts) and own[:-1].min() == NONE:
            row = column.row_of(int(np.flatnonzero(own == NONE)[0]))
            classes = short(self.classes or (), 16)
            raise ValueError(
                f"expected one of the classes {classes} at {column.place(row)}, got {column.cell(row)}; mend it"
            )
        return own[codes]

    def indices_of(self, labels: np.ndarray) -> np.ndarray:
        """The class indices of labels, (rows,); the array as it is where it has other things than words in it."""
        texts = labels.tolist()
        if not all(isinstance(text, str) for text in texts):
            return labels
        found = {text: self.code_of(text.strip()) for text in set(texts)}
        unknown = next((row for row, text in enumerate(texts) if found[text] == NONE), None)
        if unknown is not None:
            classes = short(self.classes or (), 16)
            raise ValueError(f"expected labels of the classes {classes}, got {quoted(texts[unknown], 40)} at row {unknown}")
        return np.array([found[text] for text in texts], np.intp)

    def describe(self, place: int = 0) -> str:
        """The values of one target, for people."""
        if self.classes is None:
            return ranged(*self.ranges[place])
        return f"{plural(len(self.classes), 'class', 'classes')}: {some(self.classes)}"

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        classes = None if self.classes is None else list(self.classes)
        ranges = [list(pair) for pair in self.ranges]
        return {"names": list(self.names), "classes": classes, "ranges": ranges, "said": self.said}

    @classmethod
    def from_dict(cls, given: Any) -> Target:
        """The target of what to_dict gave. Raises ValueError."""
        stored.require_keys(given, "names", "classes", "ranges", "said")
        names, classes = stored.texts(given["names"], "names"), stored.maybe(stored.texts, given["classes"], "classes")
        ranges = tuple(_range(pair) for pair in stored.listed(given["ranges"], "ranges"))
        if not names or len(ranges) != (len(names) if classes is None else 0) or classes == ():
            raise ValueError("names, classes and ranges of the target contradict one another")
        if classes is not None and len(names) != 1:
            raise ValueError(f"expected one target for classes, got {len(names)}")
        return cls(names, classes, ranges, stored.text(given["said"], "said"))


def _range(pair: Any) -> tuple[float, float]:
    if len(stored.listed(pair, "ranges")) != 2:
        raise ValueError(f"expected a low and a high number, got {len(pair)}")
    low, high = (stored.real(one, "ranges") for one in pair)
    if low > high:
        raise ValueError(f"expected a range in order, got {low} before {high}")
    return low, high


def _require_all(column: Column) -> None:
    """Require a target in every row. Raises ValueError."""
    if column.missing.any():
        row, count = int(np.flatnonzero(column.missing)[0]), int(column.missing.sum())
        raise ValueError(
            f"expected a target at {column.place(row)}, got a missing one, as in {plural(count, 'row')} of "
            f"{len(column.missing)}; fill it or remove the row"
        )


def _reals(column: Column) -> np.ndarray:
    """The target as numbers. Raises ValueError for the first cell that is none."""
    values, bad = column.numbers
    if column.form == "date":
        raise ValueError(f"expected numbers or classes as the target, got dates in {column}; {column.option('--target')}")
    if len(bad):
        raise _refused(column, int(bad[0]), "for classes pass --task classification")
    return values


def _in_dtype(column: Column, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        found = values.astype(dtype)
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"expected a target that {dtype} holds at {column.place(row)}, got {column.cell(row)}; mend it")
    before, after = len(np.unique(values)), len(np.unique(found))
    if 2 * after < before:  # times of a minute in seconds since 1970
        raise ValueError(
            f"expected a target that {dtype} tells apart, got {before} different numbers in {column}, of which it leaves "
            f"{after}, such as {column.cell(0)}; pass --dtype float64, or take a number away from all of them"
        )
    return found


def _refused(column: Column, row: int, otherwise: str, fix: str = "mend it, or remove the row; ") -> ValueError:
    expected = "a number, as in other rows" if fix else "plain numbers"
    return ValueError(f"expected {expected}, got {column.cell(row)} at {column.place(row)}; {fix}{otherwise}")


def _classes(column: Column, task: str) -> tuple[tuple[str, ...] | None, str]:
    """The labels, or None for a quantity, and what there is to say. Raises ValueError for a doubtful column of words."""
    values, bad = column.numbers
    said, words = "", len(bad) > 0 or column.has_codes or column.form in ("truth", "category")
    if column.form == "date":
        raise ValueError(f"expected numbers or classes as the target, got dates in {column}; {column.option('--target')}")
    if column.form == "number" and len(bad):
        raise column.refused(int(bad[0]), "a finite number")
    if task == "auto" and len(bad) and column.form in ("text", "mixed") and 2 * len(bad) <= len(values):
        raise _refused(column, int(bad[0]), "name it with --na if it means missing; for classes pass --task classification")
    if task == "auto" and len(bad):
        _require_words(column)
    if not words:
        classes, said = decide(values, task)
        if not classes:
            return None, said
    return _labels(column, task), said


def _require_words(column: Column) -> None:
    """Refuse prices, shares, lengths and dates as classes, unless they are a few again and again. Raises ValueError."""
    row, texts = signed_row(column, len(column.words.codes)), column.words.texts
    if row is not None:
        plain = without_signs(texts[column.words.codes[row]], column.decimal) or ""
        raise _refused(column, row, f"write {bare(plain)}; for classes pass --task classification", "")
    if len(texts) > REPEATED and _are_dates(texts):
        row = column.row_of(0)
        raise ValueError(
            f"expected numbers or classes as the target, got dates such as {column.cell(row)} at {column.place(row)}; "
            "name another --target; for classes pass --task classification"
        )


def _are_dates(texts: list[str]) -> bool:
    """Tell whether the words are dates, be it that day and month cannot be told apart."""
    try:
        return reader(texts).order is not None
    except ValueError:
        return True


def _labels(column: Column, task: str) -> tuple[str, ...]:
    """The different labels, in order. Raises ValueError where they are too many, or too long, for classes."""
    codes, texts = column.words
    longest = max(range(len(texts)), key=lambda place: len(texts[place]))
    if len(texts[longest]) > LONGEST:
        place = column.place(column.row_of(longest))
        raise ValueError(f"expected a label of at most {LONGEST} characters at {place}, got {len(texts[longest])}")
    different = len(texts) == len(codes) > ALL_DIFFERENT and task == "auto"
    if len(texts) > MOST_CLASSES or different:
        odd = next((place for place, text in enumerate(texts) if number(text, column.decimal) is None), 0)
        row = column.row_of(odd)
        got = f"{len(texts)} labels, all different," if different else f"{len(texts)} different labels,"
        raise ValueError(
            f"expected at most {MOST_CLASSES} classes, got {got} such as {column.cell(row)} at {column.place(row)}; name "
            "another --target, or mend this one"
        )
    return tuple(in_order(texts))

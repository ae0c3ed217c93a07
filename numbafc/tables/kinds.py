"""The kind of a column: what is in it decides, unless a person has said what it is."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from . import dates
from .column import Column
from .refusal import plural
from .spelling import number, without_signs

NUMBER, CATEGORY, YES_NO, DATE = "number", "category", "yes/no", "date"
EMPTY, CONSTANT, INDEX, DIFFERENT, TEXT, CHOSEN = "empty", "constant", "index", "all different", "free text", "dropped"
DROPPED = EMPTY, CONSTANT, INDEX, DIFFERENT, TEXT, CHOSEN
TRUTHS = {"true": True, "yes": True, "t": True, "y": True, "on": True, "false": False, "no": False, "f": False}
TRUTHS |= {"n": False, "off": False}
PAIRS = {"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"}
REPEATED = 20  # different texts such as "36 months" that are still categories, where each is there twice on average
UNNAMED = re.compile(r"|unnamed:? *_?\d*|_duplicated_\d+|column_1|index|(row)?_?(id|names?|numbers?|no\.?|nr)|#", re.I)
IDENTIFIER = re.compile(r"(.*[\W_])?(id|no|nr)|.*[a-z](Id|ID|No|Nr)")
FREE = 0.9  # the share of different words above which they are free text, where they are many
LONGEST = 1000  # characters of a category
TRIED = 1000  # different texts that are looked at before all are
COUNTED = 10  # rows that a column without name must count to be an index


class Kind(NamedTuple):
    """A kind, and what decided it where that is worth a word. order: the reader of dates."""

    name: str
    said: str = ""
    order: str = dates.ISO


def kind_of(column: Column, chosen: str | None, keep: bool, most: int, header: bool) -> Kind:
    """The kind of a column. chosen: of choices.LISTS. most: categories that are not yet many.

    Raises ValueError with row, column and cell for what is neither one thing nor the other.
    """
    if chosen == "drop":
        return Kind(CHOSEN)
    if chosen is None and column.missing.all():
        return Kind(NUMBER if keep else EMPTY)
    if chosen == "categorical":
        return Kind(CATEGORY)
    if chosen == "numeric":
        return _number(column)
    if chosen == "dates":
        return _date(column, required=True) or Kind(DATE)
    found = _found(column)
    reason = None if keep else _useless(column, found, most, header)
    return found if reason is None else reason


def _found(column: Column) -> Kind:
    """The kind by what is in the cells."""
    if column.form == "category":
        return Kind(CATEGORY)
    if column.form == "truth":
        return Kind(YES_NO)
    if column.form == "date":
        return Kind(DATE)
    if column.form == "number":
        return _number(column)
    values, bad = column.numbers
    if len(bad) == 0:
        if column.has_codes:
            return Kind(CATEGORY, f"digits that are names, as 007 is; for numbers {column.option('--numeric')}")
        return Kind(NUMBER)
    known = len(values) - int(column.missing.sum())
    if 2 * (known - len(bad)) >= known:
        raise column.refused(int(bad[0]))
    texts = column.words.texts
    if {text.casefold() for text in texts} in PAIRS:
        return Kind(YES_NO)
    date = _date(column, required=False)
    if date is not None:
        return date
    row = signed_row(column, known)
    if row is not None:
        raise column.refused(row)
    return Kind(CATEGORY)


def _number(column: Column) -> Kind:
    """The kind of a column that must be numbers. Raises ValueError for the first cell that is none."""
    bad = column.numbers.bad
    if len(bad):
        row = int(bad[0])
        raise column.refused(row, "a finite number" if column.form == "number" else "a number")
    return Kind(NUMBER)


def _date(column: Column, required: bool) -> Kind | None:
    """The kind of dates, if that is what the words are. Raises ValueError for one bad date among others."""
    if column.form == "date" or (required and not column.words.texts):
        return Kind(DATE)
    try:
        order, bad = dates.reader(column.words.texts)
    except ValueError as error:
        fix = f"write them as 2024-01-31, or {column.option('--categorical', '--drop')}"
        raise ValueError(f"{column}: {error}; {fix}") from None
    if bad is not None or (order is None and required):
        raise column.refused(column.row_of(bad or 0), "a date such as 2024-01-31")
    return None if order is None else Kind(DATE, "", order)


def signed_row(column: Column, known: int) -> int | None:
    """The first row of a column of $3.20, 35% or 12.5 kg; None where it is none, or a few of them again and again."""
    texts = column.words.texts
    if len(texts) > TRIED and not any(without_signs(text, column.decimal) for text in texts[:TRIED]):
        return None
    plain = np.array([without_signs(text, column.decimal) is not None for text in texts])
    numeric = plain | [number(text, column.decimal) is not None for text in texts]
    few = len(texts) <= REPEATED and 2 * len(texts) <= known and plain.all()
    if not plain.any() or few or 2 * column.words.counts[numeric].sum() < known:
        return None
    return column.row_of(int(np.flatnonzero(plain)[0]))


def _useless(column: Column, found: Kind, most: int, header: bool) -> Kind | None:
    """The reason to leave a column out, if there is one."""
    missing = column.missing
    if found.name in (NUMBER, DATE):
        values = column.numbers.values if found.name == NUMBER else column.moments(found.order).values
        known = values[~missing]
        if not missing.any() and known.min() == known.max():
            return Kind(CONSTANT)
        if found.name == NUMBER and column.position == 0 and _counts(column, values, header):
            return Kind(INDEX, "it counts the rows")
        return None
    counts = column.words.counts
    distinct, known = len(counts), int(counts.sum())
    if distinct == 1 and not missing.any():
        return Kind(CONSTANT)
    if found.name != CATEGORY or column.form == "category":
        return None
    if distinct == known and known > 2:
        return Kind(DIFFERENT, plural(distinct, "word"))
    if (distinct > FREE * known and distinct > most) or max(map(len, column.words.texts)) > LONGEST:
        return Kind(TEXT, f"{distinct} different words in {plural(known, 'cell')}")
    return None


def _counts(column: Column, values: np.ndarray, header: bool) -> bool:
    """Tell whether a first column is the rows' own numbers, 0…n−1 or 1…n, and has no name that says something else."""
    name = column.name.strip()
    if header and not (UNNAMED.fullmatch(name) or IDENTIFIER.fullmatch(name)):
        return False
    if len(values) < (3 if header else COUNTED) or values[0] not in (0, 1):
        return False
    return bool((values == np.arange(len(values)) + values[0]).all())

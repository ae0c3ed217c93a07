"""Columns of a table as nodes: each is an input, (samples, 1), and becomes what its encoder makes of it.

kind        input                                                       missing
number      float64                                                     NaN
category    words, as the category is spelt                             the empty word
yes/no      words: yes, true, t, y, on, 1, and their opposites          the empty word
date        int64: microseconds since 1970, in UTC; since midnight      −2⁶³, NumPy's NaT
            where the column is times

Words become numbers by TfidfVectorizer, the one operator of the main domain before opset 19 that compares words: of single
words the counts in a row of one are a one-hot code. What is scaled is so in float64, and becomes float32 last, as a Table
has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...tables import Table
from ...tables.categories import Categories, YesNo, by_value
from ...tables.kinds import TRUTHS
from ...tables.moments import DAY, Moments
from ...tables.numbers import Numbers
from ...tables.scaling import CLIP, LARGEST, Scale
from ...tables.spelling import EXACT
from .answers import OUTPUTS
from .graph import DOUBLE, Graph

MISSING = ""
NAT = np.iinfo(np.int64).min
CYCLE = 146_097  # days in 400 years of the calendar, a whole number of weeks
TYPES = {Numbers.kind: np.float64, Categories.kind: str, YesNo.kind: str, Moments.kind: np.int64}
WORDS = {str: "words", np.float64: "float64", np.int64: "int64"}  # for people


def add(graph: Graph, table: Table) -> str:
    """Add an input for each column that the network sees; the network's inputs, (samples, N)."""
    given: dict[str, str] = {}
    for name, encoder in zip(input_names(table), table.encoders, strict=True):
        if encoder.features:
            given[encoder.name] = graph.input(name, TYPES[encoder.kind], 1)
    return encoded(graph, table, lambda encoder: given[encoder.name])


def encoded(graph: Graph, table: Table, column: Callable[[Any], str]) -> str:
    """The network's inputs, (samples, N). column: the value that an encoder takes, (samples, 1)."""
    parts: list[str] = []
    for encoder in table.encoders:
        if encoder.features:
            parts += ENCODERS[encoder.kind](graph, encoder, column(encoder), table.scaling)
    return graph.node("Concat", *parts, axis=1)


def input_names(table: Table) -> list[str]:
    """The names of the inputs: those of the columns, with _ behind where an output has it, or in place of what none may."""
    taken, names = set(OUTPUTS), []
    for encoder in table.encoders:
        name = encoder.name.replace("\0", "_") or "_"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def scaled(graph: Graph, values: str, scale: Scale, how: str) -> str:
    """Values in float64, none of them NaN, as Scale.apply has them, in the network's dtype."""
    of = graph.constant
    z = graph.node("Div", graph.node("Sub", values, of(scale.centre, DOUBLE)), of(scale.scale or 1.0, DOUBLE))
    z = graph.node("Max", graph.node("Min", z, of(LARGEST, DOUBLE)), of(-LARGEST, DOUBLE))
    if scale.scale == 0:
        z = graph.node("Mul", z, of(0.0, DOUBLE))
    elif how == "robust":
        part = graph.node("Div", z, of(CLIP, DOUBLE))
        part = graph.node("Add", graph.node("Mul", part, part), of(1.0, DOUBLE))
        z = graph.node("Div", z, graph.node("Sqrt", part))
    return z if graph.dtype == DOUBLE else graph.cast(z, graph.dtype)


def _at(scales: Sequence[Scale], how: str, value: float) -> list[float]:
    """A value as each scale has it."""
    return [float(scale.apply(np.full(1, value), how)[0]) for scale in scales]


def _where(graph: Graph, condition: str, yes: list[float], no: list[float] | str) -> str:
    """Numbers where something is true, one for each of its columns, and others, or a value, elsewhere."""
    otherwise = no if isinstance(no, str) else graph.constant(np.array(no))
    return graph.node("Where", condition, graph.constant(np.array(yes)), otherwise)


def _flag(graph: Graph, condition: str, scales: Sequence[Scale], how: str) -> str:
    """1 where something is true, else 0, scaled."""
    return _where(graph, condition, _at(scales, how, 1.0), _at(scales, how, 0.0))


def _sign(graph: Graph, codes: str, scale: Scale, how: str) -> str:
    """−1 for the first of two codes, +1 for the second, 0 for none, scaled."""
    minus, none, plus = (_at([scale], how, value) for value in (-1.0, 0.0, 1.0))
    return _where(graph, _column(graph, codes, 1), plus, _where(graph, _column(graph, codes, 0), minus, none))


def _numbers(graph: Graph, encoder: Numbers, x: str, how: str) -> list[str]:
    missing = graph.node("IsNaN", x)
    known = graph.node("Where", missing, graph.constant(encoder.scale.centre, DOUBLE), x)
    found = [scaled(graph, known, encoder.scale, how)]
    return found if encoder.gaps is None else [*found, _flag(graph, missing, [encoder.gaps], how)]


def _codes(graph: Graph, x: str, words: dict[str, int]) -> str:
    """The one-hot code of words, true and false, (samples, codes). words: with their codes."""
    pool, indexes = [word.encode() for word in words], list(words.values())
    sizes: dict[str, Any] = {"min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0}
    own: dict[str, Any] = {"ngram_counts": [0], "ngram_indexes": indexes, "pool_strings": pool}
    return graph.cast(graph.node("TfIdfVectorizer", x, mode="TF", **own, **sizes), bool)


def _column(graph: Graph, codes: str, place: int) -> str:
    """One of the columns of a code, (samples, 1)."""
    return graph.node("Gather", codes, graph.constant([place], np.int64), axis=1)


def _categories(graph: Graph, encoder: Categories, x: str, how: str) -> list[str]:
    words, k, scales = spelt(encoder.categories), len(encoder.categories), encoder.scales
    if not encoder.rare:
        codes = _codes(graph, x, words)
        return [_sign(graph, codes, scales[0], how) if k == 2 else _flag(graph, codes, scales, how)]
    codes = _codes(graph, x, words | {MISSING: k})
    count = graph.node("ReduceSum", graph.cast(codes, np.int64), graph.constant([1], np.int64), keepdims=1)
    other = graph.node("Equal", count, graph.constant([0], np.int64))
    own = graph.node("Gather", codes, graph.constant(np.arange(k), np.int64), axis=1)
    return [_flag(graph, graph.node("Concat", own, other, axis=1), scales, how)]


def spelt(categories: Sequence[str]) -> dict[str, int]:
    """The codes of categories, also as a frame spells those that are whole numbers, 3 and 3.0."""
    words: dict[str, int] = {}
    for value, code in by_value(tuple(categories)).items():
        if code >= 0 and abs(value) < EXACT and value == int(value):
            words |= {str(int(value)): code, f"{int(value)}.0": code}
    return words | {category: code for code, category in enumerate(categories)}


def _yes_no(graph: Graph, encoder: YesNo, x: str, how: str) -> list[str]:
    return [_sign(graph, _codes(graph, x, TRUTH_WORDS), encoder.scale, how)]


def _letters(word: str) -> list[str]:
    """The word in small and capital letters, in every way."""
    return ["".join(letters) for letters in itertools.product(*zip(word, word.upper(), strict=True))]


TRUTH_WORDS = {spelt: int(truth) for word, truth in TRUTHS.items() for spelt in _letters(word)}
TRUTH_WORDS |= {"1": 1, "1.0": 1, "0": 0, "0.0": 0}


def _moments(graph: Graph, encoder: Moments, x: str, how: str) -> list[str]:
    missing = graph.node("Equal", x, graph.constant(NAT, np.int64))
    first = graph.constant(int(encoder.first), np.int64)
    known = graph.cast(graph.node("Where", missing, first, x), DOUBLE)  # as a Table has them
    days = graph.node(
        "Div", graph.node("Sub", known, graph.constant(encoder.first, DOUBLE)), graph.constant(float(DAY), DOUBLE)
    )
    values = [days, *(graph.cast(PARTS[part](graph, graph.cast(known, np.int64)), DOUBLE) for part in encoder.parts)]
    found = []
    for value, scale in zip(values, encoder.scales, strict=True):
        filled = graph.node("Where", missing, graph.constant(scale.centre, DOUBLE), value)
        found.append(scaled(graph, filled, scale, how))
    return found if encoder.gaps is None else [*found, _flag(graph, missing, [encoder.gaps], how)]


def _whole(graph: Graph, operator: str, value: str, by: int) -> str:
    """An operation of integers with a constant."""
    return graph.node(operator, value, graph.constant(by, np.int64))


def _day(graph: Graph, moment: str) -> str:
    """Days since 1970, rounded down: of a negative number Div alone would round up."""
    return _whole(graph, "Div", graph.node("Sub", moment, _whole(graph, "Mod", moment, DAY)), DAY)


def _hour(graph: Graph, moment: str) -> str:
    return _whole(graph, "Div", _whole(graph, "Mod", moment, DAY), DAY // 24)


def _weekday(graph: Graph, moment: str) -> str:
    """0 on Monday; 1970 began on a Thursday."""
    return _whole(graph, "Mod", _whole(graph, "Add", _day(graph, moment), 3), 7)


def _month(graph: Graph, moment: str) -> str:
    """1 to 12, by H. Hinnant's civil_from_days (2013): years begin in March, so that the leap day is their last."""
    day = _whole(graph, "Mod", _whole(graph, "Add", _day(graph, moment), 719_468), CYCLE)  # of 400 years
    leaps = graph.node("Sub", day, _whole(graph, "Div", day, 1460))
    leaps = graph.node("Add", leaps, _whole(graph, "Div", day, 36_524))
    year = _whole(graph, "Div", graph.node("Sub", leaps, _whole(graph, "Div", day, 146_096)), 365)
    before = graph.node("Add", _whole(graph, "Mul", year, 365), _whole(graph, "Div", year, 4))
    before = graph.node("Sub", before, _whole(graph, "Div", year, 100))
    of_year = graph.node("Sub", day, before)
    month = _whole(graph, "Div", _whole(graph, "Add", _whole(graph, "Mul", of_year, 5), 2), 153)  # 0 is March
    return _whole(graph, "Add", _whole(graph, "Mod", _whole(graph, "Add", month, 2), 12), 1)


PARTS: dict[str, Callable[[Graph, str], str]] = {"month": _month, "weekday": _weekday, "hour": _hour}
ENCODERS: dict[str, Callable[[Graph, Any, str, str], list[str]]] = {
    Numbers.kind: _numbers,
    Categories.kind: _categories,
    YesNo.kind: _yes_no,
    Moments.kind: _moments,
}

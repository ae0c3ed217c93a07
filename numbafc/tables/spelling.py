"""Numbers as people spell them in a table, and values as a label or a category spells them."""

from __future__ import annotations

import functools
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from .. import checks

POINT, COMMA = ".", ","
WRITTEN = 10_000  # bits; Python writes no number of 4300 digits
EXACT = 2.0**53  # whole numbers above it are no longer told apart in float64
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_BLANKS = " \u00a0\u202f\u2009"
_SIGNS = "$€£¥₹%‰" + _BLANKS
_MINUS = "−–"
_UNIT = re.compile(r"(?<=\d)(?:\s+[^\W\d_]{1,12}[²³]?|(?:[kMG]?B|[kmcµ]?[mgls]|[kM]|kWh?|°C?|°F?|h|min))$")
CODE = r"^[+-]?0\d+$"  # 007: a name in digits


@functools.cache
def _patterns(decimal: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a plain number is with that decimal sign, and one with its thousands in groups."""
    d, other = re.escape(decimal), re.escape(COMMA if decimal == POINT else POINT)
    plain = rf"[+-]?(?:\d+(?:{d}\d*)?|{d}\d+){_EXPONENT}"
    grouped = rf"[+-]?\d{{1,3}}(?P<by>{other}|[{_BLANKS}'’])\d{{3}}(?:(?P=by)\d{{3}})*(?:{d}\d*)?"
    return re.compile(plain, re.ASCII), re.compile(grouped, re.ASCII)


def number(cell: str, decimal: str = POINT) -> float | None:
    """The number that a cell, without blanks around it, spells; None where it spells none. It may be infinite."""
    plain, grouped = _patterns(decimal)
    if not plain.fullmatch(cell):
        groups = grouped.fullmatch(cell)
        if groups is None:
            return None
        cell = cell.replace(groups["by"], "")
    return float(cell.replace(decimal, POINT))


def without_signs(cell: str, decimal: str = POINT) -> str | None:
    """The plain number in a cell such as $3.20, 35% or 12.5 kg, for advice; None where there is none."""
    core = _UNIT.sub("", cell.translate({ord(sign): "-" for sign in _MINUS}).strip(_SIGNS)).strip(_SIGNS)
    negative = core.startswith("-")
    core = f"{'-' if negative else ''}{core.removeprefix('-').strip(_SIGNS)}"
    return core if core != cell and number(core, decimal) is not None else None


def spelled(value: Any) -> str:
    """A value as a label spells it: text as it is, without blanks around it; a whole number without point, in any type."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int):
        return str(value) if value.bit_length() < WRITTEN else checks.shown(value)
    if isinstance(value, float | np.floating):
        whole = abs(float(value)) < EXACT and value == int(value)
        return str(int(value)) if whole else str(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def value_of(text: str) -> Decimal | None:
    """The number that a label spells, exactly, so that 1.0 and 1 are found to be one; None where it spells none."""
    if number(text) is None or len(text) > 100:
        return None
    try:
        return Decimal(text.replace(COMMA, ""))
    except InvalidOperation:
        return None


def in_order(texts: list[str]) -> list[str]:
    """Labels in the order of their numbers where all of them are numbers, else sorted."""
    values = {text: value_of(text) for text in texts}
    if any(value is None for value in values.values()):
        return sorted(texts)
    return sorted(texts, key=lambda text: (values[text], text))

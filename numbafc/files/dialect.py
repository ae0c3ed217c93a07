"""How a text file writes its table: what separates cells, its decimal mark, which words mean that a value is missing."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..tables.spelling import number
from .invalid import InvalidFile

CANDIDATES = ("\t", ";", "|", ",", " ")  # where several fit, the first: text and decimals hold the later ones
NAMES = {"\t": "tabs", " ": "blanks", ";": "';'", "|": "'|'", ",": "','"}
SPELT = {"\\t": "\t", "tab": "\t", "space": " ", "blank": " ", "comma": ",", "semicolon": ";"}
# What other programs write where a value is missing: those of pandas, R, Excel, and of older data sets. A lone - is one of
# them only in a column without +, for both are the classes of some.
MISSING = (
    *("NA", "N/A", "n/a", "<NA>", "NaN", "nan", "-NaN", "-nan", "NaT", "null", "NULL", "Null", "None"),
    *("#N/A", "#N/A N/A", "#NA", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NULL!", "#NAME?"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "?", "–", "—"),
)
MINUS = "-"
WITH_COMMA = re.compile(r"[+-]?(\d*,(\d{1,2}|\d{4,})|0?,\d{3}|\d{1,3}(\.\d{3})+,\d+|\d{4,},\d+)(e[+-]?\d+)?", re.I | re.A)
WITH_DOT = re.compile(r"[+-]?(\d*\.(\d{1,2}|\d{4,})|0?\.\d{3}|\d{1,3}(,\d{3})+\.\d+|\d{4,}\.\d+)(e[+-]?\d+)?", re.I | re.A)
WITH_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.A)


class Dialect(NamedTuple):
    """What the user says about a text file; what is None is found out.

    delimiter: one character, a blank for runs of blanks. decimal: "." or ",". encoding: Python's name. header: whether the
    first line has the columns' names. na: words that mean a missing value, beside the usual ones.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: bool | None = None
    na: Sequence[str] = ()

    def over(self, other: Dialect) -> Dialect:
        """What is said here, and what another one says of the rest."""
        return Dialect(**other.said | self.said)

    @property
    def missing_numbers(self) -> list[float]:
        """The words for a missing value that are numbers, for cells that are no text."""
        found = [number(word) if number(word) is not None else number(word, self.decimal or ".") for word in self.na]
        return [one for one in found if one is not None]

    @property
    def said(self) -> dict[str, Any]:
        """What the user said, by its names."""
        return {name: value for name, value in self._asdict().items() if value not in (None, ())}


TAKEN = {"parquet": ("decimal", "na"), "Excel": ("decimal", "header", "na")}  # by what is no text; decimal by its words


def require_taken(path: Path, dialect: Dialect, kind: str | None) -> None:
    """Refuse what a kind of file that is no text cannot use; None: arrays. Raises InvalidFile."""
    others = [name for name in dialect.said if kind is None or name not in TAKEN[kind]]
    if others:
        what, this = ("tables", "these are arrays") if kind is None else ("tables of text, such as csv", f"this is {kind}")
        raise InvalidFile(path, f"the option {others[0]} is for {what}, and {this}; leave it out")


def require_dialect(dialect: Dialect) -> Dialect:
    """The dialect with its delimiter as a character. Raises ValueError."""
    delimiter = SPELT.get(dialect.delimiter or "", dialect.delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise ValueError(f"expected a delimiter of one character, or tab or space, got {dialect.delimiter!r:.40}")
    if dialect.decimal not in (None, ".", ","):
        raise ValueError(f"expected the decimal mark . or , got {dialect.decimal!r:.40}")
    if delimiter is not None and delimiter.isalnum():
        raise ValueError(f"expected a delimiter that no number and no word has, got {delimiter!r}")
    return dialect._replace(delimiter=delimiter)


def rows_of(lines: Iterable[str], delimiter: str) -> Any:
    """The cells of each row, blanks before a quote taken off; a blank line is an empty list. A csv.reader."""
    if delimiter == " ":
        lines = (line.replace("\t", " ").strip(" \r\n") for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def find_delimiter(path: Path, lines: Sequence[str]) -> str:
    """What separates the cells of these lines: the first candidate that gives all of them as many, or most of them."""
    best, most = ",", 0.0
    for delimiter in CANDIDATES:
        try:
            widths = [len(row) for row in rows_of(lines, delimiter) if row]
        except csv.Error:
            continue
        width, count = Counter(widths[1:] or widths).most_common(1)[0] if widths else (1, 0)
        if width < 2:
            continue
        if count == len(widths[1:] or widths) and (
            widths[0] == width or widths[0] == width - 1 > 1 or widths[0] == width + 1
        ):
            return delimiter
        if delimiter != " " and count / len(widths) > most:
            best, most = delimiter, count / len(widths)
    return "\t" if not most and path.suffix.lower() in (".tsv", ".tab") else best


def find_decimal(cells: Iterable[str], delimiter: str) -> str | None:
    """The decimal mark of these cells, or None where nothing tells."""
    comma = dot = either = 0
    for cell in cells:
        if "," in cell or "." in cell:
            word = cell.strip()
            comma += WITH_COMMA.fullmatch(word) is not None
            dot += WITH_DOT.fullmatch(word) is not None
            either += WITH_EITHER.fullmatch(word) is not None
    if comma and dot:
        return "." if delimiter == "," or dot >= comma else ","
    if comma or dot:
        return "," if comma else "."
    return "," if either and delimiter == ";" else None


def require_one_decimal(path: Path, first: str | None, other: str | None) -> str | None:
    """The decimal mark of two files. Raises InvalidFile where they have different ones."""
    if first and other and first != other:
        raise InvalidFile(path, f"it has the decimal mark {other!r}, the files before it have {first!r}; make them alike")
    return first or other

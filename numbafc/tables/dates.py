"""Dates and times: the text that people write, the moment it means, and what a network gets of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

ISO, DAY_FIRST, MONTH_FIRST, TIME = "iso", "day first", "month first", "time"  # the readers
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
LONGEST = 40  # characters
TRIED = 20  # texts that are looked at before all are
_TIME = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*([AaPp][Mm])?)?"
_YEAR_FIRST = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?:[T ].*)?", re.ASCII)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}){_TIME}", re.ASCII)
_NAMED = re.compile(
    rf"(?:(\d{{1,2}})[- ]([A-Za-z]{{3,9}})\.?[- ,]+(\d{{4}})|([A-Za-z]{{3,9}})\.? (\d{{1,2}}),? (\d{{4}})){_TIME}", re.ASCII
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*([AaPp][Mm])?", re.ASCII)
_MONTHS = {name: n for n, name in enumerate(re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec"), 1)}


class Reader(NamedTuple):
    """What the texts of a column are as dates: the reader that suits them, or None, and the first that it does not read."""

    order: str | None
    bad: int | None = None


def reader(texts: Sequence[str]) -> Reader:
    """The reader of all these texts, or of most of them. Raises ValueError where day and month cannot be told apart."""
    if not any(_may_be(text) for text in texts[:TRIED]):
        return Reader(None)
    read: dict[str, list[bool]] = {}
    for order in _READERS:
        read[order] = [moment(text, order) is not None for text in texts]
        if all(read[order]):
            break
    best = max(read, key=lambda order: sum(read[order]))
    if 2 * sum(read[best]) < len(texts):
        return Reader(None)
    if not all(read[best]):
        return Reader(best, read[best].index(False))
    if best == DAY_FIRST and all(moment(text, MONTH_FIRST) is not None for text in texts):
        doubtful = next((text for text in texts if moment(text, DAY_FIRST) != moment(text, MONTH_FIRST)), None)
        if doubtful is not None:
            raise ValueError(f"the first of day and month is not clear in dates such as {doubtful!r:.20}")
    return Reader(best)


def _may_be(text: str) -> bool:
    return 4 <= len(text) <= LONGEST and any(moment(text, order) is not None for order in _READERS)


def moment(text: str, order: str) -> int | None:
    """Microseconds since 1970, in UTC where the text has an offset; None where this reader reads no date in it."""
    try:
        when = _READERS[order](text) if len(text) <= LONGEST else None
        if when is None:
            return None
        if when.tzinfo is not None:
            when = when.astimezone(UTC).replace(tzinfo=None)
        return (when - EPOCH) // MICROSECOND
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> datetime | None:
    if text[4:5] == "-" == text[7:8] and (len(text) == 10 or text[10:11] in ("T", " ")):
        return datetime.fromisoformat(text)
    if not _YEAR_FIRST.fullmatch(text):
        return None
    date, *rest = re.split("[T ]", text, maxsplit=1)
    year, month, day = re.split("[-/.]", date)
    return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}" + (f"T{rest[0].strip()}" if rest else ""))


def _year_last(text: str, day_first: bool) -> datetime | None:
    found = _YEAR_LAST.fullmatch(text)
    if found is not None:
        one, separator, other, year = found.groups()[:4]
        if separator == "." and not day_first:
            return None
        day, month = (one, other) if day_first else (other, one)
        return _made(year, int(month), day, found.groups()[4:])
    found = _NAMED.fullmatch(text) if day_first else None
    if found is None:
        return None
    day, name, year = found.groups()[:3] if found[1] else (found[5], found[4], found[6])
    return _made(year, _MONTHS.get(name[:3].lower(), 0), day, found.groups()[6:])


def _made(year: str, month: int, day: str, clock: Sequence[str | None]) -> datetime:
    """A moment of its parts. clock: hour, minute, second, fraction, and AM or PM. Raises ValueError."""
    hour, minute, second, fraction, half = (part or "" for part in clock)
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError("there is no such hour")
        hours = hours % 12 + 12 * (half.lower() == "pm")
    micro = int(f"{fraction:0<6}"[:6])
    return datetime(int(year), month, int(day), hours, int(minute or 0), int(second or 0), micro)


def _clock(text: str) -> datetime | None:
    found = _CLOCK.fullmatch(text)
    return None if found is None else _made("1970", 1, "1", found.groups())


_READERS: dict[str, Callable[[str], datetime | None]] = {
    ISO: _iso,
    DAY_FIRST: lambda text: _year_last(text, True),
    MONTH_FIRST: lambda text: _year_last(text, False),
    TIME: _clock,
}
ORDERS = tuple(_READERS)

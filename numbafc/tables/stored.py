"""What a file says of a table, looked at before anything is made of it: every refusal is a ValueError."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, TypeVar

from .scaling import Scale

T = TypeVar("T")
MOST = 2**53  # of a count


def require_keys(given: Any, *keys: str) -> None:
    """Require an object that has these entries, and no other."""
    if not isinstance(given, dict):
        raise ValueError(f"expected an object with {', '.join(keys)}, got {given!r:.60}")
    wrong = [key for key in keys if key not in given] or [key for key in given if key not in keys]
    if wrong:
        raise ValueError(
            f"expected {', '.join(keys)}, and {wrong[0]!r:.40} is {'extra' if wrong[0] in given else 'missing'}"
        )


def listed(value: Any, name: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r:.60}")
    return value


def text(value: Any, name: str) -> str:
    """Text that can be written."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {value!r:.60}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text that can be written, got half a character in {value!r:.60}") from None
    return value


def texts(value: Any, name: str) -> tuple[str, ...]:
    """Different texts."""
    found = tuple(text(one, name) for one in listed(value, name))
    if len(set(found)) < len(found):
        raise ValueError(f"{name} must all be different, got one of them twice")
    return found


def one_of(value: Any, known: Sequence[str], name: str) -> str:
    """One of the known words."""
    if not (isinstance(value, str) and value in known):
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r:.60}")
    return value


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r:.60}")
    return value


def count(value: Any, name: str) -> int:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise ValueError(f"{name} must be a whole number from 0, got {_short(value)}")
    return value


def real(value: Any, name: str) -> float:
    """A finite number."""
    try:
        number = float("nan") if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {_short(value)}")
    return number


WRITTEN = {"delimiter": "text", "decimal": "text", "encoding": "text", "header": "flag", "na": "texts"}


def said(value: Any) -> dict[str, Any]:
    """What was said of how files are written: words, a flag and a list of words by their names."""
    if not isinstance(value, dict):
        raise ValueError(f"written must be an object, got {value!r:.60}")
    found: dict[str, Any] = {}
    for name, one in value.items():
        kind = WRITTEN.get(name)
        if kind == "text":
            found[name] = text(one, name)
        elif kind == "flag":
            found[name] = flag(one, name)
        elif kind == "texts":
            found[name] = list(texts(list(one) if isinstance(one, tuple) else one, name))
        else:
            raise ValueError(f"written must have {', '.join(WRITTEN)}, got {name!r:.40}")
    return found


def scale(value: Any, name: str) -> Scale:
    """A centre and a scale, which is at least 0."""
    if len(listed(value, name)) != 2:
        raise ValueError(f"{name} must be a centre and a scale, got {len(value)} numbers")
    found = Scale(*(real(one, name) for one in value))
    if found.scale < 0:
        raise ValueError(f"{name} must be at least 0, got {found.scale}")
    return found


def maybe(of: Callable[[Any, str], T], value: Any, name: str) -> T | None:
    """What is none, or that."""
    return None if value is None else of(value, name)


def scale_out(value: Scale | None) -> list[float] | None:
    """A scale that there may be, as JSON has it."""
    return None if value is None else list(value)


def _short(value: Any) -> str:
    """A value in a message; Python writes no integer of more than 4300 digits."""
    return "a huge integer" if isinstance(value, int) and value.bit_length() > 200 else f"{value!r:.60}"

"""What is printed: lines for people, or one JSON object for programs."""

from __future__ import annotations

import io
import json
import math
import sys
from typing import Any

import numpy as np
import typer
from rich.console import Console

for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without "²" loses that sign, not the training
TEXT = Console(soft_wrap=True, highlight=False, markup=False)


def lines(as_json: bool) -> Console:
    """Where lines for people go: beside JSON, to a terminal that shows errors, or nowhere."""
    if not as_json:
        return TEXT
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    errors.quiet = not errors.is_terminal
    return errors


def decimal(value: float, digits: int = 4) -> str:
    """A number with so many digits behind the point, or six in all where it is large."""
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.6g}"


def print_json(result: dict[str, Any]) -> None:
    """The one object. What no JSON can hold, NaN and infinity, is null."""
    typer.echo(json.dumps(_plain(result), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(element) for element in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value

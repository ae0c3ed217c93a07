"""`numbafc info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__, _numba
from ..files.checkpoint import load
from . import decided
from .screen import say

EXAMPLES = """
numbafc info
numbafc info houses.safetensors
"""


def info(
    model: Annotated[
        Path | None, typer.Argument(help="A model that `numbafc train` saved. [default: this machine]", show_default=False)
    ] = None,
) -> None:
    """Print what this machine is, or a model.

    Of the machine what decides how fast it trains: versions, threads, CPU features, cache. Of a model its layers, what it
    was trained on, and what became of each column of the table.
    """
    if model is None:
        for name, value in {"numbafc": __version__, **_numba.environment()}.items():
            say(f"{name.replace('_', ' '):16}{' '.join(value) if isinstance(value, list) else value}")
        return
    net = load(model)
    say(*str(net).splitlines())
    if net.table is not None:
        say(*decided.lines(net.table, most=None))

"""`numbafc info`."""

from __future__ import annotations

from .. import __version__, _numba
from .screen import say

EXAMPLES = ""


def info() -> None:
    """Print what decides how fast this machine trains.

    Versions, threads, CPU features, cache.
    """
    for name, value in {"numbafc": __version__, **_numba.environment()}.items():
        say(f"{name.replace('_', ' '):16}{' '.join(value) if isinstance(value, list) else value}")

"""Loss and score over the epochs, drawn with matplotlib."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

from ..files.replacing import write_whole
from ..nn import History

SUFFIXES = (".png", ".svg", ".pdf")


def check(path: Path) -> None:
    """Refuse a plot that could not be drawn. Raises ValueError, or ImportError where matplotlib is missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--plot must end in {', '.join(SUFFIXES)}, got {str(path)!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("--plot needs matplotlib, which is not installed: pip install 'numbafc[plot]'")


def draw(path: Path, history: History, score: str, title: str) -> None:
    """Write the picture, whole or not at all. score: the name of it. Without a display, and without pyplot's state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, parse_math=False)  # a file's name may have $ in it
    history.plot(figure.subplots(1, 2), score=score)
    write(path, figure)


def write(path: Path, figure: Any) -> None:
    """Write a figure of matplotlib to a file of the kind that its name says."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    write_whole(path, picture.getvalue())

"""Loss and score over the epochs, drawn with matplotlib."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

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
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, parse_math=False)  # a file's name may have $ in it
    curves = {
        "loss": (history.loss, history.validation_loss),
        score: (history.score, history.validation_score),
    }
    marker = "o" if len(history) < 30 else None
    for axes, (name, (training, validation)) in zip(figure.subplots(1, 2), curves.items(), strict=True):
        # told apart by their dashes and by how dark they are: in grey, too
        axes.plot(history.epoch, validation, color="black", marker=marker, markersize=3, label="validation")
        if training[0] == training[0]:  # a running R² is not measured
            style = {"color": "tab:orange", "linestyle": "--", "markersize": 3}
            axes.plot(history.epoch, training, marker=marker, label="training", **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    write_whole(path, picture.getvalue())

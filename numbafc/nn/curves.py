"""A training's records as pictures and frames, with libraries that need not be there: matplotlib; pandas or polars."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

FRAMES = "pandas", "polars", "pyarrow"  # in this order, where nothing is said and none is imported yet
MARKED = 30  # epochs, below which each has a mark


def draw(axes: Sequence[Any], columns: Mapping[str, Sequence[float]], score: str) -> None:
    """Draw loss and score over the epochs on two axes of matplotlib. columns: those of a History. score: its name."""
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(columns["epoch"]) < MARKED else None
    for one, column, name in zip(axes, ("loss", "score"), ("loss", score), strict=True):
        # told apart by their dashes and by how dark they are: in grey, too
        styles = {
            f"validation_{column}": {"color": "black", "label": "validation"},
            column: {"color": "tab:orange", "linestyle": "--", "label": "training"},
        }
        for which, style in styles.items():
            if any(value == value for value in columns[which]):  # a running R² is not measured, nor what is not held out
                one.plot(columns["epoch"], columns[which], marker=marker, markersize=3, **style)
        one.set_xlabel("epoch")
        one.set_ylabel(name)
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        one.grid(alpha=0.3)
        if one.get_legend_handles_labels()[1]:
            one.legend()


def plotted(columns: Mapping[str, Sequence[float]], axes: Any, score: str) -> Any:
    """The two axes with the curves: those given, or of a new figure of pyplot. Raises ImportError or ValueError."""
    if axes is None:
        axes = new_axes("history.plot()", 2)
    try:
        first, second = axes
    except (TypeError, ValueError):
        raise ValueError(
            f"axes must be two, for the loss and for the score, got {axes!r:.80}; pass axes=plt.subplots(1, 2)[1]"
        ) from None
    draw((first, second), columns, score)
    return axes


def new_axes(who: str, count: int) -> Any:
    """An axis, or several, of a new figure of pyplot, which shows it when it is asked to. Raises ImportError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(f"{who} needs matplotlib, which is not installed: pip install 'numbafc[plot]'")
    from matplotlib import pyplot

    return pyplot.subplots(1, count, figsize=(4.5 * count, 3.6), layout="constrained")[1]


def frame(columns: Mapping[str, Sequence[Any]], backend: str | None) -> Any:
    """A data frame of that library; of the one that is imported, or else installed. Raises ImportError or ValueError."""
    if backend is not None and backend not in FRAMES:
        raise ValueError(f"backend must be one of {', '.join(FRAMES)}, or None for what is there, got {backend!r:.80}")
    there = [name for name in FRAMES if _is_there(name)]
    wanted = [name for name in there if backend in (None, name)]
    if not wanted or not _is_there("narwhals"):
        missing = backend or "pandas or polars"
        raise ImportError(f"to_frame needs narwhals and {missing}: pip install narwhals {backend or 'pandas'}")
    import narwhals

    chosen: Any = next((name for name in wanted if name in sys.modules), wanted[0])
    return narwhals.from_dict(dict(columns), backend=chosen).to_native()


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that was put in its place by hand, or None, which stands for no such module
        return sys.modules.get(module) is not None

"""What the pictures share: sizes, the peak on top, and lines that differ in grey as well as in colour."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import rows

WIDTH = 8.3  # inches at 100 dots: the width of a README
DOTS = 160
SETTINGS: dict[str, Any] = {
    "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "legend.fontsize": 8, "axes.grid": True,
    "grid.color": "0.9", "grid.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True, "lines.linewidth": 1.4, "lines.markersize": 4.5, "figure.constrained_layout.use": True,
    "legend.frameon": False, "axes.titlelocation": "left", "svg.fonttype": "none",
}  # fmt: skip

# By label: colour, whose lightness differs too, marker, line. Labels begin with these; the longest that fits is taken.
STYLES = {
    "numbafc": ("black", "o", "-"),
    "numbafc, kernel=loops": ("0.45", "o", ":"),
    "numpy": ("#9ecae1", "s", "--"),
    "numpy, OPENBLAS": ("#08519c", "s", "-."),
    "torch": ("#e6550d", "^", "--"),
    "jax": ("#74c476", "D", "-."),
    "sklearn": ("#9e9ac8", "v", ":"),
    "sklearn MLP": ("#9e9ac8", "v", ":"),
    "sklearn boosting": ("#31a354", "D", "-."),
    "pytabkit": ("#e6550d", "^", "--"),
    "libxsmm": ("#a50f15", "P", "--"),
    "onednn": ("#dd3497", "X", "-."),
    "onnxruntime": ("#41b6c4", "<", "--"),
}
NAMES = {"numpy, OPENBLAS": "NumPy, best OpenBLAS", "numpy": "NumPy as installed", "torch": "PyTorch", "jax": "JAX"}
NAMES |= {"sklearn": "scikit-learn", "libxsmm": "LIBXSMM", "onednn": "oneDNN", "onnxruntime": "ONNX Runtime"}
NAMES |= {"sklearn MLP": "scikit-learn's MLP", "sklearn boosting": "HistGradientBoosting", "pytabkit": "pytabkit's RealMLP"}


def _kind(label: str) -> str:
    return max((name for name in STYLES if label.startswith(name)), key=len, default="numbafc")


def name(label: str) -> str:
    """How a picture or a table calls a subject."""
    kind = _kind(label)
    return NAMES.get(kind, label)


def library(module: str) -> str:
    """How a module is called where its settings do not matter."""
    return "NumPy" if module == "numpy" else name(module)


def style(label: str) -> dict[str, Any]:
    """How the line of a subject looks."""
    colour, marker, line = STYLES[_kind(label)]
    front = label == "numbafc"
    return {
        "color": colour, "marker": marker, "linestyle": line, "label": name(label), "zorder": 3 if front else 2,
        "linewidth": 2.2 if front else 1.3, "markerfacecolor": colour if front else "white", "markeredgewidth": 1.1,
    }  # fmt: skip


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """A context in which figures are made and saved alike, without a screen. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("agg")
    with matplotlib.rc_context(SETTINGS):
        yield


def panels(height: float, columns: int = 1, lines: int = 1, **options: Any) -> tuple[Any, Any]:
    """A Figure of the usual width and its axes, an array of (lines, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DOTS)
    return figure, figure.subplots(lines, columns, squeeze=False, **options)


def peak(axes: Any, gflops: float, text: str = "FMA peak") -> None:
    """Draw the line that nothing passes, at the top."""
    axes.axhline(gflops, color="0.25", linewidth=1, zorder=1)
    axes.annotate(
        f"{text} {gflops:.0f}", (1, gflops), (-2, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="bottom", fontsize=8, color="0.25",
    )  # fmt: skip


def curves(axes: Any, found: Iterable[rows.Row], x: str, y: str, scale: float = 1) -> None:
    """Draw a line for each subject. x, y: fields."""
    for (_, _), mine in rows.groups(found, "peer", "kernel").items():
        points = sorted((row[x], scale * row[y]) for row in mine)
        axes.plot(*zip(*points, strict=True), **style(rows.label(mine[0])))


def ticks(axes: Any, values: Sequence[float], axis: str = "x") -> None:
    """Make an axis logarithmic, with these numbers, and no others, on it."""
    getattr(axes, f"set_{axis}scale")("log")
    chosen = sorted(set(values))
    getattr(axes, f"set_{axis}ticks")(chosen, [f"{value:g}" for value in chosen])
    getattr(axes, f"set_{axis}ticks")([], minor=True)


def log(axes: Any, axis: str) -> None:
    """Make an axis logarithmic, with 1, 2 and 5 of every power of ten, or the powers alone where it is long, as digits."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    getattr(axes, f"set_{axis}scale")("log")
    low, high = getattr(axes, f"get_{axis}lim")()
    one = getattr(axes, f"{axis}axis")
    one.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
    one.set_minor_locator(NullLocator())
    one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def counted(n: int, one: str = "thread", many: str = "threads") -> str:
    """A number of things, in words."""
    return f"{n} {one if n == 1 else many}"


def legend(figure: Any, axes: Iterable[Any], columns: int = 4) -> None:
    """Draw one legend for all axes, below."""
    entries = {text: line for one in axes for line, text in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns)


def save(figure: Any, file: Path) -> None:
    """Save a figure in 128 colours, a third of the size.

    It has no date and no version, so that the same rows give the same file.
    """
    from PIL import Image

    picture = io.BytesIO()
    figure.savefig(picture, dpi=DOTS)
    Image.open(picture).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)

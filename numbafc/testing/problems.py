"""Hypothesis strategies for layer problems: shapes around every edge, values that hide nothing, memory of every kind.

Bulk data comes from a drawn seed; Hypothesis draws the structure (shape, kind of values, layout) and shrinks that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from ..formulas import SUM_BLOCK
from ..kernels.target import STRIP
from .layouts import LAYOUTS

# Sizes at which a loop, a vector or a tile ends, one less and one more: plain integers() rarely meets them.
WIDTHS = (2, 4, 8, 12, 16, 32, 48, 64)
SHORT = tuple(sorted({0, 1, 3, *(width + d for width in WIDTHS for d in (-1, 0, 1)), 2 * 48 + 1}))
LONG = tuple(sorted({edge + d for edge in (STRIP, SUM_BLOCK, 2 * SUM_BLOCK) for d in (-1, 0, 1)}))
FINITE = ("integers", "normal", "wide", "subnormal")
VALUES = (*FINITE, "special")
DTYPES = ("float32", "float64")
SAMPLES = ("columns", "rows")


class LayerProblem(NamedTuple):
    """Arguments for one forward and backward pass. W: (T, N), X: (N, B), b: (T,), dY: (T, B), one dtype.

    samples: how the layer takes them, in "columns", as here, or in "rows", X: (B, N) and dY: (B, T). Layouts are of that.
    """

    W: np.ndarray
    X: np.ndarray
    b: np.ndarray
    dY: np.ndarray
    values: str
    layouts: tuple[str, str, str, str]
    samples: str = "columns"

    def native(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """W, X, b, dY in the processor's byte order, for references that compute with them."""
        W, X, b, dY = (A.astype(A.dtype.newbyteorder("="), copy=False) for A in (self.W, self.X, self.b, self.dY))
        return W, X, b, dY

    def turned(self, A: np.ndarray) -> np.ndarray:
        """An array of samples from the layer's convention into this one's columns, or back."""
        return A.T if self.samples == "rows" else A

    def arguments(self) -> dict[str, np.ndarray]:
        """W, X, b, dY as the layer takes them."""
        return {"W": self.W, "X": self.turned(self.X), "b": self.b, "dY": self.turned(self.dY)}

    def __repr__(self) -> str:
        (T, N), B = self.W.shape, self.X.shape[1]
        return f"LayerProblem(T={T}, N={N}, B={B}, {self.W.dtype}, values={self.values!r}, layouts={self.layouts})"


@st.composite
def shapes(draw: st.DrawFn, min_size: int = 0, max_volume: int = 20_000) -> tuple[int, int, int]:
    """(T, N, B) with T·N·B ≤ max_volume: sizes around the edges of vectors and tiles, one long one where there is room."""
    short = st.sampled_from([n for n in SHORT if n >= min_size])
    sizes = [draw(short), draw(short), draw(short)]
    long_axis = draw(st.sampled_from([None, 0, 1, 2])) if max_volume >= LONG[-1] else None
    if long_axis is not None:
        sizes[long_axis] = draw(st.sampled_from(LONG))
    for axis in sorted(range(3), key=sizes.__getitem__):  # the longest gives way first, but for the long axis
        others = int(np.prod([sizes[other] for other in range(3) if other != axis]))
        if axis != long_axis and others:
            sizes[axis] = max(min(sizes[axis], max_volume // others), min_size)
    return sizes[0], sizes[1], sizes[2]


def _values(rng: np.random.Generator, kind: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of the kind. No zeros among the finite kinds: a zero hides what it is multiplied with."""
    signs = rng.choice([-1.0, 1.0], shape)
    if kind == "integers":  # |x| ≤ 8: sums of K < 2¹⁸ products are exact in any order
        return (signs * rng.integers(1, 9, shape)).astype(dtype)
    if kind == "wide":  # products and sums of 10⁵ of them stay finite
        span = 40 if dtype == np.float32 else 400
        return (signs * np.ldexp(rng.uniform(1, 2, shape), rng.integers(-span, span + 1, shape))).astype(dtype)
    if kind == "subnormal":  # products around and below the smallest normal number
        middle = np.finfo(dtype).minexp // 2
        return (signs * np.ldexp(rng.uniform(1, 2, shape), rng.integers(middle - 8, middle + 4, shape))).astype(dtype)
    normal = rng.standard_normal(shape).astype(dtype)
    if kind == "special":
        place = rng.random(shape) < 0.05
        normal[place] = rng.choice([np.nan, np.inf, -np.inf, 0.0], int(place.sum()))
    return normal


def _as_it_is(A: np.ndarray) -> np.ndarray:
    return A


@st.composite
def layer_problems(
    draw: st.DrawFn,
    *,
    dtypes: Sequence[str] = DTYPES,
    values: Sequence[str] = FINITE,
    layouts: Sequence[str] = ("C",),
    min_size: int = 0,
    max_volume: int = 20_000,
    samples: str = "columns",
) -> LayerProblem:
    """Problems for a fully-connected layer.

    dtypes: of "float32", "float64". values: of "integers" (every sum is exact), "normal", "wide" (exponents over half of
    the range), "subnormal", "special" (NaN, infinities and zeros among normal data). layouts: names in
    testing.LAYOUTS, drawn for each array. min_size: of T, N and B. max_volume: of T·N·B. samples: "columns" or "rows",
    as the layer takes them.
    """
    if samples not in SAMPLES:
        raise ValueError(f"samples must be 'columns' or 'rows', got {samples!r:.40}")
    for name, got, known in (("values", values, VALUES), ("layouts", layouts, LAYOUTS), ("dtypes", dtypes, DTYPES)):
        if not got or not set(got) <= set(known):
            raise ValueError(f"{name} must be some of {', '.join(known)}, got {', '.join(map(str, got)) or 'none'}")
    T, N, B = draw(shapes(min_size, max_volume))
    dtype, kind = np.dtype(draw(st.sampled_from(list(dtypes)))), draw(st.sampled_from(list(values)))
    layout = st.sampled_from(list(layouts))
    names = draw(layout), draw(layout), draw(layout), draw(layout)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    form = np.transpose if samples == "rows" else _as_it_is
    W, X, b, dY = (
        of(LAYOUTS[name](of(_values(rng, kind, shape, dtype))))
        for name, shape, of in zip(names, [(T, N), (N, B), (T,), (T, B)], [_as_it_is, form, _as_it_is, form], strict=True)
    )
    return LayerProblem(W, X, b, dY, kind, names, samples)


def integer_problems(**options: object) -> st.SearchStrategy[LayerProblem]:
    """layer_problems of small integers: every sum is exact in any order, so results must be equal, not close."""
    return layer_problems(values=("integers",), **options)  # type: ignore[arg-type]

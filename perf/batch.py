"""the cost of a sample as the batch grows from 1 to 4096, and the roofline that it climbs.

W is larger than the second cache, so that a single sample waits for memory: it reads all of W for two flops an element.
The roofline: no call is faster than the FMA peak, nor than its arithmetic intensity (flops for each byte of W, X and Y,
each moved once) times the bandwidth at which one thread reads an array as large as W, both measured here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import drawing, limits, rows
from .products import MODULES, OPS, flops, line, measure
from .session import Session

T, N = 1024, 1024
BATCHES = tuple(4**k for k in range(7))
SECONDS = (40, 11)


def run(session: Session) -> None:
    """Measure every size of batch."""
    dtypes, threads = session.dtypes("float32"), session.threads(1)
    batches = BATCHES[::2] if session.quick else BATCHES
    cases = [(dtype, B, op) for dtype in dtypes for op in (OPS[:1] if session.quick else OPS) for B in batches]
    for n in threads:
        with session.workers("perf.worker", MODULES, n) as workers:
            for dtype, B, op in session.each(cases, of=len(threads)):
                speed = n * limits.bandwidth(T * N * np.dtype(dtype).itemsize)
                found = measure(session, workers, op, (T, N, B), dtype, n, **roof(B, dtype, speed))
                session.say(f"{line(found)}, {1e6 * found[0]['best'] / B:.2f} us a sample")


def roof(B: int, dtype: str, speed: float) -> dict[str, Any]:
    """The fields of the study: flops a byte, and bytes a second."""
    moved = (T * N + N * B + T * B) * np.dtype(dtype).itemsize
    return {"intensity": rows.short(flops(T, N, B) / moved), "bandwidth": rows.short(speed)}


def findings(found: list[rows.Row]) -> list[str]:
    """What a batch saves, and how near the roof a single sample is."""
    said = []
    mine = [row for row in found if rows.ours(row)]
    for (op, dtype, n), part in rows.groups(mine, "op", "dtype", "threads").items():
        one, last = part[0], part[-1]
        roofs = [min(row["fma_peak_gflops"], row["intensity"] * row["bandwidth"] / 1e9) for row in part]
        share = one["gflops"] / roofs[0]
        said.append(
            f"{op}, {dtype}, {drawing.counted(n)}: {1e6 * one['best'] / one['B']:.1f} µs a sample for B = {one['B']}, "
            f"{1e6 * last['best'] / last['B']:.2f} µs for B = {last['B']}, a factor of "
            f"{one['best'] / one['B'] * last['B'] / last['best']:.0f}; one sample runs at {share:.0%} of the roof, "
            f"B = {last['B']} at {last['gflops'] / roofs[-1]:.0%}."
        )
    return said


def picture(found: list[rows.Row]) -> Any:
    """Microseconds a sample of the forward product, and GFLOP/s of all products under the roof."""
    part = rows.where(found, dtype=found[0]["dtype"], threads=found[0]["threads"])
    forward = [row | {"each": 1e6 * row["best"] / row["B"]} for row in rows.where(part, op="forward")]
    figure, axes = drawing.panels(3.8, 2)
    left, right = axes[0]
    drawing.curves(left, forward, "B", "each")
    top = forward[0]["fma_peak_gflops"]
    left.axhline(flops(T, N, 1) / top / 1e3, color="0.25", linewidth=1)
    left.annotate("at the FMA peak", (1, flops(T, N, 1) / top / 1e3), (0, 3), textcoords="offset points", fontsize=8)
    left.set(title=f"forward, T = {T}, N = {N}", xlabel="samples in a batch, B", ylabel="µs a sample")
    drawing.ticks(left, [row["B"] for row in forward])
    drawing.log(left, "y")
    drawing.curves(right, forward, "intensity", "gflops")
    x = np.geomspace(0.9 * min(row["intensity"] for row in part), 1.1 * max(row["intensity"] for row in part))
    speed = max(row["bandwidth"] for row in part)
    right.plot(x, np.minimum(top, x * speed / 1e9), color="0.25", linewidth=1)
    right.annotate(
        f"FMA peak {top:.0f} GFLOP/s", (x[-1], top), (0, 3), textcoords="offset points", ha="right", va="bottom", fontsize=8
    )
    right.annotate(f"slope: reading W,\n{speed / 1e9:.0f} GB/s", (0.03, 0.8), xycoords="axes fraction", fontsize=8)
    right.set(title="the roofline", xlabel="flops for each byte of W, X and Y", ylabel="GFLOP/s")
    for axis in "xy":
        drawing.log(right, axis)
    drawing.legend(figure, (left,))
    return figure

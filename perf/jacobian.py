"""the gradient of the weights by the full Jacobian, the operator, the sparse form and the shortcut: time and memory.

The article's argument, measured. Two ways are one and the same plain loop, a multiply-add after the other: DL(Y)·DY(W) with
the full Jacobian in memory, and dW = dY Xᵀ. What the loop takes is the number of multiply-adds, so the shortcut wins by the
factor T, and by more where the Jacobian leaves the caches. The others are what numbafc offers: the dense Jacobian built and
multiplied, the sparse form built and multiplied, the operator, the shortcut. Memory is the most that a call had allocated
at a time. T, N and B grow one by one.
"""

from __future__ import annotations

import importlib.util
import statistics
from typing import Any

import numpy as np

import numbafc as fc

from . import drawing, rounds, rows
from .session import Session
from .ways import LOOP_LONG, LOOP_SHORT, check, take, ways

BASE = {"T": 16, "N": 8, "B": 512}
GROWTH = {"T": (4, 8, 16, 32, 64), "N": (2, 8, 32, 128), "B": (256, 512, 1024, 2048, 4096)}
QUICK = {"T": (4, 8, 16, 32), "N": (8, 32), "B": (512, 2048)}
IN_CACHE = 8 << 20  # bytes of a Jacobian that the plain loop waits for no more than for its multiply-adds
ARTICLE = (100, 16_384, 32)  # its example: the full Jacobian takes 19.5 GiB
SECONDS = (10, 6)


def run(session: Session) -> None:
    """Measure while T, N and B grow one by one; then the article's example."""
    session.only(threads=1)
    if not importlib.util.find_spec("scipy"):
        session.note("scipy is not installed: no line of the sparse form")
    growth = QUICK if session.quick else GROWTH
    cases = [(letter, tuple((BASE | {letter: n}).values())) for letter, sizes in growth.items() for n in sizes]
    threads = fc.get_num_threads()
    fc.set_num_threads(1)
    for dtype in session.dtypes("float32"):
        for letter, shape in session.each([*cases, ("article", ARTICLE)], of=len(session.dtypes("float32"))):
            measure(session, letter, shape, dtype)
    fc.set_num_threads(threads)


def measure(session: Session, letter: str, shape: tuple[int, int, int], dtype: str) -> list[rows.Row]:
    """Measure a shape. Returns one row for each way. letter: which of T, N and B grows."""
    T, N, B = shape
    rng = np.random.default_rng(shape)
    dY, X = (rng.standard_normal(size).astype(dtype) for size in ((T, B), (N, B)))
    cost = fc.jacobian_cost(T, N, B, dtype).long_way
    comparison = rounds.Comparison(
        what=f"{shape} {dtype}",
        case={"op": "grad_w", "T": T, "N": N, "B": B, "dtype": dtype, "threads": 1, "grows": letter},
        check=lambda way: check(way, dY, X),
        sample=lambda way, _: take(way),
        flops=lambda checked: 2 * checked["multiply_adds"],
    )
    found = rounds.measure(session, ways(dY, X), comparison)
    if not rows.where(found, kernel="dense"):
        session.note(
            f"{shape}: the full Jacobian does not fit, {cost.gib:.1f} GiB; the shortcut takes "
            f"{1e3 * found[0]['best']:.2f} ms and {found[0]['memory_bytes'] / 2**20:.1f} MiB"
        )
    session.say(f"{shape!s:18}" + ", ".join(f"{row['kernel']} {1e3 * row['best']:.3g} ms" for row in found))
    return found


def advantage(
    found: list[rows.Row], long: str = LOOP_LONG, short: str = LOOP_SHORT, field: str = "best"
) -> dict[tuple[int, int, int], float]:
    """How many times as long the long way takes, for each (T, N, B) where both were measured; or as much of a field."""
    times: dict[Any, dict[str, float]] = {}
    for row in found:
        times.setdefault((row["T"], row["N"], row["B"]), {})[row["kernel"]] = row[field]
    return {shape: case[long] / case[short] for shape, case in times.items() if long in case and short in case}


def findings(found: list[rows.Row]) -> list[str]:
    """The factor T: in multiply-adds and memory by the formulas, in time as measured."""
    said = []
    for (dtype,), part in rows.groups(found, "dtype").items():
        cached = [row for row in part if fc.jacobian_cost(row["T"], row["N"], row["B"], dtype).long_way.bytes <= IN_CACHE]
        shares = [ratio / T for (T, _, _), ratio in advantage(cached).items()]
        if shares:
            outside = sum(abs(share - 1) > 0.2 for share in shares)
            verdict = "all within 20 %" if not outside else f"{outside} of {len(shares)} outside 20 %"
            said.append(
                f"{dtype}, one and the same loop, Jacobians of up to {IN_CACHE >> 20} MiB: the shortcut's advantage over "
                f"the long way is {statistics.median(shares):.2f}·T in the median, "
                f"{min(shares):.2f}·T to {max(shares):.2f}·T ({verdict} of T)."
            )
        library = [ratio / T for (T, _, _), ratio in advantage(part, "dense", "shortcut").items()]
        if library:
            said.append(
                f"{dtype}, dense Jacobian and shortcut as numbafc has them: {statistics.median(library):.0f}·T in the "
                "median, for the shortcut computes in registers while the long way waits for memory."
            )
            memory = advantage(part, "dense", "shortcut", "memory_bytes")
            shape = max(memory, key=memory.__getitem__)
            said.append(
                f"{dtype}, memory: the dense Jacobian takes up to {memory[shape]:.0f} times as much as the shortcut, for "
                f"(T, N, B) = {shape}; by the formulas T·B = {shape[0] * shape[2]} times."
            )
    return said


LOOKS = {
    "dense": ("#08519c", "s", "-"), LOOP_LONG: ("#6baed6", "s", ":"), "sparse": ("#e6550d", "^", "--"),
    "operator": ("0.5", "D", "-."), LOOP_SHORT: ("0.6", "o", ":"), "shortcut": ("black", "o", "-"),
}  # fmt: skip


def picture(found: list[rows.Row]) -> Any:
    """Time above, memory below, over T, N and B."""
    part = rows.where(found, dtype=found[0]["dtype"])
    figure, axes = drawing.panels(5.6, 3, 2, sharey="row", sharex="col")
    for column, letter in zip(axes.T, GROWTH, strict=True):
        members = rows.where(part, grows=letter)
        for kernel, (colour, marker, line) in LOOKS.items():
            mine = rows.where(members, kernel=kernel)
            look = {"color": colour, "marker": marker, "linestyle": line, "label": kernel, "markerfacecolor": "white"}
            for one, field, unit in zip(column, ("best", "memory_bytes"), (1e-3, 2**20), strict=True):
                one.plot([row[letter] for row in mine], [row[field] / unit for row in mine], **look)
                drawing.log(one, "y")
        fixed = ", ".join(f"{name} = {value}" for name, value in BASE.items() if name != letter)
        column[0].set_title(f"{letter} grows, {fixed}")
        column[1].set_xlabel(letter)
        for one in column:
            drawing.ticks(one, [row[letter] for row in members])
    axes[0, 0].set_ylabel("milliseconds")
    axes[1, 0].set_ylabel("most memory, MiB")
    drawing.legend(figure, (axes[0, 0],), 3)
    return figure

"""several processes that train one network: MPI on this machine, and by a model of the network on others.

Measured: an epoch by one process with one thread and with two, and by two ranks of one thread, which exchange block sums
through memory. All end with the same bits, or there is no row. Communication is what rank 0 spends in MPI, waiting for the
other one included.

Computed: the step of R ranks, from those measurements. A rank with k blocks of 256 samples computes c₀ + c₁·k; it exchanges
P parameters of s bytes in k rounds of all to all and one all gather, each R − 1 messages of P·s/R bytes, and the losses in
one all gather more: a message takes a latency, and bytes over a bandwidth. c₀ and c₁ are fitted to two ranks' steps without
communication; latency and bandwidth of this machine's memory to exchanges between two ranks; those of networks are assumed.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from . import drawing, rows, steps
from .session import Session
from .start import Library

NETWORKS = ((784, 128, 10), (1024, 1024, 1024, 1024))
BATCHES = (512, 2048)
WAYS = ((1, 1), (1, 2), (2, 1))  # processes, threads of each
LENGTHS = tuple(2**n for n in range(8, 23, 2))  # of float32, in an exchange
BLOCK, ITEM, LOSS = 256, 4, 8  # samples of a block; bytes of a parameter, and of a loss
EACH = 512  # samples of a rank, where ranks are added
MOST = 64  # ranks
SECONDS = (100, 30)


class Link(NamedTuple):
    """What a message costs: seconds of latency, and bytes a second."""

    latency: float
    bandwidth: float

    def messages(self, count: float, size: float) -> float:
        """The seconds of so many messages, one behind the other, of so many bytes each."""
        return count * (self.latency + size / self.bandwidth)


ASSUMED = {"10 Gbit/s, 30 µs": Link(30e-6, 1.25e9), "100 Gbit/s, 3 µs": Link(3e-6, 12.5e9)}


class Cost(NamedTuple):
    """What a rank computes in a step: c₀, and c₁ for each block of its samples; and the parameters that it exchanges.

    alone: the seconds in which one process of one thread, without ranks, trains on EACH samples.
    """

    fixed: float
    block: float
    parameters: int
    alone: float

    def step(self, ranks: int, blocks: int, link: Link) -> float:
        """The seconds of a step in which each rank has so many blocks."""
        share = -(-self.parameters // ranks) * ITEM
        others = ranks - 1
        sums = link.messages((blocks + 1) * others, share)
        return self.fixed + self.block * blocks + sums + link.messages(others, blocks * BLOCK * LOSS)


def starting() -> list[str]:
    """The words that start processes of MPI; none where it is not installed."""
    beside = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    return [found] if found and importlib.util.find_spec("mpi4py") else []


def ask(ranks: int, job: dict[str, Any]) -> dict[str, Any]:
    """What processes measured. Raises SystemExit with their message if they fail."""
    words = [*starting(), "-n", str(ranks)] if ranks > 1 else []
    command = [*words, sys.executable, "-m", "perf.rank_worker", json.dumps(job | {"ranks": ranks})]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def run(session: Session) -> None:
    """Measure every network and batch in each way, then exchanges alone."""
    session.only(dtype="float32")
    if not starting():
        session.note("mpi4py or mpiexec is not installed: nothing of several processes")
        return
    networks = NETWORKS[:1] if session.quick else NETWORKS
    for sizes, batch in session.each([(sizes, batch) for sizes in networks for batch in BATCHES]):
        measure(session, sizes, batch)
    answer = ask(2, {"lengths": LENGTHS, "repeats": 100, "threads": 1})
    for length, seconds in zip(LENGTHS, answer["exchanges"], strict=True):
        case = {"op": "exchange", "T": None, "N": None, "B": None, "dtype": "float32", "threads": 1, "ranks": 2}
        keep(session, case | {"bytes": length * ITEM}, answer["version"], seconds, None)


def measure(session: Session, sizes: tuple[int, ...], batch: int) -> None:
    """Measure the steps of a network, in every way, in turn."""
    work = steps.flops(sizes, batch)
    count = max(2, min(50, int(2e10 / work)))
    job = {"sizes": sizes, "batch": batch, "steps": count, "epochs": 3 if session.quick else 5}
    answers: dict[tuple[int, int], list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(2 if session.quick else 3):
        for ranks, threads in WAYS:
            answers[ranks, threads].append(ask(ranks, job | {"threads": threads}))
    hashes = {answer["hash"] for some in answers.values() for answer in some}
    if len(hashes) > 1:
        raise SystemExit(f"{sizes}, batch {batch}: {len(hashes)} different results of one training: no row")
    for (ranks, threads), some in answers.items():
        seconds = [one / count for answer in some for one in answer["seconds"]]
        spent = [one / count for answer in some for one in answer["communication"]]
        least = min(range(len(seconds)), key=seconds.__getitem__)
        case = {"op": "-".join(map(str, sizes)), "T": sizes[-1], "N": sizes[0], "B": batch, "dtype": "float32"}
        parameters = sum((N + 1) * T for N, T in itertools.pairwise(sizes))
        case |= {"threads": threads, "ranks": ranks, "parameters": parameters}
        keep(session, case | {"communication": rows.short(spent[least])}, some[0]["version"], seconds, work)


def keep(session: Session, case: rows.Row, version: str, seconds: list[float], work: int | None) -> None:
    """Write a row, and say it."""
    checked = {"error_over_bound": 0.0, "first_seconds": 0.0}
    (row,) = session.write([rows.row(case, Library("numbafc", version), checked, seconds, work, [])])
    what = f"{row['op']}, batch {row['B']}" if work else f"exchange of {row['bytes']} bytes"
    session.say(f"{what}, {way(row)}: {1e3 * row['best']:.3f} ms")


def way(row: rows.Row) -> str:
    """How a row was trained."""
    each = drawing.counted(row["threads"])
    return each if row["ranks"] == 1 else f"{row['ranks']} ranks of {each}"


def costs(found: list[rows.Row]) -> dict[str, Cost]:
    """The fitted costs of each network that was trained by two ranks with minibatches of two lengths."""
    fitted = {}
    for (op,), case in rows.groups([row for row in found if row["ranks"] == 2 and row["B"]], "op").items():
        points = sorted((row["B"] / BLOCK / 2, row["best"] - row["communication"]) for row in case)
        if len(points) > 1:
            (few, low), (many, high) = points[0], points[-1]
            block = (high - low) / (many - few)
            fixed = max(low - block * few, 0.0)
            alone = rows.where(found, op=op, B=EACH, ranks=1, threads=1)
            seconds = alone[0]["best"] if alone else fixed + block * EACH / BLOCK
            fitted[op] = Cost(fixed, block, case[0]["parameters"], seconds)
    return fitted


def memory(found: list[rows.Row]) -> Link | None:
    """The latency and the bandwidth of this machine's memory between two ranks; None where they were not measured."""
    points = sorted((row["bytes"] / 2, row["best"]) for row in rows.where(found, op="exchange"))
    if len(points) < 2:
        return None
    (_, least), (size, most) = points[0], points[-1]
    return Link(least, size / max(most - least, 1e-9))


def findings(found: list[rows.Row]) -> list[str]:
    """What was measured, then what is computed from it."""
    said = []
    for (op, batch), case in rows.groups([row for row in found if row["B"]], "op", "B").items():
        times = {way(row): row for row in case}
        listed = ", ".join(f"{name} {1e3 * row['best']:.3g} ms" for name, row in times.items())
        shares = [row["communication"] / row["best"] for row in case if row["ranks"] > 1]
        share = f"; {shares[0]:.0%} of the ranks' time is communication" if shares else ""
        said.append(f"Measured: {op}, batch {batch}, a step: {listed}{share}.")
    link = memory(found)
    if link is not None:
        said.append(
            f"Measured: an exchange through memory takes {1e6 * link.latency:.3g} µs, and a second for "
            f"{link.bandwidth / 1e9:.3g} GB."
        )
    for op, cost in costs(found).items():
        for name, assumed in ASSUMED.items():
            gains = ", ".join(f"{gain(cost, ranks, assumed):.3g} × with {ranks} ranks" for ranks in (2, 8, 64))
            said.append(f"Computed: {op}, {EACH} samples a rank, {name}: {gains} of one thread's samples a second.")
    return said or ["Nothing of several processes was measured."]


def gain(cost: Cost, ranks: int, link: Link) -> float:
    """How many times the samples a second of one thread so many ranks have, with EACH samples a step and rank."""
    return ranks * cost.alone / (cost.alone if ranks == 1 else cost.step(ranks, EACH // BLOCK, link))


def picture(found: list[rows.Row]) -> Any:
    """Left what was measured, a group of bars for each network and batch; right what is computed, up to 64 ranks."""
    figure, axes = drawing.panels(3.8, 2)
    left, right = axes[0]
    cases = rows.groups([row for row in found if row["B"]], "op", "B")
    for n, case in enumerate(cases.values()):
        alone = next((row["best"] for row in case if (row["ranks"], row["threads"]) == (1, 1)), case[0]["best"])
        for at, row in enumerate(case):
            colour = ("black", "0.45", "#e6550d")[WAYS.index((row["ranks"], row["threads"]))]
            left.bar(n + 0.27 * (at - 1), alone / row["best"], 0.25, color=colour, label=way(row))
    left.set_xticks(range(len(cases)), [f"{op.replace('1024-1024-1024-1024', '1024×4')}\nbatch {B}" for op, B in cases])
    left.set(title="measured: × one thread's speed", ylabel="samples a second, one thread = 1")
    left.tick_params(axis="x", labelsize=7)
    ranks = [2**n for n in range(MOST.bit_length())]
    looks = iter((("black", "-"), ("black", "--"), ("#e6550d", "-"), ("#e6550d", "--")))
    for op, cost in costs(found).items():
        for name, link in ASSUMED.items():
            colour, line = next(looks)
            values = [gain(cost, count, link) for count in ranks]
            label = f"{op.replace('1024-1024-1024-1024', '1024×4')}, {name}"
            right.plot(ranks, values, color=colour, linestyle=line, marker="o", label=label)
    right.plot(ranks, ranks, color="0.7", linewidth=0.8, label="ranks times as fast")
    drawing.ticks(right, ranks)
    drawing.log(right, "y")
    right.set(title=f"computed: {EACH} samples a rank", xlabel="ranks, each a machine's core")
    drawing.legend(figure, axes.flat, 3)
    return figure

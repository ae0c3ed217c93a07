"""how far from float64 the sums are as they grow longer, and that their bits are the same everywhere.

The forward product of normal numbers in float32 with sums of K = N products: its largest error, as it is and in units of
the bound that holds for any order of summation. Then the hash of our results and of a training, over threads and
instruction sets; OpenBLAS's over its own.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from numbafc import _numba

from . import drawing, isa, machine, peers, products, rows, steps, trainers
from .reference import reference
from .session import Session
from .threads import counts

T, B = 64, 32
LENGTHS = (16, 64, 256, 1024, 4096, 16384, 65536)
SHAPES = ((10, 64, 1), (128, 784, 128), (257, 513, 129))
NETWORK, STEPS = (64, 32, 10), 16
TRAINING: dict[str, Any] = {"sizes": NETWORK, "batch": 32, "dtype": "float32", "optimizer": "adam", "rate": 0.001}
SECONDS = (40, 33)


def run(session: Session) -> None:
    """Measure errors, then compare bits."""
    session.only(dtype="float32")  # what float64 would be compared with is no better
    lengths = LENGTHS[::3] if session.quick else LENGTHS
    with session.workers("perf.worker", products.MODULES, 1) as workers:
        for K in session.each(lengths, of=2):
            found = products.measure(session, workers, "forward", (T, K, B), "float32", 1, part="errors")
            told = ", ".join(f"{row['largest_error']:.1e} {drawing.name(row['peer'])}" for row in found)
            session.say(f"K = {K}, largest error: {told}")
    for build, module, environment, n in session.each(builds(session), of=2):
        same(session, build, module, environment, n)


def builds(session: Session) -> list[tuple[str, str, dict[str, str], int]]:
    """(instruction set, module, environment, threads): whose bits are compared."""
    numbers = session.threads(*counts(session.common["machine"]["cores"]))
    found = [("widest", "numbafc", {}), ("widest", "numpy", {"OPENBLAS_CORETYPE": machine.best_coretype()})]
    if "avx512f" in _numba.environment()["cpu_features"]:
        found += [("AVX2", "numbafc", isa.NUMBA), ("AVX2", "numpy", {"OPENBLAS_CORETYPE": "Haswell"})]
    return [(build, module, environment, n) for build, module, environment in found for n in numbers]


def same(session: Session, build: str, module: str, environment: dict[str, str], n: int) -> None:
    """Write the rows of one process's results, and of the training with one of ours."""
    extra = {"part": "bits", "instructions": build, "module": module}
    found = []
    with peers.alone("perf.worker", module, n, environment) as subject:
        for shape in SHAPES:
            for op in products.OPS:
                found += products.measure(session, [subject], op, shape, "float32", n, repeats=1, **extra)
    if module == "numbafc":
        with peers.alone("perf.trainers", module, n, environment) as subject:
            found += train(session, subject, n, extra)
    session.say(f"{module}, {build} instructions, {drawing.counted(n)}: {together(found)}")


def train(session: Session, subject: Any, n: int, extra: dict[str, Any]) -> list[rows.Row]:
    """Write the row of a training, checked as the study `steps` does, and of its weights' hash."""
    given = trainers.problem(steps=steps.CHECKED, **TRAINING)
    checked: dict[str, Any] = steps.check(subject, reference(given), TRAINING)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.npy"
        answer = subject.ask(**TRAINING, steps=STEPS, epochs=3, shuffle=True, save=str(file))
        checked["bits"] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    if not checked["error_over_bound"] <= 1:
        raise SystemExit(f"training is wrong by {checked['error_over_bound']:.3g} times the bound: no row")
    batch = TRAINING["batch"]
    case = {"op": "training", "T": NETWORK[-1], "N": NETWORK[0], "B": batch, **TRAINING, "threads": n, **extra}
    return session.write([rows.row(case, subject, checked, answer["seconds"], STEPS * steps.flops(NETWORK, batch), [])])


def together(found: list[rows.Row]) -> str:
    """One hash of the bits of all rows."""
    return hashlib.sha256("".join(row["bits"] for row in found).encode()).hexdigest()[:12]


def different(found: list[rows.Row]) -> dict[str, tuple[int, int]]:
    """For each peer: of how many products and trainings the bits differed between builds, and how many there are."""
    counted = {}
    for (peer,), mine in rows.groups(rows.where(found, part="bits"), "module").items():
        cases = rows.groups(mine, "op", "T", "N", "B").values()
        counted[peer] = sum(len({row["bits"] for row in case}) > 1 for case in cases), len(cases)
    return counted


def findings(found: list[rows.Row]) -> list[str]:
    """Errors at the longest sum, and whose bits depend on what."""
    errors = rows.where(found, part="errors")
    longest = max(row["N"] for row in errors)
    at = rows.where(errors, N=longest)
    said = [
        f"Sums of {longest} products of normal numbers, float32, largest error (and in units of the bound): "
        + ", ".join(f"{drawing.name(row['peer'])} {row['largest_error']:.1e} ({row['error_over_bound']:.1e})" for row in at)
        + "."
    ]
    bits = rows.where(found, part="bits")
    threads = sorted({row["threads"] for row in bits})
    sets = sorted({row["instructions"] for row in bits})
    for module, (some, of) in different(found).items():
        verdict = "all have equal bits" if not some else f"the bits of {some} differ"
        said.append(f"{module}, {of} results over {threads} threads and {sets} instructions: {verdict}.")
    return said


def picture(found: list[rows.Row]) -> Any:
    """The error over the length of the sum, in u, and next to the bound."""
    errors = rows.where(found, part="errors")
    figure, axes = drawing.panels(3.6, 2)
    left, right = axes[0]
    drawing.curves(left, errors, "N", "largest_error")
    left.set(title="float32 against float64, normal numbers", ylabel="largest error")
    drawing.curves(right, errors, "N", "error_over_bound")
    right.axhline(1, color="0.25", linewidth=1)
    right.annotate("the bound, K + 1 roundings", (1, 1), (-2, 3), xycoords=("axes fraction", "data"),
                   textcoords="offset points", ha="right", fontsize=8)  # fmt: skip
    right.set(title="next to the bound", ylabel="largest error / bound")
    for one in (left, right):
        one.set_xlabel("K, products in a sum")
        drawing.ticks(one, [row["N"] for row in errors])
        one.set_yscale("log")
    right.set_ylim(top=3)
    drawing.legend(figure, (left,))
    return figure

"""from the start of a program: imports, the first call cold and warm, and what each kernel takes to compile.

Every sample is a new process. Cold: with an empty folder for compiled kernels; warm: with the folder that the cold one has
filled. What is compiled is timed in a process that compiles one kernel after the other, for float32, so a kernel that
calls another has its share only; with --quick those of training are left out. A peer's first call includes what it
compiles or loads (JAX).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from . import drawing, rows
from .first_use import SHAPE
from .session import Session

IMPORTS = ("numbafc", "numba", "numpy", "sklearn", "torch", "jax")
CALLS = ("numpy", "torch", "jax")
SHOWN = 11  # kernels that have a bar of their own
SECONDS = (85, 46)


class Library(NamedTuple):
    """A library in a new process."""

    label: str
    version: str
    kernel: str | None = None


def ask(module: str, what: str, cache: str) -> dict[str, Any]:
    """Use a library for the first time, in a process. Raises SystemExit with its message if it fails."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"} | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "perf.first_use", module, what]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"python -m perf.first_use {module} {what} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def run(session: Session) -> None:
    """Measure everything, each in processes of its own."""
    session.only(threads=1, dtype="float32")
    cases = [("import", module) for module in IMPORTS] + [("call", module) for module in CALLS]
    cases += [("call", "numbafc"), ("fit", "numbafc"), ("compile", "numbafc")]
    repeats = 2 if session.quick else min(5, session.rounds)
    for what, module in session.each(cases):
        if importlib.util.find_spec(module) is None:
            session.note(f"{module} is not installed: no line of it")
            continue
        with tempfile.TemporaryDirectory() as cache:
            if what == "compile":
                compiled(session, ask(module, "compile" if session.quick else "compile all", cache))
            elif what == "import" or module != "numbafc":
                ask(module, what, cache)  # the files are read from the disk
                op = "import" if what == "import" else "first call"
                keep(session, op, module, [ask(module, what, cache) for _ in range(repeats)])
            else:
                keep(session, f"first {what}, cold", module, [ask(module, what, cache)])
                keep(session, f"first {what}, warm", module, [ask(module, what, cache) for _ in range(repeats)])


def keep(session: Session, op: str, module: str, answers: list[dict[str, Any]]) -> None:
    """Write the row of some processes' answers, and say it."""
    error = max(answer["error_over_bound"] for answer in answers)
    if not error <= 1:
        raise SystemExit(f"{module}: {op} is wrong by {error:.3g} times the bound: no row")
    T, N, B = SHAPE if "call" in op else (None, None, None)
    case = {"op": op, "T": T, "N": N, "B": B, "dtype": "float32", "threads": 1}
    seconds = [answer["seconds"][0] for answer in answers]
    later = min(answer["seconds"][-1] for answer in answers)
    checked = {"error_over_bound": error, "first_seconds": 0.0}
    row = rows.row(case, Library(module, answers[0]["version"]), checked, seconds, None, [])
    if op != "import":
        row["compile_seconds"] = rows.short(row["best"] - later)  # what the second call does not take
    session.write([row])
    session.say(f"{op:18} {module:8} {row['best']:8.3f} s")


def compiled(session: Session, answer: dict[str, Any]) -> None:
    """Write the rows of the kernels."""
    subject = Library("numbafc", answer["version"])
    for name, seconds in answer["kernels"].items():
        case = {"op": f"compile {name}", "T": None, "N": None, "B": None, "dtype": "float32", "threads": 1}
        row = rows.row(case, subject, {"error_over_bound": 0.0, "first_seconds": 0.0}, [seconds], None, [])
        session.write([row | {"compile_seconds": row["best"]}])
        session.say(f"compile {name:45} {seconds:8.3f} s")


def findings(found: list[rows.Row]) -> list[str]:
    """What a user waits for."""
    said = []
    times = {(row["op"], row["peer"]): row["best"] for row in found}
    imports = ", ".join(f"{drawing.library(peer)} {best:.2f} s" for (op, peer), best in times.items() if op == "import")
    said.append(f"Imports: {imports}.")
    calls = [(op, peer, best) for (op, peer), best in times.items() if op.startswith("first")]
    said.append("; ".join(f"{op}: {drawing.library(peer)} {best:.3g} s" for op, peer, best in calls) + ".")
    kernels = {op: best for (op, _), best in times.items() if op.startswith("compile")}
    if kernels:
        said.append(f"{len(kernels)} kernels compile in {sum(kernels.values()):.1f} s, once for a machine.")
    return said


def picture(found: list[rows.Row]) -> Any:
    """A bar for each: what a user waits for on the left, kernels on the right."""
    kernels = sorted((row for row in found if row["op"].startswith("compile")), key=lambda row: -row["best"])
    others = [row for row in found if row not in kernels]
    figure, axes = drawing.panels(4.2, 2)
    bars(axes[0, 0], [(f"{row['op']}: {drawing.library(row['peer'])}", row) for row in others], "until it can be used")
    slowest, rest = kernels[:SHOWN], kernels[SHOWN:]
    entries = [(row["op"].removeprefix("compile "), row) for row in slowest]
    if rest:
        entries.append((f"{len(rest)} others together", rest[0] | {"best": sum(row["best"] for row in rest)}))
    bars(axes[0, 1], entries, "compiling a kernel, once")
    axes[0, 0].set_xscale("log")
    return figure


def bars(axes: Any, entries: list[tuple[str, rows.Row]], title: str) -> None:
    """Draw horizontal bars, in seconds, each with its number."""
    names, found = [name for name, _ in entries], [row for _, row in entries]
    best = [row["best"] for row in found]
    colours = ["black" if rows.ours(row) else "0.7" for row in found]
    axes.barh(range(len(best)), best, color=colours, height=0.6)
    for n, seconds in enumerate(best):
        axes.annotate(f"{seconds:.2g}", (seconds, n), (2, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(best)), names)
    axes.invert_yaxis()
    axes.set(title=title, xlabel="seconds")
    axes.margins(x=0.15)
    axes.grid(visible=False, axis="y")

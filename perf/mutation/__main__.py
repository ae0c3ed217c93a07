"""python -m perf.mutation: plant changes, run the tests, say which nobody saw. See the package's docstring."""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import known, mutants, planted
from .running import AT_LEAST, COMPILING, FACTOR, Tree

ROOT = Path(__file__).parent.parent.parent
FOUND = ("killed", "timeout", "crashed")


def main(arguments: list[str] | None = None) -> None:
    asked = parse().parse_args(arguments)
    package = ROOT / "numbafc"
    there = known.files(package)
    wrong = [file for file in asked.file or [] if file not in there]
    if wrong:
        raise SystemExit(f"expected files among {', '.join(there)}, got {wrong[0]!r}")
    sources = mutants.originals(package, asked.file or there)
    for entry in known.outdated(sources):
        print(f"known.py names what is no longer there, {entry}", file=sys.stderr)
    work = planted.mutants(sources) if asked.planted else sampled(sources, asked.sample, asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = asked.out / ("planted.jsonl" if asked.planted else "mutants.jsonl")
    with rows.open("w", encoding="utf-8") as out:
        Campaign(Tree(ROOT, asked.out), out).run(work, asked.jobs)
    print(summary(rows))


def parse() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m perf.mutation", description="Which changes do the tests not see?")
    parser.add_argument("--sample", type=float, default=1.0, help="the share of all changes that is tried")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--file", action="append", metavar="FILE", help="nn/mlp.py and so on; all, if not given")
    parser.add_argument("--planted", action="store_true", help="the bugs that were planted by hand, instead")
    parser.add_argument("--jobs", type=int, default=1, help="how many changes are tried at once")
    parser.add_argument("--out", type=Path, default=Path("build/mutation"), help="the folder of rows, one for each change")
    return parser


def sampled(sources: dict[str, str], share: float, seed: int) -> list[dict[str, Any]]:
    """A share of all changes, drawn file by file, so that a file's sample does not depend on the others."""
    work = []
    for file, source in sources.items():
        places = mutants.places(file, source)
        wanted = max(1, round(share * len(places))) if places else 0
        for place in sorted(random.Random(f"{seed} {file}").sample(places, wanted)):
            mutant = mutants.made(place, source)
            if mutant is not None:
                work.append(described(mutant, source))
    return work


def described(mutant: mutants.Mutant, source: str) -> dict[str, Any]:
    """A change as a row, before it was tried."""
    diff = mutant.diff(source)
    line, changed = (text.splitlines()[mutant.line - 1] for text in (source, mutant.source))
    speed, same = known.is_speed(mutant.file, line), known.is_equivalent(mutant.file, line, changed)
    return {
        "file": mutant.file,
        "line": mutant.line,
        "operator": mutant.operator,
        "occurrence": mutant.occurrence,
        "diff": diff,
        "outcome": "speed only" if speed else "equivalent" if same else None,
        "why": speed or same,
        "source": mutant.source,
        "stale": known.stale(mutant.file, source, mutant.line),
    }


class Campaign:
    """Tries changes, and writes a row for each."""

    def __init__(self, tree: Tree, out: Any) -> None:
        self.tree, self.out, self.lock = tree, out, threading.Lock()
        self.limits: dict[tuple[str, ...], float] = {}
        self.numbers = iter(range(10**9))

    def run(self, work: list[dict[str, Any]], jobs: int) -> None:
        """All of it, the unchanged sources first, whose tests must pass."""
        needed = {tuple(known.tests_of(row["file"])): row["file"] for row in work if row["outcome"] is None}
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self.unchanged, needed.values()))
            list(pool.map(self.one, work))

    def unchanged(self, file: str) -> None:
        """How long the tests take, and that they pass with nothing changed."""
        tests = known.tests_of(file)
        source = (self.tree.tree / "numbafc" / file).read_text(encoding="utf-8")
        done = self.tree.run(file, source, tests, [], 1800, f"unchanged-{next(self.numbers)}")
        if done.outcome != "survived":
            raise SystemExit(f"the tests of {file} must pass before anything is changed, got {done}")
        self.limits[tuple(tests)] = max(AT_LEAST, FACTOR * done.seconds)
        print(f"{file}: {done.seconds} s with nothing changed", file=sys.stderr, flush=True)

    def one(self, row: dict[str, Any]) -> None:
        """Try a change."""
        source, stale = row.pop("source"), tuple(row.pop("stale"))
        if row["outcome"] is None:
            tests = known.tests_of(row["file"])
            limit = self.limits[tuple(tests)] + (COMPILING if stale else 0)
            done = self.tree.run(row["file"], source, tests, stale, limit, f"mutant-{next(self.numbers)}")
            row |= done._asdict()
        with self.lock:
            self.out.write(json.dumps(row, ensure_ascii=False) + "\n")
            self.out.flush()
            print(f"{row['file']}:{row['line']} {row['operator']}: {row['outcome']}", file=sys.stderr, flush=True)


def summary(path: Path) -> str:
    """The score of each file, and every change that nobody saw."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [f"{'file':22} {'found':>5} {'tried':>5} {'score':>6}  speed only, equivalent"]
    for file in [*dict.fromkeys(row["file"] for row in rows), "all"]:
        outcomes = Counter(row["outcome"] for row in rows if file in (row["file"], "all"))
        found = sum(outcomes[outcome] for outcome in FOUND)
        tried = found + outcomes["survived"]
        score = f"{100 * found / tried:5.1f}%" if tried else "     –"
        lines.append(f"{file:22} {found:5} {tried:5} {score}  {outcomes['speed only']}, {outcomes['equivalent']}")
    for row in rows:
        if row["outcome"] == "survived":
            lines.append(f"\nsurvived: numbafc/{row['file']}:{row['line']} {row['operator']}\n{row['diff']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

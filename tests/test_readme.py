"""README says what is so: its example runs and prints what it shows, its numbers are the committed rows'."""

import ast
import json
import re
import statistics
import sys
from pathlib import Path

import pytest
from helpers import run_python
from test_planted_bugs import BUGS

from numbafc import formulas
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_it_shows():
    code, output = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S).groups()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    done = run_python(code)
    assert done.stdout == output, done.stderr


def test_the_longer_example_runs(tmp_path):
    code = re.findall(r"```python\n(.*?)```", README, re.S)[1]
    done = run_python(
        f"import os; os.chdir({str(tmp_path)!r})\nimport numpy as np, numbafc as fc\n{code}\nprint(history[-1].epoch)"
    )
    assert done.stdout == "20\n", done.stderr


def test_the_two_commands_are_there_word_for_word():
    commands = re.findall(r"^    (\S.*)$", README, re.M)
    assert commands == ['pip install ".[cli]" && numbafc train', 'pip install ".[test]" && pytest']
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_committed_rows():
    rows = [json.loads(line) for line in (ROOT / "perf" / "results" / "loops.jsonl").read_text().splitlines()]
    assert all(row["verified"] for row in rows)
    for dtype in ("float32", "float64"):
        for kernel, name in (("tiled", 'kernel="tiled"'), ("loops", 'kernel="loops"'), ("numpy", "NumPy")):
            chosen = {row["op"]: row for row in rows if (row["dtype"], row["kernel"]) == (dtype, kernel)}
            speeds = [f"{chosen[op]['gflops']:.0f}" for op in ("forward", "grad_w", "grad_x")]
            peak = f"{max(row['fma_peak_gflops'] for row in rows if row['dtype'] == dtype):.0f}"
            assert f"| {dtype}, {name} | {' | '.join(speeds)} | {peak} |" in README


def test_the_comparison_with_peers_is_that_of_the_committed_rows():
    rows = [json.loads(line) for line in (ROOT / "perf" / "results" / "layer.jsonl").read_text().splitlines()]
    assert all(row["verified"] for row in rows)
    cases = {}
    for row in rows:
        cases.setdefault((row["T"], row["N"], row["B"]), {}).setdefault(row["op"], {})[row["peer"]] = row
    ratios = {}
    for shape, products in cases.items():
        for op, peers in products.items():
            fastest = min(row["best"] for name, row in peers.items() if name != "numbafc")
            ratios[shape, op] = fastest / peers["numbafc"]["best"]
    lines = re.findall(r"^\| (\(\d.*?\)) \| (.*) \|$", README, re.M)
    assert len(lines) == 8
    for text, cells in lines:
        shape = ast.literal_eval(text)
        assert cells == " | ".join(
            f"{cases[shape][op]['numbafc']['gflops']:.0f}, {ratios[shape, op]:.2f} ×"
            for op in ("forward", "grad_w", "grad_x")
        )
    prose = " ".join(README.split())
    assert f"{statistics.geometric_mean(ratios.values()):.2f} × in the geometric mean" in prose
    assert f"slower in {sum(ratio < 1 for ratio in ratios.values())} of {len(ratios)}" in prose
    assert f"FMA peak {max(row['fma_peak_gflops'] for row in rows):.0f} GFLOP/s" in prose
    assert len(cases) == 31


def test_its_counts_are_those_of_the_code():
    assert f"blocks of {formulas.SUM_BLOCK} products" in README
    assert f"{len(BUGS)} planted bugs" in README


@pytest.mark.parametrize("choices", [ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES])
def test_it_lists_what_there_is(choices):
    assert ", ".join(choices) in " ".join(README.split())


def test_its_names_exist():
    done = run_python(
        "import sys, re, numbafc as fc\n"
        "missing = [n for n in set(re.findall(r'\\bfc\\.(\\w+)', sys.argv[1])) if not hasattr(fc, n)]\n"
        "print(missing)",
        README,
    )
    assert done.stdout == "[]\n", done.stderr
    assert sys.version_info >= (3, 11)

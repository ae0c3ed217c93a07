"""README is true: its example prints what it shows, and its numbers are those of the committed rows."""

import re
import sys
from pathlib import Path

import pytest
from helpers import run_python
from test_planted_bugs import BUGS

from numbafc import formulas
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed

from perf import readme, rows, storage  # noqa: E402

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


@pytest.mark.parametrize("library", ["torch", "onnxruntime"])
def test_the_lines_for_a_neighbour_run(library, tmp_path):
    pytest.importorskip(library, reason="the example needs it")
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    (code,) = (block for block in blocks if f"import {library}\n" in block)
    assert len([line for line in code.splitlines() if line.strip() and "import" not in line]) == 3
    data = "X, y = fc.files.digits().X, fc.files.digits().y\nnet = fc.MLP([64, 16, 10])"
    done = run_python(f"import os; os.chdir({str(tmp_path)!r})\nimport numbafc as fc\n{data}\n{code}")
    assert done.returncode == 0, done.stderr


def test_the_two_commands_are_there_word_for_word():
    commands = re.findall(r"^    (\S.*)$", re.sub(r"```.*?```", "", README, flags=re.S), re.M)
    assert commands == ['pip install ".[cli]" && numbafc train', 'pip install ".[test]" && pytest']
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_its_numbers_are_those_of_the_committed_rows():
    found = readme.loaded(readme.RESULTS)
    assert all(row["verified"] for one in found for some in one.values() for row in some)
    section = readme.section(found)
    assert section in README, "python -m perf readme puts them there"
    picture = re.search(r"!\[.*?\]\((.*?)\)", section).group(1)
    assert README.count("![") == 1
    assert (ROOT / picture).stat().st_size > 10_000


def test_its_table_is_worked_out_by_hand_once():
    found = readme.form_of(storage.load(readme.RESULTS, "layer"), "new")
    part = rows.where(found, T=512, N=512, B=128)
    times = {}
    for row in part:
        times.setdefault(row["peer"], []).append(1e6 * row["best"])
    line, *_ = re.findall(r"^\| three products, \(512, 512, 128\) \| (.*) \|$", README, re.M)
    cells = [cell.strip(" *") for cell in line.split("|")]
    assert all(len(seconds) == 3 for seconds in times.values())
    assert cells[0] == f"{sum(times['numbafc']):.0f}"
    fastest = min(sum(seconds) for peer, seconds in times.items() if peer != "numbafc")
    assert cells[-1] == f"{fastest / sum(times['numbafc']):.2f} ×"


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

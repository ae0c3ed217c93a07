"""perf.mutation itself: what a test sees is found, what it does not see survives, and each change is made where it says."""

import sys
import textwrap
from pathlib import Path

import border_calls
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

from perf.mutation import known, mutants, planted  # noqa: E402
from perf.mutation.__main__ import sampled, summary  # noqa: E402
from perf.mutation.running import Tree  # noqa: E402

SOURCE = "def smallest(a, b):\n    return a if a < b else b\n"
TEST = """
def test_smallest():
    from numbafc.tiny import smallest
    assert (smallest(1, 2), smallest(2, 1)) == (1, 2 - 1)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    for folder, name, text in (
        ("numbafc", "__init__.py", ""),
        ("numbafc", "tiny.py", SOURCE),
        ("tests", "test_tiny.py", TEST),
    ):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / name).write_text(textwrap.dedent(text))
    return Tree(root, tmp_path_factory.mktemp("work"))


@pytest.mark.parametrize(
    ("text", "replacement", "outcome"),
    [
        ("a < b", "a > b", "killed"),
        ("a < b", "a <= b", "survived"),  # says the same
        ("return a", "while True: pass\n    return a", "timeout"),
        ("return a", "import os; os.abort()\n    return a", "crashed"),
    ],
)
def test_a_change_that_a_test_sees_is_found_and_a_harmless_one_survives(tree, text, replacement, outcome):
    limit = 4 if outcome == "timeout" else 100
    done = tree.run("tiny.py", SOURCE.replace(text, replacement), ["tests/test_tiny.py"], [], limit, "run")
    assert done.outcome == outcome
    assert done.by == ("tests/test_tiny.py::test_smallest" if outcome == "killed" else "")
    assert (tree.tree / "numbafc" / "tiny.py").read_text() == SOURCE


def test_tests_that_cannot_be_collected_are_no_find(tree):
    with pytest.raises(RuntimeError, match="expected tests that pass or fail"):
        tree.run("tiny.py", SOURCE, ["tests/test_none.py"], [], 100, "run")


def test_a_statement_is_left_out_and_no_line_moves():
    source = "def f(x):\n    x += (1 +\n        2)\n    y = x\n    x.sort()\n    return x, 'θ', y\n"
    found = mutants.places_of_statements("f.py", source)
    assert [(place.line, place.occurrence) for place in found] == [(2, 0), (5, 1)]
    first, last = (mutants.made(place, source) for place in found)
    assert first.source == "def f(x):\n    pass\n\n    y = x\n    x.sort()\n    return x, 'θ', y\n"
    assert last.diff(source) == "-    x.sort()\n+    pass"


def test_modules_whose_kernels_are_compiled_anew_have_kernels():
    """A changed formula was answered from the cache: the kernel with its code was named by the file that makes it."""
    homes = {kernel.function.__module__ for kernel in border_calls.all_kernels().values()}
    named = {module for modules in (*known.USERS.values(), *known.CONSTANTS.values()) for module in modules}
    assert named <= homes
    others = {"numbafc.kernels.gradients", "numbafc.nn.portable", "numbafc.interop.sklearn.mlp.losses"}
    assert homes - others <= named | {
        f"numbafc.{file.removesuffix('.py').replace('/', '.')}" for file in known.files(ROOT / "numbafc")
    }
    assert all((ROOT / "numbafc" / file).is_file() for file in known.USERS)
    assert all((ROOT / "numbafc" / file).is_file() for file, *_ in (*known.SPEED, *known.EQUIVALENT))
    assert all((ROOT / "numbafc" / file).is_file() for file in known.TESTS)


def test_changes_are_those_of_cosmic_ray_where_results_depend_on_them():
    pytest.importorskip("cosmic_ray")
    source = textwrap.dedent(
        '''
        @decorate(1)
        def f(x: int | None, n=3) -> "1 < 2":
            """1 + 1"""
            if x < n:
                raise ValueError(f"{x + 1} is below {n}" + str(1))
            return x - 1
        '''
    )
    found = mutants.places("f.py", source)
    assert {place.line for place in found} == {3, 5, 7}
    changed = {mutants.made(place, source).diff(source).split("+", 1)[1].strip() for place in found if place.line == 5}
    assert changed == {"if x <= n:", "if x > n:", "if not x < n:"}
    rows = [sampled({"f.py": source}, share, seed) for share, seed in ((1, 0), (0.5, 0), (0.5, 0), (0.5, 1))]
    lines = [[(row["line"], row["operator"], row["occurrence"]) for row in one] for one in rows]
    assert lines[1] == lines[2] != lines[3]
    assert set(lines[1]) < set(lines[0])


def test_every_file_has_tests_and_they_are_there():
    found = known.files(ROOT / "numbafc")
    assert {"formulas.py", "kernels/loops.py", "nn/mlp.py", "files/plain.py"} < set(found)
    assert "nn/__init__.py" not in found
    for file in (*found, "nn/new.py", "files/new.py"):
        assert known.tests_of(file)
        for test in known.tests_of(file):
            path, _, name = test.removeprefix("--deselect=").partition("::")
            assert name.partition("[")[0] in (ROOT / path).read_text(encoding="utf-8")


def test_what_is_no_longer_in_a_source_is_said():
    xavier = 'VARIANCES = {"xavier": lambda N, T: 2 / (N + T)}\n'
    sources = {"nn/evaluation.py": "CHUNK = 1024\n", "nn/initializers.py": xavier}
    assert "nn/evaluation.py: ^CHUNK = " not in known.outdated(sources)
    assert "nn/evaluation.py: ^CHUNK = " in known.outdated({"nn/evaluation.py": "PIECE = 1024\n"})
    assert known.outdated({}) == []
    assert [row["line"] for row in planted.mutants(sources)] == [1]  # xavier's; the others are said to be gone


def test_every_planted_bug_has_its_place_in_the_sources():
    sources = {file: (ROOT / "numbafc" / file).read_text(encoding="utf-8") for file, *_ in planted.BUGS.values()}
    gone = [
        name for name, (file, text, changed) in planted.BUGS.items() if sources[file].count(text) != 1 or text == changed
    ]
    assert gone == []


def test_a_change_that_says_the_same_is_known_by_its_line():
    line = "        return Y[:, 0] if net.sizes[-1] == 1 else Y"
    assert known.is_equivalent("nn/evaluation.py", line, line.replace("[:, 0]", "[:,  -1]"))
    assert known.is_equivalent("nn/evaluation.py", line, line.replace("== 1", "== 2")) is None
    assert known.is_equivalent("nn/evaluation.py", line, line) is None
    assert known.is_equivalent("nn/losses.py", line, line.replace("[:, 0]", "[:, -1]")) is None


def test_compiled_code_is_stale_where_a_change_is_compiled_into_it():
    source = (ROOT / "numbafc/nn/dropout.py").read_text(encoding="utf-8")
    lines = source.splitlines()

    def of(start):
        return known.stale("nn/dropout.py", source, next(n for n, line in enumerate(lines, 1) if line.startswith(start)))

    assert of("def mixed") == of("GOLDEN") == ["numbafc.nn.dropout", "numbafc.nn.minibatch"]
    assert of("def drop(") == of("def folded") == []


def test_the_summary_has_a_score_and_every_survivor(tmp_path):
    row = '{"file": "a.py", "line": 3, "operator": "AddNot", "diff": "-a\\n+b", "outcome": "%s"}\n'
    outcomes = ["killed", "killed", "timeout", "survived", "speed only", "equivalent", "equivalent"]
    (tmp_path / "rows").write_text("".join(row % outcome for outcome in outcomes))
    lines = summary(tmp_path / "rows").splitlines()
    assert lines[1].split() == ["a.py", "3", "4", "75.0%", "1,", "2"]
    assert lines[2].split() == ["all", "3", "4", "75.0%", "1,", "2"]
    assert lines[3:] == ["", "survived: numbafc/a.py:3 AddNot", "-a", "+b"]

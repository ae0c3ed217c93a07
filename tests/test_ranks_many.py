"""No hang in 200 runs of several ranks (HYPOTHESIS_PROFILE=deep; some of them else): many_runs.py has what is run."""

import importlib.util
import subprocess
import sys

import many_runs
import pytest
from hypothesis import settings
from rank_starting import MPIEXEC

RUNS = range(200)
SOME = {("mpiexec", "killed"), ("mpiexec", "differs"), ("mpiexec", "interrupted")}
DEEP = settings().max_examples > 1000


def chosen():
    """The numbers of the runs: all, or the first one of some kinds, so that the suite stays short."""
    kinds = {number: (many_runs.plan_of(number)["by"], many_runs.plan_of(number)["end"]) for number in RUNS}
    return list(RUNS) if DEEP else sorted({kind: n for n, kind in reversed(kinds.items()) if kind in SOME}.values())


@pytest.mark.parametrize("number", chosen())
def test_every_run_ends_in_time_and_in_the_right_way(number):
    plan = many_runs.plan_of(number)
    needed = "mpi4py" if plan["by"] == "mpiexec" else "torch"
    if importlib.util.find_spec(needed) is None or (needed == "mpi4py" and MPIEXEC is None):
        pytest.skip(f"needs {needed}, and mpiexec for MPI: pip install 'numbafc[mpi,torch]'")
    took, _, wrong = many_runs.run(plan)
    assert wrong is None, (plan, took, wrong)


def sleeper(plan, folder, mark):
    """Instead of ranks a process that does not end, or one that leaves a child behind."""
    words = {"sleeps": "sleep 60", "leaves": "sleep 60 & exit 1"}[plan["by"]]
    return [subprocess.Popen(["sh", "-c", words], env={many_runs.MARK: mark, "PATH": "/bin:/usr/bin"})]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize(("by", "words"), [("sleeps", "it did not end in 0.5 seconds"), ("leaves", "are left")])
def test_what_hangs_and_what_is_left_is_seen(monkeypatch, by, words):
    monkeypatch.setattr(many_runs, "LIMIT", 0.5)
    monkeypatch.setattr(many_runs, "GONE", 0.5)
    monkeypatch.setattr(many_runs, "start", sleeper)
    plan = many_runs.plan_of(0) | {"end": "killed", "by": by}
    assert words in many_runs.run(plan)[2]


PLAN = {"by": "gloo", "size": 2, "rank": 1, "rows": "shared", "what": "seed"}
REFUSED = "ended {} ValueError all ranks must train alike, but rank 1 has 1 for seed, and rank 0 has 0"


@pytest.mark.parametrize(
    ("end", "codes", "lines", "words"),
    [
        ("killed", [0, 0], [], "as if all were well"),
        ("killed", [3, -9], ["ended 0 RankFailed rank 1 failed"], "ended otherwise"),
        ("raises", [3, 3], ["ended 0 RankFailed rank 1 failed, which ends all"], "did not tell what it raised"),
        ("raises", [3, 3], ["ended 1 Failed as planned"], "ranks ['0'] told nothing"),
        ("differs", [3, 3], [REFUSED.format(0), "ended 1 ConnectionError another rank is gone"], "ended otherwise"),
        ("differs", [3, 3], [REFUSED.format(0).replace("seed", "sizes"), REFUSED.format(1)], "ended otherwise"),
        ("interrupted", [130, 130], ["ended 0 KeyboardInterrupt"], "ranks ['1'] told nothing"),
        ("finishes", [0, 0], ["digest 0123456789abcdef"], "expected 2 times"),
        ("differs", [3, 3], [REFUSED.format(0), REFUSED.format(1)], None),
        ("killed", [3, -9], ["ended 0 ConnectionError another rank is gone"], None),
    ],
)
def test_a_wrong_end_is_seen(end, codes, lines, words):
    plan = PLAN | {"end": end, "case": many_runs.CASES[0]}
    found = many_runs.why_wrong(plan, codes, "\n".join(lines))
    assert found is None if words is None else words in found

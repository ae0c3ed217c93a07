"""The studies in perf/: their command, their rows and summaries, and the time left. What is right: test_perf_checks.py."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

import perf.__main__ as command  # noqa: E402
from perf import calls, layer, machine, progress, rows, session, start, steps, storage, studies  # noqa: E402

OURS, PEER = start.Library("numbafc", "0"), start.Library("torch", "0")


@pytest.fixture
def run(tmp_path):
    """A session that writes to a folder of its own."""
    made = session.Session(session.Options(True, tmp_path, rounds=1), progress.Plain(1))
    made.begin("layer", 1)
    return made


@pytest.mark.parametrize("study", [layer, steps])
def test_a_study_writes_its_rows(study, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(study, "MODULES", ("numbafc", "numpy", "no_such_peer"))
    monkeypatch.setattr(study, "EXPERTS", ())
    monkeypatch.setattr(study, "QUICK", ((3, 4, 5),) if study is layer else (((7, 6, 5, 3), 16),))
    name = study.__name__.rpartition(".")[2]
    monkeypatch.setattr("perf.report.draw", lambda *_: {})
    command.main([name, "--quick", "--rounds", "1", "--out", str(tmp_path)])
    found = storage.load(tmp_path, name)
    assert rows.notes(found) == ["no_such_peer is not installed: no line of it"]
    found = rows.measured(found)
    assert [row["peer"].split(",")[0] for row in found] == ["numbafc", "numpy", "numpy"] * (6 if study is layer else 1)
    for row in found:
        assert set(rows.FIELDS) <= set(row)
        assert row["verified"]
        assert row["study"] == name
        assert row["samples"] == (3 if study is layer else steps.EPOCHS)
        assert row["compile_seconds"] >= 0
    output = capsys.readouterr().out
    assert "no_such_peer is not installed" in output
    assert re.search(r"fastest peer.* speed in the geometric mean", output.replace("\n", " "))
    assert "no_such_peer is not installed" in (tmp_path / "report.html").read_text()


def test_calls_are_verified_timed_with_out_and_without_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(calls, "QUICK", ((3, 4, 5),))
    monkeypatch.setattr("perf.report.draw", lambda *_: {})
    command.main(["calls", "--quick", "--rounds", "1", "--out", str(tmp_path)])
    found = storage.load(tmp_path, "calls")
    by_call = rows.groups(found, "op", "form")
    assert tuple(by_call) == calls.CALLS
    for (op, _), case in by_call.items():
        assert [row["peer"].split(",")[0] for row in case] == ["numbafc"] + ["numpy"] * (4 if op == "grad_b" else 2)
        assert all(row["verified"] and 0 < row["best"] <= row["median"] for row in case)
    assert set(rows.FIELDS) <= set(found[0])
    assert "with out=" in capsys.readouterr().out


def test_what_a_call_costs_is_next_to_the_fastest_of_numpys():
    case = {"dtype": "float32", "op": "forward", "form": "out", "T": 1, "N": 2, "B": 3}
    found = [case | {"peer": peer, "best": best} for peer, best in (("numbafc", 3), ("numpy", 4), ("numpy, OPENBLAS", 2))]
    assert list(calls.ratios(found).values()) == [1.5]
    assert calls.ratios(found[:1]) == {}
    assert "0 take more than" in calls.findings(found)[0]
    assert "1 take more than" in calls.findings([found[0] | {"best": 3.1}, *found[1:]])[0]


def test_a_peer_that_does_not_start_is_a_line(monkeypatch, tmp_path, run):
    monkeypatch.chdir(ROOT)
    (tmp_path / "broken_peer.py").write_text("raise ImportError('a library is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with run.workers("perf.worker", ("numpy", "broken_peer"), 1) as found:
        assert [peer.label.split(",")[0] for peer in found] == ["numpy", "numpy"]
    (note,) = rows.notes(storage.load(run.options.out, "layer"))
    assert note.startswith("broken_peer ended with exit code 1")


def test_without_a_name_the_studies_are_listed(capsys):
    command.main([])
    output = capsys.readouterr().out
    for name in (
        "jacobian",
        "layer",
        "calls",
        "size",
        "batch",
        "threads",
        "steps",
        "epoch",
        "predict",
        "tables",
        "ranks",
        "start",
        "accuracy",
        "all",
    ):
        assert f"\n  {name} " in output
    assert list(studies.STUDIES) == [line.split()[0] for line in output.split("studies (")[1].splitlines()[1:14]]
    assert sum(module.SECONDS[1] for module in studies.STUDIES.values()) < 300
    assert sum(module.SECONDS[0] for module in studies.STUDIES.values()) < 2400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["speed"], "expected studies among all, jacobian"),
        (["size", "--threads", "0"], "expected a whole number from 1, got '0'"),
        (["size", "--threads", "1,9999"], "cores of this machine, got 9999"),
        (["size", "--dtype", "float16"], "expected float32 or float64, or several with commas, got 'float16'"),
        (["size", "--rounds", "-1"], "expected a whole number from 1"),
        (["steps", "--optimizer", "rmsprop"], "expected sgd or adam"),
        (["tables", "--table", "rows.csv"], "expected FILE:TARGET, FILE:TARGET:TEST_FILE, or one of titanic"),
        (["tables", "--table", "no_such.csv:y"], "expected a csv file, found none at 'no_such.csv'"),
        (["report", "size"], "expected report and readme by themselves, got report size"),
        (["size", "--out", "/dev/null/rows"], "expected a folder that can be written to, got /dev/null/rows"),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_timed(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(session.Session, "begin", lambda *_: pytest.fail("a study began"))
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_study_says_what_it_does_not_measure(run):
    run.options = run.options._replace(threads=(1, 2), dtypes=("float32",))
    run.only(threads=1, dtype="float32")
    (note,) = rows.notes(storage.load(run.options.out, "layer"))
    assert note == "--threads 1,2: this study measures threads 1 only"


def test_without_a_terminal_or_rich_progress_is_lines(monkeypatch, capsys):
    for _ in range(2):
        with progress.shown(100) as shown:
            shown.advance("size", 25)
            shown.say("a case")
        assert capsys.readouterr().out == "[ 25%, 1:15 left] a case\n"
        monkeypatch.setitem(sys.modules, "rich.progress", None)


@pytest.mark.parametrize("pace", [0.5, 1, 3])
def test_the_time_left_is_that_of_the_parts_however_long_a_study_takes_to_start(pace, monkeypatch, capsys):
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.shown(240) as shown:
        for study in ("layer", "size"):
            now += 60  # peers start, kernels compile
            for done in range(60):
                now += 2 * pace
                shown.advance(study, 2)
                shown.say("a case")
                said = capsys.readouterr().out.partition(", ")[2].partition(" left")[0]
                left = 240 * pace - 2 * pace * (done + 1) - 120 * pace * (study == "size")
                minutes, seconds = map(int, said.split(":"))
                first = study == "layer" and not done  # nothing is known of the pace
                assert 60 * minutes + seconds == pytest.approx(238 if first else left, abs=1)


def test_no_rows_make_no_report(tmp_path):
    with pytest.raises(SystemExit, match=r"expected rows of studies in .*, found none"):
        command.main(["report", "--out", str(tmp_path)])


def test_an_interrupted_run_keeps_its_rows(monkeypatch, tmp_path, capsys):
    def interrupted(run):
        run.write([rows.row({"op": "x"}, OURS, {"error_over_bound": 0.1}, [1.0], None, [])])
        raise KeyboardInterrupt

    monkeypatch.setattr(layer, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        command.main(["layer", "--quick", "--out", str(tmp_path)])
    assert ended.value.code == 130
    assert f"python -m perf report --out {tmp_path}" in capsys.readouterr().err
    assert len(storage.load(tmp_path, "layer")) == 1


def test_a_half_written_row_is_named(tmp_path):
    storage.samples(tmp_path, "layer").write_text('{"study": "layer"}\n{"stu')
    with pytest.raises(SystemExit, match=r"layer.samples.jsonl, line 2: expected a row, got '{\"stu'"):
        storage.load(tmp_path, "layer")
    storage.file(tmp_path, "size").write_text('{"fields": ["T", "N"], "all": {}}\n[1]\n')
    with pytest.raises(SystemExit, match=r"size.jsonl, line 2: expected a row, got '\[1\]'"):
        storage.load(tmp_path, "size")


def test_a_summary_says_what_its_samples_say(run):
    case, checked = {"op": "forward", "T": 1}, {"error_over_bound": 0.1, "bits": "ab"}
    run.write([rows.row(case, subject, checked, [3.0, 1.0, 2.0], 2e9, [4.0]) for subject in (OURS, PEER)])
    run.write([rows.row(case | {"n": 7}, OURS, checked, [1.0], None, [])])
    run.note("a note")
    samples = storage.read(storage.samples(run.options.out, "layer"))
    assert [(row["seconds"], min(row["seconds"])) == ([3, 1, 2], row["best"]) for row in samples[:3]] == [True, True, False]
    first, second, third, note = storage.load(run.options.out, "layer")
    for row, measured in zip((first, second, third), samples, strict=False):
        kept = {name: value for name, value in measured.items() if name not in ("seconds", "bits")}
        assert {name: row[name] for name in kept} == kept
        assert row["samples"] == len(measured["seconds"])
        assert "seconds" not in row
        assert "bits" not in row
    assert (first["n"], third["n"], note) == (None, 7, samples[3])
    assert {"bits", "study"} <= set(storage.summary(samples[0] | {"study": "accuracy"}))


def test_a_summary_follows_its_samples_until_it_is_newer(run):
    out, one = run.options.out, [rows.row({"op": "x"}, OURS, {"error_over_bound": 0.1}, [1.0], None, [])]
    run.write(one)
    assert len(storage.load(out, "layer")) == 1  # as someone may who looks at a run that goes on
    run.write(one)
    assert len(storage.load(out, "layer")) == 2
    storage.samples(out, "layer").write_text("")
    os.utime(storage.samples(out, "layer"), (0, 0))  # samples of long ago beside a summary from elsewhere
    assert len(storage.load(out, "layer")) == 2
    run.begin("layer", 1)
    assert storage.load(out, "layer") == []


def test_a_busy_machine_is_said_to_be_busy():
    quiet = {"op": "forward", "peak_spread": 1.02, "machine": {"load": 0.1}}
    assert rows.busy([quiet | {"T": T} for T in range(10)]) == []
    assert "2 of 10 cases" in rows.busy([quiet | {"T": T, "peak_spread": 1.6 if T < 2 else 1.01} for T in range(10)])[0]
    assert "3.0 processes" in rows.busy([quiet | {"machine": {"load": 3.0}}])[0]


def test_exponents_are_those_of_the_times():
    sizes = [(256, 1e7), (512, 1e8), (1024, 1e9)]
    case = {"family": "square", "dtype": "float32", "threads": 1, "peer": "numbafc", "kernel": "auto"}
    for power in (0.9, 1.0, 1.1):
        found = [case | {"op": op, "T": n, "N": n, "B": n, "best": (2 * n**3) ** power} for n, _ in sizes for op in "ab"]
        assert studies.STUDIES["size"].exponent(found) == pytest.approx(power, rel=1e-9)  # of a straight line
    small = case | {"op": "a", "T": 64, "N": 64, "B": 64, "best": 99.0}  # 0.5 Mflop: not above ten
    assert studies.STUDIES["size"].exponent([*found, small]) == pytest.approx(1.1, rel=1e-9)


def test_what_rows_say_of_the_machine():
    said = machine.common()
    assert {"cpu", "cores", "caches", "clock_mhz", "threading_layer", "load"} <= set(said["machine"])
    assert {"python", "numba", "numpy", "numbafc"} <= set(said["versions"])
    json.dumps(said)


def test_the_work_of_a_step_leaves_out_the_gradient_of_the_data():
    assert steps.flops((2, 3, 4), 5) == 2 * 5 * (3 * (6 + 12) - 6)

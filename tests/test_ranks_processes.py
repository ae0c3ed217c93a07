"""Ranks as processes, of MPI and of gloo: one hash for any number of them, and none that waits for one that is gone."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from rank_cases import FIELDS, drawn, trained
from rank_starting import MPIEXEC, SECONDS, SOON, TRAIN, ended, gloo_processes, is_open_mpi, mpiexec_words, table

import numbafc as fc

PROCESS = str(Path(__file__).with_name("rank_process.py"))
DEEP = settings().max_examples > 1000  # HYPOTHESIS_PROFILE=deep
PLAIN = {name: choices[0] for name, choices in FIELDS.items()} | {"samples": 1300, "batch_size": 1300, "hidden": [17, 5]}


def _can_start():
    """Why no processes of MPI can be started here, or an empty text."""
    if importlib.util.find_spec("mpi4py") is None or MPIEXEC is None:
        return "needs mpi4py and mpiexec: pip install 'numbafc[mpi]'"
    found = subprocess.run(
        [*mpiexec_words(2), sys.executable, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return "" if "".join(found.stdout.split()) == "22" else f"mpiexec and mpi4py do not go together: {found.stderr[-200:]}"


@pytest.fixture(scope="module")
def mpiexec():
    """A function that starts so many processes."""
    why = _can_start()
    if why:
        pytest.skip(why)

    def start(ranks, *words, cwd=None):
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "NUMBA_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*mpiexec_words(ranks), sys.executable, *map(str, words)],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def cases_file(folder, cases):
    path = folder / "cases.json"
    path.write_text(json.dumps(cases))
    return path


def some_cases(seed, count):
    rng = np.random.default_rng(seed)
    return [drawn(rng) for _ in range(count)]


def test_mpi_has_one_hash_for_1_to_4_ranks(mpiexec, tmp_path):
    cases = some_cases(0, 100 if DEEP else 8)
    expected = [one for one in map(trained, cases) for _ in ("shared", "own")]
    out, err = ended(mpiexec(4, PROCESS, "mpi", cases_file(tmp_path, cases)))
    found = [json.loads(line) for line in out.splitlines()]
    assert sorted(size for size, _ in found) == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4], err
    assert all(hashes == expected for _, hashes in found), (found, expected)
    assert len({*expected}) > len(cases) // 2


def test_gloo_has_the_hash_of_one_process(tmp_path):
    cases = some_cases(1, 100 if DEEP else 4)
    processes = gloo_processes(3, PROCESS, "gloo", cases_file(tmp_path, cases))
    expected = [one for one in map(trained, cases) for _ in ("shared", "own")]
    for process in processes:
        out, err = ended(process)
        assert process.returncode == 0, err
        assert json.loads(out) == [3, expected]


@pytest.mark.parametrize("moment", range(50 if DEEP else 2))
def test_mpi_ends_all_where_a_rank_is_killed(mpiexec, tmp_path, moment):
    rng = np.random.default_rng(moment)
    rank, calls = int(rng.integers(3)), int(rng.integers(30))
    process = mpiexec(3, PROCESS, "mpi", cases_file(tmp_path, [PLAIN]), rank, calls)
    ended(process)
    assert process.returncode != 0


@pytest.mark.parametrize("moment", range(50 if DEEP else 1))
def test_gloo_tells_the_others_where_a_rank_is_killed(tmp_path, moment):
    rng = np.random.default_rng(moment)
    rank, calls = int(rng.integers(3)), int(rng.integers(30))
    processes = gloo_processes(3, PROCESS, "gloo", cases_file(tmp_path, [PLAIN]), rank, calls)
    ended(processes[rank])
    start = time.monotonic()
    told = [ended(processes[other], SOON) for other in range(3) if other != rank]
    assert time.monotonic() - start < SOON
    assert processes[rank].returncode == -signal.SIGKILL
    for out, err in told:
        assert "another rank is gone, or does not answer" in out, err


def test_the_command_trains_as_one_process_does_and_resumes_on_any_number(mpiexec, tmp_path):
    table(tmp_path)
    process = mpiexec(3, *TRAIN, "--epochs", "3", "--out", "three.safetensors", cwd=tmp_path)
    out, err = ended(process)
    assert (process.returncode, err) == (0, ""), out
    assert out.count("3 processes of 1 thread train one network\n") == 1
    assert out.count("saved three.safetensors") == out.count("epoch 1/3") == 1
    resumed = mpiexec(2, *TRAIN[:4], "--resume", "three.safetensors", "--epochs", "5", "--json", cwd=tmp_path)
    out, err = ended(resumed)
    assert resumed.returncode == 0, err
    assert json.loads(out)["epochs"] == 5
    arguments = [sys.executable, *TRAIN, "--epochs", "5", "--out", "one.safetensors"]
    subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS)
    one, three = fc.load(tmp_path / "one.safetensors"), fc.load(tmp_path / "three.safetensors")
    assert one.parameters.tobytes() == three.parameters.tobytes()
    assert one.training.history.loss == three.training.history.loss


def test_ctrl_c_saves_once_and_ends_all(mpiexec, tmp_path):
    table(tmp_path)
    process = mpiexec(2, *TRAIN, "--epochs", "1000000", cwd=tmp_path)
    lines = []
    while not lines or not lines[-1].startswith("epoch 2/"):
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    process.send_signal(signal.SIGINT)
    out, err = ended(process, SOON)
    assert process.returncode == (1 if is_open_mpi() else 130), err  # mpiexec's own, or that of the processes
    assert out.count("interrupted; saved data.safetensors; resume with:") == 1
    assert fc.load(tmp_path / "data.safetensors").training.done >= 2


HALF = """
import os, sys
if os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1":
    if sys.argv[1] == "missing":
        sys.argv[5] = "elsewhere.npy"
    elif sys.argv[1] == "defect":
        import numbafc.cli.settings as settings
        settings.check = lambda given: 1 / 0
name = sys.argv.pop(1)
sys.argv[1:] = sys.argv[3:]
from numbafc.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("missing", 2, "rank 1 failed, which ends all: FileNotFoundError"),
        ("defect", 70, "this is a fault of numbafc's own"),
        ("find-rate", 2, "--find-rate is for one process"),
    ],
)
def test_a_process_that_fails_ends_all_with_one_sentence(mpiexec, tmp_path, kind, code, words):
    table(tmp_path)
    more = ["--find-rate"] if kind == "find-rate" else []
    process = mpiexec(2, "-c", HALF, kind, *TRAIN, *more, cwd=tmp_path)
    out, err = ended(process, SECONDS)
    assert process.returncode == code, (out, err)
    assert err.count("numbafc: ") == 1
    assert words in err
    assert not list(tmp_path.glob("*.safetensors"))


def test_mpi_alone_says_how_to_start_several(tmp_path):
    """Without mpiexec --mpi is refused, whether MPI is there or not."""
    done = subprocess.run(
        [sys.executable, "-m", "numbafc", "train", "--mpi"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "mpiexec -n 4 numbafc train" in done.stderr or "pip install 'numbafc[mpi]'" in done.stderr


def test_several_processes_without_mpi4py_are_told_what_to_install(tmp_path):
    code = "import sys; sys.modules['mpi4py'] = None; sys.argv = ['numbafc', 'train']; import numbafc.__main__ as m; "
    code += "m.main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PMI_SIZE": "2", "PMI_RANK": "0"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "several processes need mpi4py and an MPI library" in done.stderr
    assert "pip install 'numbafc[mpi]'" in done.stderr

"""The command under torchrun, or whoever sets its variables: one network, one who speaks and saves, and nobody left."""

import os
import signal
import subprocess
import sys

import pytest
from rank_starting import SECONDS, SOON, TRAIN, ended, gloo_processes, table

import numbafc as fc

VARIABLES = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def command(*words, **environment):
    """The command, alone, with variables of those who start several."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_torchrun_trains_as_one_process_does(tmp_path):
    pytest.importorskip("torch")
    table(tmp_path)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, *TRAIN, "--epochs", "3", "--out", "two.safetensors"],
        cwd=tmp_path,
        env={**os.environ, "NUMBA_NUM_THREADS": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 processes of 1 thread train one network\n") == 1
    assert done.stdout.count("saved two.safetensors") == done.stdout.count("epoch 1/3") == 1
    arguments = [sys.executable, *TRAIN, "--epochs", "3", "--out", "one.safetensors"]
    subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS)
    one, two = fc.load(tmp_path / "one.safetensors"), fc.load(tmp_path / "two.safetensors")
    assert one.parameters.tobytes() == two.parameters.tobytes()


@pytest.mark.parametrize("what", ["Ctrl-C", "killed"])
def test_a_signal_ends_all(tmp_path, what):
    table(tmp_path)
    processes = gloo_processes(2, *TRAIN, "--epochs", "1000000", cwd=tmp_path)
    lines = []
    while not lines or not lines[-1].startswith("epoch 2/"):
        lines.append(processes[0].stdout.readline())
        assert lines[-1], processes[0].stderr.read()
    for process in processes if what == "Ctrl-C" else processes[1:]:
        process.send_signal(signal.SIGINT if what == "Ctrl-C" else signal.SIGKILL)
    (out, err), (other, silent) = (ended(process, SOON) for process in processes)
    assert (other, silent) == ("", "")
    if what == "Ctrl-C":
        assert [process.returncode for process in processes] == [130, 130], err
        assert out.count("interrupted; saved data.safetensors; resume with:") == 1
    else:
        assert processes[0].returncode == 2
        assert err.startswith("numbafc: another rank is gone, or does not answer (gloo: ")
        assert "what was learnt until then is saved in data.safetensors" in err
        assert err.count("\n") == 1
    assert fc.load(tmp_path / "data.safetensors").training.done >= 2


def test_a_file_that_one_process_does_not_find_ends_all(tmp_path):
    table(tmp_path)
    code = "import os, sys\nif os.environ['RANK'] == '1':\n    sys.argv[2] = 'elsewhere.npy'\n"
    code += "from numbafc.__main__ import main\nmain()"
    processes = gloo_processes(2, "-c", code, *TRAIN[2:], cwd=tmp_path)
    (_, err), (_, silent) = (ended(process) for process in processes)
    assert [process.returncode for process in processes] == [2, 2]
    assert err.count("\n") == 1
    assert "rank 1 failed, which ends all: FileNotFoundError" in err
    assert silent == ""


def test_without_torch_it_is_said_what_to_install():
    code = "import sys; sys.modules['torch.distributed'] = None; sys.argv = ['numbafc', 'train']; "
    code += "import numbafc.__main__ as m; m.main()"
    done = command("-c", code, **VARIABLES)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "gloo needs torch" in done.stderr
    assert "pip install 'numbafc[torch]'" in done.stderr


def test_mpi_is_not_torchrun_s():
    done = command("-m", "numbafc", "train", "--mpi", **VARIABLES)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--mpi is for mpiexec's; leave it out" in done.stderr


@pytest.mark.parametrize("missing", [{"WORLD_SIZE": "1"}, {"MASTER_PORT": ""}])
def test_variables_of_one_process_or_not_all_of_them_are_no_group(missing):
    """Some of them are set for other reasons: the command is alone, and says what it finds no file of."""
    done = command("-m", "numbafc", "train", "missing.npy", **VARIABLES | missing)
    assert done.returncode == 2
    assert "missing.npy" in done.stderr

"""How tests start several processes, by mpiexec or with torchrun's variables, and wait for their end."""

import os
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

SECONDS = 100  # for processes to end in, compilation and all: a test that takes longer hangs
SOON = 20  # for the others to end in, where one is gone
MPIEXEC = next((str(at) for at in [Path(sys.prefix) / "bin" / "mpiexec"] if at.exists()), shutil.which("mpiexec"))
TRAIN = "-m", "numbafc", "train", "data.npy", "--batch-size", "700"


@cache
def is_open_mpi():
    """Whether mpiexec is that of Open MPI."""
    version = subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout
    return "OpenRTE" in version or "Open MPI" in version


def mpiexec_words(ranks):
    """The words that start so many processes, with what Open MPI wants to hear on a small machine and in a container."""
    more = ("--oversubscribe", "--allow-run-as-root", "--bind-to", "none") if is_open_mpi() else ()
    return (MPIEXEC, *more, "-n", str(ranks))


def port():
    """A port that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def of_torchrun(rank, ranks, port):
    """The variables that torchrun sets."""
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(ranks)}


def ended(process, seconds=SECONDS):
    """What a process, or each of several, printed; it is killed where it does not end in time, and the test fails."""
    try:
        return process.communicate(timeout=seconds)
    finally:
        process.kill()


def gloo_processes(ranks, *words, cwd=None):
    """Processes with the variables that torchrun sets."""
    pytest.importorskip("torch")
    at, screen = port(), {"NO_COLOR": "1", "COLUMNS": "200", "NUMBA_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=cwd,
            env={**os.environ, **screen, **of_torchrun(rank, ranks, at)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]


def table(folder, rows=3000):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 6)).astype(np.float32)
    np.save(folder / "data.npy", np.column_stack([X, X[:, 0] + X[:, 1] * X[:, 2] > 0]).astype(np.float32))

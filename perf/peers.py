"""The peers, each in a process of its own with so many threads; a job is one line of JSON, and so is its answer."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import c, held, isa

OURS = "numbafc"


class Unable(Exception):
    """What a peer cannot do, or must not be timed with, in words that begin with its name."""


class Peer:
    """A worker process: `python -m WORKER MODULE THREADS`. label: how rows call it; kernel: which of ours it asks for."""

    def __init__(self, label: str, worker: str, module: str, threads: int, **environment: str) -> None:
        self.label, self.module, self.kernel = label, module, "auto" if module == OURS else None
        pinned = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
        if module == "jax":
            several = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
            pinned["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {several}".strip()
        if module == OURS:
            del pinned["OMP_NUM_THREADS"]  # Numba's pool has its own number
        affinity = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker, module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **pinned, **environment},
            # JAX takes all processors it sees, whatever it is told: it sees as many as it may use
            preexec_fn=(lambda: os.sched_setaffinity(0, affinity)) if module == "jax" and affinity else None,
        )
        self.version = ""

    def wait(self) -> None:
        """Wait until it has started. Raises SystemExit where its library does not load, Unable where it is not held."""
        self.version = self._answer()["version"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label} ended with exit code {self.process.wait()}; its message is above")
        answer = json.loads(line)
        if "unable" in answer:
            raise Unable(f"{self.label} {answer['unable']}")
        return answer

    def ask(self, **job: Any) -> dict[str, Any]:
        """Send a job, wait for its answer. Raises Unable where it has none that may be timed."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended before
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Kernel:
    """One of our kernels, a subject like a peer, in the process of ours."""

    def __init__(self, peer: Peer, kernel: str) -> None:
        self.peer, self.label, self.kernel, self.version = peer, peer.label, kernel, peer.version
        self.module = peer.module

    def ask(self, **job: Any) -> dict[str, Any]:
        return self.peer.ask(**job, kernel=self.kernel)


@contextlib.contextmanager
def started(
    worker: str, modules: Iterable[str], threads: int, coretype: str, note: Callable[[str], None]
) -> Iterator[list[Peer]]:
    """The peers among these that this machine has, in this order; note is told of each that it does not have.

    NumPy comes twice: as installed, and with OpenBLAS forced to its kernels for `coretype`, the best for this processor;
    scikit-learn, which calls NumPy, only with the best.
    """
    with contextlib.ExitStack() as stack:
        found: list[Peer] = []
        for module in modules:
            if (reason := missing(module)) is not None:
                note(reason)
                continue
            forced = os.environ.get("OPENBLAS_CORETYPE") == coretype  # in all processes: as installed would be the same
            kinds: list[dict[str, str]] = [] if module == "sklearn" or (module == "numpy" and forced) else [{}]
            if module in ("numpy", "sklearn"):
                kinds.append({"OPENBLAS_CORETYPE": coretype})
            for environment in kinds:
                label = ", ".join([module, *(f"{name}={value}" for name, value in environment.items())])
                found.append(Peer(label, worker, module, threads, **environment))
                stack.callback(found[-1].close)
        yield [peer for peer in found if _loads(peer, note)]  # they have all been starting at once


def missing(module: str) -> str | None:
    """Why this machine does not have a peer, in a sentence; None if it does."""
    if module in c.SOURCES:
        return c.missing(module)
    return f"{module} is not installed: no line of it" if importlib.util.find_spec(module) is None else None


def _loads(peer: Peer, note: Callable[[str], None]) -> bool:
    """Wait for a peer; one whose library is broken, or not held, is noted. Raises SystemExit if that is ours."""
    try:
        peer.wait()
    except (SystemExit, Unable) as ended:
        if peer.label == OURS:
            raise SystemExit(str(ended)) from None
        note(f"{ended}: no line of it")
        return False
    return True


@contextlib.contextmanager
def alone(worker: str, module: str, threads: int, environment: dict[str, str]) -> Iterator[Peer]:
    """One peer, with an environment of its own."""
    peer = Peer(module, worker, module, threads, **environment)
    with contextlib.closing(peer):
        peer.wait()
        yield peer


def serve(answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Be a worker process: answer each job, called with the module's name and the job."""
    name, threads = sys.argv[1], int(sys.argv[2])
    held.begin()
    module = c.load(name) if name in c.SOURCES else importlib.import_module(name)
    if name in (OURS, "torch"):
        module.set_num_threads(threads)
    version = getattr(module, "__version__", None) or importlib.metadata.version(name)
    print(json.dumps({"version": version} | still_held(name)), flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C goes to all: who asks says what it means
        for line in sys.stdin:
            job = json.loads(line)
            try:
                found = answer(name, job)
            except NotImplementedError as error:
                found = {"unable": str(error)}
            if job.get("check") or job.get("save"):  # that is, before anything is timed
                found |= still_held(name)
            print(json.dumps(found), flush=True)


def still_held(name: str) -> dict[str, str]:
    """What an answer says where a library is not held to the instruction set of the run; else nothing."""
    problem = held.problem(name)
    return {} if problem is None else {"unable": f"{problem}; `--isa {os.environ[isa.ASKED]}` has no effect on it"}

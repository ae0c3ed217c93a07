"""One change in one process: the tests of its file, the fastest first, until one fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HOOK = Path(__file__).parent / "hook"
COPIED = ("numbafc", "tests", "perf", "pyproject.toml", "README.md")
MEMORY = 12 * 2**30  # bytes of addresses: a wrong size fails, instead of taking the machine's memory
FACTOR, AT_LEAST = 4, 60  # a change that makes the tests take so many times as long, and so many seconds, is found, too
COMPILING = 240  # seconds more where kernels are compiled anew


class Run(NamedTuple):
    """What became of a change. outcome: "killed" by a test (by), "timeout", "crashed" (by a signal), or "survived"."""

    outcome: str
    by: str
    seconds: float


class Tree:
    """A copy of the repository, whose tests can be run with one changed source."""

    def __init__(self, root: Path, folder: Path) -> None:
        """folder: the same each time, for compiled kernels are kept by the place of their source."""
        self.folder, self.tree = folder.resolve(), folder.resolve() / "tree"
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, self.tree / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            elif source.exists():
                shutil.copy(source, self.tree / name)

    def run(self, file: str, source: str, tests: Sequence[str], stale: Sequence[str], limit: float, name: str) -> Run:
        """The tests with that source of a file. stale: modules whose kernels are compiled anew. name: of this run."""
        own = self.folder / name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        (own / "mutant.py").write_text(source, encoding="utf-8")
        mutant = {"path": str(self.tree / "numbafc" / file), "source": str(own / "mutant.py"), "stale": list(stale)}
        environment = {
            **os.environ,
            "NUMBAFC_MUTANT": json.dumps(mutant),
            "PYTHONPATH": os.pathsep.join([str(HOOK), str(self.tree)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_PROFILE": "dev",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(own / "hypothesis"),
            "TMPDIR": str(own),
            "NUMBA_CACHE_DIR": str(self.folder / "cache"),
        }
        begun = time.perf_counter()
        arguments = [sys.executable, "-m", "pytest", "-n0", "-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
        arguments += ["--hypothesis-seed=0"]  # the same examples for each change
        arguments += [f"--basetemp={own / 'pytest'}", "-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
        log = own / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*arguments, *tests],
                cwd=self.tree,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_limited,
            )
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
        text = log.read_text(encoding="utf-8", errors="replace")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
        by = failed.group(1) if failed else text.strip().splitlines()[-1][:200] if text.strip() else ""
        outcome = "timeout" if code is None else "survived" if code == 0 else "crashed" if code < 0 else "killed"
        if code in (2, 4, 5) and not failed:
            raise RuntimeError(f"pytest ended with {code}, expected tests that pass or fail: {text[-500:]}")
        shutil.rmtree(own, ignore_errors=True)
        return Run(outcome, by if outcome == "killed" else "", round(time.perf_counter() - begun, 1))


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process, and those that its tests began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

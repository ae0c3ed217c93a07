"""The command line in tests: as a process, or in this one."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from numbafc.cli import app

IRIS = "width,length,kind\n" + "".join(f"{k + n / 50},{k * 2 - n / 40},{'abc'[k]}\n" for n in range(20) for k in range(3))
# A training of a moment, that still learns.
QUICK = "--recipe", "plain", "--hidden", "8", "--learning-rate", "0.1", "--epochs", "3"


def numbafc(*arguments, cwd, timeout=300, **environment):
    return subprocess.run(
        [sys.executable, "-m", "numbafc", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(capfd, *arguments):
    """The command in this process: what it printed, and its exit code, as of a finished process."""
    with pytest.raises(SystemExit) as ended:
        app(list(map(str, arguments)), prog_name="numbafc")
    out, err = capfd.readouterr()
    return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)


def ok(done):
    """What a command that went well has printed."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def interrupting(times, what):
    """A function that does what `what` does, after so many signals of Ctrl-C at its first call."""
    signals = [signal.SIGINT] * times

    def interrupted(*arguments, **options):
        while signals:
            signal.raise_signal(signals.pop())
        return what(*arguments, **options)

    return interrupted


def plainly(here):
    """The command with the plain recipe where no other is asked for: quick, and what is tested does not depend on it."""

    def run(*arguments):
        words = [str(word) for word in arguments]
        if words[:1] == ["train"] and not {"--recipe", "--resume", "--help"} & set(words):
            words[1:1] = ["--recipe", "plain"]
        return here(*words)

    run.folder = here.folder
    return run

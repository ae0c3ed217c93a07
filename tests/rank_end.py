"""A rank of tests/many_runs.py: it trains as its plan says, comes to an end as the plan says, and prints which one it was.

rank_end.py PLAN     under mpiexec, torchrun, or with torchrun's variables
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

PLAN = json.loads(sys.argv[1])
OWN = next(os.environ[name] for name in ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "RANK") if name in os.environ)
CHOSEN = int(OWN) == PLAN["rank"]  # the rank that something happens to


def kill_after(seconds):
    """Let a child kill this process, at a moment that nothing in here delays."""
    if os.fork() == 0:
        time.sleep(seconds)
        stamp()
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)


def stamp():
    Path(PLAN["stamp"]).write_text(str(time.time()))


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if CHOSEN and PLAN["end"] == "killed":
    kill_after(PLAN["after"])

import rank_cases  # noqa: E402

from numbafc.interop import distributed  # noqa: E402
from numbafc.nn import own_rows, passes  # noqa: E402


def other_data(data):
    def changed(case):
        X, *others = data(case)
        X[-1, -1] += 1
        return X, *others

    return changed


def differ(case, what):
    """The case as the chosen rank has it, who is to be refused."""
    if what == "data":
        rank_cases.data_of = other_data(rank_cases.data_of)
    elif what == "seed":
        made = rank_cases.network_of
        rank_cases.network_of = lambda case: made(case | {"seed": case["seed"] + 1})
    elif what == "version":
        own_rows.__version__ = "0.0"
    return case | {"sizes": {"hidden": [5]}, "dtype": {"dtype": "float64"}, "batch_size": {"batch_size": 333}}.get(what, {})


class Failed(Exception):
    """What a rank raises."""


def fail_in_pass(calls):
    """Let the N-th pass of this rank raise."""
    passing, left = passes.pass_samples, [calls]

    def fails(*arguments):
        left[0] -= 1
        if left[0] < 0:
            stamp()
            raise Failed("as planned")
        return passing(*arguments)

    passes.pass_samples = fails


def callbacks():
    """Those of rank 0: to say that the training has begun, and to fail, if that is the plan."""

    def told(record):
        if record.epoch == 1:
            say("begun")
        if PLAN["end"] == "callback" and record.epoch > PLAN["calls"]:
            stamp()
            raise Failed("as planned")

    return [told]


def work(comm):
    case, rows, end = PLAN["case"], PLAN["rows"], PLAN["end"]
    if CHOSEN and end == "leaves":
        stamp()
        raise Failed("outside of fit")
    if CHOSEN and end == "differs":
        case = differ(case, PLAN["what"])
        rows = {"shared": "own", "own": "shared"}[rows] if PLAN["what"] == "rows" else rows
    if CHOSEN and end == "raises":
        fail_in_pass(PLAN["calls"])
    net = rank_cases.network_of(case)
    epochs = 2 if end in ("finishes", "killed at the end") else 10**6
    rank_cases.fit(case, net, comm, rows, epochs=epochs, callbacks=callbacks())
    if CHOSEN and end == "killed at the end":
        stamp()
        os.kill(os.getpid(), signal.SIGKILL)
    say("digest", rank_cases.digest(net))


def main():
    comm = distributed.mpi() if PLAN["by"] == "mpiexec" else distributed.gloo(seconds=PLAN["seconds"])
    try:
        work(comm)
    except BaseException as error:
        say("ended", str(comm.rank), type(error).__name__, " ".join(str(error).split()))
        if PLAN["end"] == "leaves":
            raise
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 3)


if __name__ == "__main__":
    main()

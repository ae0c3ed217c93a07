"""Many small runs of several ranks, of which each has to end in time, in the right way, and leave no process behind.

many_runs.py FIRST LAST [BY]    runs FIRST to LAST − 1, each drawn by its number, or all by mpiexec, gloo or torchrun: a
                                line of JSON for each, then counts

By mpiexec, by gloo's variables, and by torchrun, with 2 to 4 ranks, which finish, or of which one is killed, raises,
leaves, or has something other than the others; or all, or one of them, hear Ctrl-C.
"""

import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
from rank_cases import FIELDS, trained
from rank_starting import is_open_mpi, mpiexec_words, of_torchrun, port

LIMIT = 100.0  # seconds, in which each run has to end, from its start on, on two cores that others use, too
JOINING = 10.0  # of gloo: a rank that was killed before it joined is waited for so long
GONE = 5.0  # in which what ended is gone from the list of processes
SCRIPT = str(Path(__file__).with_name("rank_end.py"))
MARK = "NUMBAFC_TEST_RUN"  # a variable that all processes of a run inherit
ENDS = {
    "finishes": 3,
    "killed": 6,
    "killed at the end": 1,
    "raises": 3,
    "callback": 1,
    "leaves": 1,
    "differs": 4,
    "interrupted": 4,
}
# What one rank has of its own, and how the refusal calls it.
WHAT = {
    "data": "checksum of the samples",
    "seed": "seed",
    "version": "version of numbafc",
    "sizes": "sizes",
    "dtype": "dtype",
    "batch_size": "batch_size",
    "rows": "rows",
}
# Minibatches in which each of four ranks has samples.
PLAIN = {name: choices[0] for name, choices in FIELDS.items()} | {"samples": 1300, "batch_size": 1300, "hidden": [17, 5]}
CASES = PLAIN, PLAIN | {"optimizer": "adam", "batch_size": 1024, "dropout": 0.3}


def plan_of(number):
    """The plan of a run: the same in every process."""
    rng = np.random.default_rng(number)
    end = str(rng.choice(np.repeat(list(ENDS), list(ENDS.values()))))
    size, what = int(rng.integers(2, 5)), str(rng.choice(list(WHAT)))
    return {
        "number": number,
        "by": str(rng.choice(["mpiexec", "mpiexec", "mpiexec", "gloo", "torchrun"])),
        "end": end,
        "size": size,
        "rank": 0 if end == "callback" else int(rng.integers(size)),
        # a rank's own rows are not another's to know
        "rows": "shared" if end == "differs" and what == "data" else str(rng.choice(["shared", "own"])),
        "what": what,
        "calls": int(rng.integers(6)),
        "after": float(rng.uniform(0, 8) if rng.random() < 0.7 else rng.uniform(0, 2)),  # while it starts, or trains
        "everybody": bool(rng.integers(2)),  # hears Ctrl-C, or one rank alone
        "case": CASES[rng.integers(len(CASES))],
        "seconds": JOINING,
    }


def start(plan, folder, mark):
    """The processes that are started for a plan, and the files that they print to: one launcher's, or each rank's."""
    environment = {**os.environ, MARK: mark, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    words, size = [SCRIPT, json.dumps(plan)], plan["size"]
    if plan["by"] == "mpiexec":
        more = ["-m", "mpi4py"] if plan["end"] == "leaves" else []  # which ends all for one that leaves
        commands = [([*mpiexec_words(size), sys.executable, *more, *words], {})]
    elif plan["by"] == "torchrun":
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
        commands = [([sys.executable, *launcher, *words], {})]
    else:
        at = port()
        commands = [([sys.executable, *words], of_torchrun(rank, size, at)) for rank in range(size)]
    processes = []
    for n, (command, more) in enumerate(commands):
        with (folder / f"{n}.txt").open("w") as out:
            processes.append(
                subprocess.Popen(
                    command, env=environment | more, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
                )
            )
    return processes


def alive(mark):
    """The numbers of the processes that have a mark in their environment."""
    found, wanted = [], f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def printed(folder):
    return "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.txt")))


def interrupt(plan, processes, folder, since):
    """Send Ctrl-C when the training has begun: as a terminal does to all, or to one rank; of launchers, to them."""
    while "begun" not in printed(folder):
        if time.monotonic() - since > LIMIT or any(process.poll() is not None for process in processes):
            return
        time.sleep(0.02)
    time.sleep(plan["after"] / 8)
    Path(plan["stamp"]).write_text(str(time.time()))
    for rank, process in enumerate(processes):
        if plan["everybody"] or len(processes) == 1 or rank == plan["rank"]:
            process.send_signal(signal.SIGINT)


def run(plan):
    """What came of a plan: how long it took in all, how long after what happened in it, and what is wrong, or None."""
    mark, since, wrong = uuid.uuid4().hex, time.monotonic(), None
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; what is started inherits it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan | {"stamp": str(folder / "stamp")}
        processes = start(plan, folder, mark)
        if plan["end"] == "interrupted":
            interrupt(plan, processes, folder, since)
        while any(process.poll() is None for process in processes):
            if time.monotonic() - since > LIMIT:
                wrong = f"it did not end in {LIMIT:g} seconds"
                break
            time.sleep(0.02)
        took, ended = time.monotonic() - since, time.time()
        while wrong is None and alive(mark):
            if time.monotonic() - since > took + GONE:
                wrong = f"processes {alive(mark)} are left"
            time.sleep(0.05)
        for number in alive(mark):
            os.kill(number, signal.SIGKILL)
        codes, text = [process.wait() for process in processes], printed(folder)
        happened = Path(plan["stamp"])
        after = ended - float(happened.read_text()) if happened.exists() else None
    wrong = wrong or why_wrong(plan, codes, text)
    if wrong:
        wrong += f"; codes {codes}; printed {text[-3000:]}"
    return took, after, wrong


def why_wrong(plan, codes, text):
    """What is wrong with an end, or None. mpiexec and torchrun end others, who may then say nothing."""
    end, size, rank = plan["end"], plan["size"], plan["rank"]
    told = dict(line.split(" ", 2)[1:] for line in text.splitlines() if line.startswith("ended "))
    lines = text.splitlines()
    if end == "finishes":
        expected = f"digest {trained(plan['case'])}"
        return None if lines.count(expected) == size and not any(codes) else f"expected {size} times {expected}"
    if not any(codes):
        return "it ended as if all were well"
    if "Fault" in text or "Segmentation" in text:
        return "it crashed"
    alike = end in ("differs", "interrupted")  # all of them end so
    others = {other: words for other, words in told.items() if alike or other != str(rank)}
    launched = plan["by"] != "gloo"
    right = {
        "killed": lambda words: words.startswith("ConnectionError"),
        "killed at the end": lambda words: False,
        "leaves": lambda words: words.startswith("ConnectionError"),
        "raises": lambda words: words.startswith("RankFailed") and f"rank {rank} failed" in words,
        "callback": lambda words: words.startswith("RankFailed") and "rank 0 failed" in words,
        "differs": lambda words: (
            words.startswith("ValueError") and f"rank {rank or 1} has" in words and names(plan) in words
        ),
        "interrupted": lambda words: words.startswith("KeyboardInterrupt"),
    }[end]
    not_right = [f"rank {other}: {words}" for other, words in others.items() if not right(words)]
    if not_right:
        return f"rank {rank} was the one, and these ended otherwise: {not_right}"
    if end in ("raises", "callback") and not told.get(str(rank), "").startswith("Failed"):
        return f"rank {rank} did not tell what it raised"
    missing = set(map(str, range(size))) - others.keys() - (set() if alike else {str(rank)})
    unheard = end in ("killed", "killed at the end", "leaves") or (launched and others)  # some ended by the launcher
    unheard = unheard or (end == "interrupted" and plan["by"] == "mpiexec" and is_open_mpi())  # which sends SIGTERM
    if missing and not unheard:
        return f"ranks {sorted(missing)} told nothing"
    return None


def names(plan):
    """What a refusal has to name."""
    return "each row of X" if plan["what"] == "dtype" and plan["rows"] == "own" else WHAT[plan["what"]]


def tell(record):
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def main():
    first, last = map(int, sys.argv[1:3])
    counts, slowest, slowest_after, bad = collections.Counter(), 0.0, 0.0, 0
    for number in range(first, last):
        plan = plan_of(number) | ({"by": sys.argv[3]} if sys.argv[3:] else {})
        took, after, wrong = run(plan)
        counts[plan["by"], plan["end"]] += 1
        slowest, slowest_after, bad = max(slowest, took), max(slowest_after, after or 0.0), bad + bool(wrong)
        shown = {name: plan[name] for name in ("number", "by", "end", "size", "rank", "rows", "what")}
        tell(shown | {"took": round(took, 2), "after": after and round(after, 2), "wrong": wrong})
    tell({"counts": {" ".join(key): n for key, n in sorted(counts.items())}})
    tell({"slowest": round(slowest, 2), "slowest_after": round(slowest_after, 2), "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""A process of tests/test_ranks_processes.py: one rank, of MPI or of gloo, which trains cases and prints their digests.

rank_process.py mpi|gloo CASES.json          each case, by ranks 0…size − 1 for every size that there are ranks for
rank_process.py mpi|gloo CASES.json RANK N   the first case for ever; that rank kills itself in its N-th pass
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from rank_cases import fit, network_of, trained

from numbafc.interop import distributed
from numbafc.nn import passes


def subgroups(kind):
    """A communicator of the first ranks for each size, of those that have this rank; None where this one is not of it."""
    if kind == "gloo":
        whole = distributed.gloo(seconds=60)
        yield whole.size, whole
        return
    world = distributed.mpi()
    for size in range(1, world.size + 1):
        comm = world.Split(0 if world.rank < size else 1)
        yield size, comm if world.rank < size else None
        world.Barrier()


def die(mine, rank, calls):
    """Let one rank kill itself in the middle of a minibatch."""
    passing, left = passes.pass_samples, [calls]

    def dies(*arguments):
        left[0] -= 1
        if left[0] < 0 and mine == rank:
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return passing(*arguments)

    passes.pass_samples = dies


def main():
    kind, cases, *killed = sys.argv[1:]
    cases = json.loads(Path(cases).read_text())
    if killed:
        comm = distributed.gloo(seconds=60) if kind == "gloo" else distributed.mpi()
        rank = comm.rank
        die(rank, *map(int, killed))
        try:
            fit(cases[0], network_of(cases[0]), comm, epochs=10**6)
        except ConnectionError as error:
            sys.stdout.write(f"rank {rank}: {error}\n")
            sys.stdout.flush()
            os._exit(3)
    for size, comm in subgroups(kind):
        if comm is not None:
            found = [trained(case, comm, rows) for case in cases for rows in ("shared", "own")]
            sys.stdout.write(json.dumps([size, found]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

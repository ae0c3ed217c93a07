"""A process of the study `ranks`: python -m perf.rank_worker JSON, or under mpiexec. Rank 0 prints what it measured."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import numbafc as fc
from numbafc.interop import distributed
from numbafc.nn.communication import OfMPI

WARM = 2  # epochs that are not timed: the first one compiles


class Timed:
    """A communicator of MPI that adds up the seconds in it: waiting for other ranks, and exchanging."""

    def __init__(self, comm: Any) -> None:
        self.of, self.seconds = OfMPI(comm), 0.0
        self.rank, self.size = self.of.rank, self.of.size

    def _timed(self, call: Any, *arguments: Any) -> None:
        start = time.perf_counter()
        call(*arguments)
        self.seconds += time.perf_counter() - start

    def alltoall(self, *arguments: Any) -> None:
        self._timed(self.of.alltoall, *arguments)

    def allgather(self, *arguments: Any) -> None:
        self._timed(self.of.allgather, *arguments)

    def broadcast(self, *arguments: Any) -> None:
        self._timed(self.of.broadcast, *arguments)


def train(job: dict[str, Any], comm: Any) -> dict[str, Any]:
    """Seconds of each epoch, those in communication, and a hash of the parameters."""
    rng, sizes = np.random.default_rng(0), job["sizes"]
    samples = job["batch"] * job["steps"]
    X = rng.standard_normal((samples, sizes[0]), dtype=np.float32)
    y = rng.integers(0, sizes[-1], samples)
    timed, spent = None if comm is None else Timed(comm), [0.0]

    def note(record: Any) -> None:
        spent.append(0.0 if timed is None else timed.seconds)

    net = fc.MLP(sizes, seed=0)
    history = net.fit(
        X, y, optimizer="sgd", learning_rate=1e-3, batch_size=job["batch"], epochs=WARM + job["epochs"],
        callbacks=[note], comm=timed,
    )  # fmt: skip
    hashed = hashlib.sha256(net.parameters.tobytes()).hexdigest()
    return {"seconds": history.seconds[WARM:], "communication": np.diff(spent)[WARM:].tolist(), "hash": hashed}


def exchange(lengths: Sequence[int], repeats: int, comm: Any) -> dict[str, Any]:
    """Seconds of an all to all of so many float32, half of them to each of two ranks: each the fastest of some."""
    own, found = OfMPI(comm), []
    for length in lengths:
        send, receive = np.ones(length, np.float32), np.empty(length, np.float32)
        parts = [length // own.size] * own.size
        best = []
        for _ in range(repeats):
            start = time.perf_counter()
            own.alltoall(send, parts, receive, parts)
            best.append(time.perf_counter() - start)
        found.append(best[1:])
    return {"exchanges": found}


def main() -> None:
    job = json.loads(sys.argv[1])
    fc.set_num_threads(job["threads"])
    comm = distributed.mpi() if job["ranks"] > 1 else None
    answer = exchange(job["lengths"], job["repeats"], comm) if "lengths" in job else train(job, comm)
    if comm is None or comm.Get_rank() == 0:
        print(json.dumps(answer | {"version": fc.__version__}))


if __name__ == "__main__":
    main()

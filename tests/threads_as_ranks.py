"""Ranks for tests: threads of this process that exchange arrays, in the order in which all of them come to a call."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SECONDS = 240  # a rank that does not come by then, though it may have to compile, fails the test instead of holding it up


class Threads:
    """A communicator of one of several threads."""

    def __init__(self, rank, size, barrier, slots):
        self.rank, self.size, self._barrier, self._slots = rank, size, barrier, slots

    def _exchanged(self, given):
        try:
            self._slots[self.rank] = given
            self._barrier.wait(SECONDS)
            found = list(self._slots)
            self._barrier.wait(SECONDS)
        except threading.BrokenBarrierError:
            raise ConnectionError("another rank is gone") from None
        return found

    def alltoall(self, send, lengths, receive, from_each):
        assert sum(lengths) == len(send)
        begins = np.cumsum([0, *lengths])
        parts = [send[a:b].copy() for a, b in itertools.pairwise(begins)]
        mine = [parts_of[self.rank] for parts_of in self._exchanged(parts)]
        assert [len(part) for part in mine] == list(from_each)
        receive[:] = np.concatenate(mine)

    def allgather(self, send, receive):
        everyone = self._exchanged(send.copy())
        assert len({len(one) for one in everyone}) == 1
        receive[:] = np.concatenate(everyone)

    def broadcast(self, array, root):
        array[:] = self._exchanged(array.copy())[root]

    def leave(self):
        """A rank that is gone: the others' calls raise."""
        self._barrier.abort()


def together(size, work):
    """What work(comm) gives in each of so many ranks, or the exception that it ends with."""
    barrier, slots = threading.Barrier(size), [None] * size

    def one(rank):
        comm = Threads(rank, size, barrier, slots)
        try:
            return work(comm)
        except BaseException as error:
            return error
        finally:
            if barrier.broken:
                comm.leave()

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))

"""Communication between ranks: the processes, on one machine or several, that train one network together.

A communicator is whatever has the members of Communicator. One of mpi4py's is taken as it is, known by its methods, so that
nothing of MPI is imported here; interop/distributed.py has torch.distributed's.

Every rank must come to the same calls in the same order: where one of them raises, all others have to be told, or they wait
for it. So what may raise is done inside Group.agreed, behind which all ranks know of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Protocol

import numpy as np

from ..formulas import SUM_BLOCK
from .interrupts import deferred

SHOWN = 100  # characters of another rank's message
METHODS = "rank", "size", "alltoall", "allgather", "broadcast"
OF_MPI = "Get_rank", "Get_size", "Alltoallv", "Allgather", "Bcast"


class Communicator(Protocol):
    """What training needs of a communicator. All arrays are flat, contiguous, and of one dtype in a call.

    A rank that is gone is a ConnectionError on the others, unless they are ended by whoever started them.
    """

    rank: int  # of this process, from 0
    size: int  # the number of processes

    def alltoall(self, send: np.ndarray, lengths: Sequence[int], receive: np.ndarray, from_each: Sequence[int]) -> None:
        """Send lengths[r] elements to each rank r, one part behind the other; receive from_each[r] of it, likewise."""

    def allgather(self, send: np.ndarray, receive: np.ndarray) -> None:
        """Send all elements to every rank, as many as all others do; receive those of rank 0, of rank 1, and so on."""

    def broadcast(self, array: np.ndarray, root: int) -> None:
        """Make the array that of rank `root`."""


class OfMPI:
    """A communicator of mpi4py. Where a process dies, MPI's mpiexec ends the others."""

    def __init__(self, comm: Any) -> None:
        self.rank, self.size, self._comm = int(comm.Get_rank()), int(comm.Get_size()), comm

    def alltoall(self, send: np.ndarray, lengths: Sequence[int], receive: np.ndarray, from_each: Sequence[int]) -> None:
        with lost("MPI"):
            self._comm.Alltoallv([send, list(lengths)], [receive, list(from_each)])

    def allgather(self, send: np.ndarray, receive: np.ndarray) -> None:
        with lost("MPI"):
            self._comm.Allgather(send, receive)

    def broadcast(self, array: np.ndarray, root: int) -> None:
        with lost("MPI"):
            self._comm.Bcast(array, root)


@contextmanager
def lost(name: str) -> Iterator[None]:
    """Make what a library raises where it cannot reach another rank a ConnectionError."""
    try:
        yield
    except RuntimeError as error:  # mpi4py's Exception, and torch's errors, are such
        words = " ".join(re.sub(r"^\[\S+:\d+\]", "", str(error)).split())  # of gloo's without its line of C++
        raise ConnectionError(
            f"another rank is gone, or does not answer ({name}: {words:.{SHOWN}}); look for its own message, then start "
            "all again: a saved training goes on with resume"
        ) from error


class RankFailed(RuntimeError):
    """What a rank raises where another one failed. rank: that one's number."""

    def __init__(self, rank: int, words: str) -> None:
        super().__init__(f"rank {rank} failed, which ends all: {words}")
        self.rank = rank

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.rank, str(self))


def _again(rank: int, words: str) -> RankFailed:
    error = RankFailed(rank, "")
    error.args = (words,)
    return error


class Group:
    """The ranks of a communicator, and what they agree on. hear: what hands on signals that are put off."""

    def __init__(self, comm: Communicator) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self.hear: Callable[[], None] = lambda: None
        self.ended = False  # all ranks know of an error: nothing more is sent, and whatever is raised ends them

    def texts(self, text: str) -> list[str]:
        """The texts of all ranks."""
        data = np.frombuffer(text.encode(errors="backslashreplace"), np.uint8)
        lengths = np.empty(self.size, np.int64)
        with deferred():  # all of it, or the others read what is no text
            self.comm.allgather(np.array([len(data)], np.int64), lengths)
            longest = int(lengths.max())
            if longest == 0:
                return [""] * self.size
            own, everyone = np.zeros(longest, np.uint8), np.empty((self.size, longest), np.uint8)
            own[: len(data)] = data
            self.comm.allgather(own, everyone.reshape(-1))
            return [one[:length].tobytes().decode() for one, length in zip(everyone, lengths, strict=True)]

    def first_of(self, value: float) -> float:
        """The value of rank 0."""
        number = np.array([value], np.float64)
        self.comm.broadcast(number, 0)
        return float(number[0])

    @contextmanager
    def agreed(self, *, hears: bool = True) -> Iterator[None]:
        """Do what may raise: where it does on one rank, the block ends with an exception on all of them.

        hears: signals, too, behind the block, which all ranks have done then.
        """
        error: BaseException | None = None
        try:
            yield
            if hears:
                self.hear()
        except ConnectionError:  # nobody can be told
            raise
        except BaseException as raised:
            error = raised
        self.tell(error)

    def tell(self, error: BaseException | None) -> None:
        """Tell all ranks of an error of this one, or of none. Raises it; RankFailed or KeyboardInterrupt for another's."""
        if not self.ended:
            with deferred():
                told = self.texts("" if error is None else _described(error))
                self.ended = any(told)
        else:
            told = []
        if error is not None:
            raise error
        for rank, words in enumerate(told):
            if words:
                kind, _, message = words.partition(": ")
                if kind == KeyboardInterrupt.__name__:
                    with suppress(KeyboardInterrupt):  # of this rank, by the same Ctrl-C, a moment later
                        self.hear()
                    raise KeyboardInterrupt(f"rank {rank} was interrupted")
                raise RankFailed(rank, f"{kind}: {message}" if message else kind)


def _described(error: BaseException) -> str:
    if isinstance(error, RankFailed):  # it is another one's error, of which all ranks know
        return f"{type(error).__name__}: {error}"
    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else type(error)
    return f"{kind.__name__}: {' '.join(str(error).split()):.300}"


def group(comm: Any) -> Group | None:
    """The ranks of a communicator of fit; None without one. Raises TypeError for what is none."""
    if comm is None or isinstance(comm, Group):
        return comm
    if all(hasattr(comm, name) for name in OF_MPI):  # which has an alltoall, too, of Python objects
        return Group(OfMPI(comm))
    missing = [name for name in METHODS if not hasattr(comm, name)]
    if missing or isinstance(comm, type):
        raise TypeError(
            f"comm must be a communicator of mpi4py, numbafc.interop.distributed.gloo(), or have {', '.join(METHODS)}; got "
            f"{type(comm).__name__:.80}, without {missing[0] if missing else 'an instance'}"
        )
    return Group(comm)


def several(comm: Any) -> Group | None:
    """The ranks of a communicator of fit; None without one, and where this process is alone. Raises TypeError."""
    found = group(comm)
    return None if found is None or found.size == 1 else found


def useful(batch_size: int) -> int:
    """How many ranks have something to do in minibatches of that size."""
    return -(-batch_size // SUM_BLOCK)


def agreed(ranks: Group | None, *, hears: bool = True) -> AbstractContextManager[None]:
    """Group.agreed, or nothing where there is no group."""
    return nullcontext() if ranks is None else ranks.agreed(hears=hears)


def batch_for(ranks: int) -> int:
    """The size of minibatches that gives so many ranks something to do."""
    return ranks * SUM_BLOCK

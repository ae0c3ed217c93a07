"""Communicators of other libraries, for fit(comm=): torch.distributed's gloo, and mpi4py's, which fit takes as it is, too.

    torchrun --nproc-per-node 2 train.py        net.fit(X, y, comm=numbafc.interop.distributed.gloo())
    mpiexec -n 2 python -m mpi4py train.py      net.fit(X, y, comm=numbafc.interop.distributed.mpi())

Where a process of gloo dies, the others raise ConnectionError at once; one that only stands still is given up after
`seconds`. Where a process of MPI dies, mpiexec ends all. An exception that leaves a script on one rank, outside of fit,
ends all ranks if it is run by `python -m mpi4py`, and else leaves them waiting.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from .. import checks
from ..nn.communication import lost

SECONDS = 300.0  # longer than any rank may need between two steps: to compile, to validate, to save


def mpi() -> Any:
    """MPI's communicator of all processes that mpiexec has started.

    Raises ImportError where mpi4py, or an MPI library for it, is missing.
    """
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(f"several processes need mpi4py and an MPI library ({error}); {_INSTALL}") from None
    except RuntimeError as error:  # of mpi4py's where it finds no library, in some lines
        first = str(error).strip().splitlines()[0]
        raise ImportError(f"mpi4py is installed, but no MPI library that it can load ({first:.80}); {_INSTALL}") from None
    return MPI.COMM_WORLD


_INSTALL = (
    "pip install 'numbafc[mpi]', which brings MPICH; on a cluster that has its own MPI pip install mpi4py alone, and load "
    "that MPI's module first"
)


def gloo(*, seconds: float = SECONDS) -> Gloo:
    """torch.distributed's communicator of all processes, by gloo: of a group that is there, or of torchrun's variables.

    seconds: after which a rank that does not answer is given up. Raises ImportError where torch is missing, ValueError
    where the process is none of several.
    """
    seconds = checks.positive("seconds", seconds)
    try:
        import torch.distributed as dist
    except ImportError as error:
        raise ImportError(f"gloo needs torch ({error}); pip install 'numbafc[torch]'") from None
    if not dist.is_available():
        raise ImportError("this torch has no torch.distributed; install one that has, or use an mpi4py communicator")
    theirs = dist.is_initialized()
    if not theirs:
        try:
            with lost("gloo"):
                dist.init_process_group("gloo", timeout=timedelta(seconds=seconds))
        except ValueError as error:
            words = " ".join(str(error).split())
            raise ValueError(
                f"torch.distributed finds no other processes ({words:.120}); start this script by torchrun, or call "
                "torch.distributed.init_process_group first"
            ) from None
    with lost("gloo"):
        group = dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds))
    atexit.register(_leave, dist, group if theirs else None)
    return Gloo(dist, group)


def _leave(dist: Any, group: Any) -> None:
    """Destroy a group, or all: a process whose threads of gloo still run may end in std::terminate, with its work done."""
    with contextlib.suppress(Exception):  # somebody has destroyed it already
        dist.destroy_process_group(group)


class Gloo:
    """A communicator of torch.distributed with gloo, as fit takes it."""

    def __init__(self, dist: Any, group: Any) -> None:
        self.rank, self.size, self._dist, self._group = dist.get_rank(group), dist.get_world_size(group), dist, group

    def alltoall(self, send: np.ndarray, lengths: Sequence[int], receive: np.ndarray, from_each: Sequence[int]) -> None:
        with lost("gloo"):
            self._dist.all_to_all_single(_tensor(receive), _tensor(send), list(from_each), list(lengths), group=self._group)

    def allgather(self, send: np.ndarray, receive: np.ndarray) -> None:
        with lost("gloo"):
            self._dist.all_gather(list(_tensor(receive).chunk(self.size)), _tensor(send), group=self._group)

    def broadcast(self, array: np.ndarray, root: int) -> None:
        with lost("gloo"):
            self._dist.broadcast(_tensor(array), group=self._group, group_src=root)


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(array)

"""`mpiexec -n 4 numbafc train`, or torchrun: processes that train a network, or members. All read the data; one speaks.

What fails on one of them before or in the training is told to all (nn/communication.py), and said by the first. What fails
elsewhere, so that the others would wait for ever, is said where it failed, and ends all of them at once.
"""

from __future__ import annotations

import os
from typing import Any

from .. import _numba
from ..interop import distributed
from ..nn import communication
from ..nn.communication import Group
from . import screen

# What those that start processes tell each of them: MPICH and its relatives, Open MPI; torchrun, all of whose are needed.
SIZES, RANKS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "OMPI_COMM_WORLD_RANK")
OF_TORCH = "WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"
BESIDE = "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "LOCAL_WORLD_SIZE"  # processes on this machine
OF_OPEN_MPI = "OMPI_COMM_WORLD_SIZE"  # who gives each process a terminal for its output, wherever mpiexec's goes
joined: list[Group] = []  # the group of this process, if it is one of several


def _number(names: tuple[str, ...], otherwise: int) -> int:
    """The number in the first of these variables that has one."""
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), otherwise)


def join(insist: bool, given: dict[str, Any]) -> Group | None:
    """The group of processes that this one is of; None where it is alone.

    insist: --mpi. Raises ImportError where MPI, or torch for torchrun's, is missing, ValueError for what one process has to
    do alone.
    """
    started = _number(SIZES, 1)
    torchrun = started < 2 and _number(OF_TORCH, 1) > 1 and all(map(os.environ.get, OF_TORCH))
    if started < 2 and not insist and not torchrun:
        return None
    if OF_OPEN_MPI in os.environ:
        screen.forwarded()
    if _number(RANKS if started > 1 else ("RANK",) if torchrun else (), 0) > 0:
        screen.mute()
    if insist and torchrun:
        raise ValueError("torchrun has started this process, and --mpi is for mpiexec's; leave it out")
    group = communication.group(distributed.gloo() if torchrun else distributed.mpi())
    if group is None or group.size < 2:
        raise ValueError(
            f"{started} processes were started, but each is alone for MPI: mpiexec and the library that mpi4py loads "
            "are of two installations; use that library's mpiexec"
            if started > 1
            else "--mpi needs several processes, and this is one; start it as mpiexec -n 4 numbafc train"
        )
    if group.rank > 0:
        screen.mute()
    if given["find_rate"]:
        raise ValueError("--find-rate is for one process; leave it out, or start one alone")
    if "-" in map(str, given["data"] or ()):
        raise ValueError("standard input goes to one process alone, and all of them read the data; save it in a file first")
    joined[:] = [group]
    if given["threads"] is None:
        _numba.set_num_threads(max(1, _numba.get_num_threads() // _number(BESIDE, group.size)))
    return group


def is_first(group: Group | None) -> bool:
    """Tell whether this process is alone, or the one that speaks and saves."""
    return group is None or group.rank == 0


def describe(group: Group | None, batch_size: int, networks: int = 1, option: str = "--members") -> list[str]:
    """A line about the processes. option: that says how many networks there are."""
    if group is None:
        return []
    threads, useful = _numba.get_num_threads(), communication.useful(batch_size)
    each = "1 thread" if threads == 1 else f"{threads} threads"
    line = f"{group.size} processes of {each} train {'one network' if networks == 1 else f'{networks} networks'}"
    if 1 < networks >= useful:  # each rank trains some of them
        if networks < group.size:
            line += f"; {networks} of them are busy, each with a network of its own, say {option} {group.size} or more"
    elif useful < group.size:
        more = communication.batch_for(group.size)
        line += f"; minibatches of {batch_size} keep {useful} of them busy, say --batch-size {more} or more"
    return [line]


def others_wait(error: BaseException) -> bool:
    """Tell whether this process fails, and others wait for it and know nothing. If so, it may speak."""
    alone = bool(joined) and not joined[0].ended and not isinstance(error, ConnectionError)
    if alone:
        screen.mute(False)
    return alone


def abort(code: int) -> None:
    """End all processes. Those of torchrun hear that this one has ended."""
    if isinstance(joined[0].comm, communication.OfMPI):
        distributed.mpi().Abort(code)

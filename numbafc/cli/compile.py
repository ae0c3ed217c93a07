"""`numbafc compile`."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from .. import _numba
from .._numba import ahead
from ..kernels.vector import all_tiles
from . import screen

EXAMPLES = """
numbafc compile --to /opt/kernels
NUMBA_CACHE_DIR=/opt/kernels numbafc train
"""

To = Annotated[Path, typer.Option("--to", help="The folder that kernels are put in; NUMBA_CACHE_DIR then names it.")]


def compile(to: To) -> None:  # noqa: A001  the command's name
    """Compile all kernels ahead, for a folder to deploy.

    For container images, and for machines where nothing can be written: the folder may be read-only afterwards. Kernels are
    for these versions of numbafc, Python and Numba, and for this type of processor. The folder must be your own or root's.
    """
    if _numba.interpreted():
        raise ValueError("NUMBA_DISABLE_JIT is set, with which nothing is compiled; unset it")
    place, made = _numba.keep_in(to)
    kernels = sorted(_numba.Kernel.by_name.values(), key=lambda kernel: kernel.name)
    show = screen.Lines()
    bar = (
        TextColumn("{task.completed}/{task.total}", markup=False),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*bar, console=show.console(), disable=not show.console().is_interactive) as progress:
        task = progress.add_task("compiling", total=len(kernels) * len(_numba.DTYPES))
        for dtype in _numba.DTYPES:
            with ahead.compiled_beside(kernels[::-1], dtype):
                for kernel in kernels:
                    progress.update(task, description=f"{kernel.function.__name__.strip('_')} {dtype}")
                    kernel.compile(dtype)
                    progress.advance(task)
            all_tiles(dtype)
    lost = [kernel.name for dtype in _numba.DTYPES for kernel in kernels if not kernel.is_kept(dtype)]
    if lost:
        raise OSError(errno.ENOSPC, f"{len(lost)} kernels could not be kept, {lost[0]} first", str(place))
    count = _numba.for_everybody(place, made)
    show.say(f"{count} files are in {place}; set NUMBA_CACHE_DIR to {to.resolve()}")
    closed = _numba.closed(place)
    if closed is not None:
        show.say(f"other users cannot read them: {closed} is not for everybody; chmod a+x {closed}")

"""The exit codes of a command, and the one sentence that it says where it did not do its work, whatever the reason."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from .. import _numba
from .._startup import BAD_INPUT, FAULT, INTERRUPTED, TRACEBACK, on_interrupt
from ..files.invalid import InvalidFile
from ..nn.communication import RankFailed
from . import ranks, screen

DIVERGED, NOBODY_READS = 1, 141
CODES = f"""
0    done
{DIVERGED}    the training diverged
{BAD_INPUT}    bad input, or a file that cannot be read or written
{FAULT}   a fault of numbafc's own; please report it
{INTERRUPTED}  Ctrl-C; 129 a closed terminal, 143 SIGTERM; what was learnt is saved
{NOBODY_READS}  nobody reads the output any more

{TRACEBACK}=1 shows the traceback of what went wrong.
"""

# Of typer's click, which is its own in some versions: its root is known by its child.
UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
EXPECTED = ValueError, TypeError, OSError, ImportError, MemoryError, RankFailed


class Ended(Exception):
    """A carrier of what a command raised past typer, which has its own words for some of it."""


def exit_code(command: Callable[[], Any]) -> int:
    """Run a command to its end, say in one sentence what went wrong, if anything did, and return its exit code."""
    try:
        try:
            _require_size("COLUMNS")
            _require_size("LINES")
            with _interrupts(), _warnings_in_a_line():
                _require_processor()
                _say_what_is_slow()
                code = command()
        except Ended as ended:
            raise ended.args[0] from None
    except BaseException as error:  # a panic of a library in Rust is no Exception
        others_wait = ranks.others_wait(error)
        code = _told(error)
        if others_wait and code:
            ranks.abort(code)
        return code
    if code == INTERRUPTED:  # before the command itself began
        screen.say("numbafc: interrupted", err=True)
    return code if isinstance(code, int) else 0


def _told(error: BaseException) -> int:
    """Say what happened, and return the exit code."""
    if os.environ.get(TRACEBACK) and not isinstance(error, SystemExit | typer.Exit):
        traceback.print_exception(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else BAD_INPUT
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return NOBODY_READS
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return BAD_INPUT
    with contextlib.suppress(OSError):  # a full disk, or a closed terminal
        screen.say(f"numbafc: {screen.sentence(_sentence(error))}", err=True)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return getattr(error, "code", INTERRUPTED)
    if isinstance(error, FloatingPointError):
        return DIVERGED
    return BAD_INPUT if isinstance(error, (*EXPECTED, UsageError)) else FAULT


def _sentence(error: BaseException) -> str:
    """A sentence about an error, never empty."""
    said = "; ".join([_words(error), *map(_one_line, getattr(error, "__notes__", ()))])
    if isinstance(error, (*EXPECTED, UsageError, FloatingPointError, KeyboardInterrupt, typer.Abort)):
        return said
    return (
        f"this is a fault of numbafc's own, please report it with what {TRACEBACK}=1 shows: {type(error).__name__}: {said}"
    )


def _words(error: BaseException) -> str:
    if isinstance(error, UsageError):
        context = getattr(error, "ctx", None)
        return _one_line(error.format_message()).rstrip(".") + (f"; see {context.command_path} --help" if context else "")
    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
        return f"{screen.sentence(name, 150)}: {error.strerror or _of_number(error) or type(error).__name__}"
    if isinstance(error, InvalidFile):
        return str(error)
    return _one_line(str(error)) or _without_text(error)


def _one_line(text: str) -> str:
    """A text of several lines in one."""
    return " ".join(text.split())


def _without_text(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory; take less data, smaller layers or a smaller batch size"
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted"
    if isinstance(error, OSError) and error.errno:
        return _of_number(error)
    return f"{type(error).__name__}, of which nothing more is known; {TRACEBACK}=1 shows where it was"


def _of_number(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno is not None and error.errno in errno.errorcode else ""


@contextmanager
def _interrupts() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt inside the block, as nowhere else in the process."""
    before = signal.getsignal(signal.SIGINT)
    if before is not on_interrupt:
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Show warnings in one line each, without the source that they come from."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        screen.say(f"numbafc: warning: {screen.sentence(_one_line(str(message)))}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _require_size(name: str) -> None:
    """Forget a size of the terminal that is none: rich would print nothing, or fail."""
    value = os.environ.get(name)
    if value is not None and not (value.isascii() and value.isdigit() and 0 < int(value[:9]) < 100_000):
        del os.environ[name]


def _require_processor() -> None:
    """Refuse a processor that LLVM would ignore with many lines. Raises ValueError."""
    unknown = _numba.unknown_to_llvm()
    if unknown is not None:
        feature = unknown[:1] in ("+", "-")
        name, such = ("NUMBA_CPU_FEATURES", "-avx512f") if feature else ("NUMBA_CPU_NAME", "haswell")
        raise ValueError(
            f"the environment variable {name} must name what LLVM knows, such as {such}, got {unknown!r:.80}; mend it, or "
            "unset it"
        )


def _say_what_is_slow() -> None:
    """Warn of environment variables that make everything slow, and that somebody may have forgotten."""
    if _numba.interpreted():
        warnings.warn("NUMBA_DISABLE_JIT is set: nothing is compiled, and all takes many times as long", stacklevel=1)
    asked = os.environ.get("NUMBA_CACHE_DIR")
    folder = _numba.cache_folder() if asked else None
    if asked and folder and not Path(folder).absolute().is_relative_to(Path(asked).absolute()):
        warnings.warn(
            f"NUMBA_CACHE_DIR is {asked!r:.80}, which cannot be written; compiled kernels are kept in {folder}",
            stacklevel=1,
        )

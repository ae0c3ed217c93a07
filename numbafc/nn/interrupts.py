"""Signals that end a training, heard between two steps and not inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

# Ctrl-C, and what systems send to end a process. Not all of them exist everywhere.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Put these signals off to the end of the block, where their handlers hear of them; or to a call of what it gives.

    Signals reach the main thread alone: in another there is nothing to defer, and an exception that the block raises by
    itself passes as it is.
    """
    main = threading.current_thread() is threading.main_thread()
    usual: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS if main}
    usual = {number: handler for number, handler in usual.items() if callable(handler)}  # not ignored, nor the system's own
    heard: list[tuple[Any, ...]] = []

    def hear() -> None:
        now, heard[:] = heard[:], []
        with ExitStack() as handed_on:  # the last one pushed is the first to be called
            for arguments in reversed(now):
                handed_on.callback(usual[arguments[0]], *arguments)

    try:
        with ExitStack() as given_back:  # all of them, whatever a handler raises meanwhile
            for number, handler in usual.items():
                given_back.callback(signal.signal, number, handler)
                signal.signal(number, lambda *arguments: heard.append(arguments))
            yield hear
    finally:
        hear()

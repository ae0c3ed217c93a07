"""Ctrl-C, heard between two steps and not inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def deferred() -> Iterator[None]:
    """What Ctrl-C does is done at the end of the block, by whoever would have done it.

    Signals reach the main thread alone: in another there is nothing to defer, and an exception that the block raises by
    itself passes as it is.
    """
    main = threading.current_thread() is threading.main_thread()
    usual: Any = signal.getsignal(signal.SIGINT) if main else None
    if not callable(usual):  # ignored, or the end of the process
        yield
        return
    heard: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *arguments: heard.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if heard:
            usual(*heard[-1])

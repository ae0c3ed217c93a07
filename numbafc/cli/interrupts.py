"""Signals that ask a training to end: what was learnt is saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..nn.interrupts import SIGNALS


class Stop(KeyboardInterrupt):
    """A signal that asks for the end. code: the exit code that a shell gives a process which it ended."""

    def __init__(self, number: int, words: str = "") -> None:
        super().__init__(*[words] if words else [])
        self.code = 128 + number

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code - 128, *self.args)


@contextmanager
def one_stop() -> Iterator[None]:
    """The first of these signals raises Stop; another, while what was learnt is being saved, is not heard.

    Those that the process ignores, as a shell's background job does Ctrl-C and nohup's job a closed terminal, it ignores.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone has signals
        yield
        return
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise Stop(number)

    usual: dict[Any, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if usual[number] not in (signal.SIG_IGN, None)]  # None: not Python's to give back
    try:
        for number in heard:
            signal.signal(number, stop)
        yield
    finally:
        for number in heard:
            signal.signal(number, usual[number])

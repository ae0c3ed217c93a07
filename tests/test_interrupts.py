"""Signals that end a training are heard between two steps: Ctrl-C, and what systems send."""

import signal
import threading

import pytest

from numbafc.nn.interrupts import SIGNALS, deferred


class Ended(Exception):
    """What a handler raises."""


def step(number, work):
    """Work in which a signal comes."""
    with deferred():
        signal.raise_signal(number)
        work()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_heard_when_the_step_is_done(number):
    steps = []

    def handler(*_):
        steps.append("heard")
        raise Ended

    usual = signal.signal(number, handler)
    try:
        with pytest.raises(Ended):
            step(number, lambda: steps.append("done"))
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, usual)
    assert steps == ["done", "heard"]


def test_what_is_ignored_stays_ignored_and_what_the_block_raises_passes():
    usual = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(ZeroDivisionError):
            step(signal.SIGTERM, lambda: 1 // 0)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_another_thread_has_nothing_to_defer():
    done = []

    def work():
        with deferred():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done

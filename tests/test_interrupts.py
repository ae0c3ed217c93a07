"""Signals that end a training are heard between two steps: Ctrl-C, and what systems send."""

import signal
import threading

import pytest

from numbafc.nn.interrupts import ENDINGS, deferred


class Ended(Exception):
    """What a handler raises."""


@pytest.mark.parametrize("number", ENDINGS)
def test_a_signal_is_heard_when_the_step_is_done(number):
    steps = []

    def handler(*_):
        steps.append("heard")
        raise Ended

    usual = signal.signal(number, handler)
    try:
        with pytest.raises(Ended), deferred():
            signal.raise_signal(number)
            steps.append("done")
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, usual)
    assert steps == ["done", "heard"]


def test_what_is_ignored_stays_ignored_and_what_the_block_raises_passes():
    usual = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(ArithmeticError), deferred():
            signal.raise_signal(signal.SIGTERM)
            raise ArithmeticError
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

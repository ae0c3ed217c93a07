"""The display of a training: a log that stays short, and whole names and scores on a narrow terminal."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import numbafc as fc
from numbafc.cli import display
from numbafc.nn import EpochRecord


def record(epoch, loss=0.1234, score=0.976):
    return EpochRecord(epoch, loss, score, loss, 0.965, 0.5, 100, 1e-3)


def logged(epochs, ran, seconds=0.0, monkeypatch=None):
    """The epochs whose lines a log has, of so many that ran, each of which took so long."""
    lines, now = [], [0.0]
    if monkeypatch is not None:
        monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    with display.Display(fc.MLP([2, 2]), epochs, Console(file=io.StringIO()), lines.append) as shown:
        for epoch in range(1, ran + 1):
            now[0] += seconds
            shown(record(epoch))
    return [int(re.match(r"epoch (\d+)/", line)[1]) for line in lines]


@given(st.integers(1, 30_000), st.floats(0, 1))
def test_a_log_has_a_bounded_number_of_lines_the_last_among_them(epochs, share):
    ran = max(1, round(share * epochs))
    told = logged(epochs, ran)
    assert len(told) <= 100 + 9 * len(str(epochs)) + 1
    assert told[: min(ran, 9)] == list(range(1, min(ran, 9) + 1))  # the beginning is seen at once
    assert told[0] == 1
    assert told[-1] == ran
    assert told == sorted(set(told))
    if ran == epochs <= 100:
        assert told == list(range(1, epochs + 1))


def test_ten_thousand_epochs_are_a_hundred_lines_and_slow_ones_a_line_a_minute(monkeypatch):
    assert logged(10_000, 10_000, 0.001, monkeypatch) == [*range(1, 10), *range(10, 100, 10), *range(100, 10_001, 100)]
    told = logged(10_000, 42, 25, monkeypatch)  # 60 seconds are over with each third
    assert told == [*range(1, 10), 10, 13, 16, 19, 20, 23, 26, 29, 30, 33, 36, 39, 40, 42]


def test_a_log_that_nobody_reads_at_its_end_is_no_fault():
    def broken(line):
        if "epoch 31/" in line:
            raise BrokenPipeError

    with display.Display(fc.MLP([2, 2]), 1000, Console(file=io.StringIO()), broken) as shown:
        for epoch in (1, 2, 31):
            shown(record(epoch))


def bar(width, epochs, loss_name="cross_entropy", **given_):
    """The line of a bar on a terminal of so many columns."""
    file = io.StringIO()
    console = Console(force_terminal=True, file=file, width=width, legacy_windows=False)
    shown = display.Display(fc.MLP([2, 2], loss=loss_name), epochs, console)
    shown(record(epochs // 2 or 1, **given_))
    console.print(shown.get_renderable())
    (line,) = file.getvalue().strip("\n").split("\n")
    return re.sub(r"\x1b\[[\d;?]*\w", "", line).rstrip()


@pytest.mark.parametrize("loss", [0.1234, 12.5, 999.9999, 1.23457e6])
@pytest.mark.parametrize("epochs", [20, 256, 1000])
def test_sixty_columns_show_whole_names_and_scores(epochs, loss):
    line = bar(60, epochs, loss=loss)
    assert len(line) <= 60
    assert line.startswith(f"{epochs // 2}/{epochs} ")
    whole = rf"loss {re.escape(display.decimal(loss))}, (accuracy 0\.976, )?validation 0\.965$"
    assert re.search(whole, line) or re.search(r"accuracy validation 0\.965$", line), line
    if loss < 10 and epochs < 100:
        assert re.search(r"--:-- loss 0\.1234, accuracy 0\.976, validation 0\.965$", line)


def test_reals_have_their_score_by_name():
    assert bar(60, 20, "mse", score=float("nan")).endswith("loss 0.1234, R² validation 0.965")


@given(st.integers(1, 200), st.integers(1, 10**6), st.floats(1e-6, 1e9))
def test_a_line_is_as_long_as_there_is_room_and_ends_with_the_validation_score(width, epochs, loss):
    line = bar(width, epochs, loss=loss)
    assert len(line) <= width
    if width >= 2 * len(str(epochs)) + 2 + len("validation 0.965"):
        assert line.endswith("validation 0.965")


def test_the_time_left_is_a_clock():
    times = {None: "--:--", 0.2: "00:00", 75: "01:15", 3600: "1:00:00", 360_000: "100:00:00"}
    assert {seconds: display._clock(seconds) for seconds in times} == times

from __future__ import annotations

import io
import re
import time
from itertools import count

import pytest

from llm2vec_core.cli import progress
from llm2vec_core.cli.progress import Meter, heartbeat


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_ten_seconds(capsys):
    now = 0.0
    with Meter(1000, clock=lambda: now) as meter:
        for done in range(100, 1000, 100):
            now += 4
            meter.update(done)
    assert capsys.readouterr().err.splitlines() == [
        "300 of 1,000 rows, 25 rows/s, 0:28 left",
        "600 of 1,000 rows, 25 rows/s, 0:16 left",
        "900 of 1,000 rows, 25 rows/s, 0:04 left",
    ]


def test_a_long_silence_is_broken(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.1)
    said = []
    with heartbeat(said.append, lambda: f"{len(said)} so far") as heard:
        for _ in range(10):
            time.sleep(0.03)
            heard()
        assert said == []
        time.sleep(0.35)
    assert said == ["0 so far", "1 so far", "2 so far"][: len(said)] and len(said) >= 2
    time.sleep(0.15)
    assert len(said) <= 3, "it ends with its block"


def test_rows_of_an_earlier_run_do_not_count_for_the_speed(capsys):
    clock = count(0, 10).__next__
    Meter(1_000_000, clock=lambda: float(clock())).update(500_000, 499_000)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"500,000 of 1,000,000 rows, \d{2} rows/s, \d+:\d\d:\d\d left", line)


def test_nobody_knows_how_long_standard_input_is(capsys):
    now = 0.0
    meter = Meter(clock=lambda: now)
    now = 20.0
    meter.update(40)
    assert capsys.readouterr().err == "40 rows, 2 rows/s\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet(monkeypatch, terminal):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    clock = count(0, 100).__next__
    with Meter(10, quiet=True, clock=lambda: float(clock())) as meter:
        meter.update(5)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with Meter(200) as meter:
        meter.update(50, 50)
        meter.update(200, 50)
    last = stream.getvalue().split("\r")[-1]
    assert "100%" in last
    assert "200/200" in last
    assert "rows/s" in last

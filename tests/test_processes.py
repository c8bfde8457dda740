"""Work in a process of its own: what it tells, its errors, its end, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from llm2vec_core.errors import InputError, WorkerError
from llm2vec_core.processes import count_down, how_it_ended, steps_in_process

pytestmark = pytest.mark.process


def goes_on(stopped):
    number = 0
    while not stopped():
        yield number
        number += 1
    return "heard"


def tells_where_it_is(stopped):
    yield os.getpid()


def fails(stopped, error):
    yield "before"
    raise error


def dies(stopped):
    yield "before"
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(autouse=True)
def none_is_left():
    yield
    assert multiprocessing.active_children() == []


def test_what_is_yielded_and_returned_comes_back():
    def outer():
        found.append((yield from steps_in_process(goes_on, stopped=lambda: len(seen) > 2)))

    seen: list[int] = []
    found: list[str] = []
    running = outer()
    while (item := next(running, None)) is not None:
        seen.append(item)
    assert seen == list(range(len(seen))) and len(seen) >= 3 and found == ["heard"]
    assert list(steps_in_process(count_down, 3)) == [3, 2, 1]


def test_it_runs_elsewhere():
    [pid] = steps_in_process(tells_where_it_is)
    assert pid != os.getpid()


def test_the_process_ends_with_its_consumer():
    running = steps_in_process(goes_on)
    assert next(running) == 0
    running.close()


def test_our_own_errors_arrive_as_they_are_and_others_by_name():
    running = steps_in_process(fails, InputError("7 is too many; at most 6"))
    assert next(running) == "before"
    with pytest.raises(InputError, match="7 is too many; at most 6"):
        next(running)
    with pytest.raises(RuntimeError, match=r"^KeyError: 'x'") as caught:
        list(steps_in_process(fails, KeyError("x")))
    assert "in fails\n" in caught.value.__notes__[0]


def test_a_process_that_dies_is_named():
    running = steps_in_process(dies)
    assert next(running) == "before"
    with pytest.raises(WorkerError, match="was killed by SIGKILL: if nobody did that, memory ran out"):
        next(running)
    assert how_it_ended(3) == "ended with exit code 3"

from __future__ import annotations

import threading

import pytest

from llm2vec_core.training.streaming import stream


def test_the_worker_never_runs_ahead_and_ends_with_its_consumer():
    done, ended = [], []

    def work(emit):
        for number in range(100):
            done.append(number)
            if not emit(number):
                ended.append(number)
                return

    numbers = stream(work)
    for number in numbers:
        assert done[-1] == number
        if number == 3:
            break
    numbers.close()
    assert (done, ended) == ([0, 1, 2, 3], [3])
    assert not any(thread.name == "stream" for thread in threading.enumerate())


def test_all_items_then_the_end():
    assert list(stream(lambda emit: [emit(i) for i in range(5)])) == [0, 1, 2, 3, 4]


def test_errors_arrive_where_the_items_do():
    def work(emit):
        emit(1)
        raise ValueError("no")

    items = stream(work)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no"):
        next(items)

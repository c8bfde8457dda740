from __future__ import annotations

import threading

import pytest

from llm2vec_core.threads import iterate_in_thread, reported, steps_in_thread, wait_in_thread


def test_the_worker_never_runs_ahead_and_ends_with_its_consumer():
    done, ended = [], []

    def work(emit):
        for number in range(100):
            done.append(number)
            if not emit(number):
                ended.append(number)
                return

    numbers = iterate_in_thread(work)
    for number in numbers:
        assert done[-1] == number
        if number == 3:
            break
    numbers.close()
    assert (done, ended) == ([0, 1, 2, 3], [3])
    assert not any(thread.name == "iterate_in_thread" for thread in threading.enumerate())


def test_all_items_then_the_end():
    assert list(iterate_in_thread(lambda emit: [emit(i) for i in range(5)])) == [0, 1, 2, 3, 4]


def test_errors_arrive_where_the_items_do():
    def work(emit):
        emit(1)
        raise ValueError("no")

    items = iterate_in_thread(work)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no"):
        next(items)


def test_the_consumer_has_a_turn_while_a_step_takes_long_and_the_steps_are_closed():
    free, closed = threading.Event(), []

    def slow():
        try:
            yield 1
            assert free.wait(60)
            yield 2
            yield 3
        finally:
            closed.append(threading.current_thread().name)

    found = steps_in_thread(slow(), every=0.01)
    assert [next(found), next(found), next(found)] == [1, None, None]
    free.set()
    assert next(step for step in found if step is not None) == 2
    found.close()
    assert closed == ["iterate_in_thread"]


def steps(work, **options):
    result = yield from wait_in_thread(work, **options)
    yield ("result", result)


def test_the_time_is_told_until_the_result_is_there():
    free = threading.Event()
    going = steps(lambda: free.wait(10), every=0.01)
    passed = [next(going) for _ in range(3)]
    assert passed == sorted(passed)
    free.set()
    assert list(going)[-1] == ("result", True)


def test_it_is_not_waited_for_longer_than_the_limit():
    free = threading.Event()
    with pytest.raises(TimeoutError, match="no result after 0 seconds"):
        list(steps(lambda: free.wait(10), every=0.01, limit=0.05))
    free.set()


@pytest.mark.parametrize("error", [ValueError, TimeoutError, KeyboardInterrupt])
def test_what_the_work_raises_is_raised_whatever_it_is(error):
    def work():
        raise error("mine")

    with pytest.raises(error, match="mine"):
        list(steps(work, every=0.01))


def test_of_what_is_reported_only_as_much_is_told_as_was_asked_for():
    def work(report):
        for number in range(3):
            report(number)
        return "done"

    def told(every):
        result = yield from reported(work, every)
        yield result

    assert list(told(0)) == [0, 1, 2, "done"]
    assert list(told(3600)) == ["done"]


def test_work_whose_consumer_has_left_ends_with_its_next_report():
    done = []

    def work(report):
        for number in range(100):
            done.append(number)
            report(number)

    steps = reported(work, 0)
    assert [next(steps), next(steps)] == [0, 1]
    steps.close()
    assert done == [0, 1]
    assert not any(thread.name == "iterate_in_thread" for thread in threading.enumerate())


def test_what_reported_work_raises_is_raised():
    def work(report):
        report(1)
        raise ValueError("no")

    steps = reported(work, 0)
    assert next(steps) == 1
    with pytest.raises(ValueError, match="no"):
        next(steps)

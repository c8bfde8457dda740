from __future__ import annotations

import copy
import sys
import threading

import numpy as np
import pytest

from llm2vec_core.cache import UNLIMITED, Cache, Limit, size_of


def in_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_threads_that_ask_at_once_wait_for_one_computation():
    cache, computed, found = Cache(), [], []

    def compute():
        computed.append(1)
        return object()

    in_threads(8, lambda: found.append(cache.get(("thing",), compute)))
    assert len(computed) == 1
    assert len(set(map(id, found))) == 1
    assert cache.pending == 0


def test_unrelated_computations_do_not_wait_for_each_other_and_may_nest():
    cache, inside, go_on = Cache(), threading.Event(), threading.Event()
    slow = threading.Thread(target=lambda: cache.get(("slow",), lambda: (inside.set(), go_on.wait(10))))
    slow.start()
    assert inside.wait(10)
    assert cache.get(("outer",), lambda: cache.get(("inner",), lambda: 1) + 1) == 2
    go_on.set()
    slow.join(10)
    assert list(cache) == [("inner",), ("outer",), ("slow",)]


def test_the_one_unused_longest_goes_first_and_only_in_its_family():
    cache = Cache({"a": Limit(entries=2)})
    for key in (("a", 1), ("b", 1), ("a", 2), ("a", 1), ("a", 3)):
        cache.get(key, lambda key=key: key)
    assert [key in cache for key in (("a", 1), ("a", 2), ("a", 3), ("b", 1))] == [True, False, True, True]
    assert cache.peek(("a", 1)) == ("a", 1)  # used again, so the other one goes
    cache.put(("a", 4), 4)
    assert [key[1] for key in cache if key[0] == "a"] == [1, 4]
    assert cache.peek(("a", 3)) is None


def test_bytes_are_bounded_by_family_and_what_is_too_large_is_returned_only():
    cache = Cache({"a": Limit(entries=None, megabytes=1)})
    for number in range(5):
        cache.get(("a", number), lambda: np.zeros(2**18, dtype=np.uint8))  # a quarter
    assert list(cache) == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    huge = cache.get(("a", "huge"), lambda: np.zeros(2**20 + 1, dtype=np.uint8))
    assert huge.nbytes == 2**20 + 1
    assert list(cache) == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    cache.put(("a", 1), np.zeros(2**20, dtype=np.uint8))
    assert list(cache) == [("a", 1)]


def test_what_has_no_limit_stays():
    cache = Cache({"weights": UNLIMITED}, Limit(entries=3))
    for number in range(100):
        cache.get(("weights", number), lambda: 1)
        cache.get(("other", number), lambda: 1)
    assert sum(key[0] == "weights" for key in cache) == 100
    assert len(cache) == 103


def fail():
    raise ZeroDivisionError


def test_errors_leave_neither_result_nor_lock():
    cache = Cache()
    for number in range(105):
        with pytest.raises(ZeroDivisionError):
            cache.get(("x", number), fail)
    assert (len(cache), cache.pending) == (0, 0)
    assert cache.get(("x", 1), lambda: 1) == 1
    assert cache.pending == 0


def test_a_thread_that_waited_for_an_error_computes_itself():
    cache, inside, found = Cache(), threading.Event(), []

    def first():
        inside.set()
        waiting.wait(10)
        raise ZeroDivisionError

    def fails():
        with pytest.raises(ZeroDivisionError):
            cache.get(("x",), first)
        found.append("failed")

    waiting = threading.Event()
    one = threading.Thread(target=fails)
    one.start()
    assert inside.wait(10)
    other = threading.Thread(target=lambda: found.append(cache.get(("x",), lambda: "made")))
    other.start()
    while cache._pending[("x",)].threads < 2:
        pass
    waiting.set()
    one.join(10)
    other.join(10)
    assert set(found) == {"failed", "made"}
    assert cache.pending == 0


def test_what_is_discarded_is_computed_again_even_if_it_was_being_computed():
    cache = Cache()
    cache.get(("y", ("mini", "user")), lambda: 2)
    cache.get(("z",), lambda: 3)

    def compute():
        cache.discard("user")
        return "old"

    assert cache.get(("x", "user"), compute) == "old"
    assert list(cache) == [("z",)]
    assert cache.pending == 0
    cache.discard_where(lambda key: key[0] == "z")
    assert len(cache) == 0


def test_a_copy_starts_empty_with_the_same_limits():
    cache = Cache({"a": Limit(entries=1)})
    cache.get(("a", 1), lambda: 1)
    copied = copy.deepcopy(cache)
    assert ("a", 1) not in copied
    copied.get(("a", 2), lambda: 1)
    copied.get(("a", 3), lambda: 1)
    assert list(copied) == [("a", 3)]


def test_sizes_are_those_of_numpy_and_torch():
    import torch

    rows, tensor = np.zeros((3, 5)), torch.zeros(7, dtype=torch.float16)

    class Holder:
        def __init__(self):
            self.rows, self.again, self.parts = rows, self, [tensor, rows.T]

    assert size_of(Holder()) == rows.nbytes * 2 + tensor.element_size() * tensor.numel()
    assert size_of(b"abc") == sys.getsizeof(b"abc") - sys.getsizeof(b"")

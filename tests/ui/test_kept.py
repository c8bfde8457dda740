from __future__ import annotations

import copy
import threading

import pytest

from llm2vec_core.ui.kept import Kept


def test_many_who_ask_at_once_wait_for_one():
    kept, made, found = Kept(), [], []

    def make():
        made.append(1)
        return object()

    threads = [threading.Thread(target=lambda: found.append(kept.once(("thing",), make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_the_one_unused_longest_goes_first_and_only_in_its_family():
    kept = Kept({"a": 2})
    for key in (("a", 1), ("b", 1), ("a", 2), ("a", 1), ("a", 3)):
        kept.once(key, lambda key=key: key)
    assert [key in kept for key in (("a", 1), ("a", 2), ("a", 3), ("b", 1))] == [True, False, True, True]


def test_what_failed_is_not_kept_and_what_is_forgotten_is_made_again():
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.once(("x",), lambda: 1 / 0)
    assert kept.once(("x",), lambda: 1) == 1
    kept.once(("y", ("mini", "own")), lambda: 2)
    kept.forget("own")
    assert ("y", ("mini", "own")) not in kept
    assert ("x",) in kept


def test_a_copy_starts_empty():
    kept = Kept({"a": 1})
    kept.once(("a", 1), lambda: 1)
    copied = copy.deepcopy(kept)
    assert ("a", 1) not in copied
    copied.once(("a", 2), lambda: 1)
    copied.once(("a", 3), lambda: 1)
    assert ("a", 2) not in copied

from __future__ import annotations

import threading

import pytest
import torch

from llm2vec_core.ui import cores as cores_module
from llm2vec_core.ui.cores import Cores


def test_whoever_is_alone_has_all_cores_and_several_share_them():
    cores, before = Cores(4), torch.get_num_threads()
    found = []

    def answer() -> None:
        with cores.shared():
            found.append(torch.get_num_threads())

    with cores.shared():
        assert torch.get_num_threads() == 4
        for _ in range(2):
            other = threading.Thread(target=answer)
            with cores.shared():
                other.start()
                other.join()
    answer()
    assert found == [1, 1, 4]
    assert torch.get_num_threads() == before


def test_a_failed_answer_gives_its_share_back():
    cores = Cores(2)
    for _ in range(3):
        with pytest.raises(ValueError), cores.shared():
            raise ValueError
    with cores.shared():
        assert torch.get_num_threads() == 2


def answers(cores: Cores, count: int) -> tuple[threading.Semaphore, threading.Event, list[threading.Thread]]:
    """Answers in threads: released when one begins, set to let all end, and the threads."""
    begun, end = threading.Semaphore(0), threading.Event()

    def answer() -> None:
        with cores.answering():
            begun.release()
            assert end.wait(60)

    threads = [threading.Thread(target=answer) for _ in range(count)]
    for thread in threads:
        thread.start()
    return begun, end, threads


def test_as_many_answers_compute_as_there_are_cores(monkeypatch):
    monkeypatch.setattr(cores_module, "PATIENCE_SECONDS", 600)
    begun, end, threads = answers(Cores(2), 5)
    assert begun.acquire(timeout=60) and begun.acquire(timeout=60)
    assert not begun.acquire(timeout=0.1)
    end.set()
    assert all(begun.acquire(timeout=60) for _ in range(3))
    for thread in threads:
        thread.join()


def test_two_that_take_for_ever_do_not_keep_the_others_out(monkeypatch):
    monkeypatch.setattr(cores_module, "PATIENCE_SECONDS", 0.01)
    cores = Cores(2)
    begun, end, threads = answers(cores, 4)
    assert all(begun.acquire(timeout=60) for _ in range(4))
    end.set()
    for thread in threads:
        thread.join()
    # Whoever had no place gave none back.
    monkeypatch.setattr(cores_module, "PATIENCE_SECONDS", 600)
    begun, end, threads = answers(cores, 3)
    assert begun.acquire(timeout=60) and begun.acquire(timeout=60)
    assert not begun.acquire(timeout=0.1)
    end.set()
    for thread in threads:
        thread.join()


def test_one_core_is_left_as_it_is(monkeypatch):
    changed = []
    monkeypatch.setattr(torch, "set_num_threads", changed.append)
    with Cores(1).shared():
        assert changed == []
    assert changed == []

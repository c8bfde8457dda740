from __future__ import annotations

import threading

import pytest
import torch

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


def test_one_core_is_left_as_it_is(monkeypatch):
    changed = []
    monkeypatch.setattr(torch, "set_num_threads", changed.append)
    with Cores(1).shared():
        assert changed == []
    assert changed == []

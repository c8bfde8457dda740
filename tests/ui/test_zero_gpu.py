"""Without a lent GPU; ``tests/compat/test_zero_gpu.py`` is about one."""

from __future__ import annotations

from llm2vec_core.ui import zero_gpu


def test_without_a_loan_the_steps_run_right_here():
    def steps():
        seen.append((yield "first"))
        return "result"

    seen, found = [], []

    def consumer():
        found.append((yield from zero_gpu.on_lent_gpu(steps, [], 0)))

    assert list(consumer()) == ["first"]
    assert (seen, found) == ([None], ["result"])

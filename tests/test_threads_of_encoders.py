"""Several threads over the same weights: views, prefix tests, encodings, loads. Each gets what it would get alone."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers.utils import logging as transformers_logging

from llm2vec_core import loading
from llm2vec_core.architectures.tiny import quiet
from llm2vec_core.encoder import LLM2Vec

BASE = Path(__file__).parent / "data" / "reference" / "models" / "llama"
TEXTS = ["A river bank is muddy.", "The bank was robbed.", "boat"]
LOGGERS = ("transformers.modeling_utils", "transformers.distributed.tensor_parallel", "transformers")


@pytest.fixture(autouse=True)
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*jobs: Callable[[], None]) -> None:
    """Run the jobs at the same time, each in a thread; raise what one of them raises."""
    errors, start = [], threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait()
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def repeated(job: Callable[[], None], times: int) -> None:
    for _ in range(times):
        job()


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_a_prefix_test_beside_a_first_encode_leaves_no_hooks():
    base = LLM2Vec.from_pretrained(BASE)
    expected = base.encode(TEXTS)
    for _ in range(20):
        encoder, reports, vectors = base.view(bidirectional=False).view(bidirectional=True), [], []
        together(
            lambda e=encoder, r=reports: r.append(e.prefix_test()),
            lambda e=encoder, v=vectors: v.append(e.encode(TEXTS)),
            lambda e=encoder, v=vectors: v.append(e.view(bidirectional=False).view(bidirectional=True).encode(TEXTS)),
        )
        assert reports[0].is_bidirectional
        assert hooks(encoder.model) == hooks(encoder._fast_model) == 0
        for found in vectors:
            np.testing.assert_array_equal(found, expected)


def test_a_prefix_test_leaves_the_model_s_mode_alone_while_it_runs(monkeypatch):
    """Somebody may be training it: dropout must not be off for a moment."""
    encoder, seen = LLM2Vec.from_pretrained(BASE), []
    encoder.model.train()
    original = nn.Module.__call__

    def watching(self, *args, **kwargs):
        seen.append(encoder.model.training)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", watching)
    assert encoder.prefix_test().is_bidirectional
    assert seen and all(seen)


def test_overlapping_loads_leave_loggers_and_default_dtype_as_they_were():
    before = [logging.getLogger(name).level for name in LOGGERS], torch.get_default_dtype()
    jobs = [lambda d=d: LLM2Vec.from_pretrained(BASE, dtype=d) for d in ("float32", "bfloat16", "float16") * 2]
    together(*jobs)
    assert ([logging.getLogger(name).level for name in LOGGERS], torch.get_default_dtype()) == before


def test_one_load_at_a_time():
    inside, most = [], []

    def load() -> None:
        with loading._without_load_report():
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.pop()

    together(*[load] * 6)
    assert max(most) == 1


def test_quiet_in_several_threads_gives_back_what_was():
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()

    def one(pause: float) -> None:
        for _ in range(10):
            with quiet():
                assert transformers_logging.get_verbosity() == logging.ERROR
                threading.Event().wait(pause)

    together(*[lambda p=p: one(p) for p in (0.001, 0.002, 0.003)])
    assert (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()) == before


def test_stress():
    """Eight threads, everything that an encoder does, on two bases of the same file."""
    base = LLM2Vec.from_pretrained(BASE)
    causal = base.view(bidirectional=False)
    open_vectors, causal_vectors = base.encode(TEXTS), causal.encode(TEXTS)
    weights, states = base.attentions(TEXTS[0]).weights, causal.token_states(TEXTS[0]).hidden_states
    shared = base.view(bidirectional=False).view(bidirectional=True)

    def encodes() -> None:
        np.testing.assert_array_equal(shared.encode(TEXTS), open_vectors)

    def flips() -> None:
        np.testing.assert_array_equal(shared.view(bidirectional=False).encode(TEXTS), causal_vectors)

    def tests() -> None:
        assert shared.prefix_test().is_bidirectional
        assert causal.prefix_test().is_causal

    def looks() -> None:
        np.testing.assert_allclose(shared.attentions(TEXTS[0]).weights, weights, atol=1e-6)
        np.testing.assert_allclose(causal.token_states(TEXTS[0]).hidden_states, states, atol=1e-6)

    def loads() -> None:
        np.testing.assert_array_equal(LLM2Vec.from_pretrained(BASE).encode(TEXTS), open_vectors)
        LLM2Vec.from_pretrained(BASE, dtype="bfloat16")

    times = {encodes: 10, flips: 5, tests: 5, looks: 5, loads: 3}
    jobs = [encodes, encodes, flips, tests, tests, looks, loads, loads]
    together(*[partial(repeated, job, times[job]) for job in jobs])
    for model in (base.model, causal.model, shared.model, shared._fast_model):
        # Those of token_states and attentions are transformers' own, one set a model.
        assert not any("_recorded" in hook.__qualname__ for m in model.modules() for hook in m._forward_hooks.values())

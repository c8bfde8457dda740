from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from llm2vec_core.training.pretraining.loop import (
    OPTIMIZERS,
    Optimizers,
    PretrainConfig,
    batches,
    held_out_perplexity,
    language_model_loss,
    model_config,
    pretrain,
)

CONFIG = PretrainConfig(steps=12, warmup_steps=2, decay_steps=4, batch_size=2, sequence_length=16, learning_rate=3e-3)


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(model_config(64, hidden_size=64, layers=2, heads=2, context_length=32))


@pytest.fixture
def ids() -> np.ndarray:
    # A language that can be learned: each token is followed by its successor.
    return (np.arange(2000) % 60 + 4).astype(np.uint16)


def test_it_learns(ids, tmp_path):
    model = tiny()
    before = held_out_perplexity(model, ids, 16)
    report = pretrain(model, ids, ids, CONFIG, tmp_path, log_every=4, save_every=6)
    assert report["valid_perplexity"] < 0.8 * before
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(ids, tmp_path, monkeypatch, optimizer):
    config = replace(CONFIG, optimizer=optimizer)
    whole = tiny()
    pretrain(whole, ids, ids, config, tmp_path / "whole", save_every=6)

    import llm2vec_core.training.pretraining.loop as loop

    class Killed(Exception):
        pass

    calls = []

    def dies_after_eight(model, batch, precision):
        calls.append(1)
        if len(calls) > 8 and model.training:
            raise Killed
        return original(model, batch, precision)

    original = loop.language_model_loss
    monkeypatch.setattr(loop, "language_model_loss", dies_after_eight)
    with pytest.raises(Killed):
        pretrain(tiny(), ids, ids, config, tmp_path / "cut", save_every=3)
    monkeypatch.setattr(loop, "language_model_loss", original)
    resumed = tiny()
    pretrain(resumed, ids, ids, config, tmp_path / "cut", save_every=3)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_muon_trains_the_layers_matrices_and_adamw_the_rest():
    model = tiny()
    muon, adamw = Optimizers(model, replace(CONFIG, optimizer="muon")).all
    trained = [{id(p) for group in one.param_groups for p in group["params"]} for one in (muon, adamw)]
    assert trained[0] == {id(p) for p in model.model.layers.parameters() if p.ndim == 2}
    assert not trained[0] & trained[1]
    assert trained[0] | trained[1] == {id(p) for p in model.parameters()}


def test_batches_cover_an_epoch_once_and_depend_on_the_step_alone(ids):
    stream = batches(ids, CONFIG, 0)
    first = [next(stream) for _ in range(10)]
    again = batches(ids, CONFIG, 7)
    assert torch.equal(next(again), first[7])
    rows_per_epoch = (len(ids) - 1) // 16 // 2
    stream = batches(ids + np.arange(2000, dtype=np.uint16) * 0, CONFIG, 0)
    starts = [tuple(row[:3].tolist()) for _ in range(rows_per_epoch) for row in next(stream)]
    assert len(starts) == rows_per_epoch * 2


def test_too_few_tokens_are_named():
    with pytest.raises(ValueError, match="holds 10 tokens"):
        next(batches(np.zeros(10, dtype=np.uint16), CONFIG, 0))


def test_schedule():
    config = PretrainConfig(steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
    rates = [config.learning_rate_at(s) for s in range(100)]
    assert rates[9:81] == [1.0] * 72
    assert rates[-1] == pytest.approx(0.05)
    with pytest.raises(ValueError, match="exceed steps"):
        PretrainConfig(steps=10, warmup_steps=6, decay_steps=6)


def test_perplexity_of_a_model_that_knows_nothing_is_the_size_of_the_vocabulary():
    model = tiny()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert held_out_perplexity(model, np.arange(64, dtype=np.uint16), 16) == pytest.approx(64.0, rel=1e-4)


def test_in_bfloat16_the_loss_is_nearly_that_of_float32_and_the_weights_stay_float32(ids, tmp_path):
    model = tiny()
    batch = next(batches(ids, CONFIG, 0))
    exact, rough = (language_model_loss(model, batch, precision).item() for precision in ("float32", "bfloat16"))
    assert exact != rough
    assert rough == pytest.approx(exact, rel=0.01)
    before = held_out_perplexity(model, ids, 16)
    report = pretrain(model, ids, ids, replace(CONFIG, precision="bfloat16"), tmp_path)
    assert report["valid_perplexity"] < 0.8 * before
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    with pytest.raises(ValueError, match="unknown precision 'int4'; choose one of float32, bfloat16"):
        PretrainConfig(precision="int4")
    with pytest.raises(ValueError, match="unknown optimizer 'sgd'; choose one of adamw, muon"):
        PretrainConfig(optimizer="sgd")

from __future__ import annotations

import pytest
import torch

from llm2vec_core.batching import TokenizedText, collate
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.gradient_cache import cached_loss
from llm2vec_core.training.lora import add_lora
from llm2vec_core.training.losses import contrastive_loss
from llm2vec_core.training.objectives import SimCSE
from tests.conftest import tiny_llama

ROWS = [TokenizedText(tuple(range(1 + i, 6 + i + i % 3))) for i in range(6)]


@pytest.fixture
def trained():
    peft = add_lora(tiny_llama(attention_dropout=0.3).double(), TrainingConfig(lora_rank=4, lora_dropout=0.2))
    torch.manual_seed(1)
    parameters = [p for p in peft.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter in parameters:
            parameter.data = (
                torch.randn_like(parameter, dtype=torch.float64) * 0.1
            )  # a fresh adapter's second matrix is zero, and so half of its gradients
    return peft.get_base_model(), parameters


def embed_with(model):
    def embed(rows):
        batch = collate(rows, 0, model.device)
        batch.pop("pooling_mask")
        return model(**batch, use_cache=False).last_hidden_state.mean(dim=1)

    return embed


def contrast(views):
    return contrastive_loss(views[0], views[1], views[2] if len(views) > 2 else None)


def gradients(loss, parameters, scale=1.0):
    for parameter in parameters:
        parameter.grad = None
    (loss * scale).backward()
    return [parameter.grad.clone() for parameter in parameters]


@pytest.mark.parametrize("training", [False, True], ids=["no dropout", "dropout"])
@pytest.mark.parametrize("chunk_size", [1, 4, 64])
def test_gradients_are_those_of_the_plain_loss(trained, chunk_size, training):
    model, parameters = trained
    model.train(training)
    embed, views = embed_with(model), [ROWS, ROWS[::-1], ROWS[:4]]
    torch.manual_seed(7)
    chunks = [[v[i : i + chunk_size] for i in range(0, len(v), chunk_size)] for v in views]
    plain = contrast([torch.cat([embed(chunk) for chunk in view]) for view in chunks])
    after_plain = torch.rand(1)
    expected = gradients(plain, parameters, scale=3.0)
    torch.manual_seed(7)
    cached = cached_loss(embed, views, contrast, parameters, chunk_size)
    after_cached = torch.rand(1)
    found = gradients(cached, parameters, scale=3.0)
    torch.testing.assert_close(cached, plain)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert max(g.abs().max() for g in expected) > 1e-3
    assert torch.equal(after_plain, after_cached)


def test_the_backward_pass_leaves_the_random_state_alone(trained):
    model, parameters = trained
    model.train()
    loss = cached_loss(embed_with(model), [ROWS, ROWS], contrast, parameters, 4)
    before = torch.get_rng_state()
    loss.backward()
    assert torch.equal(torch.get_rng_state(), before)


def test_only_a_chunk_is_kept_for_the_backward_pass(trained):
    model, parameters = trained
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    def saved_by(loss):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss()
        return sum(kept)

    embed = embed_with(model)
    plain = saved_by(lambda: contrast([embed(ROWS), embed(ROWS)]))
    cached = saved_by(lambda: cached_loss(embed, [ROWS, ROWS], contrast, parameters, 2))
    assert cached < plain / 10


def test_an_objective_with_chunks_has_the_same_gradients(bundled, trained):
    """The whole road, dropout off: rows in, gradients out."""
    model, parameters = trained
    results = []
    for chunk_size in (None, 4):
        objective = SimCSE(attention_dropout=0.0, chunk_size=chunk_size)
        objective.bind(model, bundled.tokenizer)
        model.eval()
        torch.manual_seed(0)
        rows = [TokenizedText(tuple(t % 97 for t in row.input_ids)) for row in ROWS]
        results.append(gradients(objective.loss(model, rows, torch.Generator()), parameters))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-12)

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from llm2vec_core.batching import TokenizedText
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.training.objectives.mntp import IGNORED, MNTP, mask_token_id, mask_tokens, mntp_loss
from tests.conftest import tiny_llama


def test_the_label_at_i_is_predicted_from_the_state_at_i_minus_1():
    """Closed form: the state at position p is the unit vector of token p + 1, the head is 100 x identity."""
    states = 100.0 * torch.eye(5)[1:].unsqueeze(0)  # (1, 4, 5): position p predicts token p + 1
    head = nn.Identity()
    right = torch.tensor([[IGNORED, 1, 2, IGNORED]])
    assert mntp_loss(states, right, head).item() == pytest.approx(0.0, abs=1e-6)
    shifted = torch.tensor([[IGNORED, 2, 3, IGNORED]])
    assert mntp_loss(states, shifted, head).item() == pytest.approx(100.0, abs=1e-3)


def test_a_label_at_position_0_is_never_used():
    states = 100.0 * torch.eye(5)[1:].unsqueeze(0)
    labels = torch.tensor([[4, 1, IGNORED, IGNORED]])
    assert mntp_loss(states, labels, nn.Identity()).item() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(TrainingError, match="too short"):
        mntp_loss(states, torch.tensor([[4, IGNORED, IGNORED, IGNORED]]), nn.Identity())


def test_masking_shares():
    ids = torch.full((200, 100), 7)
    maskable = torch.ones_like(ids, dtype=torch.bool)
    corrupted, labels = mask_tokens(
        ids, maskable, probability=0.2, mask_id=3, vocab_size=1000, generator=torch.Generator().manual_seed(0)
    )
    chosen = labels != IGNORED
    assert not chosen[:, 0].any()
    assert chosen[:, 1:].float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(corrupted[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert (corrupted[chosen] == 3).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (corrupted[chosen] == 7).float().mean().item() == pytest.approx(0.1, abs=0.02)


def test_what_may_not_be_masked_is_not_and_one_token_always_is():
    ids = torch.arange(10).repeat(50, 1)
    maskable = torch.zeros_like(ids, dtype=torch.bool)
    maskable[:, 4] = True
    for seed in range(20):
        _, labels = mask_tokens(
            ids, maskable, probability=0.001, mask_id=3, vocab_size=10, generator=torch.Generator().manual_seed(seed)
        )
        columns = (labels != IGNORED).nonzero()[:, 1]
        assert len(columns) >= 1
        assert set(columns.tolist()) == {4}


def test_the_same_generator_gives_the_same_masks(bundled):
    objective = MNTP()
    objective.bind(bundled.model, bundled.tokenizer)
    rows = bundled.tokenize(["The bank was steep and muddy.", "A river flows to the sea."])
    with torch.no_grad():
        first, second, other = (
            objective.loss(bundled.model, rows, torch.Generator().manual_seed(seed)).item() for seed in (1, 1, 2)
        )
    assert first == second != other


def test_special_tokens_and_padding_are_never_predicted(bundled):
    objective = MNTP(mask_probability=0.99)
    objective.bind(bundled.model, bundled.tokenizer)
    with pytest.raises(TrainingError):
        objective.loss(bundled.model, [TokenizedText((1,)), TokenizedText((1, 2))], torch.Generator())


def test_mask_token_falls_back_to_the_underscore(bundled):
    assert mask_token_id(bundled.tokenizer) == bundled.tokenizer.convert_tokens_to_ids("<mask>")
    plain = PreTrainedTokenizerFast(tokenizer_object=bundled.tokenizer.backend_tokenizer)
    assert plain.decode([mask_token_id(plain)]).strip() == "_"


def test_always_the_mask():
    ids = torch.full((20, 50), 7)
    corrupted, labels = mask_tokens(
        ids, torch.ones_like(ids, dtype=torch.bool), probability=0.8, mask_id=3, vocab_size=1000,
        generator=torch.Generator().manual_seed(0), always_mask=True,
    )  # fmt: skip
    chosen = labels != IGNORED
    assert set(corrupted[chosen].tolist()) == {3} and set(corrupted[~chosen].tolist()) == {7}
    assert chosen[:, 1:].float().mean().item() == pytest.approx(0.8, abs=0.03)


def test_a_foreign_tokenizers_mask_token_is_refused(bundled):
    with pytest.raises(InputError, match="lies beyond the model's 3 embeddings"):
        MNTP().bind(tiny_llama(vocab_size=3), bundled.tokenizer)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1])
def test_probability_out_of_range(probability):
    with pytest.raises(InputError, match="mask_probability"):
        MNTP(mask_probability=probability)

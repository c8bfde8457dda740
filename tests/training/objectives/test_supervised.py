from __future__ import annotations

import math

import pytest
import torch

from llm2vec_core.errors import InputError
from llm2vec_core.training.losses import contrastive_loss
from llm2vec_core.training.objectives import Supervised
from llm2vec_core.training.pairs import Pair

PAIRS = [
    Pair("Why do rivers flood?", "Heavy rain raises a river.", "A bank lends money."),
    Pair("What burns in a star?", "Hydrogen fuses in its core."),
    Pair("Who robbed the bank?", "Two men with masks did.", "The bank was steep."),
]


@pytest.fixture
def objective(bundled):
    found = Supervised()
    found.bind(bundled.model, bundled.tokenizer)
    return found


def loss_of(objective, encoder, pairs):
    with torch.no_grad():
        return objective.loss(encoder.model, objective.tokenize(encoder, pairs), torch.Generator()).item()


def test_the_loss_is_that_of_what_encode_gives(bundled, objective):
    queries, positives = (
        torch.from_numpy(bundled.encode([getattr(p, n) for p in PAIRS])) for n in ("query", "positive")
    )
    negatives = torch.from_numpy(bundled.encode([p.negative for p in PAIRS if p.negative]))
    expected = contrastive_loss(queries, positives, negatives, scale=50.0).item()
    assert loss_of(objective, bundled, PAIRS) == pytest.approx(expected, abs=1e-4)
    bare = [Pair(p.query, p.positive) for p in PAIRS]
    expected = contrastive_loss(queries, positives, scale=50.0).item()
    assert loss_of(objective, bundled, bare) == pytest.approx(expected, abs=1e-4)


def test_an_instruction_is_read_and_not_pooled(bundled, objective):
    pairs = [Pair("Why do rivers flood?", "Rain.", instruction="Retrieve an answer:", task="qa"), PAIRS[1]]
    rows = objective.tokenize(bundled, pairs)
    assert rows[0].query.pooling_start > 0 and rows[0].positive.pooling_start == 0
    assert rows[1].query.pooling_start == 0
    both = objective.tokenize(bundled, [Pair("a b", "c d", "e f", "Same meaning:", "Same meaning:")])[0]
    assert both.positive.pooling_start == both.negative.pooling_start == both.query.pooling_start > 0


def test_copies_of_a_positive_are_no_negatives(bundled):
    """Two queries with one and the same positive: with copies left out, each has nothing to fear but the other."""
    pairs = [Pair("river", "The stream."), Pair("brook", "The stream.")]
    careful, published = Supervised(), Supervised(skip_copies=False)
    for objective in (careful, published):
        objective.bind(bundled.model, bundled.tokenizer)
    assert loss_of(careful, bundled, pairs) == pytest.approx(0.0, abs=1e-6)
    assert loss_of(published, bundled, pairs) == pytest.approx(math.log(2), abs=1e-4)


def test_the_texts_are_read_in_the_encoders_template(bundled, objective):
    echo = bundled.with_settings(template="echo")
    (row,) = objective.tokenize(echo, PAIRS[:1])
    assert row.positive.input_ids == echo.tokenize([PAIRS[0].positive])[0].input_ids
    assert row.positive.pooling_start > 0


def test_tokens_are_left_out_in_training_alone(bundled, objective):
    noisy = Supervised(token_dropout=0.5)
    noisy.bind(bundled.model, bundled.tokenizer)
    rows = noisy.tokenize(bundled, PAIRS)
    whole = objective.views(rows, torch.Generator())
    views = noisy.views(rows, torch.Generator().manual_seed(0))
    lengths = [[len(text.input_ids) for text in view] for view in views]
    assert [len(view) for view in lengths] == [3, 3, 2]
    assert sum(map(sum, lengths)) < 0.8 * sum(len(text.input_ids) for view in whole for text in view)
    with torch.no_grad():
        assert noisy.views(rows, torch.Generator()) == whole
    assert loss_of(noisy, bundled, PAIRS) == loss_of(objective, bundled, PAIRS)


@pytest.mark.parametrize(
    "option",
    [{"scale": 0.0}, {"scale": float("nan")}, {"chunk_size": 0}, {"pooling_mode": "max"}, {"token_dropout": 1.0}],
)
def test_options_out_of_range(option):
    with pytest.raises(InputError, match=next(iter(option))):
        Supervised(**option)


def test_blank_pairs_are_not_usable():
    assert Supervised().is_usable(PAIRS[0])
    assert not Supervised().is_usable(Pair("query", "  "))

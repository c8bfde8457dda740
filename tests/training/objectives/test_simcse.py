from __future__ import annotations

import math

import pytest
import torch

from llm2vec_core.bidirectional import make_bidirectional, shared_weights_view
from llm2vec_core.errors import InputError
from llm2vec_core.training.objectives.simcse import SimCSE

TEXTS = ["The bank was steep.", "Rain fell all night.", "A train left the station."]


@pytest.fixture
def model(bundled):
    view = shared_weights_view(bundled.causal_model)
    make_bidirectional(view)
    return view


def test_without_noise_the_views_are_equal_and_the_loss_is_that_of_the_cosines(bundled, model):
    objective = SimCSE(attention_dropout=0.0, scale=20.0)
    objective.bind(model, bundled.tokenizer)
    unit = torch.from_numpy(bundled.encode(TEXTS, normalize=True))
    expected = torch.nn.functional.cross_entropy(20.0 * unit @ unit.T, torch.arange(3)).item()
    model.train()
    with torch.no_grad():
        loss = objective.loss(model, bundled.tokenize(TEXTS), torch.Generator()).item()
    assert loss == pytest.approx(expected, abs=1e-4)
    assert loss < math.log(3)


@pytest.mark.parametrize("noise", [{"attention_dropout": 0.3}, {"hidden_dropout": 0.2}, {"token_dropout": 0.4}])
def test_each_noise_parts_the_views(bundled, model, noise):
    objective = SimCSE(**{"attention_dropout": 0.0, **noise})
    objective.bind(model, bundled.tokenizer)
    model.train()
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    with torch.no_grad():
        a, b = (objective.embed(model, view) for view in objective.views(bundled.tokenize(TEXTS), generator))
    assert (a - b).abs().max() > 1e-3


@pytest.mark.parametrize(
    "option", [{"chunk_size": 0}, {"attention_dropout": 1.0}, {"hidden_dropout": -0.1}, {"scale": 0.0}]
)
def test_options_out_of_range(option):
    with pytest.raises(InputError, match=next(iter(option))):
        SimCSE(**option)

from __future__ import annotations

import pytest
import torch

from llm2vec_core import LLM2Vec, ModelError
from llm2vec_core.presets import BUNDLED, PRESETS
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.memory import VIEWS, refuse_untrainable, training_bytes
from llm2vec_core.training.objectives import make_objective
from llm2vec_core.training.pairs import Pair


@pytest.mark.parametrize("objective", list(VIEWS))
def test_the_estimate_is_above_what_is_kept_and_not_far(objective):
    encoder = LLM2Vec.from_preset("mini:bidirectional")
    texts = [f"river water {i} " * 30 for i in range(4)]
    examples = [Pair(t, t + "x", t + "y") for t in texts] if objective == "supervised" else texts
    config = TrainingConfig(steps=1, batch_size=4, max_length=32, lora_rank=8)
    training = AdapterTraining(encoder, make_objective(objective, {}), examples, config)
    own = {tensor.untyped_storage().data_ptr() for tensor in training.model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    training.model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        training.loss(training.batch(0), 0)
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    counted += 5 * sum(p.numel() * 4 for p in training.parameters)
    estimate = training_bytes(BUNDLED.parameters, encoder.model.config, config, objective, loaded=True)
    assert counted < estimate < 2.5 * counted


def test_weights_count_unless_they_are_loaded():
    config = LLM2Vec.from_preset("mini:causal").model.config
    settings = TrainingConfig(batch_size=2, max_length=8)
    parts = [training_bytes(10**9, config, settings, "simcse", loaded=loaded) for loaded in (False, True)]
    assert parts[0] - parts[1] == pytest.approx(4e9 * 1.15, rel=0.01)


def test_too_large_says_how_much_and_what_helps():
    with pytest.raises(ModelError, match=r"Mistral.* takes about 29.0 GB of memory and 8.0 GB are free.*smaller model"):
        refuse_untrainable(PRESETS["mistral-7b"].label, PRESETS["mistral-7b"].parameters * 4, free=8 * 10**9)

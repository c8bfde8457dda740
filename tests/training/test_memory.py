from __future__ import annotations

import pytest
import torch

from llm2vec_core import LLM2Vec, ModelError
from llm2vec_core.architectures.tiny import tiny_config
from llm2vec_core.presets import BUNDLED, PRESETS
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.memory import FIXED, VIEWS, refuse_untrainable, step_bytes, training_bytes
from llm2vec_core.training.objectives import make_objective
from llm2vec_core.training.pairs import Pair


def make_training(objective: str, options: dict | None = None, **config) -> AdapterTraining:
    encoder = LLM2Vec.from_preset("mini:bidirectional")
    texts = [f"river water {i} " * 30 for i in range(4)]
    examples = [Pair(t, t + "x", t + "y") for t in texts] if objective == "supervised" else texts
    settings = TrainingConfig(steps=1, batch_size=4, max_length=32, lora_rank=8, **config)
    return AdapterTraining(encoder, make_objective(objective, options or {}), examples, settings)


def kept_bytes(training: AdapterTraining) -> int:
    """Bytes of what autograd keeps of a batch for its backward pass, counted tensor by tensor."""
    own = {tensor.untyped_storage().data_ptr() for tensor in training.model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    training.model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        training.loss(training.batch(0), 0)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("objective", list(VIEWS))
def test_the_estimate_is_above_what_is_kept_and_not_far(objective):
    training = make_training(objective)
    counted = kept_bytes(training) + 5 * sum(p.numel() * 4 for p in training.parameters)
    estimate = training_bytes(BUNDLED.parameters, training.model.config, training.config, objective, loaded=True)
    assert counted < estimate - FIXED < 2.5 * counted
    shapes = training.objective.shapes(training.batch(0))
    assert step_bytes(training.model.config, training.config, objective, shapes) == estimate


@pytest.mark.parametrize("objective", ["simcse", "supervised"])
def test_a_chunk_counts_once(objective):
    training = make_training(objective, {"chunk_size": 2})
    assert training.objective.shapes(training.batch(0)) == [(2, 32)]


def test_checkpointing_keeps_the_inputs_of_layers():
    training = make_training("mntp", gradient_checkpointing=True)
    config, counted = training.model.config, kept_bytes(training)
    shapes = training.objective.shapes(training.batch(0))
    estimate = step_bytes(config, training.config, "mntp", shapes) - FIXED
    assert counted < estimate < step_bytes(config, TrainingConfig(), "mntp", shapes) - FIXED


# Objective, LoRA's rank, checkpointing, the padded batches, and the megabytes by which the process grew at most while
# the bundled model was trained for two steps (resident set size, read every 2 ms; PyTorch 2.13 on a CPU, one thread,
# MALLOC_ARENA_MAX=2, after a training of one short text).
MEASURED = [
    ("mntp", 16, False, [(8, 128)], 415),
    ("mntp", 16, False, [(32, 128)], 1500),
    ("simcse", 16, False, [(16, 64)] * 2, 820),
    ("simcse", 16, False, [(16, 256)] * 2, 3769),
    ("supervised", 16, False, [(16, 64)] * 3, 1100),
    ("supervised", 64, False, [(16, 64)] * 3, 1089),
    ("supervised", 16, False, [(8, 64)], 264),
    ("mntp", 8, True, [(16, 256)], 905),
    ("simcse", 16, True, [(32, 128)] * 2, 1501),
]


@pytest.mark.parametrize(("objective", "rank", "checkpointing", "shapes", "megabytes"), MEASURED)
def test_the_estimate_is_what_was_measured_and_up_to_a_fifth_more(
    bundled, objective, rank, checkpointing, shapes, megabytes
):
    training = TrainingConfig(lora_rank=rank, gradient_checkpointing=checkpointing)
    estimate = step_bytes(bundled.model.config, training, objective, shapes)
    assert 1 <= estimate / (megabytes * 1e6) < 1.2


@pytest.mark.parametrize("model_type", ["gpt2", "opt", "bloom", "falcon", "mpt", "gpt_oss", "gemma3n_text", "dbrx"])
def test_every_way_of_naming_sizes_is_understood(model_type):
    assert step_bytes(tiny_config(model_type), TrainingConfig(), "mntp", [(2, 8)]) > 0


def test_weights_count_unless_they_are_loaded():
    config = LLM2Vec.from_preset("mini:causal").model.config
    settings = TrainingConfig(batch_size=2, max_length=8)
    parts = [training_bytes(10**9, config, settings, "simcse", loaded=loaded) for loaded in (False, True)]
    assert parts[0] - parts[1] == pytest.approx(4e9 * 1.15, rel=0.01)


def test_too_large_says_how_much_and_what_helps():
    with pytest.raises(ModelError, match=r"Mistral.* takes about 29.0 GB of memory and 8.0 GB are free.*smaller model"):
        refuse_untrainable(PRESETS["mistral-7b"].label, PRESETS["mistral-7b"].parameters * 4, free=8 * 10**9)

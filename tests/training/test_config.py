from __future__ import annotations

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.training.config import TrainingConfig


def test_learning_rate_rises_then_falls_to_almost_zero():
    config = TrainingConfig(steps=100, warmup_steps=9, learning_rate=1.0)
    rates = [config.learning_rate_at(step) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(1 / 91)
    assert rates[9:] == sorted(rates[9:], reverse=True)


def test_a_run_shorter_than_its_warm_up_still_has_positive_rates():
    config = TrainingConfig(steps=3, warmup_steps=10)
    assert all(config.learning_rate_at(step) > 0 for step in range(3))


def test_a_longer_plan_lets_the_rate_fall_less():
    config = TrainingConfig(steps=100, warmup_steps=0, learning_rate=1.0, decay_steps=1000)
    assert config.learning_rate_at(99) == pytest.approx(0.901)
    shorter = TrainingConfig(steps=100, warmup_steps=0, learning_rate=1.0, decay_steps=10)
    assert min(shorter.learning_rate_at(step) for step in range(100)) > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("batch_size", -1), ("learning_rate", 0.0), ("learning_rate", float("nan")), ("lora_dropout", 1.0),
     ("lora_rank", 0), ("warmup_steps", -1), ("max_length", 0),
     ("accumulation_steps", 0), ("patience", 0), ("max_grad_norm", 0.0), ("mixed_precision", "half")],
)  # fmt: skip
def test_numbers_out_of_range_are_named(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        TrainingConfig(**{name: value})

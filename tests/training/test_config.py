from __future__ import annotations

from dataclasses import fields

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.objectives import MNTP, SimCSE, Supervised
from llm2vec_core.training.recipe import DataConfig


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


RECORDS = (TrainingConfig, DataConfig, MNTP, SimCSE, Supervised)


@pytest.mark.parametrize(
    ("record", "name"), [(record, field.name) for record in RECORDS for field in fields(record) if field.init]
)
@pytest.mark.parametrize("value", [[3], {"a": object()}, 10**400, -(10**5_000), object()], ids=lambda v: str(type(v)))
def test_values_that_no_field_takes_are_named(record, name, value):
    with pytest.raises(InputError, match=rf"{name}"):
        record(**{name: value})


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (record, field.name)
        for record in RECORDS
        for field in fields(record)
        if field.init and isinstance(field.default, bool)
    ],
)
@pytest.mark.parametrize("value", ["false", 1, None])
def test_switches_are_true_or_false(record, name, value):
    with pytest.raises(InputError, match=f"{name} {value!r} must be True or False"):
        record(**{name: value})


def test_a_list_takes_the_place_of_a_tuple():
    assert TrainingConfig(lora_targets=["q_proj"]).lora_targets == ("q_proj",)
    assert DataConfig(symmetric_tasks=["quora"]).symmetric_tasks == ("quora",)
    with pytest.raises(InputError, match=r"lora_targets .* must be a list of strings"):
        TrainingConfig(lora_targets=[3])
